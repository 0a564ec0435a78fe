"""Ranges that leave out combinations of their indices: what is read, what is refused, what is differentiated."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import numpy as np
import pytest

import gradc
from gradc.ir import sizes
from gradc.ir.sizes import Dim
from gradc.ir.types import Index
from gradc.syntax.domain import Domain, Sum

LEVELS = (0, 1, 2, 3)
N, M = sizes.named("n"), sizes.named("m")


# How far a sum of indices gets ---------------------------------------------------------------------------------------


def value(form: Sum, numbers: dict[str, int], indices: dict[Index, int]) -> int:
    return sizes.evaluate(form[0], numbers) + sum(int(factor) * indices[index] for index, factor in form[1].items())  # type: ignore[arg-type]


def combinations(limits: dict[Index, list[Sum]], numbers: dict[str, int]) -> Iterator[dict[Index, int]]:
    reach = range(-2, 14)
    for chosen in itertools.product(reach, repeat=len(limits)):
        indices = dict(zip(limits, chosen, strict=True))
        if all(value(limit, numbers, indices) >= 0 for each in limits.values() for limit in each):
            yield indices


def limits_of(r: random.Random, index: Index, outer: list[Index]) -> list[Sum]:
    """Index >= lower and index < upper, where either may hang on an outer index."""

    def bound(low: bool) -> tuple[Dim, dict[Index, int]]:
        factors = {r.choice(outer): r.choice([1, 1, -1, 2])} if outer and r.random() < 0.5 else {}
        constant: Dim = r.randint(0, 1) if low else r.choice([N, M, N - 1, 2, N + 1])
        return constant, factors

    (low, below), (high, above) = bound(True), bound(False)
    lower = (-low, {**{each: -factor for each, factor in below.items()}, index: 1})
    upper = (high - 1, {**above, index: -1})
    return [lower, upper]


@pytest.mark.parametrize("seed", range(60))
def test_the_ends_that_a_sum_reaches_are_exact(seed: int) -> None:
    r = random.Random(seed)
    domain, limits = Domain(), {}
    for at in range(r.randint(1, 3)):
        index = Index(f"i{at}", N)
        limits[index] = limits_of(r, index, list(limits))
        domain.add(index, *limits[index])
    form: Sum = (r.randint(-1, 1), {index: r.choice([-1, 0, 1, 1, 2]) for index in limits})
    highest, lowest = domain.greatest(form), domain.least(form)
    for n, m in [(1, 1), (2, 4), (4, 2), (3, 3)]:
        numbers = {"n": n, "m": m}
        reached = [value(form, numbers, indices) for indices in combinations(limits, numbers)]
        assert not (reached and domain.empty())
        if reached and highest is not None:
            assert max(reached) == min(sizes.evaluate(each, numbers) for each in highest)
        if reached and lowest is not None:
            assert min(reached) == max(sizes.evaluate(each, numbers) for each in lowest)


def test_what_is_not_known_exactly_is_not_said() -> None:
    i, j = Index("i", N), Index("j", N)
    domain = Domain()
    domain.add(i, (0, {i: 1}), (N - 1, {i: -1}))
    # 2*j >= 3*i and 2*j <= 3*i + 1: a half may lie between.
    domain.add(j, (0, {i: -3, j: 2}), (1, {i: 3, j: -2}))
    assert domain.greatest((0, {j: 1})) is None
    with domain.unfinished():
        assert domain.greatest((0, {})) is None
        assert not domain.empty()


def test_indices_go_out_of_scope() -> None:
    i = Index("i", 0)
    domain = Domain()
    with domain.within():
        domain.add(i, (0, {i: 1}), (-1, {i: -1}))
        assert domain.empty()
    assert not domain.empty()
    assert domain.greatest((0, {i: 1})) is None


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "by_hand"),
    [
        (
            "sum(x[i-1]^2 for i in 0..n, j in 0..i)",
            lambda x: sum(x[i - 1] ** 2 for i in range(1, len(x)) for _ in range(i)),
        ),
        ("sum(x[i+1] for i in 0..n, j in i+1..n)", lambda x: sum(x[i + 1] for i in range(len(x)) for _ in x[i + 1 :])),
        ("sum(sum(x[i-1] for j in 0..i) for i in 0..n)", lambda x: sum(x[i - 1] * i for i in range(1, len(x)))),
        ("sum(x[i+j-1] for i in 0..n, j in 1..n-i)", lambda x: sum(x[i] * (i + 1) for i in range(len(x) - 1))),
        ("sum(x[j-i-1] for i in 0..n, j in i+1..n)", lambda x: sum(x[d] * (len(x) - 1 - d) for d in range(len(x) - 1))),
        ("sum(x[i-1] for i in 0..n, j in 0..2*i)", lambda x: sum(2 * i * x[i - 1] for i in range(1, len(x)))),
        ("sum(x[k+1] for i in 0..n, j in i+1..n, k in i..j)", None),
        ("sum(A[i-1][l] for i in 0..n, l, j in 0..i)", None),
        ("sum(x[i+1] for i in 0..n, j in 1..1)", lambda x: 0),
        ("sum(x[i+1] for i in 0..0)", lambda x: 0),
        ("sum(x[n] for i in 1..1)", lambda x: 0),
        ("sum(v[5] + v[-4] for i in 1..1)", lambda x: 0),
        ("prod(x[i] for i in 0..n, j in i+1..i)", lambda x: 1),
        ("sum(x[i] for i in 0..n, j in 5..i)", lambda x: sum(x[i] * (i - 5) for i in range(6, len(x)))),
    ],
)
def test_what_no_combination_reads_is_not_refused(expression: str, by_hand) -> None:  # type: ignore[no-untyped-def]
    source = f"input x[n], A[n, 2], v[3]\ny = {expression}\noutput y"
    for count in (0, 1, 2, 3, 8):
        x = np.arange(1.0, count + 1)
        values = {"x": x, "A": np.ones((count, 2)), "v": np.ones(3)}
        found = [gradc.compile(source, level=level)(values)["y"] for level in LEVELS]
        assert found == [found[0]] * len(LEVELS)
        if by_hand is not None:
            assert found[0] == by_hand(x)


@pytest.mark.parametrize(
    ("expression", "reached"),
    [
        ("sum(x[i-1] for i in 0..n)", "down to -1"),
        ("sum(x[i-1] for i in 0..n, j in 0..i+1)", "down to -1"),
        ("sum(x[i-2] for i in 0..n, j in 0..i)", "down to -1"),
        ("sum(sum(x[i-2] for j in 0..i) for i in 0..n)", "down to -1"),
        ("sum(x[i+2] for i in 0..n, j in i+1..n)", "up to n"),
        ("sum(x[i+1] for i in 0..n, j in i..n)", "up to n"),
        ("sum(x[i+j] for i in 0..n, j in 0..n-i+1)", "up to n"),
        ("sum(x[j-i-2] for i in 0..n, j in i+1..n)", "down to -1"),
        ("sum(x[i+1] for i in 0..n, j in 0..m)", "up to n"),
        ("sum(x[i+1] for i in 0..n, j in 2*i..2*n)", "up to n"),
        ("sum(x[k+2] for i in 0..n, j in i+1..n, k in i..j)", "up to n"),
    ],
)
def test_what_some_combination_reads_outside_is_refused(expression: str, reached: str) -> None:
    source = f"input x[n], m: int\ny = {expression}\noutput y"
    with pytest.raises(gradc.CompileError) as caught:
        gradc.compile(source)
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("E0310", f"this index runs {reached}, out of its axis")
    assert source.splitlines()[1][found.column - 1 :].startswith(
        expression[expression.index("x[") + 2 : expression.index("]")]
    )


@pytest.mark.parametrize(
    "expression", ["sum(x[i+1] for i in 0..n, j in i..m)", "sum(x[i-m+1] for i in 0..n, j in 0..i)"]
)
def test_what_the_sizes_decide_is_seen_at_the_call(expression: str) -> None:
    for level in LEVELS:
        model = gradc.compile(f"input x[n], m: int\ny = {expression}\ng = grad(y, x)\noutput y, g", level=level)
        assert model(x=np.ones(3), m=2)["y"] == 3
        for request in ("y", "g"):
            alone = gradc.compile(
                f"input x[n], m: int\ny = {expression}\ng = grad(y, x)\noutput {request}", level=level
            )
            with pytest.raises(gradc.CallError) as caught:
                alone(x=np.ones(3), m=3)
            assert [found.code for found in caught.value.diagnostics] == ["E0611"]
            assert caught.value.diagnostics[0].line == 2


# What is empty ------------------------------------------------------------------------------------------------------

EMPTY = {
    "sum(A[1, 0-i]*S[0, 0] for i in 0..m, j in 1..1)": 0.0,
    "sum(A[1, 0-i]*S[0, 0] for i in 0..m, j in 0..k)": 0.0,
    "sum(sum(A[1, 0-i]*S[0, 0] for i in 0..m) for j in 0..k)": 0.0,
    "sum(A[1, 7-i]*S[0, 0]^2 for i in 0..m, j in i+5..m)": 0.0,
    "sum(A[1, 7-i]*S[0, 0]^2 for i in 0..m, j in m..i)": 0.0,
    "prod(A[1, 0-i]*S[0, 0] for i in 0..m, j in 0..k)": 1.0,
    "max(2, sum(A[0, k + 9]*log(S[0, 0] - 3) for j in 0..k))": 2.0,
    "sum(log(S[0, 0] - 3) for j in 0..k)": 0.0,
    "sum(sqrt(S[0, 0] - 3)*A[0, j + 9] for j in 0..k)": 0.0,
    "sum([A[1, 0-i]*S[0, 0] for i in 0..m, j in 0..k])": 0.0,
    "sum(log(S[0, 0] - 3)*ones(k))": 0.0,
    "sum(A[k + 9, 0]*S[0, 0] for i in 0..m, j in 0..k if A[j, j] > 0)": 0.0,
    "sum(f(A, S[0, 0]) for j in 0..k)": 0.0,
    "sum(A[argmax([A[0, p] for p in 0..k]), 0]*S[0, 0] for j in 0..k)": 0.0,
    "sum(mod(7, k)*S[0, 0] for j in 0..k)": 0.0,
}
REQUESTS = ("grad(L, S)", "grad(L, A)", "jvp(L, S, S)", "jvp(L, A, A)", "hessian(L, S)", "hvp(L, A, A)", "vjp(L, S, 2)")
HEAD = """input A[2, m], S[1, 1], k: int
fn f(B, s) {
  y = s
  for t in 0..3 { y = y*s*B[t + 5, 0] }
  return y
}
"""


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("expression", EMPTY)
def test_an_empty_range_reads_nothing_and_has_derivatives_of_zero(expression: str, level: int) -> None:
    values = {"A": np.array([[1.0, 2.0], [3.0, 4.0]]), "S": np.array([[3.0]]), "k": 0}
    requests = "".join(f"d{at} = {request}\n" for at, request in enumerate(REQUESTS))
    within = f"T = 0\nfor t in 0..2 {{ T = T + {expression} }}\nDT = grad(T, S)\n"
    names = ", ".join(f"d{at}" for at in range(len(REQUESTS)))
    model = gradc.compile(f"{HEAD}L = {expression}\n{requests}{within}output L, T, DT, {names}", level=level)
    found = model(values)
    assert (found.pop("L"), found.pop("T")) == (EMPTY[expression], 2 * EMPTY[expression])
    assert not any(np.any(each) for each in found.values())
    rows = model.map({**values, "S": np.array([[[3.0]], [[3.0]]])})
    assert rows.pop("L").tolist() == [EMPTY[expression]] * 2
    rows.pop("T")
    assert not any(np.any(each) for each in rows.values())
