"""What is compared of one program, whose point stands in its defaults: each check says what does not agree.

A check is a generator of sentences, empty where all is well. What it raises is a finding as well, but for
``NotAProgram``. Numbers that hang on the program alone, as directions do, are the same whenever it is checked.
"""

from __future__ import annotations

import json
import math
import pickle
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from fuzz.cases import (
    CLOSE,
    LEVELS,
    Case,
    NotAProgram,
    as_written,
    bits,
    brief,
    outcome,
    same,
    unlike,
    unlike_in_kind,
    worth,
)  # fmt: skip
from fuzz.reduce import damages
from loop_reference import Steps, Unknown

import gradc
from gradc.errors import CallError, CompileError
from gradc.ir import diff, sizes, text
from gradc.ir.graph import Graph, bodies
from gradc.ir.structure import structure
from gradc.ir.verify import verify
from gradc.source import Source

_MOST_ELEMENTS = 40


def levels(case: Case) -> Iterator[str]:
    """-O1, -O2 and -O3 give what -O0 gives."""
    for level in LEVELS[1:]:
        yield from unlike(f"-O{level}", outcome(lambda level=level: case.model(level)()), case.due, CLOSE[level])


def steps(case: Case) -> Iterator[str]:
    """The program gives what its text says, and its derivatives are those of its steps, written one below the other."""
    try:
        known = Steps(case.source)
    except Exception:
        # The naive evaluator knows part of the language, and programs that are right.
        return
    try:
        unrolled = gradc.compile(known.text, level=0)()
    except CompileError:
        # A name may have become a number, by which nothing can be differentiated.
        return
    if isinstance(case.due, str):
        yield f"-O0: {case.due}, not a result"
        return
    for name, value in case.due.items():
        by_hand, due = known.values[name], unrolled[f"{name}_out"]
        if not isinstance(by_hand, Unknown) and not same(value, by_hand, CLOSE[0]):
            yield f"-O0: {name} is {brief(value)}, by hand {brief(by_hand)}"
        elif not same(value, due, CLOSE[0]):
            finite = np.isfinite(np.asarray(value, float)) & np.isfinite(np.asarray(due, float))
            # Where a step gives no number, what depends on it may be NaN in one text and infinite in the other.
            if known.finite or (
                np.shape(value) == np.shape(due)
                and not same(np.where(finite, value, 0), np.where(finite, due, 0), CLOSE[0])
            ):
                yield f"-O0: {name} is {brief(value)}, unrolled {brief(due)}"


def printed(case: Case) -> Iterator[str]:
    """Graphs are valid, and textual IR, pickles and NetworkX hold all there is of them."""
    for level in (None, *LEVELS):
        model = case.model(level or 0)
        graph = model.graph if level is None else model.optimized()
        verify(graph)
        shown = text.dump(graph)
        again = text.load(Source("case.gir", shown), gradc.TABLE)
        others = {"text": again, "pickle": pickle.loads(pickle.dumps(graph)), "NetworkX": Graph.from_nx(graph.copy())}
        for way, other in others.items():
            alike = list(map(structure, bodies(other))) == list(map(structure, bodies(graph)))
            if text.dump(other) != shown or diff.diff(graph, other, spans=True) or not alike:
                yield f"level {level}: the graph that went through {way} is another"
        if level is not None:
            read = gradc.Model(again, case.model(level).options)
            # It is optimised already; another walk may find more.
            yield from unlike(f"-O{level} from text", outcome(read), outcome(case.model(level)), CLOSE[level])
    model = pickle.loads(pickle.dumps(case.model(2)))
    if bits(outcome(model)) != bits(outcome(case.model(2))):
        yield "the pickled model gives another result"


def again(case: Case) -> Iterator[str]:
    """Compiled once more, everything is the same to the bit."""
    for level in (0, 2):
        fresh = case.fresh(level)
        if fresh.ir != case.model(level).ir:
            yield f"-O{level}: another compilation has another text"
        if bits(outcome(fresh)) != bits(outcome(case.model(level))):
            yield f"-O{level}: another compilation has another result"


def warm(case: Case) -> Iterator[str]:
    """What has become a function of its own gives what its plan gives, to the bit."""
    for level in (0, 2):
        found = []
        for count in (10**9, 0):
            with worth(count, min(count, 10**9)):
                model = case.fresh(level)
                found += [bits(outcome(model)) for _ in range(3)]
        if any(each != found[0] for each in found):
            yield f"-O{level}: as functions, plans give other results"


def modes(case: Case) -> Iterator[str]:
    """Forward and reverse mode agree: ``<u, J v> = <J' u, v>``."""
    model = case.model(2)
    for y in case.real(False, 3):
        for x in case.real(True):
            shape = np.shape(case.values[x])
            if isinstance(case.due, str):
                return
            v, u = case.random(f"v{x}", shape), case.random(f"u{y}", np.shape(case.due[y]))
            forward = outcome(lambda y=y, x=x, v=v: model.jvp(y, x)({f"tangent_{x}": v}))
            backward = outcome(lambda y=y, x=x, u=u: model.vjp(y, x)({f"cotangent_{y}": u}))
            if isinstance(forward, str) or isinstance(backward, str):
                yield f"d{y}/d{x}: {brief(forward)} forward, {brief(backward)} backward"
                continue
            (one,), (other,) = forward.values(), backward.values()
            left, right = np.asarray(u) * one, np.asarray(v) * other
            size = float(np.sum(abs(left)) + np.sum(abs(right)))
            if math.isfinite(size) and size < 1e12 and abs(left.sum() - right.sum()) > 1e-8 * (1 + size):
                yield f"<u, dy v> of {y} by {x} is {left.sum()} forward, {right.sum()} backward"


def sweeps(case: Case) -> Iterator[str]:
    """Jacobians and Hessians have for rows what single products give; sparse ones are the same."""
    model = case.model(2)
    if isinstance(case.due, str):
        return
    for y in case.real(False, 2):
        value = np.asarray(case.due[y])
        for x in case.real(True, 3):
            shape = np.shape(case.values[x])
            if value.size * max(1, math.prod(shape)) > _MOST_ELEMENTS or not value.size:
                continue
            whole = outcome(model.jacobian(y, x))
            single = model.vjp(y, x)
            rows = _products(single, f"cotangent_{y}", value.shape)
            yield from _rows(f"jacobian({y}, {x})", whole, rows, value.shape)
            yield from _sparse(f"jacobian({y}, {x})", whole, lambda y=y, x=x: model.sparse_jacobian(y, x), value.size)
            if not value.ndim:
                whole = outcome(model.hessian(y, x))
                product = model.hvp(y, x)
                rows = _products(product, f"tangent_{x}", shape)
                yield from _rows(f"hessian({y}, {x})", whole, rows, shape)
                count = math.prod(shape)
                yield from _sparse(f"hessian({y}, {x})", whole, lambda y=y, x=x: model.sparse_hessian(y, x), count)


def _units(shape: Sequence[int]) -> list[Any]:
    if not shape:
        return [1.0]
    return [unit.reshape(tuple(shape)) for unit in np.eye(math.prod(shape))]


def _products(model: gradc.Model, name: str, shape: Sequence[int]) -> list[Any]:
    """The products with one unit after the other."""
    return [outcome(lambda unit=unit: model({name: unit})) for unit in _units(shape)]


def _rows(what: str, whole: Any, rows: list[Any], shape: Sequence[int]) -> Iterator[str]:
    failed = [row for row in rows if isinstance(row, str)]
    if isinstance(whole, str) or failed:
        if whole not in failed or len(failed) < len(rows):
            yield f"{what}: {brief(whole)} at once, {failed or 'results'} row by row"
        return
    (found,) = whole.values()
    if not np.all(np.isfinite(np.asarray(found, float))):
        # At a point without derivatives, what is 0 in one product is NaN in another.
        return
    listed = np.array([np.asarray(next(iter(row.values()))) for row in rows])
    if not same(found, listed.reshape(np.shape(found)), CLOSE[2]):
        yield f"{what} is {brief(found)}, row by row {brief(listed)}"


def _sparse(what: str, whole: Any, make: Callable[[], Any], count: int) -> Iterator[str]:
    if isinstance(whole, str):
        return
    (dense,) = whole.values()
    if not np.all(np.isfinite(np.asarray(dense, float))):
        return
    try:
        found = make()().toarray()
    except gradc.Error as error:
        yield f"sparse {what}: {error.diagnostics[0].code}"
        return
    if not same(found, np.reshape(dense, (count, -1)), CLOSE[2]):
        yield f"sparse {what} is {brief(found)}, dense {brief(dense)}"


def rows(case: Case) -> Iterator[str]:
    """``map`` gives for each row what a call gives."""
    varied = {}
    for name, value in case.values.items():
        if np.asarray(value).dtype.kind == "f":
            shape = np.shape(value)
            varied[name] = np.stack([np.asarray(value), value + 0.1 * case.random(f"r{name}", shape), value * 0.5])
    if not varied:
        return
    model = case.model(2)
    single = [outcome(lambda at=at: model({name: value[at] for name, value in varied.items()})) for at in range(3)]
    whole = outcome(lambda: model.map(varied))
    if isinstance(whole, str) or any(isinstance(each, str) for each in single):
        if whole not in single:
            yield f"map: {brief(whole)}, row by row {[brief(each) for each in single]}"
        return
    for at, row in enumerate(single):
        yield from unlike(f"row {at}", {name: value[at] for name, value in whole.items()}, row, CLOSE[2])


def differences(case: Case) -> Iterator[str]:
    """Derivatives are what differences tend to, where these tell: not of what is to be taken for a constant."""
    if isinstance(case.due, str) or "stop_gradient" in case.source:
        return
    model = case.model(0)
    for y in [name for name in case.real(False) if not np.ndim(case.due[name])][:2]:
        for x in case.real(True):
            v = case.random(f"d{x}", np.shape(case.values[x]))

            def at(step: float, x: str = x, y: str = y, v: Any = v) -> float:
                found = outcome(lambda: model({x: case.values[x] + step * v}))
                return math.nan if isinstance(found, str) else float(found[y])

            coarse, fine = ((at(h) - at(-h)) / (2 * h) for h in (2e-4, 1e-4))
            scale = 1 + abs(fine) + abs(float(case.due[y]))
            if not math.isfinite(fine + coarse) or abs(fine - coarse) > 1e-6 * scale:
                continue
            slope = outcome(lambda y=y, x=x, v=v: model.jvp(y, x)({f"tangent_{x}": v}))
            found = math.nan if isinstance(slope, str) else float(next(iter(slope.values())))
            # One side of a kink has a slope, too: the other half of it tells.
            if not abs(found - (4 * fine - coarse) / 3) <= 1e-5 * scale:
                near = [(at(h) - at(0.0)) / h for h in (1e-5, -1e-5)]
                if abs(near[0] - near[1]) < 1e-3 * scale:
                    yield f"d{y}/d{x} along a direction is {found}, by differences {(4 * fine - coarse) / 3}"


def specialised(case: Case) -> Iterator[str]:
    """With numbers for its sizes the program gives the same."""
    sizes: dict[str, int] = {}
    for node in case.graph.inputs:
        shape = np.shape(case.graph.attrs(node)["default"])
        # A number may fill an array of any size.
        for extent, count in zip(case.graph.type(node).shape if shape else (), shape, strict=True):
            if str(extent).isidentifier():
                sizes[str(extent)] = count
    if sizes:
        for level in (0, 2):
            found = outcome(lambda level=level: case.model(level, sizes=sizes)())
            yield from unlike(f"-O{level} at {sizes}", found, case.due, CLOSE[level])


_SPECIAL: Final = {
    "f64": (math.nan, math.inf, -math.inf, 0.0, -0.0, 1e300, -1e-300, 1.0, 5e-324, -1e-310),
    "f32": (math.nan, math.inf, -math.inf, 0.0, -0.0, 1e30, -1e-30, 1.0, 1e-45, -1e-40),
}
"""The largest and the least numbers among them: 5e-324, 1e-310, 1e-45 and 1e-40 are subnormal."""


def special(case: Case) -> Iterator[str]:
    """Of NaN, infinities, zeros and subnormal numbers, all levels, rows and both types make the same kind of number,
    or end in the same diagnostic; what has become a function of its own gives the same bits.
    """
    yield from _special(case, "f64", LEVELS)
    yield from _special(case, "f32", (0, 2))


def _special(case: Case, dtype: str, levels: Sequence[int]) -> Iterator[str]:
    # Models are kept by their options, of which there are none for the usual type.
    options = {"dtype": dtype} if dtype == "f32" else {}
    values = {}
    for name, value in case.values.items():
        if np.asarray(value).dtype.kind == "f":
            r = np.random.default_rng(zlib.crc32(f"{dtype}{name}".encode()))
            replaced = np.where(r.random(np.shape(value)) < 0.4, r.choice(_SPECIAL[dtype], np.shape(value)), value)
            values[name] = replaced if np.ndim(value) else float(replaced)
    what = f"at special values, {dtype}"
    with as_written():
        models = {level: case.fresh(level, **options) for level in levels}
        found = {level: outcome(lambda model=model: model(values)) for level, model in models.items()}
        pairs = {name: np.stack([value, case.values[name]]) for name, value in values.items()}
        rows = outcome(lambda: models[2].map(pairs)) if pairs else ""
    for level in levels[1:]:
        yield from unlike_in_kind(f"-O{level} {what}", found[level], found[0], level)
    if not isinstance(rows, str) and not isinstance(found[2], str):
        yield from unlike_in_kind(f"map {what}", {name: value[0] for name, value in rows.items()}, found[2], 1)
    for level in (0, 2):
        cold = bits(outcome(lambda level=level: case.model(level, **options)(values)))
        with worth(0, 0):
            model = case.fresh(level, **options)
            hot = [bits(outcome(lambda model=model: model(values))) for _ in range(2)]
        if hot != [cold, cold]:
            yield f"-O{level} {what}: as functions, plans give other results"


def resized(case: Case) -> Iterator[str]:
    """At other sizes, from 0 on, all levels give the same, be it a diagnostic."""
    names = {str(extent) for node in case.graph.inputs for extent in case.graph.type(node).shape}
    names = {name for name in names if name.isidentifier()}
    for count in (0, 1, 5):
        if names:
            values = {}
            for node in case.graph.inputs:
                name, value = case.graph.name(node) or "", case.values[case.graph.name(node) or ""]
                shape = [_extent(extent, count) for extent in case.graph.type(node).shape]
                if any(extent is None for extent in shape):
                    return
                values[name] = np.resize(value, shape) if np.size(value) and shape else value
            due = outcome(lambda values=values: case.model(0)(values))
            for level in (1, 2, 3):
                found = outcome(lambda values=values, level=level: case.model(level)(values))
                yield from unlike(f"-O{level} at sizes {count}", found, due, CLOSE[level])


def _extent(extent: Any, count: int) -> int | None:
    if isinstance(extent, int):
        return extent
    try:
        found = sizes.evaluate(extent, dict.fromkeys(sizes.names(extent), count))
    except (KeyError, ArithmeticError):
        return None
    return found if found >= 0 else None


def shown(case: Case) -> Iterator[str]:
    """Whatever can be asked about a program has an answer."""
    model = case.model(2)
    for level in ("ops", "names"):
        if not str(model.dot(level=level)).lstrip().startswith(("digraph", "//", "strict")):
            yield f"the diagram at level {level} is none"
    for y in case.real(False, 2):
        shape = model.graph.type(dict(model.graph.outputs)[y]).shape
        if shape:
            continue
        for x in case.real(True, 2):
            try:
                found = model.explain(y, x)
            except CallError as error:
                if not isinstance(case.due, str):
                    yield f"explain({y}, {x}): {error.diagnostics[0].code}"
                continue
            if not str(found) or not json.dumps(found.to_dict(), allow_nan=True):
                yield f"explain({y}, {x}) says nothing"


def damaged(case: Case) -> Iterator[str]:
    """With some part cut out or in another's place it is a program, or there are diagnostics; either is shown."""
    for source in damages(case.source, 12):
        try:
            model = gradc.compile(source, name="case.grad", max_iterations=100)
            model.optimized()
        except CompileError as error:
            if not str(error):
                yield "a diagnostic without words"
            continue
        except Exception as error:
            yield f"{type(error).__name__}: {' '.join(str(error).split())[:200]} of\n{source}"
            return
        outcome(model)


Check = Callable[[Case], Iterator[str]]
CHECKS: Final[dict[str, Check]] = {
    check.__name__: check
    for check in (
        steps, levels, printed, again, warm, modes, sweeps, rows, differences, specialised, special, resized, shown,
        damaged,
    )
}  # fmt: skip
"""By name, those that find most first."""


def findings(name: str, source: str) -> list[str]:
    """What a check has to say about a program; what it raises is a finding. Raises ``NotAProgram``."""
    try:
        case = Case(source)
        return list(CHECKS[name](case))
    except (NotAProgram, KeyboardInterrupt):
        raise
    except Exception as error:
        return [f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"]


def kind(found: Sequence[str]) -> str:
    """What tells one sort of finding from another: a reducer keeps to it."""
    if not found:
        return ""
    first = found[0].split(":")[0]
    return first if first.isidentifier() else "differs"
