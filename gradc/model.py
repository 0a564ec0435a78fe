"""A compiled program: called for values, differentiated, explained, drawn. Immutable, shared between threads,
pickled.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy

import gradc
from gradc import driver, faces
from gradc.backends.interp import Plan
from gradc.backends.plan import ArrayPlan
from gradc.driver import Options
from gradc.errors import CallError, CompileError, Diagnostic, suggestion
from gradc.files import check_target, from_text, write
from gradc.ir import text
from gradc.ir.graph import Graph
from gradc.memory import collector_paused
from gradc.passes.batch import batch
from gradc.rules.load import rules
from gradc.rules.structural import RULES
from gradc.source import Source, canonical
from gradc.sparse import SparseDerivative, Sparsity
from gradc.syntax.independence import smooth_ancestors
from gradc.syntax.modules import Lowered
from gradc.values import Inputs, Values

if TYPE_CHECKING:
    from gradc.explain.draw import Diagram
    from gradc.explain.explain import Explanation
    from gradc.explain.trace import Trace

# A model keeps the plans of so many combinations of sizes.
_PLANS = 16

Names = str | Sequence[str] | None
"""Some names of the program: one (or several, separated by commas), a sequence of them, or the usual ones."""


class Model:
    """What ``gradc.compile`` and ``gradc.load`` return.

    ``graph`` is the program as written, ``warnings`` what is likely a mistake in it, ``options`` how it is compiled.
    Calling the model runs it: ``model(x=3.0)`` gives the outputs by name, single ones as Python numbers, others as
    NumPy arrays of the caller's own. Arrays that are passed are never changed. Raises ``CallError`` for a value that is
    missing, unknown or of the wrong kind, for shapes that do not go together, and where there is no result: for an
    index out of range, a singular matrix.
    """

    graph: Graph
    options: Options
    warnings: tuple[Diagnostic, ...]
    sources: tuple[Source, ...]
    _inputs: Inputs
    _outputs: tuple[str, ...]
    _cache: dict[Any, Any]

    def __init__(
        self,
        graph: Graph,
        options: Options,
        warnings: Sequence[Diagnostic] = (),
        sources: Sequence[Source] = (),
    ) -> None:
        keep = super().__setattr__
        keep("graph", graph)
        keep("options", options)
        keep("warnings", tuple(warnings))
        keep("sources", tuple(sources))
        keep("_outputs", tuple(name for name, _ in graph.outputs))
        keep("_inputs", Inputs(graph, sources, options.sizes))
        # Computed on demand; two threads that race compute the same twice.
        keep("_cache", {})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a model does not change: `{name}` cannot be set")

    # Running -------------------------------------------------------------------------------------------------------

    def __call__(self, mapping: Mapping[str, Any] | None = None, /, **values: Any) -> Values:
        """The outputs for the given inputs; what is left out has its default.

        ``mapping`` holds values whose names Python cannot spell as keywords.
        """
        return self._run(self._inputs.numbers(mapping, values))

    def map(self, mapping: Mapping[str, Any] | None = None, /, **values: Any) -> Values:
        """The program run over rows: an input may have one axis more than it is declared with, in front, with one value
        a row; others are the same in all rows.

        Every output is an array with one entry a row. Equal to calling the model for each row.
        """
        columns, mapped = self._inputs.rows(mapping, values)
        return self._batched(tuple(mapped))._run(columns)

    def _batched(self, mapped: tuple[int, ...]) -> Model:
        """The model of all rows, for the inputs at these places."""
        key = ("map", mapped)
        model: Model | None = self._cache.get(key)
        if model is None:
            graph = self.optimized()
            with collector_paused():
                rows, _ = batch(graph, [graph.inputs[at] for at in mapped])
            # It is optimised already.
            model = self._cache[key] = Model(rows, replace(self.options, pipeline="dce", passes=()), (), self.sources)
        return model

    def _run(self, given: list[Any]) -> Values:
        found = self._plan(self._inputs.bound(given)).run(given)
        return Values(zip(self._outputs, map(_python, found), strict=True))

    def _plan(self, sizes: Mapping[str, int]) -> Plan | ArrayPlan:
        key = ("plan", *sizes.values())
        plan = self._cache.get(key)
        if plan is None:
            graph = self.optimized()
            with collector_paused():
                if self._inputs.shapes.arrays or self.options.debug_nans:
                    memory, watched = self.options.max_memory, self.options.debug_nans
                    plan = ArrayPlan(
                        graph,
                        sizes,
                        sources=self.sources,
                        max_memory=memory,
                        watched=watched,
                        limits=self.options.limits,
                    )
                else:
                    plan = Plan(graph, sources=self.sources, limits=self.options.limits)
            kept = [each for each in list(self._cache) if each[0] == "plan"]
            if len(kept) >= _PLANS:
                self._cache.pop(kept[0], None)
            self._cache[key] = plan
        return plan

    # Looking -------------------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs and params, in the order of their declaration."""
        return tuple(self._inputs.shown)

    @property
    def params(self) -> tuple[str, ...]:
        """The names of the params."""
        return tuple(self.graph.name(n) or "" for n in self.graph.inputs if self.graph.attrs(n)["kind"] == "param")

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs."""
        return self._outputs

    @property
    def names(self) -> tuple[str, ...]:
        """Every name of the program, in the order of the text."""
        listed = sorted(self.graph.names.items(), key=lambda item: item[1])
        # An optimised graph knows names of values that are no name nodes.
        return tuple(self.graph.name(node) or name for name, node in listed)

    def optimized(self, level: int | None = None) -> Graph:
        """The graph with derivatives expanded, at an optimisation level (0 to 3); without one, the graph that is
        run.
        """
        key = ("graph", level)
        graph = self._cache.get(key)
        if graph is None:
            options = self.options if level is None else self.options.at(level)
            try:
                graph = self._cache[key] = driver.optimise(self.graph, options).graph
            except CompileError as error:
                # What is wrong with a derivative shows only now, and knows its place but not the text there.
                raise CompileError(map(self._quoted, error.diagnostics)) from None
        return graph

    def _quoted(self, found: Diagnostic) -> Diagnostic:
        """A diagnostic with the line of the program that it is about."""
        texts = {source.name: source for source in self.sources}
        if found.text or found.span is None or found.span.file not in texts:
            return found
        return replace(found, text=texts[found.span.file].line(found.span.line))

    @property
    def ir(self) -> str:
        """The optimised graph as text."""
        return text.dump(self.optimized())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the optimised graph as textual IR, which ``gradc.load`` reads."""
        write(check_target(os.fspath(path), (".gir",)), self.ir.encode())

    def node(self, name: str, of: str = "name") -> int:
        """The node of a name in ``graph``; raises ``CallError`` with near names."""
        found = self.graph.names.get(canonical(name))
        if found is None:
            found = dict(self.graph.outputs).get(name)
        if found is None:
            raise CallError(
                Diagnostic("E0608", f"the program has no {of} `{name}`", hints=suggestion(name, self.names))
            )
        return found

    # Differentiating -----------------------------------------------------------------------------------------------

    def grad(self, of: Names = None, wrt: Names = None) -> Model:
        """A model whose outputs are the derivatives of ``of`` with respect to ``wrt``, named like ``grad(L, w1)``.

        ``of`` is one name or several, by default the real outputs; ``wrt`` any names of the program, by default the
        params, or the inputs if there are none. A derivative with respect to a name makes that name an input: what
        flows through it counts, and nothing else.
        """
        return self._requests(self.targets(of), self.variables(wrt), (), wrt is not None)

    def with_gradients(self, of: Names = None, wrt: Names = None, keep: Names = None) -> Model:
        """A model whose outputs are the names in ``keep``, by default its outputs, then those of ``grad``."""
        kept = self.outputs if keep is None else [self._shown(name) for name in _names(keep)]
        return self._requests(self.targets(of), self.variables(wrt), kept, wrt is not None)

    def value_and_grad(self, of: str, wrt: Names = None) -> ValueAndGrad:
        """A function of the inputs that gives the value of ``of`` and its derivatives by name."""
        return ValueAndGrad(self, self.targets(of)[0], self.variables(wrt))

    def jacobian(self, of: Names = None, wrt: Names = None) -> Model:
        """A model whose outputs are all derivatives of all elements of ``of``, named like ``jacobian(y, x)``.

        The axes of y stand in front of those of x. ``of`` is by default the real outputs, of whatever shape; ``wrt`` as
        for ``grad``. Forward mode where x has fewer elements than y, reverse mode otherwise, in one sweep either way.
        """
        return faces.jacobian(self, of, wrt)

    def hessian(self, of: Names = None, wrt: Names = None, wrt2: Names = None) -> Model:
        """A model whose outputs are the second derivatives of numbers, named like ``hessian(y, x)``.

        With ``wrt2`` they are the mixed ones, named like ``hessian(y, a, b)``. The axes of x stand in front, then those
        of x again, or of b.
        """
        return faces.hessian(self, of, wrt, wrt2)

    def jvp(self, of: Names = None, wrt: Names = None) -> Model:
        """A model of products of derivatives with directions, in forward mode, named like ``jvp(y, x, tangent_x)``.

        The direction is an input ``tangent_x`` that has the shape of x; the product has that of y.
        """
        return faces.products("jvp", self, of, wrt)

    def vjp(self, of: Names = None, wrt: Names = None) -> Model:
        """A model of products of weights with derivatives, in reverse mode, named like ``vjp(y, x, cotangent_y)``.

        The weights are an input ``cotangent_y`` that has the shape of y; the product has that of x.
        """
        return faces.products("vjp", self, of, wrt)

    def hvp(self, of: Names = None, wrt: Names = None) -> Model:
        """A model of products of Hessians with directions, named like ``hvp(y, x, tangent_x)``.

        y is a number; the direction is an input ``tangent_x`` that has the shape of x, and so has the product.
        """
        return faces.products("hvp", self, of, wrt)

    def sparse_jacobian(self, of: Names = None, wrt: Names = None) -> SparseDerivative:
        """A function of the inputs that gives the derivatives of arrays by arrays as one ``scipy.sparse.csr_array``.

        Rows are the elements of ``of`` in their order, columns those of ``wrt``; of several names, by default as for
        ``jacobian``, those of one stand behind those of the one before. Elements that structure alone says are 0 are
        neither computed nor stored; columns that have no row in common share a sweep.
        """
        ys, vs = _each(self._targets(of, arrays=True)), _each(self.variables(wrt))
        return SparseDerivative(self, f"jacobian({_listed(ys)}, {_listed(vs)})", ys, vs, False)

    def sparse_hessian(self, of: Names = None, wrt: Names = None, wrt2: Names = None) -> SparseDerivative:
        """A function of the inputs that gives the second derivatives of a number as one ``scipy.sparse.csr_array``.

        Of several names it has all blocks, the mixed ones too. With ``wrt2`` it has only mixed ones: rows are the
        elements of ``wrt``, columns those of ``wrt2``.
        """
        y, vs = self._one(self._targets(of, what="a Hessian")), _each(self.variables(wrt))
        slope = self.grad(y, vs)
        slopes = [f"grad({y}, {v})" for v in vs]
        if wrt2 is None:
            return SparseDerivative(slope, f"hessian({y}, {_listed(vs)})", slopes, vs, True)
        ws = _each(self.variables(wrt2))
        return SparseDerivative(slope, f"hessian({y}, {_listed(vs)}, {_listed(ws)})", slopes, ws, False)

    def sparsity(
        self, of: Names = None, wrt: Names = None, values: Mapping[str, Any] | None = None, order: int | None = None
    ) -> Sparsity:
        """Where derivatives of ``of`` by ``wrt`` can be other than 0, and which of them share a sweep; prints well.

        ``order`` 1 is the Jacobian, 2 the Hessian; by default that of a number is the Hessian. Of ``values`` only the
        shapes and the integers count.
        """
        if order not in (None, 1, 2):
            raise ValueError(f"order must be 1 or 2, not {order!r}")
        ys = _each(self._targets(of, arrays=True))
        number = len(ys) == 1 and not self.graph.type(self.node(ys[0])).shape
        second = number if order is None else order == 2
        return (self.sparse_hessian(ys, wrt) if second else self.sparse_jacobian(ys, wrt)).sparsity(values)

    def _one(self, names: Sequence[str]) -> str:
        if len(names) != 1:
            listed = ", ".join(f"`{name}`" for name in names)
            hints = ("a sparse Hessian is that of one number: choose, or name their sum",)
            raise CallError(Diagnostic("E0609", f"there are several to choose from: {listed}", hints=hints))
        return names[0]

    def targets(self, of: Names) -> list[str]:
        """The names to differentiate: those given, or the outputs that are real numbers."""
        return self._targets(of)

    def _targets(self, of: Names, arrays: bool = False, what: str = "a gradient") -> list[str]:
        """The same, with ``arrays`` of real arrays, too; ``what`` is asked for."""
        types = {name: self.graph.type(node) for name, node in self.graph.outputs}
        real = [name for name, type in types.items() if type.real and (arrays or not type.shape)]
        chosen = real if of is None else _names(of)
        hint = "name a number in the program, as in `L = sum(y^2)`; `jacobian(y, x)` there has all derivatives"
        for name in chosen:
            self._real(name, "be differentiated")
            if (shape := self.graph.type(self.node(name)).shape) and not arrays:
                message = f"`{name}` is an array [{', '.join(map(str, shape))}]; {what} is that of a number"
                raise CallError(Diagnostic("E0609", message, hints=(hint,)))
        if not chosen:
            some = any(type.real for type in types.values())
            message = "the program has no real output to differentiate"
            if some:
                message = f"all real outputs of the program are arrays; {what} is that of a number"
            raise CallError(Diagnostic("E0609", message, hints=(hint,) if some else ()))
        return [self._shown(name) for name in chosen]

    def variables(self, wrt: Names) -> list[str]:
        """The names to differentiate with respect to: those given, or the params, or else the inputs."""
        if wrt is None:
            real = [n for n in self.graph.inputs if self.graph.type(n).real]
            params = [n for n in real if self.graph.attrs(n)["kind"] == "param"]
            chosen = [self.graph.name(n) or "" for n in params or real]
        else:
            chosen = _names(wrt)
        for name in chosen:
            self._real(name, "be differentiated by")
        if not chosen:
            raise CallError(Diagnostic("E0609", "the program has no param or input to differentiate by"))
        return [self._shown(name) for name in chosen]

    def _real(self, name: str, what: str) -> None:
        type = self.graph.type(self.node(name))
        if not type.real:
            kind = "a truth value" if type.dtype == "bool" else "an integer"
            raise CallError(Diagnostic("E0609", f"`{name}` is {kind}, which cannot {what}"))

    def _shown(self, name: str) -> str:
        node = self.graph.names.get(canonical(name))
        return name if node is None else self.graph.name(node) or name

    def _requests(self, of: Sequence[str], wrt: Sequence[str], keep: Sequence[str], asked: bool = False) -> Model:
        pairs = [(y, v) for y in dict.fromkeys(of) for v in dict.fromkeys(wrt)]
        requests = [(f"grad({y}, {v})", faces.gradient(self.node(y), self.node(v))) for y, v in pairs]
        return self._derived(requests, of, wrt if asked else (), keep)

    def _derived(
        self, requests: Sequence[tuple[str, driver.Request]], of: Names, wrt: Names, keep: Sequence[str] = ()
    ) -> Model:
        """The model with these derivatives of ``of`` for outputs; those of the names ``wrt`` were asked for."""
        kept = [(name, self.node(name)) for name in keep]
        graph = driver.with_requests(self.graph, requests, kept, self.options.limits)
        found = self._independent(_names(of or ()), _names(wrt or ()))
        return Model(graph, self.options, (*self.warnings, *found), self.sources)

    def _independent(self, of: Sequence[str], wrt: Sequence[str]) -> list[Diagnostic]:
        """A warning for each name that was asked for and on which none of ``of`` depends."""
        reached = smooth_ancestors(self.graph, [self.node(name) for name in of])
        texts = {source.name: source for source in self.sources}
        found = []
        for name in dict.fromkeys(wrt):
            node = self.node(name)
            if node in reached:
                continue
            span = self.graph.span(node)
            text = texts[span.file].line(span.line) if span and span.file in texts else ""
            listed = ", ".join(f"`{y}`" for y in dict.fromkeys(of))
            message = f"the derivative by `{name}` is zero: {listed} does not depend on it"
            found.append(Diagnostic("W0102", message, span, "defined here", text=text))
        return found

    # Explaining and drawing ----------------------------------------------------------------------------------------

    def explain(self, of: str, wrt: str, values: Mapping[str, Any] | None = None, **options: Any) -> Explanation:
        """How the derivative of ``of`` by ``wrt`` comes about: values, local gradients, paths and their sum."""
        from gradc.explain.explain import explain

        return explain(self, of, wrt, values, **options)

    def trace(self, name: str, values: Mapping[str, Any] | None = None) -> Trace:
        """What the loop that gives ``name`` its value carries in its iterations, as a table."""
        from gradc.explain.trace import trace

        return trace(self, name, values)

    def dot(self, **options: Any) -> Diagram:
        """The graph as a diagram; see ``gradc.explain.draw.draw`` for the options."""
        from gradc.explain.draw import draw

        return draw(self, **options)

    def _repr_svg_(self) -> str:
        return self.dot(level="names").svg()

    def __repr__(self) -> str:
        def shown(name: str, node: int) -> str:
            shape = self.graph.type(node).shape
            return f"{name}[{', '.join(map(str, shape))}]" if shape else name

        inputs = [shown(name, node) for name, node in zip(self.inputs, self.graph.inputs, strict=True)]
        outputs = [shown(name, node) for name, node in self.graph.outputs]
        return f"<gradc.Model {', '.join(inputs) or 'nothing'} -> {', '.join(outputs)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (gradc.__version__, self.graph, self.options, self.warnings, self.sources)


class ValueAndGrad:
    """A value and its derivatives as one function of the inputs, with the shared work done once."""

    def __init__(self, model: Model, of: str, wrt: Sequence[str]) -> None:
        self.of = of
        self.wrt = tuple(dict.fromkeys(wrt))
        self.model = model._requests([of], self.wrt, [of])

    def __call__(self, mapping: Mapping[str, Any] | None = None, /, **values: Any) -> tuple[float, Values]:
        """The value, and the derivatives by name."""
        value, *gradients = self.model(mapping, **values).values()
        return value, Values(zip(self.wrt, gradients, strict=True))

    def map(self, mapping: Mapping[str, Any] | None = None, /, **values: Any) -> tuple[Any, Values]:
        """The same over rows: an array of values, and one array of derivatives for each name."""
        value, *gradients = self.model.map(mapping, **values).values()
        return value, Values(zip(self.wrt, gradients, strict=True))


def _python(value: Any) -> Any:
    return value.item() if isinstance(value, numpy.generic) else value


def _names(names: str | Sequence[str]) -> list[str]:
    # The name of a derivative holds commas of its own.
    parts: Sequence[str] = names if not isinstance(names, str) else [names] if "(" in names else names.split(",")
    if any(not isinstance(part, str) for part in parts):
        raise TypeError(f"names are text, not {parts!r}")
    return [part.strip() for part in parts if part.strip()]


def _each(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _listed(names: Sequence[str]) -> str:
    """Names as one argument of a derivative."""
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def _restore(version: str, *parts: Any) -> Model:
    if version != gradc.__version__:
        raise CompileError(
            Diagnostic(
                "E0904",
                f"this model was pickled by gradc {version}, and this is gradc {gradc.__version__}",
                hints=("compile it again from its source, or keep it as textual IR with `model.save`",),
            )
        )
    return Model(*parts)


def compile(source: str, *, name: str = "<text>", werror: bool = False, **options: Any) -> Model:
    """Compile a program given as text. See ``Options`` for the keyword arguments; raises ``CompileError``."""
    chosen = _options(options)
    return _model(driver.front(from_text(source, name), chosen), chosen, werror)


def load(path: str | os.PathLike[str], *, werror: bool = False, **options: Any) -> Model:
    """Compile a ``.grad`` file, or read the ``.gir`` file that an earlier compilation wrote; raises
    ``CompileError``.
    """
    chosen = _options(options)
    return _model(driver.read(path, chosen), chosen, werror)


def _model(lowered: Lowered, options: Options, werror: bool) -> Model:
    if werror and lowered.warnings:
        raise driver.as_errors(lowered.warnings)
    return Model(lowered.graph, options, lowered.warnings, lowered.sources)


def _options(options: Mapping[str, Any]) -> Options:
    given = dict(options)
    known = [field.name for field in fields(Options)]
    for name in given:
        if name not in known:
            raise TypeError(f"there is no option {name!r}; the options are {', '.join(known)}")
    # One path, name or pass may stand for a sequence of one; the letters of a path are not paths.
    if isinstance(allow := given.get("allow", ()), (str, os.PathLike)):
        allow = (allow,)
    if isinstance(disabled := given.get("disabled", ()), str):
        disabled = (disabled,)
    if callable(passes := given.get("passes", ())):
        passes = (passes,)
    sizes = {canonical(name): _extent(name, size) for name, size in dict(given.get("sizes", {})).items()}
    given |= {"allow": tuple(map(os.fspath, allow)), "disabled": frozenset(disabled), "passes": tuple(passes)}
    given["sizes"] = sizes
    chosen = Options(**given)
    if chosen.disabled:
        every = {rule.name for rule in rules(chosen.ops)} | {rule.name for rule in RULES}
        for name in sorted(chosen.disabled - every):
            raise CallError(Diagnostic("E0610", f"there is no rewrite rule `{name}`", hints=suggestion(name, every)))
    return chosen


def _extent(name: str, size: Any) -> int:
    """A size that a caller gives, as an integer."""
    if isinstance(size, (bool, numpy.bool_)) or not hasattr(size, "__index__"):
        raise TypeError(f"the size {name!r} must be an integer, not {size!r}")
    if operator.index(size) < 0:
        raise ValueError(f"the size {name!r} must be 0 or more, not {size}")
    return operator.index(size)


__all__ = ["Model", "ValueAndGrad", "compile", "load"]
