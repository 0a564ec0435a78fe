"""Extents as polynomials: laws, one form for all ways to write one, and bounds on what any text can ask for."""

from __future__ import annotations

import pickle
import random
import time
from fractions import Fraction
from math import floor
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import dims

from gradc.ir import sizes
from gradc.ir.sizes import Dim, Size, TooLarge, divide, evaluate, named, parse, substitute

N, M, D = named("n"), named("m"), named("d")
values = st.fixed_dictionaries({name: st.integers(0, 9) for name in ("n", "m", "d")})


def at(text: str, sizes_: dict[str, int]) -> int:
    """What Python makes of the text of an extent."""
    return int(eval(text.replace("^", "**"), {}, dict(sizes_)))


def same(a: Dim, b: Dim) -> bool:
    return a == b and hash(a) == hash(b) and str(a) == str(b) and a.__class__ is b.__class__


# Laws ----------------------------------------------------------------------------------------------------------------


@given(dims(), dims(), dims())
def test_a_commutative_ring(a: Dim, b: Dim, c: Dim) -> None:
    assert same(a + b, b + a)
    assert same(a * b, b * a)
    assert same((a + b) + c, a + (b + c))
    assert same((a * b) * c, a * (b * c))
    assert same(a * (b + c), a * b + a * c)
    assert same(a + 0, a)
    assert same(a * 1, a)
    assert same(a * 0, 0)
    assert same(a - a, 0)
    assert same(a - b, a + -1 * b)
    assert same(0 - (0 - a), a)


@given(st.lists(st.tuples(st.integers(-9, 9), st.lists(st.sampled_from([N, M, D, N // 2, D // M]), max_size=3)),
                min_size=1, max_size=6), st.randoms(use_true_random=False))  # fmt: skip
def test_one_form_in_whatever_order_it_is_built(terms: list[tuple[int, list[Dim]]], chance: random.Random) -> None:
    found = []
    for _ in range(2):
        chance.shuffle(terms)
        total: Dim = 0
        for count, factors in terms:
            chance.shuffle(factors)
            term: Dim = count
            for factor in factors:
                term = factor * term
            total = term + total
        found.append(total)
    assert same(*found)


@given(dims(), dims(), values)
def test_operators_are_those_of_integers(a: Dim, b: Dim, sizes_: dict[str, int]) -> None:
    try:
        x, y = evaluate(a, sizes_), evaluate(b, sizes_)
    except ZeroDivisionError:
        assume(False)
    assert evaluate(a + b, sizes_) == x + y
    assert evaluate(a - b, sizes_) == x - y
    assert evaluate(a * b, sizes_) == x * y
    if y:
        try:
            assert evaluate(divide(a, b), sizes_) == x // y
        except ZeroDivisionError as error:
            raise AssertionError((a, b, sizes_)) from error


@given(dims(), values)
def test_the_value_is_that_of_the_text(dim: Dim, sizes_: dict[str, int]) -> None:
    try:
        due = at(str(dim), sizes_)
    except ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            evaluate(dim, sizes_)
    else:
        assert evaluate(dim, sizes_) == due


@given(dims())
def test_text_reads_back(dim: Dim) -> None:
    assert same(parse(str(dim)), dim)
    assert same(parse(f" ( {dim} )\t"), dim)


@given(dims(), dims(), values)
def test_substitution_is_evaluation_in_two_steps(dim: Dim, inner: Dim, sizes_: dict[str, int]) -> None:
    try:
        due = evaluate(dim, {**sizes_, "n": evaluate(inner, sizes_)})
        found = substitute(dim, {"n": inner})
    except (ZeroDivisionError, TooLarge):
        assume(False)
    assert evaluate(found, sizes_) == due
    numbers: dict[str, Dim] = dict(sizes_)
    assert substitute(inner, numbers) == evaluate(inner, sizes_)


@given(dims(), st.integers(-9, 9), st.lists(values, min_size=1, max_size=20))
def test_bounds_are_sound(dim: Dim, bound: int, many: list[dict[str, int]]) -> None:
    claim = sizes.at_least(dim, bound)
    for sizes_ in many:
        try:
            value = evaluate(dim, sizes_)
        except ZeroDivisionError:
            continue
        assert claim is None or claim == (value >= bound)


@given(dims())
def test_pickles(dim: Dim) -> None:
    assert same(pickle.loads(pickle.dumps(dim)), dim)


@given(dims())
def test_names_are_those_in_the_text(dim: Dim) -> None:
    assert sizes.names(dim) == {name for name in "nmd" if name in str(dim)}


# Examples ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("1 + n", "n + 1"),
        ("n*m + m*n", "2*m*n"),
        ("(n + m)^2", "m^2 + 2*m*n + n^2"),
        ("n - n", "0"),
        ("-n", "-n"),
        ("3 - 2*n", "-2*n + 3"),
        ("-n^2", "-n^2"),
        ("2^3^2", "512"),
        ("2*n//2", "n"),
        ("(2*n + 3)//2", "n + 1"),
        ("(3*n + 5)//2", "n + (n + 1)//2 + 2"),
        ("(n - 1)//2 + 1", "(n + 1)//2"),
        ("(n - 3)//2 + 1", "(n + 1)//2 - 1"),
        ("(2*n + 3)//4", "(n + 1)//2"),
        ("n//2//2", "n//4"),
        ("(n//2 + 1)//2", "(n + 2)//4"),
        ("n//-2", "n//2 - n"),
        ("n*m//n", "m"),
        ("(n*m + 3*n)//n", "m + 3"),
        ("3*n*d//(6*n)", "d//2"),
        ("(n^2 + n)//(n + 1)", "n"),
        ("(n - m)//(m - n)", "-1"),
        ("n//n", "1"),
        ("0//n", "0"),
        ("n//(n + 1)", "n//(n + 1)"),
        ("n//(m//2)", "n//(m//2)"),
        ("n//m//2", "(n//m)//2"),
        ("-(n//2)", "-(n//2)"),
        ("m - n//2", "m - n//2"),
        ("2*(n//m)", "2*(n//m)"),
        ("(n//m)^2*n", "(n//m)^2*n"),
        ("-3//n", "(-3)//n"),
        ("n//-m", "(-n)//m"),
        ("ŷ₁*größe", "größe*ŷ₁"),
    ],
)
def test_the_form_of(text: str, form: str) -> None:
    assert same(parse(text), parse(form))


def test_texts_that_a_reader_could_take_for_another() -> None:
    assert str(N // (M // 2)) == "n//(m//2)"
    assert str((N // M) // 2) == "(n//m)//2"
    assert str(-(N // 2)) == "-(n//2)"
    assert str(M - N // 2) == "m - n//2"
    assert str((N // 2) * (N // 2)) == "(n//2)^2"
    assert str(N * (M // D)) == "(m//d)*n"
    assert str(divide(N, M) * 3 - 1) == "3*(n//m) - 1"
    assert str(N - M) == "n - m"
    assert str(3 - 2 * N) == "3 - 2*n"
    assert str(-N - M // 2) == "-(m//2) - n"
    assert str(1 - (M // 2) - N * N) == "1 - n^2 - m//2"


def test_divisions_that_do_not_come_out_stay_apart() -> None:
    assert divide(N + 1, 2) != divide(N, 2)
    assert divide(N, M) != divide(M, N)
    assert 2 * divide(N, 2) != N
    assert divide(N + 2, 2) == divide(N, 2) + 1


@given(st.integers(-20, 20), st.integers(-20, 20), st.integers(-6, 6), st.integers(0, 20))
def test_division_by_a_number_has_one_form(a: int, b: int, c: int, n: int) -> None:
    assume(c)
    found = divide(a * N + b, c)
    assert evaluate(found, {"n": n}) == floor(Fraction(a * n + b, c))
    # Whatever is taken out in multiples of the divisor, the form is the same.
    assert same(divide((a + 5 * c) * N + b - 7 * c, c), found + 5 * N - 7)
    assert same(divide(-a * N - b, -c), found)


def test_what_is_known_of_bounds() -> None:
    known: list[tuple[Dim, int, bool | None]] = [
        (3, 3, True),
        (2, 3, False),
        (N, 0, True),
        (N, 1, None),
        (N + M * D + 2, 2, True),
        (-N + 3, 4, False),
        (-N + 3, 3, None),
        (N - M, 0, None),
        (N // 2 + 1, 1, True),
        (divide(N, M) + 1, 1, True),
        (divide(N - 1, M), 0, None),
        (-(N // 2), 1, False),
    ]
    assert [sizes.at_least(dim, bound) for dim, bound, _ in known] == [due for *_, due in known]


def test_missing_sizes_are_named() -> None:
    with pytest.raises(KeyError, match="m"):
        evaluate(N * M, {"n": 2})


def test_products() -> None:
    assert same(sizes.product([N, 2, M]), 2 * N * M)
    assert sizes.product([]) == 1
    assert sizes.product([N, 0]) == 0


@pytest.mark.parametrize("other", [1.5, "n", None, (1,)])
def test_other_operands_are_refused(other: Any) -> None:
    for operation in ("__add__", "__sub__", "__mul__", "__floordiv__", "__rfloordiv__"):
        assert getattr(N, operation)(other) is NotImplemented
    with pytest.raises(TypeError):
        N + other
    with pytest.raises(TypeError):
        other // N
    assert other != N


def test_division_by_zero() -> None:
    for upper in (N, 3):
        with pytest.raises(ZeroDivisionError):
            divide(upper, 0)
    with pytest.raises(ZeroDivisionError):
        evaluate(divide(3, N), {"n": 0})


# Whoever wrote it ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "()", "n m", "2n", "n(2)", "(n", "n)", "n +", "* n", "n//0", "n//(m - m)", "n^-1", "n^m", "n/2",
        "n**2", "1.5", "n.1", "n\u200b", "\ud800", "a\xa0b", "n\n", "n # m", "+n", "n^1000000", "2^2^2^2^2", "9^64^64",
        "1" * 5000, "9223372036854775808", "((n + m)^20)^20", "n*9223372036854775807*2", "9223372036854775807*2",
    ],
)  # fmt: skip
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"extent|size"):
        parse(text)


@pytest.mark.parametrize("name", ["", "1n", "a b", "n.1", "n\u202e", "a-b", None, 3])
def test_names_that_would_not_read_back_are_refused(name: Any) -> None:
    assert not sizes.is_name(name)
    with pytest.raises(ValueError, match="no name of a size"):
        named(name)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 9000 + "n" + ")" * 9000,
        "-" * 19_999 + "n",
        "n//m//" * 1000 + "n",
        "n//(m//" * 1000 + "n" + ")" * 1000,
        "(3*" * 1000 + "n" + "//2)" * 1000,
        "*".join(f"(a{i} + b{i})" for i in range(200)),
        " + ".join(f"a{i}" for i in range(3000)),
        "n*" * 9999 + "n",
        "2*" * 9999 + "2",
        "(n + 1)^" * 2000 + "2",
        "n^64//(n + 1)" * 9,
        "(((n + m + d)^9)//(n - 1))^9",
    ],
)
def test_no_text_takes_long(text: str) -> None:
    started = time.perf_counter()
    try:
        found = parse(text)
    except ValueError as error:
        found = 0
        refusal = str(error)
    else:
        refusal = ""
    assert len(refusal) < 200
    assert len(str(found)) < 100_000
    assert same(parse(str(found)), found)
    assert time.perf_counter() - started < 2


def test_a_thousand_terms() -> None:
    started = time.perf_counter()
    total: Dim = 0
    for number in range(1000):
        total = named(f"a{number}") + total
    found = parse(" + ".join(f"a{number}" for number in range(1000)))
    assert same(found, total)
    assert evaluate(found, {f"a{number}": number for number in range(1000)}) == 499_500
    assert found - total == 0
    assert time.perf_counter() - started < 5


def test_limits() -> None:
    deep: Dim = N
    for number in range(sizes.MAX_DEPTH):
        deep = divide(deep, named(f"k{number}"))
    assert isinstance(deep, Size)
    assert deep.depth == sizes.MAX_DEPTH
    assert same(parse(str(deep)), deep)
    with pytest.raises(TooLarge, match="32 divisions inside each other"):
        divide(deep, M)
    power = parse("n^64")
    assert sizes.evaluate(power, {"n": 2}) == 2**64
    with pytest.raises(TooLarge, match="64 factors"):
        assert power * N
    wide = parse(" + ".join(f"a{number}" for number in range(sizes.MAX_TERMS)))
    with pytest.raises(TooLarge, match="1024 terms"):
        assert wide + N
    with pytest.raises(TooLarge, match="1024 terms"):
        assert wide * (N + M)
    with pytest.raises(TooLarge, match="1024 terms"):
        divide(1, wide)
    with pytest.raises(TooLarge, match="63 bits"):
        assert N * 2**64
