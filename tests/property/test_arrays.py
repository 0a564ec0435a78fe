"""Random graphs and random programs over arrays: the interpreter against loops over elements, derivatives against each
other and against differences.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from array_reference import agree, reference
from array_texts import REAL, Nothing, array_texts, random_inputs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import array_graphs

import gradc
from gradc.driver import Options
from gradc.errors import CallError
from gradc.ir import sizes as extents
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.model import Model

LEVELS = (0, 1, 2, 3)
CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def small(count: int) -> Any:
    return settings(max_examples=count, deadline=None, suppress_health_check=CHECKS)


def inputs(graph: Graph, sizes: dict[str, int], seed: int) -> dict[str, Any]:
    """Numbers for the inputs of a random graph, some of them equal, none of them 0."""
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    for node in graph.inputs:
        type = graph.type(node)
        shape = tuple(extents.evaluate(dim, sizes) for dim in type.shape)
        if type.dtype == "int":
            array = rng.integers(-5, 9, shape)
        else:
            array = np.round(2 * rng.normal(size=shape)) / 2 + 0.137
        found[graph.name(node) or ""] = array if shape else array.item()
    return found


def disguised(value: Any, how: int) -> Any:
    """The same numbers as an array of another make."""
    if not isinstance(value, np.ndarray) or not value.ndim:
        return value
    if how == 1:
        value = value.copy()
        value.flags.writeable = False
    elif how == 2:
        value = np.repeat(value, 2, axis=-1)[..., ::2]
    elif how == 3:
        value = value[..., ::-1].copy()[..., ::-1]
    elif how == 4:
        value = value.copy(order="F")
    elif how == 5 and value.size:
        value = value.tolist()
    return value


def separate(found: dict[str, Any], given: dict[str, Any]) -> None:
    """That results are writable and share no memory with each other or with what was given."""
    arrays = [value for value in found.values() if isinstance(value, np.ndarray)]
    taken = [value for value in given.values() if isinstance(value, np.ndarray)]
    assert all(array.flags.writeable for array in arrays)
    assert not any(np.shares_memory(x, y) for x, y in itertools.combinations(arrays, 2))
    assert not any(np.shares_memory(x, y) for x in arrays for y in taken)


# Random graphs -------------------------------------------------------------------------------------------------------


def check_graph(graph: Graph, gather: bool, seed: int) -> None:
    models = [Model(graph, Options(level=level)) for level in LEVELS]
    for n, m in ((2, 3), (1, 1), (3, 1)) if gather else ((2, 3), (1, 1), (0, 2), (0, 0)):
        values = inputs(graph, {"n": n, "m": m}, seed)
        due = reference(graph, values, {"n": n, "m": m})
        for how, model in enumerate(models):
            taken = {name: disguised(value, (how + seed) % 6) for name, value in values.items()}
            found = model(taken)
            separate(found, taken)
            for name in due:
                assert agree(found[name], due[name], 1e-8, 1e-8), (n, m, model.options.level, name)
            for name, value in values.items():
                assert np.array_equal(taken[name], value), f"{name} has changed"


@small(80)
@given(st.data(), st.booleans(), st.integers(0, 10**6))
def test_random_graphs_mean_what_loops_over_elements_mean(data: Any, gather: bool, seed: int) -> None:
    check_graph(data.draw(array_graphs(gather=gather, marks=False, sized=True)), gather, seed)


@pytest.mark.slow
@small(600)
@given(st.data(), st.booleans(), st.integers(0, 10**6))
def test_many_random_graphs_mean_what_loops_over_elements_mean(data: Any, gather: bool, seed: int) -> None:
    check_graph(data.draw(array_graphs(gather=gather, marks=False, sized=True)), gather, seed)


def with_derivatives(graph: Graph) -> Graph:
    """The graph with directions v and weights u, and what becomes of them in both modes, twice for the first output."""
    builder = Builder.continuing(graph)
    real = [node for node in graph.inputs if graph.type(node).real]
    outputs = [node for _, node in graph.outputs]
    directions = [builder.input(f"v{at}", graph.type(node)) for at, node in enumerate(real)]
    weights = [builder.input(f"u{at}", graph.type(node)) for at, node in enumerate(outputs)]
    results = [(f"y{at}", node) for at, node in enumerate(outputs)]
    for at, y in enumerate(outputs):
        for to, x in enumerate(real):
            gradient = builder.make("vjp", (y, x, weights[at]))
            results += [(f"f{at}.{to}", builder.make("jvp", (y, x, directions[to]))), (f"r{at}.{to}", gradient)]
            if at == 0 and to < 2:
                results.append((f"fr{to}", builder.make("jvp", (gradient, x, directions[to]))))
                results.append((f"rr{to}", builder.make("vjp", (gradient, x, directions[to]))))
    return builder.finish(results)


def total(x: Any, y: Any) -> tuple[float, float]:
    """The sum of the products, and of their absolute values."""
    products = np.asarray(x) * np.asarray(y)
    return float(np.sum(products)), float(np.sum(np.abs(products)))


def check_derivatives(graph: Graph, gather: bool, seed: int, smooth: bool) -> None:
    whole = with_derivatives(graph)
    models = [Model(whole, Options(level=level, verify=True)) for level in (0, 2, 3)]
    real = [node for node in graph.inputs if graph.type(node).real]
    for n, m in ((2, 3), (1, 1)) if gather else ((2, 3), (0, 2)):
        values = inputs(whole, {"n": n, "m": m}, seed)
        due = reference(models[0].optimized(), values, {"n": n, "m": m})
        found = models[0](values)
        for model in models:
            for name, value in model(values).items():
                assert agree(value, due[name], 1e-6, 1e-6), (n, m, model.options.level, name)
        for at, to in itertools.product(range(len(graph.outputs)), range(len(real))):
            forward, size = total(values[f"u{at}"], found[f"f{at}.{to}"])
            backward, other = total(values[f"v{to}"], found[f"r{at}.{to}"])
            assert forward == pytest.approx(backward, abs=1e-9 * (1 + size + other), nan_ok=True)
        for to in range(min(2, len(real))):
            assert agree(found[f"fr{to}"], found[f"rr{to}"], 1e-6, 1e-6 * (1 + np.abs(found[f"fr{to}"]).max(initial=0)))
        if smooth:
            differences(models[1], values, found, [graph.name(node) or "" for node in real])


def differences(model: Model, values: dict[str, Any], found: dict[str, Any], names: Sequence[str]) -> None:
    """Compare what is linear in a direction with central differences along it."""
    step = 1e-4
    for to, name in enumerate(names):
        ahead, behind = (
            model(values | {name: values[name] + by * step * np.asarray(values[f"v{to}"])}) for by in (1, -1)
        )
        for key in found:
            at, _, wrt = key[1:].partition(".")
            if key[0] == "f" and wrt == str(to):
                y, z = np.asarray(ahead[f"y{at}"]), np.asarray(behind[f"y{at}"])
                size = 1 + np.abs(found[key]) + np.abs(y)
                # Where the values are large, so is what is left out.
                if np.all(size < 1e4):
                    assert np.all(np.abs((y - z) / (2 * step) - found[key]) <= 1e-3 * size), key


SMOOTH = ("unary", "binary", "constant", "name", "count", "broadcast", "reshape", "transpose", "access", "access",
          "assemble", "tabulate", "reduce", "reduce", "along", "matmul")  # fmt: skip


@small(40)
@given(st.data(), st.booleans(), st.integers(0, 10**6))
def test_derivatives_of_random_graphs(data: Any, gather: bool, seed: int) -> None:
    graph = data.draw(array_graphs(gather=gather, marks=False, sized=True, rough=False, steps=SMOOTH, max_steps=8))
    check_derivatives(graph, gather, seed, smooth=True)


@small(40)
@given(st.data(), st.booleans(), st.integers(0, 10**6))
def test_modes_agree_at_kinks(data: Any, gather: bool, seed: int) -> None:
    graph = data.draw(array_graphs(gather=gather, marks=False, sized=True, rough=True, max_steps=8))
    check_derivatives(graph, gather, seed, smooth=False)


@pytest.mark.slow
@small(300)
@given(st.data(), st.booleans(), st.booleans(), st.integers(0, 10**6))
def test_many_derivatives_of_random_graphs(data: Any, gather: bool, smooth: bool, seed: int) -> None:
    options: dict[str, Any] = {"rough": False, "steps": SMOOTH} if smooth else {}
    graph = data.draw(array_graphs(gather=gather, marks=False, sized=True, max_steps=8, **options))
    check_derivatives(graph, gather, seed, smooth)


# Random programs -----------------------------------------------------------------------------------------------------

SIZES = ((2, 3), (1, 2), (3, 1))


def check_text(text: Any, seed: int) -> None:
    models = [gradc.compile(text.source, level=level, verify=True) for level in LEVELS]
    for n, m in SIZES:
        env = random_inputs(n, m, seed)
        values = {name: value for name, value in env.items() if name not in ("n", "m")}
        try:
            due = text.values(env)
        except Nothing:
            due = None
        for model in models:
            if due is None:
                with pytest.raises(CallError) as caught:
                    model(values)
                assert caught.value.diagnostics[0].code == "E0612"
                continue
            found = model(values)
            separate(found, values)
            for name in due:
                assert agree(found[name] if due[name].shape else np.asarray(found[name]), due[name], 1e-7, 1e-9), name


@small(40)
@given(array_texts(), st.integers(0, 10**6))
def test_random_programs_mean_what_they_say(text: Any, seed: int) -> None:
    check_text(text, seed)


@pytest.mark.slow
@small(600)
@given(array_texts(), st.integers(0, 10**6))
def test_many_random_programs_mean_what_they_say(text: Any, seed: int) -> None:
    check_text(text, seed)


def check_gradient(text: Any, seed: int, round_to: float = 0.0) -> None:
    """Both modes against differences of what the program says, unless inputs are rounded, so that many are 0."""
    name, shape = next(reversed(text.shapes.items()))
    whole = f"L = sum({name})" if shape else f"L = {name}"
    ask = "\n".join(f"input v{x}[{', '.join(s)}]" for x, s in WRT.items())
    ask += "".join(f"\ng{x} = grad(L, {x})\nf{x} = jvp(L, {x}, v{x})\nh{x} = jvp(g{x}, {x}, v{x})" for x in WRT)
    ask += "".join(f"\nt{x} = vjp(g{x}, {x}, v{x})" for x in WRT)
    listed = ", ".join(f"g{x}, f{x}, h{x}, t{x}" for x in WRT)
    source = f"{text.source.rpartition('output')[0]}{whole}\n{ask}\noutput L, {listed}\n"
    models = [gradc.compile(source, level=level, verify=True) for level in (0, 2)]
    for n, m in SIZES[:2]:
        env = random_inputs(n, m, seed)
        if round_to:
            env |= {x: np.round(env[x] / round_to) * round_to for x in (*REAL, "c")}
        values = {key: value for key, value in env.items() if key not in ("n", "m")}
        directions = {x: random_inputs(n, m, seed + 1)[x] for x in WRT}
        given_values = values | {f"v{x}": v for x, v in directions.items()}
        found = models[0](given_values)
        for key, value in models[1](given_values).items():
            assert agree(np.asarray(value), np.asarray(found[key]), 1e-7, 1e-7 * (1 + np.abs(value).max(initial=0))), (
                key
            )
        for x, v in directions.items():
            assert all(np.all(np.isfinite(found[f"{each}{x}"])) for each in "gfht")
            step = 1e-5
            ahead, behind = (text.values(env | {x: env[x] + by * step * v})[name].sum() for by in (1, -1))
            size = 1 + abs(ahead) + abs(found[f"f{x}"])
            if size < 1e4 and not round_to:
                assert abs((ahead - behind) / (2 * step) - found[f"f{x}"]) <= 1e-4 * size, x
            forward, backward = found[f"f{x}"], float(np.sum(found[f"g{x}"] * v))
            assert forward == pytest.approx(backward, rel=1e-7, abs=1e-9 * size)
            scale = 1 + np.abs(found[f"h{x}"]).max(initial=0)
            assert agree(found[f"h{x}"], found[f"t{x}"], 1e-7, 1e-8 * scale), x


WRT = {"x": ("n",), "A": ("n", "m"), "w": ("m",)}


@small(40)
@given(array_texts(smooth=True, most=2), st.integers(0, 10**6))
def test_derivatives_of_random_programs(text: Any, seed: int) -> None:
    check_gradient(text, seed)


@small(40)
@given(array_texts(smooth=True, most=2, poison=True), st.integers(0, 10**6))
def test_branches_of_random_programs_do_not_poison(text: Any, seed: int) -> None:
    check_gradient(text, seed, round_to=1.0)


@pytest.mark.slow
@small(1000)
@given(array_texts(smooth=True, most=2, poison=True), st.integers(0, 10**6))
def test_branches_of_many_random_programs_do_not_poison(text: Any, seed: int) -> None:
    check_gradient(text, seed, round_to=1.0)


@pytest.mark.slow
@small(300)
@given(array_texts(smooth=True), st.integers(0, 10**6))
def test_many_derivatives_of_random_programs(text: Any, seed: int) -> None:
    check_gradient(text, seed)
