"""The published table of conventions: complete, and right entry by entry, however it is run and differentiated.

What is due stands in ``convention_values`` and its two neighbours, typed by hand; the page is computed by the compiler.
Neither knows of the other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from convention_arrays import ARRAYS
from convention_functions import FUNCTIONS
from convention_values import NUMBERS

import gradc
from gradc.backends.straight import RUNS
from gradc.cli import conventions
from gradc.ir.op import Convention, Op
from gradc.ir.types import F64
from gradc.ops import FAMILIES, TABLE, gaps
from gradc.ops.conventions import SPECIAL, operand_types, points

KNOWN = {
    "inf": math.inf,
    "nan": math.nan,
    "pi": math.pi,
    "log": math.log,
    "exp": math.exp,
    "cosh": math.cosh,
    "ln2": math.log(2),
    "ln10": math.log(10),
    "sqrt": math.sqrt,
    "sin": math.sin,
    "cos": math.cos,
    "euler": 0.5772156649015329,
}


@dataclass(frozen=True)
class Due:
    """A line of the table typed by hand."""

    operands: tuple[Any, ...]
    value: Any
    first: tuple[Any, ...]
    second: tuple[Any, ...]


def _read(text: str) -> Any:
    return "error" if text.strip() == "error" else eval(text, KNOWN)


def _tuple(text: str) -> tuple[Any, ...]:
    return tuple(_read(f"[{text}]")) if text.strip() != "error" else ("error",)


def _blocks(text: str) -> Iterator[tuple[str, tuple[int, ...], list[Due]]]:
    for block in text.strip().split("\n\n"):
        head, *lines = block.splitlines()
        name, _, constant = head.removeprefix("# ").partition(" constant ")
        due = []
        for line in lines:
            cells = [*line.split("|"), "", ""][:4]
            due.append(Due(_tuple(cells[0]), _read(cells[1]), _tuple(cells[2]), _tuple(cells[3])))
        yield name, tuple(map(int, constant.split())), due


OF_NUMBERS = [*_blocks(NUMBERS), *_blocks(FUNCTIONS)]
BLOCKS = [*OF_NUMBERS, *_blocks(ARRAYS)]
WRITTEN = {(name, constant): due for name, constant, due in BLOCKS}
ELEMENTWISE = [row for row in TABLE.values() if row.kind == "elementwise" and row.name != "name"]


def _key(value: Any) -> Any:
    """A number by its bits, NaN as one."""
    if isinstance(value, (tuple, list)):
        return tuple(map(_key, value))
    value = float(value)
    return "nan" if math.isnan(value) else (value, math.copysign(1, value))


def same(found: Any, due: Any, *, zeros: bool = False, rel: float = 1e-14) -> bool:
    """Whether numbers or arrays agree, NaN with NaN; with ``zeros`` in the sign of a zero too."""
    if isinstance(due, str) or isinstance(found, str):
        return found is due or found == due
    found, due = np.asarray(found, float), np.asarray(due, float)
    if found.size == due.size == 0:
        return True
    if found.shape != due.shape or not np.allclose(found, due, rtol=rel, atol=0, equal_nan=True):
        return False
    return not zeros or bool((np.signbit(found) == np.signbit(due))[due == 0].all())


# The table is whole --------------------------------------------------------------------------------------------------


def test_every_point_of_the_table_is_typed_by_hand_and_no_other() -> None:
    for row in TABLE.values():
        if row.name == "name" or (row.kind != "elementwise" and not row.conventions):
            continue
        listed: dict[tuple[int, ...], set[Any]] = {}
        for point in points(row):
            listed.setdefault(point.constant, set()).add(_key(point.operands))
        written = {
            constant: {_key(due.operands) for due in dues}
            for (name, constant), dues in WRITTEN.items()
            if name == row.name
        }
        assert listed == written, row.name
    assert {name for name, _ in WRITTEN} <= set(TABLE)


@pytest.mark.parametrize("row", ELEMENTWISE, ids=lambda row: row.name)
def test_zeros_infinities_and_nan_of_each_real_operand(row: Op) -> None:
    found = {_key(point.operands) for point in points(row) if not point.constant}
    types = operand_types(row)
    for at, type in enumerate(types):
        if type == F64:
            seen = {
                operands[at]
                for operands in found
                if sum(x not in map(_key, SPECIAL) for x in operands) >= len(types) - 1
            }
            assert seen >= set(map(_key, SPECIAL)), (row.name, at)


def _odd(row: Op, place: Sequence[float], at: int) -> bool:
    """Whether something happens to a function at a place, along one operand: a kink, a jump, a pole, an end."""

    def value(step: float) -> float:
        moved = list(place)
        moved[at] += step
        return float(row.scalar(*moved))  # type: ignore[misc]

    step = 2.0**-20
    here, left, right = value(0), value(-step), value(step)
    if not all(map(math.isfinite, (here, left, right))):
        return math.isfinite(left) or math.isfinite(right)
    slopes = (here - left) / step, (right - here) / step
    return not math.isclose(*slopes, rel_tol=1e-3, abs_tol=1e-3)


@pytest.mark.parametrize("row", [row for row in ELEMENTWISE if F64 in operand_types(row)], ids=lambda row: row.name)
def test_kinks_jumps_poles_and_ends_of_domains_have_an_entry(row: Op) -> None:
    if row.type_rule([*operand_types(row)], {}).dtype == "bool":
        return
    grid = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
    types = operand_types(row)
    entries = {_key([x + 0.0 for x in point.operands]) for point in points(row)}
    choices = [grid if type == F64 else (True,) if type.dtype == "bool" else (1,) for type in types]
    for at, type in enumerate(types):
        if type != F64:
            continue
        found = [place for place in itertools.product(*choices) if _odd(row, place, at)]
        # Of a function of one operand at the first place on either side of 0; of more, somewhere at least.
        if len(types) == 1:
            nearest = [
                min(side, key=lambda x: abs(x[0]))
                for sign in (-1, 1)
                if (side := [p for p in found if sign * p[0] >= 0])
            ]
            assert not found or any(_key(place) in entries for place in nearest), (row.name, found)
        else:
            assert not found or any(_key(place) in entries for place in found), (row.name, at, found)


def test_reductions_have_their_conventions() -> None:
    # What only moves elements, counts, or hands on what others make has no point of its own.
    quiet = {"access", "assemble", "tabulate", "broadcast", "reshape", "transpose", "put", "accumulate", "demand"}
    # Derivatives of other rows, at whose points they stand.
    quiet |= {"cholesky_adjoint", "cofactor_along", "eigvecs", "svdvecs"}
    structural = {row.name for row in TABLE.values() if row.kind == "structural"}
    assert {name for name in structural if not TABLE[name].conventions} == quiet


def test_families_are_the_table() -> None:
    assert [name for names in FAMILIES.values() for name in names] == list(TABLE)


def test_a_point_with_a_wrong_number_of_operands_is_a_gap() -> None:
    row = TABLE["exp"]
    wrong = type(row)(
        **{
            name: getattr(row, name)
            for name in type(row).__dataclass_fields__  # type: ignore[attr-defined]
            if name != "conventions"
        },
        conventions=(Convention((0.0, 0.0), "no"),),
    )
    assert gaps(wrong) == ["conventions: wrong number of operands"]


# What it says --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "constant", "dues"), BLOCKS, ids=lambda x: x if isinstance(x, str) else "")
def test_the_page_says_what_is_due(name: str, constant: tuple[int, ...], dues: list[Due]) -> None:
    found = {
        _key(entry.point.operands): entry
        for entry in conventions.entries(TABLE[name], TABLE)
        if entry.point.constant == constant
    }
    for due in dues:
        entry = found[_key(due.operands)]
        assert same(entry.value, due.value, zeros=True), (due, entry)
        for mine, theirs in ((entry.first, due.first), (entry.second, due.second)):
            assert len(mine) == len(theirs), (due, entry)
            assert all(map(same, mine, theirs)), (due, entry)


# Programs ------------------------------------------------------------------------------------------------------------


def literal(value: float) -> str:
    return f"({value!r})" if value == value else "nan"


def call(row: Op, operands: Sequence[str]) -> str:
    if row.functions:
        return f"{row.functions[0]}({', '.join(operands)})"
    return f"{operands[0]} {row.symbol} {operands[1]}" if len(operands) == 2 else f"{row.symbol}{operands[0]}"


@dataclass
class Text:
    """The lines of a program of one operator, with all its derivatives to second order."""

    row: Op
    constant: tuple[int, ...]
    due: Due
    inner: str = "grad({y}, {x})"
    outer: str = "grad({y}, {x})"
    # For arrays: the shape of operands, and what makes a number of an array.
    shape: str = ""
    number: str = "{y}"

    def __post_init__(self) -> None:
        types = operand_types(self.row)
        count = len(self.due.operands)
        names = ["a", "b", "d"][:count]
        self.inputs = [at for at in range(count) if at not in self.constant]
        kinds = [types[min(at, len(types) - 1)].dtype for at in range(count)]
        self.wrt = [names[at] for at in self.inputs if kinds[at] == "f64"]
        self.names = [names[at] for at in self.inputs]
        lines = []
        for at in self.inputs:
            suffix = {"f64": "", "int": ": int", "bool": ""}[kinds[at]]
            lines.append(f"input {names[at]}{self.shape}{suffix}")
        # Truth values are no inputs of programs.
        spelled = [
            f"{name} > 0" if kind == "bool" else name if at in self.inputs else literal(self.due.operands[at])
            for at, (name, kind) in enumerate(zip(names, kinds, strict=True))
        ]
        lines.append(f"f = {call(self.row, spelled)}")
        self.outputs = ["f"]
        self.real = self.row.type_rule(list(types), {}).real
        if self.real:
            for name in self.wrt:
                lines.append(f"L{name} = {self.number.format(y='f')}")
                lines.append(f"g{name} = {self.inner.format(y=f'L{name}', x=name)}")
                self.outputs.append(f"g{name}")
            for one, other in itertools.combinations_with_replacement(self.wrt, 2):
                lines.append(f"L{one}{other} = {self.number.format(y=f'g{one}')}")
                lines.append(f"h{one}{other} = {self.outer.format(y=f'L{one}{other}', x=other)}")
                self.outputs.append(f"h{one}{other}")
        self.text = "\n".join([*lines, f"output {', '.join(self.outputs)}"])

    def values(self, due: Due) -> dict[str, Any]:
        whole = {name for at, name in zip(self.inputs, self.names, strict=True) if self.is_whole(at)}
        return {
            name: int(due.operands[at]) if name in whole else float(due.operands[at])
            for at, name in zip(self.inputs, self.names, strict=True)
        }

    def is_whole(self, at: int) -> bool:
        types = operand_types(self.row)
        return types[min(at, len(types) - 1)].dtype == "int"


def groups() -> Iterator[Any]:
    """Points that one program serves."""
    for name, constant, dues in OF_NUMBERS:
        row = TABLE[name]
        found: dict[Any, list[Due]] = {}
        for due in dues:
            key = tuple(_key(due.operands[at]) for at in constant), len(due.operands)
            found.setdefault(key, []).append(due)
        for at, some in enumerate(found.values()):
            yield pytest.param(row, constant, some, id=f"{name}{constant or ''}{at or ''}")


GROUPS = list(groups())
MODES = {
    "reverse": ("grad({y}, {x})", "grad({y}, {x})"),
    "forward": ("jvp({y}, {x}, 1)", "jvp({y}, {x}, 1)"),
    "forward over reverse": ("grad({y}, {x})", "jvp({y}, {x}, 1)"),
    "reverse over forward": ("jvp({y}, {x}, 1)", "grad({y}, {x})"),
}


def compare(found: dict[str, Any], text: Text, due: Due, place: Any = (), rel: float = 1e-14) -> None:
    expected = [due.value, *due.first, *due.second] if text.real else [due.value]
    assert len(found) == len(expected)
    for at, (name, value, right) in enumerate(zip(found, found.values(), expected, strict=True)):
        single = np.asarray(value, float)[place] if place != () else value
        assert same(single, right, zeros=at == 0, rel=rel), f"{name} is {single}, due is {right} at {due}"


@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("row", "constant", "dues"), GROUPS)
def test_numbers(row: Op, constant: tuple[int, ...], dues: list[Due], mode: str, level: int) -> None:
    text = Text(row, constant, dues[0], *MODES[mode])
    model = gradc.compile(text.text, level=level)
    for due in dues:
        compare(model(text.values(due)), text, due)


@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize(("row", "constant", "dues"), GROUPS)
def test_maps(row: Op, constant: tuple[int, ...], dues: list[Due], level: int) -> None:
    text = Text(row, constant, dues[0])
    model = gradc.compile(text.text, level=level)
    found = model.map({name: np.array([text.values(due)[name] for due in dues]) for name in text.names})
    for at, due in enumerate(dues):
        compare(found, text, due, (at,))


ARRAY_MODES = {
    "reverse": ("grad({y}, {x})", "grad({y}, {x})", "sum({y})"),
    "forward": ("jvp({y}, {x}, ones(n))", "jvp({y}, {x}, ones(n))", "{y}"),
}


@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize("mode", ARRAY_MODES)
@pytest.mark.parametrize(("row", "constant", "dues"), GROUPS)
def test_arrays(row: Op, constant: tuple[int, ...], dues: list[Due], mode: str, level: int) -> None:
    inner, outer, number = ARRAY_MODES[mode]
    text = Text(row, constant, dues[0], inner, outer, "[n]", number)
    model = gradc.compile(text.text, level=level)
    values = {name: np.array([text.values(due)[name] for due in dues]) for name in text.names}
    # The last run is one of the code that a plan becomes.
    runs = (0, RUNS + 1) if mode == "reverse" and level == 2 else (0,)
    for number in range(runs[-1] + 1):
        found = model(values)
        if number in runs:
            for at, due in enumerate(dues):
                compare(found, text, due, (at,))


@pytest.mark.parametrize(("row", "constant", "dues"), GROUPS)
def test_single_precision(row: Op, constant: tuple[int, ...], dues: list[Due]) -> None:
    text = Text(row, constant, dues[0])
    model = gradc.compile(text.text, dtype="f32")
    for due in dues:
        compare(model(text.values(due)), text, due, rel=1e-5)


# Arrays as wholes ----------------------------------------------------------------------------------------------------

SPELLED = {
    "amax": "max(x)",
    "amin": "min(x)",
    "any": "any(x > 0)",
    "all": "all(x > 0)",
    "matmul": "x @ y",
    "triangle": "tril(x)",
    # The language's function takes the symmetric part, the operator reads the lower triangle.
    "cholesky": "cholesky(tril(x) + tril(x, -1).T)",
    "solve": "solve(x, y)",
    "triangular_solve": "solve_lower(x, y)",
}
# What differentiation makes alone: no program writes it, so their entries are held against the page above.
UNSPOKEN = {"product_before", "product_others", "recurrence", "cofactor"}


SPOKEN = [
    pytest.param(name, due, id=f"{name} {due.operands}")
    for name, _, dues in _blocks(ARRAYS)
    for due in dues
    if name not in UNSPOKEN
]


def _extents(array: np.ndarray, name: str) -> str:
    if array.ndim != 2:
        return "[n]"
    return "[n, m]" if name == "svdvals" else "[n, n]"


@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize(("name", "due"), SPOKEN)
def test_reductions_and_matrices(name: str, due: Due, level: int) -> None:
    operands = {letter: np.array(x, float) for letter, x in zip("xy", due.operands, strict=False)}
    declared = [f"{x}{_extents(array, name)}" for x, array in operands.items()]
    along = [f"v{text}" for text in declared]
    base = f"input {', '.join(declared + along)}\nf = {SPELLED.get(name, f'{name}(x)')}\n"
    still = {f"v{x}": np.zeros_like(array) for x, array in operands.items()}
    values = {**operands, **still}
    if due.value == "error":
        with pytest.raises(gradc.CallError):
            gradc.compile(base + "output f", level=level)(values)
        return
    found = gradc.compile(base + "output f", level=level)(values)["f"]
    assert same(found, due.value, zeros=True)
    for (x, array), first in zip(operands.items(), due.first, strict=bool(due.first)):
        both = base + f"J = jacobian(f, {x})\nj = jvp(f, {x}, v{x})\noutput J, j"
        if first == "error":
            with pytest.raises(gradc.CallError):
                gradc.compile(both, level=level)(values)
            continue
        model = gradc.compile(both, level=level)
        for at in np.ndindex(array.shape):
            unit = np.zeros_like(array)
            unit[at] = 1
            got = model({**values, f"v{x}": unit})
            assert same(got["J"], first)
            # A product with a direction adds up all elements: 0*nan is not 0.
            if np.isfinite(np.asarray(first, float)).all():
                assert same(got["j"], np.asarray(first, float)[(..., *at)])
    pairs = itertools.combinations_with_replacement(operands, 2)
    for (one, other), second in zip(pairs, due.second, strict=bool(due.second)):
        for text in (f"H = hessian(f, {one}, {other})", f"g = grad(f, {one})\nH = jacobian(g, {other})"):
            got = gradc.compile(base + text + "\noutput H", level=level)(values)
            assert same(got["H"], second), text
