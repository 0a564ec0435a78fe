"""What users of the package may rely on: its public names, their signatures, and that each says what it is for.

A change here is a change for every user, and belongs in the changelog.
"""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import pytest

import gradc
from gradc.explain.draw import Diagram
from gradc.ir.types import F64
from gradc.model import ValueAndGrad
from gradc.sparse import SparseDerivative, Sparsity

NAMES = [
    "TABLE",
    "Builder",
    "CallError",
    "CompileError",
    "Diagnostic",
    "Error",
    "Graph",
    "Model",
    "Op",
    "OpTable",
    "Options",
    "__version__",
    "compile",
    "load",
]

FUNCTIONS = {
    "compile": "(source: 'str', *, name: 'str' = '<text>', werror: 'bool' = False, **options: 'Any') -> 'Model'",
    "load": "(path: 'str | os.PathLike[str]', *, werror: 'bool' = False, **options: 'Any') -> 'Model'",
}

# What each class offers; a property is named as one.
METHODS = {
    "Model": {
        "__call__": "(self, mapping: 'Mapping[str, Any] | None' = None, /, **values: 'Any') -> 'Values'",
        "map": "(self, mapping: 'Mapping[str, Any] | None' = None, /, **values: 'Any') -> 'Values'",
        "inputs": "property",
        "params": "property",
        "outputs": "property",
        "names": "property",
        "optimized": "(self, level: 'int | None' = None) -> 'Graph'",
        "ir": "property",
        "save": "(self, path: 'str | os.PathLike[str]') -> 'None'",
        "node": "(self, name: 'str', of: 'str' = 'name') -> 'int'",
        "grad": "(self, of: 'Names' = None, wrt: 'Names' = None) -> 'Model'",
        "with_gradients": "(self, of: 'Names' = None, wrt: 'Names' = None, keep: 'Names' = None) -> 'Model'",
        "value_and_grad": "(self, of: 'str', wrt: 'Names' = None) -> 'ValueAndGrad'",
        "jacobian": "(self, of: 'Names' = None, wrt: 'Names' = None) -> 'Model'",
        "hessian": "(self, of: 'Names' = None, wrt: 'Names' = None, wrt2: 'Names' = None) -> 'Model'",
        "jvp": "(self, of: 'Names' = None, wrt: 'Names' = None) -> 'Model'",
        "vjp": "(self, of: 'Names' = None, wrt: 'Names' = None) -> 'Model'",
        "hvp": "(self, of: 'Names' = None, wrt: 'Names' = None) -> 'Model'",
        "sparse_jacobian": "(self, of: 'Names' = None, wrt: 'Names' = None) -> 'SparseDerivative'",
        "sparse_hessian": (
            "(self, of: 'Names' = None, wrt: 'Names' = None, wrt2: 'Names' = None) -> 'SparseDerivative'"
        ),
        "sparsity": (
            "(self, of: 'Names' = None, wrt: 'Names' = None, values: 'Mapping[str, Any] | None' = None, "
            "order: 'int | None' = None) -> 'Sparsity'"
        ),
        "targets": "(self, of: 'Names') -> 'list[str]'",
        "variables": "(self, wrt: 'Names') -> 'list[str]'",
        "check": "(self, values: 'Mapping[str, Any] | None' = None, **options: 'Any') -> 'Check'",
        "trace": "(self, name: 'str', values: 'Mapping[str, Any] | None' = None) -> 'Trace'",
        "explain": (
            "(self, of: 'str', wrt: 'str', values: 'Mapping[str, Any] | None' = None, "
            "**options: 'Any') -> 'Explanation'"
        ),
        "rewrites": "(self) -> 'Rewrites'",
        "dot": "(self, **options: 'Any') -> 'Diagram'",
    },
    "ValueAndGrad": {
        "__call__": "(self, mapping: 'Mapping[str, Any] | None' = None, /, **values: 'Any') -> 'tuple[float, Values]'",
        "map": "(self, mapping: 'Mapping[str, Any] | None' = None, /, **values: 'Any') -> 'tuple[Any, Values]'",
    },
    "SparseDerivative": {
        "__call__": "(self, mapping: 'Mapping[str, Any] | None' = None, /, **values: 'Any') -> 'Any'",
        "sparsity": "(self, mapping: 'Mapping[str, Any] | None' = None, /, **values: 'Any') -> 'Sparsity'",
    },
    "Sparsity": {
        "shape": "property",
        "nonzeros": "property",
        "count": "property",
        "to_dict": "(self) -> 'dict[str, Any]'",
        "text": "(self) -> 'str'",
    },
    "Diagram": {
        "svg": "(self) -> 'str'",
        "png": "(self) -> 'bytes'",
        "save": "(self, path: 'str | os.PathLike[str]', source: 'str | None' = None) -> 'None'",
    },
    "Diagnostic": {
        "severity": "property",
        "file": "property",
        "line": "property",
        "column": "property",
        "end": "property",
        "as_dict": "(self) -> 'dict[str, Any]'",
    },
    "Graph": {
        "data": "property",
        "op": "(self, node: 'int') -> 'str'",
        "operands": "(self, node: 'int') -> 'tuple[int, ...]'",
        "type": "(self, node: 'int') -> 'Type'",
        "attrs": "(self, node: 'int') -> 'Mapping[str, Any]'",
        "name": "(self, node: 'int') -> 'str | None'",
        "span": "(self, node: 'int') -> 'Span | None'",
        "adjoint_of": "(self, node: 'int') -> 'int | None'",
        "users": "(self, node: 'int') -> 'list[int]'",
        "constant": "(self, node: 'int') -> 'float | int | bool | None'",
        "through_names": "(self, node: 'int') -> 'int'",
        "output": "(self, name: 'str') -> 'int'",
        "live": "(self) -> 'set[int]'",
        "copy": "(self) -> 'networkx.DiGraph'",
        "with_attrs": "(self, changed: 'Mapping[int, Mapping[str, Any]]') -> 'Graph'",
        "from_nx": (
            "classmethod (cls, dag: 'networkx.DiGraph', *, outputs: 'Iterable[tuple[str, "
            "int]] | None' = None, ops: 'OpTable | None' = None, body: 'bool' = False) -> 'Graph'"
        ),
    },
    "Builder": {
        "continuing": "classmethod (cls, graph: 'Graph', max_nodes: 'int | None' = None) -> 'Builder'",
        "input": ("(self, name: 'str', type: 'Type' = f64, *, kind: 'str' = 'input', default: 'Any' = None) -> 'int'"),
        "declare": "(self, data: 'Mapping[str, Any]') -> 'int'",
        "constant": "(self, value: 'float | int | bool', type: 'Type' = f64) -> 'int'",
        "name": "(self, name: 'str', operand: 'int') -> 'int'",
        "apply": "(self, op: 'str', *operands: 'int', attrs: 'Mapping[str, Any] | None' = None) -> 'int'",
        "make": "(self, op: 'str', operands: 'tuple[int, ...]', attrs: 'Mapping[str, Any] | None' = None) -> 'int'",
        "fresh": "(self, name: 'str', extent: 'Dim') -> 'Index'",
        "reserve": "(self, source: 'Graph') -> 'None'",
        "known": "(self, op: 'str', *operands: 'int') -> 'int | None'",
        "infer": "(self, op: 'str', operands: 'tuple[int, ...]', attrs: 'Mapping[str, Any] | None' = None) -> 'Type'",
        "op": "(self, node: 'int') -> 'str'",
        "operands": "(self, node: 'int') -> 'tuple[int, ...]'",
        "type": "(self, node: 'int') -> 'Type'",
        "value": "(self, node: 'int') -> 'float | int | bool | None'",
        "finish": "(self, outputs: 'Iterable[tuple[str, int]]') -> 'Graph'",
    },
    "OpTable": {
        "functions": "property",
        "extend": "(self, *rows: 'Op') -> 'OpTable'",
    },
}

CLASSES: dict[str, type] = {
    "ValueAndGrad": ValueAndGrad,
    "SparseDerivative": SparseDerivative,
    "Sparsity": Sparsity,
    "Diagram": Diagram,
}

# What those work with who extend the compiler may have more than this.
GROWING = ("Graph", "Builder")

FIELDS = {
    "Options": "ops level pipeline passes dtype assume_finite no_rewrite allow limits verify sizes debug_nans "
    "max_memory max_iterations checkpoint",
    "Diagnostic": "code message span label hints notes text",
}


def found_class(name: str) -> Any:
    return CLASSES.get(name) or getattr(gradc, name)


def signature(member: Any) -> str:
    if isinstance(member, property):
        return "property"
    if isinstance(member, (classmethod, staticmethod)):
        return f"{type(member).__name__} {inspect.signature(member.__func__)}"
    return str(inspect.signature(member)).replace(repr(F64), "f64")


def offered(name: str) -> dict[str, Any]:
    """What a class offers of its own: methods and properties."""
    return {
        key: member
        for key, member in vars(found_class(name)).items()
        if (key == "__call__" or not key.startswith("_"))
        and (callable(member) or isinstance(member, (property, classmethod, staticmethod)))
    }


def test_names() -> None:
    assert gradc.__all__ == NAMES
    assert set(NAMES) <= set(dir(gradc))
    for name in NAMES:
        assert getattr(gradc, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Compile'"):
        gradc.Compile  # noqa: B018


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    assert str(inspect.signature(getattr(gradc, name))) == FUNCTIONS[name]


@pytest.mark.parametrize("name", METHODS)
def test_methods(name: str) -> None:
    found = {key: signature(member) for key, member in offered(name).items()}
    if name in GROWING:
        found = {key: found.get(key, "missing") for key in METHODS[name]}
    assert found == METHODS[name]


@pytest.mark.parametrize("name", FIELDS)
def test_fields(name: str) -> None:
    assert [field.name for field in fields(found_class(name))] == FIELDS[name].split()


def test_every_public_thing_says_what_it_is_for() -> None:
    for name in NAMES:
        thing = getattr(gradc, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert inspect.getdoc(thing), name
    silent = [
        f"{name}.{key}"
        for name in METHODS
        for key, member in offered(name).items()
        if not inspect.getdoc(member.__func__ if isinstance(member, (classmethod, staticmethod)) else member)
    ]
    assert silent == []


def test_errors_are_of_one_kind() -> None:
    assert issubclass(gradc.CompileError, gradc.Error)
    assert issubclass(gradc.CallError, gradc.Error)
    with pytest.raises(gradc.CompileError) as caught:
        gradc.compile("y = x")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.severity, diagnostic.line, diagnostic.column) == ("E0201", "error", 1, 5)
    assert set(diagnostic.as_dict()) >= {"code", "severity", "message", "file", "line", "column", "end", "hints"}
