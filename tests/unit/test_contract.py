"""Contractions: the same sums as written out, in few flops, without large intermediates."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradc.backends import contract
from gradc.backends.contract import blockwise, blockwise_peak, contraction
from gradc.backends.pairs import Pair

Labels = tuple[int, ...]


def written_out(labels: Sequence[Labels], sizes: Mapping[int, int], output: Labels, factors: Sequence[Any]) -> Any:
    """Every term of the sum, one after the other, in whatever arithmetic the factors have."""
    summed = sorted({label for factor in labels for label in factor} - set(output))
    result = np.empty([sizes[label] for label in output], object)
    for place in np.ndindex(result.shape):
        total: Any = 0
        for terms in itertools.product(*(range(sizes[label]) for label in summed)):
            where = dict(zip((*output, *summed), (*place, *terms), strict=True))
            term: Any = 1
            for factor, names in zip(factors, labels, strict=True):
                term = term * (factor[tuple(where[label] for label in names)] if names else factor)
            total = total + term
        result[place] = total
    return result


def letters(labels: Sequence[Labels], output: Labels) -> str:
    def text(names: Labels) -> str:
        return "".join(chr(ord("a") + label) for label in names)

    return ",".join(map(text, labels)) + "->" + text(output)


def shuffled_layout(array: np.ndarray, kind: int) -> np.ndarray:
    """The same values with other strides; for kind 4 the first row everywhere."""
    if not array.ndim:
        return np.array(array)
    if kind == 1:
        return array.T.copy().T
    if kind == 2:
        return array[(slice(None, None, -1),) * array.ndim].copy()[(slice(None, None, -1),) * array.ndim]
    if kind == 3:
        wide = np.full(tuple(2 * n for n in array.shape), np.nan, array.dtype)
        view = wide[(slice(None, None, 2),) * array.ndim]
        view[...] = array
        return view
    if kind == 4 and array.shape[0]:
        return np.broadcast_to(array[:1], array.shape)
    if kind == 5:
        return np.moveaxis(np.moveaxis(array, -1, 0).copy(), 0, -1)
    return array


@st.composite
def problems(draw: st.DrawFn, sizes: Sequence[int] = (0, 1, 1, 2, 2, 3, 4, 5), most: int = 4) -> Any:
    count = draw(st.integers(1, 5))
    lengths = {label: draw(st.sampled_from(sizes)) for label in range(count)}
    factors = draw(
        st.lists(st.lists(st.integers(0, count - 1), max_size=4).map(tuple), min_size=1, max_size=most),
    )
    known = sorted({label for factor in factors for label in factor})
    chosen = draw(st.permutations(known))[: draw(st.integers(0, len(known)))]
    return factors, lengths, tuple(chosen), draw(st.integers(0, 2**32 - 1))


def integers(generator: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    return generator.integers(-4, 5, tuple(shape)).astype(np.float64)


@settings(max_examples=300, deadline=None)
@given(problems(), st.lists(st.integers(0, 5), min_size=4, max_size=4))
def test_small_integers_come_out_exactly(problem: Any, layouts: list[int]) -> None:
    labels, sizes, output, seed = problem
    generator = np.random.default_rng(seed)
    factors = [integers(generator, [sizes[label] for label in names]) for names in labels]
    factors = [shuffled_layout(factor, kind) for factor, kind in zip(factors, layouts, strict=False)]
    before = [factor.copy() for factor in factors]
    for factor in factors:
        factor.flags.writeable = False
    result = contraction(labels, sizes, output)(*factors)
    exact = [np.vectorize(Fraction, otypes=[object])(factor) if factor.size else factor for factor in factors]
    expected = written_out(labels, sizes, output, [x if x.ndim else x[()] for x in exact])
    assert result.shape == tuple(sizes[label] for label in output)
    assert result.dtype == np.float64
    assert isinstance(result, np.ndarray if output else np.float64)
    assert np.array_equal(result, expected.astype(np.float64))
    assert all(np.array_equal(x, y) for x, y in zip(before, factors, strict=True))
    if len(labels) > 1 or {label for names in labels for label in names} != set(output):
        assert not any(np.shares_memory(result, factor) for factor in factors)


@settings(max_examples=150, deadline=None)
@given(problems(sizes=(1, 2, 3, 5, 17, 40), most=3), st.lists(st.integers(0, 5), min_size=4, max_size=4))
def test_larger_sizes_agree_with_einsum(problem: Any, layouts: list[int]) -> None:
    labels, sizes, output, seed = problem
    sizes = {label: size if k < 3 else min(size, 3) for k, (label, size) in enumerate(sizes.items())}
    generator = np.random.default_rng(seed)
    shapes = [[sizes[label] for label in names] for names in labels]
    factors = [
        shuffled_layout(generator.normal(size=shape), kind) for shape, kind in zip(shapes, layouts, strict=False)
    ]
    result = contraction(labels, sizes, output)(*factors)
    text = letters(labels, output)
    expected = np.einsum(text, *factors)
    bound = np.einsum(text, *map(np.abs, factors))
    assert np.all(np.abs(result - expected) <= 1e-12 * bound)


@settings(max_examples=100, deadline=None)
@given(problems(sizes=(1, 2, 3, 7, 20), most=3))
def test_single_precision_stays_single(problem: Any) -> None:
    labels, sizes, output, seed = problem
    sizes = {label: size if k < 3 else min(size, 3) for k, (label, size) in enumerate(sizes.items())}
    generator = np.random.default_rng(seed)
    factors = [generator.normal(size=[sizes[label] for label in names]).astype(np.float32) for names in labels]
    result = contraction(labels, sizes, output)(*factors)
    assert result.dtype == np.float32
    text = letters(labels, output)
    expected = np.einsum(text, *(factor.astype(np.float64) for factor in factors))
    bound = np.einsum(text, *(np.abs(factor).astype(np.float64) for factor in factors))
    assert np.all(np.abs(result - expected) <= 1e-4 * bound)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_every_way_of_a_pair_gives_the_same(data: st.DataObject) -> None:
    """Also the ways that these sizes would not choose."""
    sizes = {label: data.draw(st.integers(2, 4)) for label in range(6)}
    names = st.lists(st.integers(0, 5), min_size=1, max_size=5, unique=True).map(tuple)
    left, right = data.draw(names), data.draw(names)
    alone = set(left) ^ set(right)
    kept = alone | set(data.draw(st.lists(st.sampled_from(sorted(set(left) | set(right))))))
    target = data.draw(st.one_of(st.none(), st.permutations(sorted(kept)).map(tuple)))
    pair = Pair(left, right, kept, target, sizes)
    ways = [pair.multiply()]
    if pair.inner:
        ways = pair.products() + (pair.across() if pair.batch else [])
        ways += pair.dots() if not alone else []
    x, y = (integers(np.random.default_rng(5), [sizes[label] for label in labels]) for labels in (left, right))
    for way in ways:
        text = letters([left, right], way.labels)
        assert set(way.labels) == kept
        assert np.array_equal(way.build()(x, y), np.einsum(text, x, y))


# Patterns that programs have, with sizes at which the strategies differ.
PATTERNS = [
    ("nd,dk->nk", {"n": 30, "d": 7, "k": 5}),
    ("nd,dk->kn", {"n": 30, "d": 7, "k": 5}),
    ("dn,kd->nk", {"n": 30, "d": 7, "k": 5}),
    ("nd,nd->", {"n": 30, "d": 7}),
    ("nd,dn->", {"n": 100, "d": 70}),
    ("nd,dn->", {"n": 3, "d": 7}),
    ("nd,nd->n", {"n": 200, "d": 3}),
    ("nd,nd->n", {"n": 20, "d": 300}),
    ("nd,nd->n", {"n": 20_000, "d": 3}),
    ("nmd,nmd->nm", {"n": 150, "m": 150, "d": 2}),
    ("nmd,nmd->d", {"n": 150, "m": 150, "d": 10}),
    ("nd,nd->d", {"n": 20_000, "d": 11}),
    ("nd,nd->d", {"n": 5000, "d": 3}),
    ("nd,nd->d", {"n": 2503, "d": 40}),
    ("nmd,nmd->d", {"n": 70, "m": 50, "d": 20}),
    ("nmd,mnd->d", {"n": 70, "m": 50, "d": 20}),
    ("nmab,nmab->nm", {"n": 7, "m": 5, "a": 20, "b": 3}),
    ("nki,kij->nkj", {"n": 50, "k": 6, "i": 9, "j": 8}),
    ("bij,bjk->bik", {"b": 200, "i": 3, "j": 3, "k": 3}),
    ("bij,bj->bi", {"b": 200, "i": 3, "j": 3}),
    ("ijb,jkb->ikb", {"b": 200, "i": 3, "j": 3, "k": 3}),
    ("ijb,jkb->ikb", {"b": 20, "i": 30, "j": 30, "k": 30}),
    ("bcij,cbjk->ikcb", {"b": 20, "c": 11, "i": 3, "j": 3, "k": 3}),
    ("bcij,cbjk->ikcb", {"b": 5, "c": 3, "i": 9, "j": 8, "k": 7}),
    ("akb,kn->abn", {"a": 10, "k": 6, "b": 60, "n": 4}),
    ("akb,kn->nab", {"a": 60, "k": 6, "b": 3, "n": 4}),
    ("kn,akb->nab", {"a": 10, "k": 40, "b": 60, "n": 4}),
    ("akbl,lnk->abn", {"a": 10, "k": 4, "b": 6, "l": 3, "n": 4}),
    ("i,j->ij", {"i": 100, "j": 3}),
    ("i,j->ji", {"i": 100, "j": 3}),
    ("ij,j->ij", {"i": 100, "j": 3}),
    ("ij,i->ji", {"i": 100, "j": 3}),
    ("ij,kj->ijk", {"i": 10, "j": 3, "k": 4}),
    ("ij,ji->ij", {"i": 10, "j": 3}),
    ("nd->d", {"n": 300, "d": 3}),
    ("nd->n", {"n": 300, "d": 3}),
    ("nmd->nd", {"n": 30, "m": 20, "d": 3}),
    ("nmd->m", {"n": 30, "m": 20, "d": 3}),
    ("amb->ab", {"a": 2, "m": 70_000, "b": 2}),
    ("am->a", {"a": 3, "m": 70_000}),
    ("mb->b", {"m": 140_000, "b": 2}),
    ("nmd->", {"n": 30, "m": 20, "d": 3}),
    ("iji->j", {"i": 4, "j": 3}),
    ("iii->i", {"i": 4}),
    ("ii->", {"i": 4}),
    ("ij,jk,kl->il", {"i": 20, "j": 3, "k": 30, "l": 2}),
    ("ni,n,nj->ij", {"n": 100, "i": 4, "j": 5}),
    ("nk,kd,nd,,k->", {"n": 40, "k": 6, "d": 5}),
    ("ab,bc,cd,de,ef,fg,gh,ha->", dict(zip("abcdefgh", (2, 3, 4, 5, 2, 3, 4, 5), strict=True))),
    ("ab,bc,cd,de,ef,fg,gh,h,->a", dict(zip("abcdefgh", (2, 3, 4, 5, 2, 3, 4, 5), strict=True))),
]


def problem_of(text: str, lengths: Mapping[str, int]) -> tuple[list[Labels], dict[int, int], Labels]:
    left, right = text.split("->")
    labels = [tuple(map(ord, names)) for names in left.split(",")]
    return labels, {ord(letter): length for letter, length in lengths.items()}, tuple(map(ord, right))


@pytest.mark.parametrize("layout", range(6))
@pytest.mark.parametrize(("text", "lengths"), PATTERNS)
def test_patterns(text: str, lengths: Mapping[str, int], layout: int) -> None:
    labels, sizes, output = problem_of(text, lengths)
    generator = np.random.default_rng(7)
    factors = [shuffled_layout(integers(generator, [sizes[label] for label in names]), layout) for names in labels]
    result = contraction(labels, sizes, output)(*factors)
    assert np.array_equal(result, np.einsum(text, *factors, optimize=True))


@pytest.mark.parametrize(("text", "lengths"), PATTERNS)
def test_nan_and_infinity_spread_as_in_the_written_sum(text: str, lengths: Mapping[str, int]) -> None:
    """Poison one element of a factor: the result is poisoned where it takes part, and nowhere else."""
    labels, sizes, output = problem_of(text, lengths)
    generator = np.random.default_rng(11)
    shapes = [[sizes[label] for label in names] for names in labels]
    for poisoned in range(len(labels)):
        # All the rest is zero, and no zero may hide the poison.
        marks = [np.zeros(shape) for shape in shapes]
        place = tuple(generator.integers(0, length) for length in shapes[poisoned])
        for poison in (np.nan, np.inf):
            marks[poisoned][place] = poison
            used = [np.ones(shape) for shape in shapes]
            used[poisoned] = (marks[poisoned] != 0).astype(float)
            touched = np.einsum(text, *used, optimize=True) > 0
            with np.errstate(invalid="ignore"):
                result = contraction(labels, sizes, output)(*marks)
            if len(labels) == 1:
                assert np.array_equal(~np.isfinite(result), touched)
            else:
                assert np.array_equal(np.isnan(result), touched)


@pytest.mark.parametrize("number", [2.5, np.float64(2.5), np.array(2.5)])
def test_numbers_are_factors(number: Any) -> None:
    x = np.arange(6.0).reshape(2, 3)
    sizes = {0: 2, 1: 3}
    assert np.array_equal(contraction([(), (0, 1)], sizes, (1,))(number, x), 2.5 * x.sum(0))
    assert np.array_equal(contraction([(0, 1), (), ()], sizes, (1, 0))(x, number, 2.0), 5.0 * x.T)
    alone = contraction([()], {}, ())(number)
    assert isinstance(alone, np.float64)
    assert alone == 2.5
    assert contraction([(), ()], {}, ())(number, number) == 6.25
    both = contraction([(0, 1), (0, 1), ()], sizes, ())(x, x, number)
    assert isinstance(both, np.float64)
    assert both == 2.5 * 55


def test_numbers_of_python_keep_single_precision() -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert contraction([(0, 1), (), (1, 2)], {0: 2, 1: 3, 2: 2}, (0, 2))(x, 0.5, x.T).dtype == np.float32
    assert contraction([(0, 1), ()], {0: 2, 1: 3}, ())(x, 0.5).dtype == np.float32
    assert contraction([(0, 1), ()], {0: 0, 1: 3}, (1,))(x[:0], 0.5).dtype == np.float32


def test_nothing_at_all_is_one() -> None:
    assert contraction([], {}, ())() == 1.0


@pytest.mark.parametrize("poison", [1.0, np.nan, np.inf])
def test_sums_over_nothing_are_zero(poison: float) -> None:
    sizes = {0: 3, 1: 0, 2: 2}
    left, right = np.ones((3, 0)), np.ones((0, 2))
    assert np.array_equal(contraction([(0, 1), (1, 2)], sizes, (0, 2))(left, right), np.zeros((3, 2)))
    assert contraction([(0, 1), (0,)], sizes, ())(left, np.full(3, poison)) == 0.0
    assert np.array_equal(contraction([(0, 1), (0,)], sizes, (0,))(left, np.full(3, poison)), np.zeros(3))
    assert contraction([(0, 1), (1, 2)], sizes, (0, 1, 2))(left, right).shape == (3, 0, 2)


def test_one_factor_is_a_view_unless_something_is_summed() -> None:
    x = np.arange(6.0).reshape(2, 3, 1)
    sizes = {0: 2, 1: 3, 2: 1}
    assert np.shares_memory(contraction([(0, 1, 2)], sizes, (2, 1, 0))(x), x)
    assert not np.shares_memory(contraction([(0, 1, 2)], sizes, (1, 0))(x), x)
    assert not np.shares_memory(contraction([(0, 1, 2), (2,)], sizes, (1, 0))(x, np.ones(1)), x)


@pytest.mark.parametrize(("labels", "output"), [([(0, 1)], (2,)), ([(0, 1)], (0, 0)), ([], (0,))])
def test_outputs_that_no_factor_has(labels: list[Labels], output: Labels) -> None:
    with pytest.raises(ValueError, match="output"):
        contraction(labels, {0: 2, 1: 2, 2: 2}, output)


def test_zeros_keep_their_sign_where_nothing_is_summed() -> None:
    x, y = np.array([0.0, -0.0, 1.0] * 10), np.array([-1.0, 1.0])
    for output in ((0, 1), (1, 0)):
        result = contraction([(0,), (1,)], {0: 30, 1: 2}, output)(x, y)
        expected = np.multiply.outer(x, y)
        assert np.array_equal(np.signbit(result), np.signbit(expected if output == (0, 1) else expected.T))


def test_overlapping_memory_is_read_as_it_stands() -> None:
    x = np.arange(60.0)
    windows = np.lib.stride_tricks.as_strided(x, (50, 8), (8, 8), writeable=False)
    kernel = np.arange(8.0)
    result = contraction([(0, 1), (1,)], {0: 50, 1: 8}, (0,))(windows, kernel)
    assert np.array_equal(result, windows.copy() @ kernel)
    gram = contraction([(0, 1), (0, 2)], {0: 50, 1: 8, 2: 8}, (1, 2))(windows, windows)
    assert np.array_equal(gram, windows.copy().T @ windows.copy())


# Cost and memory


def test_a_chain_of_matrices_takes_the_cheap_order() -> None:
    sizes = {0: 1000, 1: 10, 2: 1000, 3: 5}
    labels = [(0, 1), (1, 2), (2, 3)]
    assert contract.peak(labels, sizes, (0, 3)) == 10 * 5
    assert contract.flops(labels, sizes, (0, 3)) == 2 * (10 * 1000 * 5 + 1000 * 10 * 5)
    # Whatever the order of the factors.
    for order in itertools.permutations(labels):
        assert contract.peak(order, sizes, (0, 3)) == 50


def test_a_product_of_two_matrices_has_no_intermediate() -> None:
    assert contract.peak([(0, 1), (1, 2)], {0: 1000, 1: 50, 2: 10}, (0, 2)) == 0
    assert contract.peak([(0, 1), (2, 1)], {0: 1000, 1: 50, 2: 10}, (2, 0)) == 0
    assert contract.flops([(0, 1), (1, 2)], {0: 1000, 1: 50, 2: 10}, (0, 2)) == 2 * 1000 * 50 * 10


def test_a_gaussian_mixture_never_holds_a_number_for_each_point_component_and_axis() -> None:
    n, k, d = 1000, 25, 64
    sizes = {0: n, 1: k, 2: d, 3: d}
    # sum_d a[n, d] b[k, d]; the squares x² s², a product of four factors; the sum of both over everything.
    assert contract.peak([(0, 2), (1, 2)], sizes, (0, 1)) == 0
    assert contract.peak([(0, 2), (0, 2), (1, 2), (1, 2)], sizes, (0, 1)) == n * d
    assert contract.peak([(0, 1), (0, 2), (1, 2)], sizes, ()) <= n * d
    # The adjoint of a quadratic form: responsibilities times points times points.
    assert contract.peak([(0,), (0, 2), (0, 3)], sizes, (2, 3)) == n * d
    # Matrices of components, applied to points: the result is as large as it must be, and nothing else exists.
    assert contract.peak([(0, 1, 2), (1, 2, 3)], sizes, (0, 1, 3)) == 0


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("nki,kij->nkj", {"n": 500, "k": 10, "i": 20, "j": 20}),
        ("nk,nd,kd->", {"n": 500, "k": 30, "d": 40}),
        ("ni,n,nj->ij", {"n": 2000, "i": 20, "j": 30}),
        ("akb,kn->abn", {"a": 100, "k": 20, "b": 30, "n": 10}),
        ("bij,bjk->bik", {"b": 10_000, "i": 3, "j": 3, "k": 3}),
        ("nd,nd->n", {"n": 50_000, "d": 3}),
        ("nd,nd->d", {"n": 50_000, "d": 30}),
        ("nd,dn->", {"n": 300, "d": 400}),
        ("nd,d,kd->nk", {"n": 1000, "d": 50, "k": 20}),
    ],
)
def test_the_memory_of_a_call_is_what_was_said(text: str, lengths: Mapping[str, int]) -> None:
    labels, sizes, output = problem_of(text, lengths)
    factors = [np.ones([sizes[label] for label in names]) for names in labels]
    run = contraction(labels, sizes, output)
    tracemalloc.start()
    result = run(*factors)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most <= 8 * (contract.peak(labels, sizes, output) + result.size) * 1.1 + 80_000


def test_labels_of_one_factor_are_summed_first() -> None:
    sizes = {0: 100, 1: 200, 2: 300}
    # The sums themselves, or the ones that a sum is a product with.
    assert contract.peak([(0, 1), (1, 2)], sizes, (0,)) == 300
    assert contract.flops([(0, 1), (1, 2)], sizes, (0,)) == 200 * 300 + 2 * 100 * 200


def test_many_factors_are_planned_quickly_and_cheaply() -> None:
    count = 40
    labels = [(k, k + 1) for k in range(count)]
    sizes = dict.fromkeys(range(count + 1), 10)
    assert contract.peak(labels, sizes, (0, count)) == 100
    matrices = [np.eye(10)[np.random.default_rng(k).permutation(10)] for k in range(count)]
    assert np.array_equal(contraction(labels, sizes, (0, count))(*matrices), np.linalg.multi_dot(matrices))


def test_products_of_hundreds_of_factors() -> None:
    count = 400
    vectors = [np.array([1.0, -1.0, 2.0 if k % 100 == 0 else 1.0]) for k in range(count)]
    assert np.array_equal(contraction([(0,)] * count, {0: 3}, (0,))(*vectors), [1.0, 1.0, 16.0])
    assert contraction([(0,)] * count, {0: 3}, ())(*vectors) == 18.0


@pytest.mark.parametrize(("text", "axis"), [("nd,nd->d", 0), ("dn,dn->d", 1), ("nd->d", 0), ("dn->d", 1)])
@pytest.mark.parametrize("width", [3, 30])
def test_long_sums_keep_their_digits(text: str, axis: int, width: int) -> None:
    """A running sum of so many numbers loses a few hundred units in the last place, blocks and BLAS a few."""
    length = 100_003
    factors = [
        np.random.default_rng(k).uniform(1, 2, (length, width) if axis == 0 else (width, length))
        for k in range(text.count(",") + 1)
    ]
    result = contraction(*problem_of(text, {"n": length, "d": width}))(*factors)
    terms = np.moveaxis(math.prod(factors), axis, -1)
    exact = np.array([math.fsum(row) for row in terms[:3]])
    assert np.all(np.abs(result[:3] / exact - 1) < 60 * np.finfo(float).eps)


@pytest.mark.parametrize("output", [(2, 3), (0, 1), (3, 0), (), (2,)])
@pytest.mark.parametrize("place", [0, 1])
def test_windows_are_contracted_piece_by_piece(output: tuple[int, ...], place: int) -> None:
    """A factor that is larger than its memory gives the same as one that is copied, and its copy never exists whole."""
    rng = np.random.default_rng(0)
    image = rng.normal(size=(203, 150))
    windows = np.lib.stride_tricks.sliding_window_view(image, (4, 3)).transpose(2, 3, 0, 1)
    sizes = dict(enumerate(windows.shape))
    other = (0, 1) if 2 in output or 3 in output else (2, 3)
    factor = rng.normal(size=[sizes[label] for label in other])
    labels, factors = [(0, 1, 2, 3), other], [windows, factor]
    if place:
        labels.reverse()
        factors.reverse()
    text = {2: "ij", 3: "ij"}.get(other[0], "pq")
    expected = np.einsum(f"pqij,{text}->{''.join('pqij'[label] for label in output)}", windows, factor)
    run = blockwise(labels, sizes, output, place)
    np.testing.assert_allclose(run(*factors), expected, rtol=1e-11, atol=1e-11)
    assert blockwise_peak(labels, sizes, output, place) < windows.size / 4
    tracemalloc.start()
    found = run(*factors)
    assert tracemalloc.get_traced_memory()[1] < windows.nbytes / 4 + 4 * np.asarray(found).nbytes
    tracemalloc.stop()


def test_a_small_window_is_one_piece() -> None:
    windows = np.lib.stride_tricks.sliding_window_view(np.arange(9.0), 3)
    run = blockwise([(0, 1), (1,)], {0: 7, 1: 3}, (0,), 0)
    np.testing.assert_array_equal(run(windows, np.ones(3)), windows.sum(axis=1))
