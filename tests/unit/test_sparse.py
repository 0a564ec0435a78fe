"""Sparse Jacobians and Hessians: patterns that are known, colours, kinks, edges, and what goes wrong."""

from __future__ import annotations

import itertools
import pickle
import re
import sys
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.sparse

import gradc
from gradc.ad import colouring
from gradc.ad.spread import CLASSES
from gradc.driver import Options
from gradc.errors import CallError
from gradc.ir.builder import Builder
from gradc.ir.sizes import named as size
from gradc.ir.types import Index, Type
from gradc.model import Model
from gradc.ops import TABLE, build
from gradc.sparse import Sparsity

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def numbers(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).normal(size=shape) + 0.1


def dense(found: dict[str, Any], shape: tuple[int, int]) -> Any:
    (value,) = found.values()
    return np.asarray(value).reshape(shape)


# Patterns that are exact: at a general point everything that the pattern has is not 0.

JACOBIANS = {
    "elementwise": "y = sin(x)*x",
    "bands": "y[i] = x[i+1]*x[i] - x[i+2]^2 for i in 0..n-2",
    "slices": "y = x[2:]*x[:-2] + x[1:-1]",
    "backwards": "y = x[::-1]*x",
    "every other": "y = x[::2]",
    "one for all": "y = x*x[0]",
    "gather": "y = x[idx]^2",
    "gather of a gather": "y[k] = x[idx[idx[k]]] for k in 0..4",
    "wrapped": "y[i] = x[mod(i + 1, n)]*x[i]",
    "conditions on indices": "y[i] = if i > 0 then x[i] - x[i-1] else x[i]",
    "triangular sums": "y[i] = sum(x[j]^2 for j if j < i) for i in 0..n",
    "sum over a window": "y[i] = sum(x[i+k] for k in 0..3) for i in 0..n-2",
    "tables": "T[i, j] = x[i]*x[j] for i in 0..n, j in 0..2\ny = T",
    "concatenation": "y = concat(x[1:]^2, x[:2], [1, 2])",
    "stacking": "y = stack(x, x[::-1])",
    "padding": "y = pad(x, 2, 1)",
    "repeating": "y = repeat(x, 2)",
    "reshaping": "y = reshape(x, 2, 3).T @ [1, 2]",
    "scattering": "y = scatter_add(idx, x[:4], 8)",
    "running sums": "y = cumsum(x^2)",
    "running products": "y = cumprod(x)",
    "softmax of rows": "y = softmax(reshape(x, 2, 3), axis=1)",
    "sums of rows": "y = sum(reshape(x, 2, 3), axis=1) + prod(reshape(x, 2, 3), axis=1)",
    "a mean": "y = x - mean(x)",
    "product with data": "y = A @ reshape(x, 2, 3)",
    "product with data from the right": "y = reshape(x, 3, 2) @ A[:2]",
    "systems": "y = solve(A[:2]@A[:2].T + eye(2), reshape(x, 2, 3))",
    "triangles": "y = tril(outer(x, x))[:2]",
    "diagonals": "y = diag(x)[:2]",
    "matrices": "y = det([[[x[i], 1], [2, x[i+1]]] for i in 0..3])",
    "choices by data": "y = where(x > 0, x^2, x^3)",
    "functions": "fn f(a, b) = a*b\nderivative f(a, b) = b, a\ny = f(x, x + 1)",
    "gradients": "f = sum(x[i]^2*x[i+1] for i in 0..n-1)\ny = grad(f, x)",
    "steps": "y = floor(x) + x[0]",
    "cut": "y = stop_gradient(x)*x[1]",
    "names that count as inputs": "z = 2*x\ny = z[1:]*z[:-1]",
}  # fmt: skip


@pytest.mark.parametrize("name", JACOBIANS)
def test_jacobians_of_known_patterns(name: str) -> None:
    model = gradc.compile(f"param x[n]\ninput idx[4]: int, A[2, 2]\n{JACOBIANS[name]}\noutput y", verify=True)
    values: dict[str, Any] = {"x": numbers(6), "idx": [2, 0, 3, 2], "A": numbers(2, 2)}
    sparse = model.sparse_jacobian("y", "x")
    found = sparse(values)
    due = dense(model.jacobian("y", "x")(values), found.shape)
    np.testing.assert_allclose(found.toarray(), due, rtol=1e-12, atol=1e-13)
    known = sparse.sparsity(values)
    assert np.array_equal(known.pattern.toarray(), due != 0)
    if name == "names that count as inputs":
        assert model.sparsity("y", "z", values).nonzeros == 10


HESSIANS = {
    "chained Rosenbrock": "f = sum(100*(x[i+1] - x[i]^2)^2 + (1 - x[i])^2 for i in 0..n-1)",
    "arrow": "f = sum(x[0]*x[i]^2 for i in 1..n)",
    "arrow with a point": "f = sum(sin(x[0]*x[i]) for i in 1..n)",
    "separable": "f = sum(exp(x)/x)",
    "linear": "f = sum(3*x) + x[0]",
    "linear but for one": "f = sum(3*x) + x[2]^2",
    "bilinear": "f = sum(x[i]*x[i+3] for i in 0..3)",
    "kinks": "f = sum(abs(x[:3])*x[3:]) + sum(relu(x))",
    "part of what is computed": "z = x^2\nf = z[1] + z[3]",
    "what is not read": "z = exp(x)*x[::-1]\nf = sum(z[1:4]/(1 + x[1:4]))",
    "gather": "f = sum((x[idx[k]] - x[idx[k+1]])^2 for k in 0..3)",
    "norms": "f = norm(x[:3]) + logsumexp(x[3:])",
    "products": "f = prod(x[:3]) + x[4]*x[5]",
    "choices": "f = sum(if i > 2 then x[i]^2 else x[i] for i)",
    "a quadratic form": "f = x[:2] @ A @ x[:2]",
    "grid": "U = reshape(x, 2, 3)\nf = sum((U[i, j+1] - U[i, j])^2 for i in 0..2, j in 0..2) + sum(U[0]*U[1])",
}


@pytest.mark.parametrize("name", HESSIANS)
def test_hessians_of_known_patterns(name: str) -> None:
    model = gradc.compile(f"param x[n]\ninput idx[4]: int, A[2, 2]\n{HESSIANS[name]}\noutput f", verify=True)
    values: dict[str, Any] = {"x": numbers(6), "idx": [2, 0, 3, 2], "A": numbers(2, 2)}
    sparse = model.sparse_hessian("f", "x")
    found = sparse(values)
    due = dense(model.hessian("f", "x")(values), found.shape)
    np.testing.assert_allclose(found.toarray(), due, rtol=1e-11, atol=1e-12)
    known = sparse.sparsity(values)
    exact = np.abs(due) > 1e-12
    assert np.array_equal(known.pattern.toarray(), exact), known
    assert np.array_equal(found.toarray(), found.toarray().T)
    assert known.mode == "star"


def test_hessian_against_differences_in_high_precision() -> None:
    model = gradc.compile("param x[n]\nf = sum(exp(x[i])*sin(x[i+1])/(1 + x[i]^2) for i in 0..n-1)")
    x = numbers(4)
    found = model.sparse_hessian("f", "x")(x=x).toarray()
    with mpmath.workdps(40):

        def f(*v: Any) -> Any:
            return sum(mpmath.exp(v[i]) * mpmath.sin(v[i + 1]) / (1 + v[i] ** 2) for i in range(3))

        for i, j in itertools.product(range(4), repeat=2):
            orders = [0] * 4
            orders[i] += 1
            orders[j] += 1
            due = float(mpmath.diff(f, tuple(map(mpmath.mpf, x)), tuple(orders)))
            assert found[i, j] == pytest.approx(due, rel=1e-11, abs=1e-15)


def test_bundle_adjustment() -> None:
    model = gradc.load(EXAMPLES / "bundle_adjustment.grad")
    rng = np.random.default_rng(1)
    values = {"cam": rng.integers(0, 3, 12), "pt": rng.integers(0, 5, 12), "feat": rng.normal(size=(12, 2))}
    values |= {"cams": rng.normal(size=(3, 11)) * 0.2 + 0.5, "X": rng.normal(size=(5, 3)), "w": rng.random(12) + 0.5}
    for name, count, colours in (("cams", 10, 10), ("X", 3, 3), ("w", 1, 1)):
        sparse = model.sparse_jacobian("error", name)
        found = sparse(values)
        due = dense(model.jacobian("error", name)(values), found.shape)
        np.testing.assert_allclose(found.toarray(), due, rtol=1e-9, atol=1e-9 * np.abs(due).max())
        # An observation depends on one camera (each coordinate on one of its principal point) and one point.
        assert found.nnz == 24 * count
        assert sparse.sparsity(values).count == colours


LOOPS = """param x[n], u[n], w = 0.5
y = x[0]
last = w
for t in 0..3 {
  y = y + w*y*x[1] + t
  last = last*w
  trace[t] = y*x[2]
}
if w > 0 { a = x[0]*w } else { a = w^2 }
z = concat(trace^2 + u[:3], u*last)
c = 0
k = u
while c < 2 { c = c + 1; k = k*w }
f = y*a + sum(u^2*last)
output z, f, k
"""


def test_regions_in_a_program() -> None:
    model = gradc.compile(LOOPS, verify=True)
    values = {"x": numbers(4), "u": numbers(4) + 1}
    for of, wrt, count in (("z", "x", 9), ("z", "u", 7), ("k", "u", 4), ("k", "x", 0), ("z", "w", 7)):
        sparse = model.sparse_jacobian(of, wrt)
        found = sparse(values)
        assert found.nnz == count, (of, wrt)
        np.testing.assert_allclose(found.toarray(), dense(model.jacobian(of, wrt)(values), found.shape), rtol=1e-12)
    for wrt in ("x", "u", "w"):
        found = model.sparse_hessian("f", wrt)(values)
        np.testing.assert_allclose(found.toarray(), dense(model.hessian("f", wrt)(values), found.shape), rtol=1e-12)
    assert model.sparsity("f", "u", values).nonzeros == 4


def test_arrays_whose_elements_change() -> None:
    builder = Builder(TABLE)
    n = size("n")
    x, value = builder.input("x", Type("f64", (n,))), builder.input("v", Type("f64", (2,)))
    index = Index("i", 2)
    place = build.index(builder, index)
    part = build.access(builder, value, (None,), [place])
    attrs = {"parts": (((None,), (index,)),)}
    added = builder.apply("accumulate", x, part, place, attrs=attrs)
    put = builder.apply("put", x, value, attrs={"items": ((1, 1, 2),)})
    builder.names.update(x=x, v=value, added=builder.name("added", added), put=builder.name("put", put))
    model = Model(builder.finish([("added", builder.names["added"]), ("put", builder.names["put"])]), Options())
    values = {"x": numbers(4), "v": numbers(2)}
    for of, wrt, count in (("added", "x", 4), ("added", "v", 2), ("put", "v", 2)):
        found = model.sparse_jacobian(of, wrt)(values)
        assert (found.nnz, found.sum()) == (count, count)
        assert np.array_equal(found.toarray(), dense(model.jacobian(of, wrt)(values), found.shape))
    # An element that is replaced counts no more.
    found = model.sparse_jacobian("put", "x")(values)
    assert (found.nnz, found.diagonal().tolist()) == (2, [1, 0, 0, 1])


def test_rows_where_they_need_fewer_colours() -> None:
    model = gradc.compile("param x[n]\ninput k: int = 1\ny = [sum(x^2), x[0] + k, x[1]]")
    known = model.sparsity("y", "x", {"x": numbers(50)})
    assert (known.mode, known.count, known.shape, known.nonzeros) == ("rows", 2, (3, 50), 52)
    found = model.sparse_jacobian("y", "x")(x=numbers(50))
    assert np.array_equal(found.toarray(), dense(model.jacobian("y", "x")(x=numbers(50)), (3, 50)))


def test_several_names() -> None:
    text = "param x[n], s[m], w = 0.5\nz = x[1:]*x[:-1]*w\nr = s^2*x[0]\nf = sum(z^2) + sum(r) + w^2\noutput z, r, f"
    model = gradc.compile(text)
    values = {"x": numbers(4), "s": numbers(3)}
    blocks = model.jacobian(["z", "r"], ["x", "s", "w"])(values)
    shapes = {"z": 3, "r": 3, "x": 4, "s": 3, "w": 1}
    due = np.block(
        [
            [np.reshape(blocks[f"jacobian({y}, {v})"], (shapes[y], shapes[v])) for v in ("x", "s", "w")]
            for y in ("z", "r")
        ]
    )
    for arguments in ((["z", "r"], ["x", "s", "w"]), (["z", "r", "z"], None)):
        sparse = model.sparse_jacobian(*arguments)
        np.testing.assert_allclose(sparse(values).toarray(), due, rtol=1e-13)
        known = sparse.sparsity(values)
        assert known.name == "jacobian([z, r], [x, s, w])"
        assert known.row_slices == {"z": slice(0, 3), "r": slice(3, 6)}
        assert known.column_slices == {"x": slice(0, 4), "s": slice(4, 7), "w": slice(7, 8)}
        assert np.array_equal(known.pattern.toarray(), due != 0)
    hessian = model.sparse_hessian("f")
    names = ["x", "s", "w"]
    due = np.block(
        [
            [np.reshape(next(iter(model.hessian("f", v, u)(values).values())), (shapes[v], shapes[u])) for u in names]
            for v in names
        ]
    )
    found = hessian(values)
    np.testing.assert_allclose(found.toarray(), due, rtol=1e-13)
    assert np.array_equal(found.toarray(), found.toarray().T)
    known = hessian.sparsity(values)
    assert (known.name, known.mode) == ("hessian(f, [x, s, w])", "star")
    assert np.array_equal(known.pattern.toarray(), due != 0)
    assert known.row_slices == known.column_slices
    mixed = model.sparse_hessian("f", ["x", "w"], ["s", "w"])
    assert np.array_equal(mixed(values).toarray(), due[np.ix_([0, 1, 2, 3, 7], [4, 5, 6, 7])])
    # Rows where they are fewer.
    wide = gradc.compile("param x[n], s[n]\ny = sum(x*s)\nz = sum(s^2)*x[0]\noutput y, z")
    values = {"x": numbers(20), "s": numbers(20)}
    sparse = wide.sparse_jacobian()
    assert sparse.sparsity(values).mode == "rows"
    due = np.block(
        [[np.reshape(wide.jacobian(y, v)(values)[f"jacobian({y}, {v})"], (1, 20)) for v in "xs"] for y in "yz"]
    )
    np.testing.assert_allclose(sparse(values).toarray(), due, rtol=1e-13)


def test_names_that_are_computed_from_one_another() -> None:
    model = gradc.compile("param x[n]\nz = x^2\ny = z[1:]*x[:-1]\nf = sum(y*x[1:])\noutput y, f")
    x = numbers(4)
    due = [np.asarray(each) for each in model.jacobian("y", ["x", "z"])(x=x).values()]
    np.testing.assert_allclose(model.sparse_jacobian("y", ["x", "z"])(x=x).toarray(), np.hstack(due), rtol=1e-13)
    found = model.sparse_hessian("f", ["x", "z"])(x=x).toarray()
    due = [[next(iter(model.hessian("f", v, u)(x=x).values())) for u in ("x", "z")] for v in ("x", "z")]
    np.testing.assert_allclose(found, np.block(due), rtol=1e-13)


def test_mixed_second_derivatives() -> None:
    model = gradc.compile("param x[n], s[m]\nf = sum(x[i]^2*s[i] for i in 0..3) + sum(s^2)")
    values = {"x": numbers(5), "s": numbers(3)}
    found = model.sparse_hessian("f", "x", "s")(values)
    assert found.nnz == 3
    assert np.array_equal(found.toarray(), dense(model.hessian("f", "x", "s")(values), (5, 3)))


# What is computed once ------------------------------------------------------------------------------------------------


def test_patterns_are_kept_for_sizes_and_indices() -> None:
    model = gradc.compile("param x[n]\ninput idx[m]: int\ny = x[idx]^2")
    sparse = model.sparse_jacobian("y", "x")
    x = numbers(5)
    first = sparse.sparsity(x=x, idx=[0, 1])
    assert sparse.sparsity(x=2 * x, idx=[0, 1]) is first
    assert sparse.sparsity(x=x, idx=[0, 2]) is not first
    assert np.array_equal(sparse(x=x, idx=[4, 4]).toarray(), [[0, 0, 0, 0, 2 * x[4]]] * 2)
    # What a caller does to a result changes no other.
    found = sparse(x=x, idx=[0, 1])
    found.data[:] = 0
    found.eliminate_zeros()
    assert sparse(x=x, idx=[0, 1]).nnz == 2
    again = pickle.loads(pickle.dumps(sparse))
    assert np.array_equal(again(x=x, idx=[0, 1]).toarray(), sparse(x=x, idx=[0, 1]).toarray())


def test_what_is_stored_does_not_depend_on_values() -> None:
    model = gradc.compile("param x[n]\ny = relu(x)\nf = sum(relu(x)^2)")
    for x in ([1.0, -1.0, 0.0], [0.0, 0.0, 0.0]):
        assert model.sparse_jacobian("y", "x")(x=x).nnz == 3
        assert model.sparse_hessian("f", "x")(x=x).nnz == 3
    assert model.sparse_jacobian("y", "x")(x=[1.0, -1.0, 0.0]).data.tolist() == [1, 0, 0]
    ties = gradc.compile("param x[n]\ny = max(x[1:], x[:-1])")
    assert ties.sparse_jacobian("y", "x")(x=[1.0, 1.0, 3.0]).toarray().tolist() == [[0.5, 0.5, 0], [0, 0, 1]]


def test_branches_that_are_not_taken_do_not_poison() -> None:
    model = gradc.compile(
        "param x[n]\nf = sum(if x[i] > 0 then sqrt(x[i])*log(x[i])*x[i+1] else x[i]^2 for i in 0..n-1)"
    )
    x = np.array([0.0, 2.0, -1.0, 0.0, 1.0])
    found = model.sparse_hessian("f", "x")(x=x)
    assert np.array_equal(found.toarray(), dense(model.hessian("f", "x")(x=x), (5, 5)))
    assert np.all(np.isfinite(found.data))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_elements(n: int) -> None:
    model = gradc.compile(
        "param x[n], s = 2\ny = x^2*s\nz = concat(x, x)*s\nf = sum(y)^2\nconstant = [1, 2]\noutput y, z, f"
    )
    x = numbers(n)
    for found, due in (
        (model.sparse_jacobian("y", "x"), model.jacobian("y", "x")),
        (model.sparse_jacobian("z", "x"), model.jacobian("z", "x")),
        (model.sparse_jacobian("y", "s"), model.jacobian("y", "s")),
        (model.sparse_jacobian("f", "x"), model.jacobian("f", "x")),
        (model.sparse_hessian("f", "x"), model.hessian("f", "x")),
        (model.sparse_hessian("f", "s"), model.hessian("f", "s")),
    ):
        matrix = found(x=x)
        assert np.array_equal(matrix.toarray(), dense(due(x=x), matrix.shape))
        assert str(found.sparsity(x=x))


def test_nothing_depends_on_it() -> None:
    model = gradc.compile("param x[n], s[m]\ny = x^2\nf = sum(3*x)")
    found = model.sparse_jacobian("y", "s")(x=numbers(3), s=numbers(4))
    assert (found.shape, found.nnz) == ((3, 4), 0)
    empty = model.sparse_hessian("f", "x")
    assert empty(x=numbers(3), s=[]).nnz == 0
    assert str(empty.sparsity(x=numbers(3), s=[])) == "hessian(f, x): 3 × 3, 0 non-zeros (0 %)"


def test_single_precision() -> None:
    model = gradc.compile("param x[n]\ny = x[1:]*x[:-1]", dtype="f32")
    found = model.sparse_jacobian("y", "x")(x=[1, 2, 3])
    assert found.dtype == np.float32
    assert found.toarray().tolist() == [[2, 1, 0], [0, 3, 2]]


def test_the_cost_is_that_of_the_non_zeros() -> None:
    model = gradc.compile("param x[n]\nf = sum(100*(x[i+1] - x[i]^2)^2 + (1 - x[i])^2 for i in 0..n-1)")
    hessian = model.sparse_hessian("f", "x")
    x = np.linspace(-1, 1, 100_000)
    found = hessian(x=x)
    assert found.nnz == 299_998
    assert hessian.sparsity(x=x).count == 3
    inner = -400 * (x[2:] - x[1:-1] ** 2) + 800 * x[1:-1] ** 2 + 202
    np.testing.assert_allclose(found.diagonal()[1:-1], inner, rtol=1e-12)
    np.testing.assert_allclose(found.diagonal(1), -400 * x[:-1], rtol=1e-12)


def test_only_shapes_and_integers_count_for_a_pattern() -> None:
    model = gradc.compile("param x[n], s\ninput idx[m]: int\ny = x[idx]*s", sizes={"n": 3})
    assert model.sparsity("y", "x", {"idx": [0, 2]}).nonzeros == 2
    with pytest.raises(CallError, match="E0601"):
        model.sparsity("y", "x")
    fixed = gradc.compile("param x[n]\ny = x^2", sizes={"n": 3})
    assert fixed.sparsity().nonzeros == 3
    with pytest.raises(CallError, match="E0601"):
        gradc.compile("param x[n]\ny = x^2").sparsity()


def test_an_index_that_is_out_of_range_is_an_error_of_the_run() -> None:
    model = gradc.compile("param x[n]\ninput idx[m]: int\ny = x[idx]^2")
    assert model.sparsity("y", "x", {"x": [1, 2], "idx": [0, 5]}).nonzeros == 1
    with pytest.raises(CallError, match="E0611"):
        model.sparse_jacobian("y", "x")(x=[1, 2], idx=[0, 5])


# Text -----------------------------------------------------------------------------------------------------------------


def test_a_small_pattern_as_text() -> None:
    model = gradc.compile("param x[n]\ny = x[1:]*x[:-1]")
    known = model.sparsity("y", "x", {"x": numbers(4)})
    assert str(known).splitlines() == [
        "jacobian(y, x): 3 × 4, 6 non-zeros (50 %)",
        "2 colours: 2, 2 columns share a sweep of forward mode",
        "",
        "  0 1 · ·",
        "  · 1 0 ·",
        "  · · 0 1",
    ]
    assert repr(known) == "<gradc.Sparsity jacobian(y, x): 3 × 4, 6 non-zeros, 2 colours>"
    assert known.to_dict()["columns"] == [0, 1, 1, 2, 2, 3]


@pytest.mark.parametrize(("rows", "columns"), [(40, 40), (1000, 3), (3, 1000), (100_000, 100_000)])
def test_a_large_pattern_as_dots(rows: int, columns: int) -> None:
    count = min(rows, columns)
    eye = scipy.sparse.csr_array((np.ones(count, bool), (range(count), range(count))), shape=(rows, columns))
    lines = Sparsity("J", eye, np.zeros(columns, int), "columns").text().splitlines()[3:]
    assert 0 < len(lines) <= 30
    assert all(len(line) <= 62 and re.fullmatch(r"  [\u2800-\u28ff]+", line) for line in lines)
    assert lines[0][2] != "\u2800"


# Colours --------------------------------------------------------------------------------------------------------------


def test_colours_are_those_that_were_defined() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        n = int(rng.integers(1, 8))
        share = rng.random()
        upper = np.triu(rng.random((n, n)) < share)
        pattern = scipy.sparse.csr_array(upper | upper.T)
        pattern.sort_indices()
        colours = colouring.star(pattern)
        near = pattern.toarray()
        for path in itertools.permutations(range(n), 2):
            assert not near[path] or colours[path[0]] != colours[path[1]]
        for path in itertools.permutations(range(n), 4):
            if all(near[path[k], path[k + 1]] for k in range(3)):
                assert len({int(colours[v]) for v in path}) >= 3
        values = np.where(near, (full := rng.random((n, n))) + full.T, 0)
        assert np.allclose(
            (colouring.seeds(colours, float) @ values)[colouring.sources(pattern, colours)], values[near]
        )
        wide = scipy.sparse.csr_array(rng.random((int(rng.integers(0, 7)), n)) < share)
        colours = colouring.columns(wide)
        for row in wide.toarray():
            assert len(set(colours[row])) == row.sum()


def test_an_arrow_needs_few_colours_and_little_time() -> None:
    n = 20_000
    places = np.arange(n)
    at = (np.r_[places, np.zeros(n, int), places], np.r_[places, places, np.zeros(n, int)])
    pattern = scipy.sparse.csr_array(scipy.sparse.coo_array((np.ones(3 * n, bool), at), shape=(n, n)))
    assert colouring.number(colouring.star(pattern)) == 2


# The table ------------------------------------------------------------------------------------------------------------


def test_every_operator_is_of_a_class_that_is_known() -> None:
    for name, row in TABLE.items():
        assert row.sparsity in CLASSES, name
        # Without a class an operator mixes all elements: right for none of these.
        assert row.kind != "structural" or row.sparsity or all(how == "none" for how in row.dependence), name


def test_an_operator_of_ones_own_mixes_all_elements() -> None:
    row = TABLE["cumsum"]
    fields = {field: getattr(row, field) for field in row.__slots__}
    own = gradc.Op(**{**fields, "sparsity": ""})
    model = gradc.compile("param x[n]\ny = cumsum(x)", ops=TABLE.extend(own))
    assert model.sparsity("y", "x", {"x": numbers(3)}).nonzeros == 9


# Mistakes -------------------------------------------------------------------------------------------------------------


def said(call: Any) -> str:
    with pytest.raises(CallError) as caught:
        call()
    return str(caught.value)


def test_mistakes() -> None:
    model = gradc.compile("param x[n], s = 2\ninput k: int = 1\ny = x*s*k\nf = sum(y)\noutput y, f")
    both = gradc.compile("param x[n]\nf = sum(x^2)\ng = sum(x)\noutput f, g")
    assert said(lambda: both.sparse_hessian(wrt="x")) == (
        "error[E0609]: there are several to choose from: `f`, `g`\n"
        "  = help: a sparse Hessian is that of one number: choose, or name their sum"
    )
    assert "`y` is an array [n]; a Hessian is that of a number" in said(lambda: model.sparse_hessian("y", "x"))
    assert "`k` is an integer" in said(lambda: model.sparse_jacobian("y", "k"))
    assert "E0608" in said(lambda: model.sparse_jacobian("y", "z"))
    with pytest.raises(ValueError, match="order"):
        model.sparsity("y", "x", order=3)


def test_patterns_that_are_not_sparse() -> None:
    model = gradc.compile("param x[n]\nf = sum(x)^2")
    assert said(lambda: model.sparse_hessian("f", "x")(x=np.ones(10**5))) == (
        "error[E0644]: the pattern of this derivative would have more than 268435456 non-zeros\n"
        "  = help: it is not sparse; `model.jvp` and `model.hvp` compute products with it"
    )


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    model = gradc.compile("param x[n]\ny = x^2")
    assert said(lambda: model.sparse_jacobian("y", "x")) == (
        "error[E0643]: sparse derivatives need the package scipy, which is not installed\n"
        '  = help: install it: pip install "gradc[sparse]"'
    )


def test_an_integer_that_nothing_asks_for_need_not_exist() -> None:
    text = """
input w[3], l: int = 1, u = -1
v = w*2
c = if 7 // (l - 1) > 2 then v*v else v
y = if u > 0 then c else [v[i]*v[i + l - 1] for i]
output y
"""
    model = gradc.compile(text)
    w = np.array([1.0, 2.0, 3.0])
    assert np.array_equal(model.sparse_jacobian("y", "w")(w=w).toarray(), np.diag(8 * w))
    assert model.sparsity("y", "w").pattern.nnz == 3
    with pytest.raises(gradc.CallError, match="E0605"):
        model.sparse_jacobian("y", "w")(w=w, u=1.0)
