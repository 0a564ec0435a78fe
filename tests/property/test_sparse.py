"""Random graphs and programs: sparse Jacobians and Hessians against dense ones, patterns against what is not 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from array_texts import array_texts, random_inputs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import array_graphs

import gradc
from gradc.driver import Options
from gradc.ir import sizes as extents
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.model import Model

CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
WRT = {"x": ("n",), "A": ("n", "m"), "w": ("m",)}


def small(count: int) -> Any:
    return settings(max_examples=count, deadline=None, suppress_health_check=CHECKS)


def compare(sparse: Any, dense: Any, values: dict[str, Any]) -> None:
    """The same numbers, where the pattern has places for them and where it has none."""
    found = sparse(values)
    (due,) = dense(values).values()
    due = np.asarray(due).reshape(found.shape)
    assert found.has_sorted_indices
    scale = 1 + np.abs(due[np.isfinite(due)]).max(initial=0)
    np.testing.assert_allclose(found.toarray(), due, rtol=1e-7, atol=1e-9 * scale)
    known = sparse.sparsity(values)
    assert not np.any(due[~known.pattern.toarray()])
    assert known.nonzeros == found.nnz
    assert str(known)
    assert known.count <= max(found.shape)


def named(graph: Graph, y: int) -> Graph:
    """The graph with its inputs under their names, and a number made of an output."""
    builder = Builder.continuing(graph)
    builder.names.update((graph.name(node) or "", node) for node in graph.inputs)
    type = builder.type(y)
    weights = [builder.apply("sin", y)]
    total = builder.apply("sum", weights[0], attrs={"axes": tuple(range(type.rank)), "over": ()})
    return builder.finish([("y", y), ("f", total)])


def check_graph(graph: Graph, gather: bool, seed: int) -> None:
    outputs = [node for _, node in graph.outputs if graph.type(node).real]
    real = [node for node in graph.inputs if graph.type(node).real]
    # No program takes the exponentials of a number apart.
    odd = any(graph.op(node) in ("logsumexp", "softmax") and not graph.attrs(node)["axes"] for node in graph)
    if not outputs or not real or odd:
        return
    model = Model(named(graph, outputs[0]), Options())
    x = graph.name(real[seed % len(real)]) or ""
    pairs = [
        (model.sparse_jacobian("y", x), model.jacobian("y", x)),
        (model.sparse_hessian("f", x), model.hessian("f", x)),
    ]
    for n, m in ((2, 3), (1, 1), (4, 1)) if gather else ((2, 3), (1, 1), (0, 2), (0, 0)):
        sizes = {"n": n, "m": m}
        rng = np.random.default_rng(seed)
        values: dict[str, Any] = {}
        for node in graph.inputs:
            shape = tuple(extents.evaluate(dim, sizes) for dim in graph.type(node).shape)
            if graph.type(node).real:
                values[graph.name(node) or ""] = rng.normal(size=shape) if shape else float(rng.normal())
            else:
                values[graph.name(node) or ""] = rng.integers(-5, 9, shape) if shape else int(rng.integers(-5, 9))
        for sparse, dense in pairs:
            compare(sparse, dense, values)


@small(40)
@given(st.data(), st.booleans(), st.integers(0, 10**6))
def test_derivatives_of_random_graphs(data: Any, gather: bool, seed: int) -> None:
    check_graph(data.draw(array_graphs(gather=gather, marks=False, sized=True, rough=False)), gather, seed)


@pytest.mark.slow
@small(600)
@given(st.data(), st.booleans(), st.booleans(), st.integers(0, 10**6))
def test_derivatives_of_many_random_graphs(data: Any, gather: bool, rough: bool, seed: int) -> None:
    check_graph(data.draw(array_graphs(gather=gather, marks=False, sized=True, rough=rough)), gather, seed)


def check_text(text: Any, seed: int) -> None:
    name, shape = next(reversed(text.shapes.items()))
    whole = f"L = sum(sin({name}))" if shape else f"L = sin({name})"
    model = gradc.compile(f"{text.source.rpartition('output')[0]}{whole}\noutput {name}, L\n", verify=True)
    x = sorted(WRT)[seed % len(WRT)]
    pairs = [
        (model.sparse_jacobian(name, x), model.jacobian(name, x)),
        (model.sparse_hessian("L", x), model.hessian("L", x)),
        (model.sparse_hessian("L", x, "x"), model.hessian("L", x, "x")),
    ]
    for n, m in ((3, 4), (1, 1), (5, 2)):
        env = random_inputs(n, m, seed)
        for sparse, dense in pairs:
            compare(sparse, dense, {key: value for key, value in env.items() if key not in ("n", "m")})


@small(30)
@given(array_texts(smooth=True, most=2), st.integers(0, 10**6))
def test_derivatives_of_random_programs(text: Any, seed: int) -> None:
    check_text(text, seed)


@pytest.mark.slow
@small(400)
@given(array_texts(smooth=True, poison=True), st.integers(0, 10**6))
def test_derivatives_of_many_random_programs(text: Any, seed: int) -> None:
    check_text(text, seed)
