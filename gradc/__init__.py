"""gradc: a compiler whose source language is mathematics and whose product is derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gradc.driver import Options
    from gradc.errors import CallError, CompileError, Diagnostic, Error
    from gradc.ir.builder import Builder
    from gradc.ir.graph import Graph
    from gradc.ir.op import Op, OpTable
    from gradc.model import Model, compile, load
    from gradc.ops import TABLE

# Where each public name lives. They are imported on first use, so that `import gradc` costs next to nothing and the
# command line pays only for what it needs.
_HOMES = {
    "Builder": "gradc.ir.builder",
    "CallError": "gradc.errors",
    "CompileError": "gradc.errors",
    "Diagnostic": "gradc.errors",
    "Error": "gradc.errors",
    "Graph": "gradc.ir.graph",
    "Model": "gradc.model",
    "Op": "gradc.ir.op",
    "OpTable": "gradc.ir.op",
    "Options": "gradc.driver",
    "TABLE": "gradc.ops",
    "compile": "gradc.model",
    "load": "gradc.model",
}

__all__ = [
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


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'gradc' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
