"""Runs that are watched: for the operation that makes the first NaN, and for the memory that arrays take."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradc
from gradc import memory
from gradc.backends.memory import Room
from gradc.backends.plan import ArrayPlan
from tests.array_texts import Text, array_texts, random_inputs


def found(call: Any) -> gradc.Diagnostic:
    with pytest.raises(gradc.CallError) as caught:
        call()
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def first_nan(call: Any) -> gradc.Diagnostic:
    diagnostic = found(call)
    assert diagnostic.code == "E0618"
    return diagnostic


def watched(text: str, **options: Any) -> gradc.Model:
    return gradc.compile(text, debug_nans=True, **options)


# NaN -----------------------------------------------------------------------------------------------------------------


def test_the_first_in_the_order_of_the_program() -> None:
    model = watched("input a, b\nc = log(a)\nd = b/b\ne = c + d\noutput e")
    assert model(a=1, b=1)["e"] == 1
    both = first_nan(lambda: model(a=-1, b=0))
    assert (both.line, both.label) == (2, "log(-1.0) is NaN")
    assert first_nan(lambda: model(a=1, b=0)).line == 3


def test_nan_in_the_data_is_not_reported() -> None:
    model = watched("input x[n]\ny = sum(log(x))\noutput y")
    assert math.isnan(model(x=[1, math.nan])["y"])
    # What is made beside it is.
    assert first_nan(lambda: model(x=[math.nan, -1])).label == "log(-1.0) is NaN at [1]"
    assert math.isnan(watched("input x\ny = x - x\noutput y")(x=math.nan)["y"])


def test_infinities_are_no_nan() -> None:
    assert watched("input x\ny = 1/x\noutput y")(x=0)["y"] == math.inf
    assert first_nan(lambda: watched("input x\ny = 1/x - 1/x\noutput y", level=0)(x=0)).label == "inf - inf is NaN"


def test_what_is_not_selected_does_not_count() -> None:
    for text in (
        "input x[n]\ny = [if x[i] > 0 then log(x[i]) else 0 for i]\noutput y",
        "input x[n]\ny = sum(log(x[i]) for i if x[i] > 0)\noutput y",
        "input x[n]\ny = sum(sqrt(x[i])*log(x[i]) for i if x[i] > 0 and log(x[i]) < 100)\noutput y",
    ):
        model = watched(text)
        assert not np.isnan(model(x=[1, -1, 0])["y"]).any()
    gradient = watched("input x[n]\ny = sum(log(x[i]) for i if x[i] > 0)\noutput y").grad("y")
    assert gradient(x=[1, -1, 0])["grad(y, x)"].tolist() == [1, 0, 0]
    scalar = watched("input x\ny = if x > 0 then sqrt(x)*log(x) else x\noutput y")
    assert scalar.with_gradients("y", "x")(x=-1) == {"y": -1, "grad(y, x)": 1}


def test_elements_are_named() -> None:
    text = "input A[n, m]\nB = sqrt(A)\nC[i, j] = log(A[j, i]) for i in 1..m, j in 0..n\noutput B, C"
    model = watched(text)
    assert first_nan(lambda: model(A=[[1, 2], [3, -4]])).label == "sqrt(-4.0) is NaN at [1, 1]"
    late = watched(text.replace("sqrt(A)", "A"))
    assert first_nan(lambda: late(A=[[1, 2, 3], [4, 5, -6]])).label == "log(-6.0) is NaN for i = 2, j = 1"
    rows = watched("input X[n, m]\ny = [max(log(X[i])) for i]\noutput y")
    assert first_nan(lambda: rows(X=[[1, 2], [3, -1]])).label == "log(-1.0) is NaN for i = 1 at [1]"


def test_operations_on_whole_arrays() -> None:
    model = watched("input A[n, n]\ns = sum(A)\nB = A @ A\noutput s, B")
    diagnostic = first_nan(lambda: model(A=[[math.inf, -math.inf], [0, 0]]))
    assert (diagnostic.line, diagnostic.label, diagnostic.hints) == (2, "this is NaN", ())


def test_products_inside_sums_have_their_own_place() -> None:
    model = watched("input x[n], y[n]\ns = sum(x[i]*y[i] for i)\noutput s")
    diagnostic = first_nan(lambda: model(x=[1, 0], y=[1, math.inf]))
    assert (diagnostic.label, diagnostic.column) == ("0.0 * inf is NaN for i = 1", 9)


def test_derivatives_say_that_they_are() -> None:
    model = watched("input x[n]\nr = sqrt(x)*0\nL = sum(r)\noutput L", level=0)
    assert model(x=[1, 0])["L"] == 0
    diagnostic = first_nan(lambda: model.grad("L")(x=[1, 0]))
    assert diagnostic.message == "an operation makes NaN of numbers, in the derivative of `L`"
    assert (diagnostic.line, diagnostic.column) == (2, 5)
    # Where the value itself is not computed, the derivative has the name of the result.
    alone = watched("input x[n]\nr = sqrt(x)*0\nL = sum(r)\noutput L").grad("L")
    assert first_nan(lambda: alone(x=[1, 0])).message == "an operation makes NaN of numbers, in `grad(L, x)`"
    # What the program itself makes comes first.
    both = watched("input x[n]\nr = sqrt(x)*0\nL = sum(r) + x[0] - x[0] + log(x[0] - 2)\noutput L", level=0)
    assert first_nan(lambda: both.with_gradients("L", "x")(x=[1, 0])).label == "log(-1.0) is NaN"


def test_rows_and_single_precision() -> None:
    model = watched("input x\ny = log(x)\noutput y")
    assert first_nan(lambda: model.map(x=[1.0, -2.0])).label == "log(-2.0) is NaN for row = 1"
    assert model.map(x=[1.0, math.nan])["y"][0] == 0
    small = watched("input x[n]\ny = x*1e30 - x*1e30\noutput y", dtype="f32", level=0)
    assert first_nan(lambda: small(x=[1, 1e20])).label == "inf - inf is NaN at [1]"


def outcome(model: gradc.Model, values: Any) -> Any:
    """The results, or the code of what is said in their place."""
    try:
        return model(values)
    except gradc.CallError as problem:
        return problem.diagnostics[0].code


@settings(max_examples=80, deadline=None)
@given(array_texts(), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**32), st.booleans())
def test_results_without_a_report_are_numbers(text: Text, n: int, m: int, seed: int, derive: bool) -> None:
    values = {name: value for name, value in random_inputs(n, m, seed).items() if name not in ("n", "m")}
    rng = np.random.default_rng(seed)
    for name in ("A", "x", "w"):
        values[name] = np.where(rng.random(values[name].shape) < 0.2, rng.choice([0.0, np.inf]), values[name])
    plain, model = gradc.compile(text.source), gradc.compile(text.source, debug_nans=True)
    numbers = [name for name, node in plain.graph.outputs if plain.graph.type(node).real and text.shapes[name] == ()]
    if derive and numbers:
        plain, model = plain.grad(numbers, "w"), model.grad(numbers, "w")
    due, results = outcome(plain, values), outcome(model, values)
    if isinstance(due, str) or isinstance(results, str):
        # What has no result at all has none here; otherwise there is a NaN to tell of.
        assert results == (due if isinstance(due, str) else "E0618")
        return
    for name, result in results.items():
        assert not np.isnan(result).any()
        np.testing.assert_allclose(result, due[name], rtol=1e-9, atol=1e-9)


# Memory --------------------------------------------------------------------------------------------------------------


def refused(call: Any) -> gradc.Diagnostic:
    diagnostic = found(call)
    assert diagnostic.code == "E0617"
    return diagnostic


def test_an_array_that_is_too_large_is_not_made() -> None:
    model = gradc.compile("input x[n]\nK = [exp(-(x[i] - x[j])^2) for i, j]\noutput K")
    assert model(x=[1.0, 2.0])["K"].shape == (2, 2)
    diagnostic = refused(lambda: model(x=np.zeros(10_000_000)))
    assert diagnostic.message.startswith("an array [10000000, 10000000] needs 800 TB of memory, and ")
    assert diagnostic.line == 2


def test_sizes_beyond_all_machines() -> None:
    for text in (
        "input n: int\nz = [i*1.0 for i in 0..n]",
        "input n: int\nz = sum(i*1.0 for i in 0..n)",
        "input n: int\nz = zeros(n, n)",
        "input n: int\nz = eye(n)",
        "input n: int\nz = [1.0 for i in 0..n, j in 0..n]",
        "input n: int\nz = linspace(0, 1, n)",
    ):
        refused(lambda: gradc.compile(text)(n=2**45))  # noqa: B023


def test_sums_of_products_need_no_array_of_them() -> None:
    model = gradc.compile("input x[n], y[n]\ns = sum(x[i]*y[j]*x[j] for i, j)\noutput s", max_memory=1_000_000)
    assert model(x=np.ones(10_000), y=np.ones(10_000))["s"] == 1e8


def test_the_limit_is_for_all_arrays_at_once() -> None:
    text = "input x[n]\na = sin(x)\nb = cos(x)\nc = a*b + a\noutput c"
    x = np.ones(1000)
    assert gradc.compile(text, max_memory=32_000)(x=x)["c"].shape == (1000,)
    diagnostic = refused(lambda: gradc.compile(text, max_memory=15_000)(x=x))
    assert diagnostic.message.startswith("the arrays of a run need ")
    assert diagnostic.message.endswith(" of memory, and 15 kB may be used")
    # Arrays of the past do not count: a chain takes as much as one of its links.
    chain = "input x[n]\n" + "\n".join(f"y{k} = sin({f'y{k - 1}' if k else 'x'})" for k in range(50)) + "\noutput y49"
    assert gradc.compile(chain, max_memory=16_000)(x=x)["y49"].shape == (1000,)


def test_small_programs_run_with_any_limit_that_they_meet() -> None:
    assert gradc.compile("input x\ny = sin(x)", max_memory=0)(x=0)["y"] == 0
    assert gradc.compile("input x[n]\ny = sum(x)", max_memory=0)(x=[1.0, 2.0])["y"] == 3
    refused(lambda: gradc.compile("input x[n]\ny = sin(x)", max_memory=0)(x=[1.0, 2.0]))
    for wrong in (-1, 1.5, True, "4GB"):
        with pytest.raises(ValueError, match="max_memory"):
            gradc.compile("y = 1", max_memory=wrong)


def test_what_is_left_is_looked_at_before_each_run(monkeypatch: pytest.MonkeyPatch) -> None:
    model = gradc.compile("input x[n]\ny = sin(x)*cos(x)\noutput y")
    x = np.zeros(10_000_000)
    assert model(x=x)["y"].shape == x.shape
    monkeypatch.setattr("gradc.backends.memory.available", lambda: 100_000_000)
    assert refused(lambda: model(x=x)).message.endswith("and 90 MB may be used")
    monkeypatch.setattr("gradc.backends.memory.available", lambda: None)
    assert model(x=x)["y"].shape == x.shape


def test_memory_that_the_system_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    model = gradc.compile("input x[n]\na = sin(x)\ny = cos(a)\noutput y")
    x = np.zeros(3)
    model(x=x)
    (plan,) = [each for key, each in model._cache.items() if key[0] == "plan"]

    def exhausted(*_: Any) -> Any:
        raise MemoryError

    plan.steps[-1].run = exhausted
    diagnostic = refused(lambda: model(x=x))
    assert (diagnostic.message, diagnostic.line) == ("there is not enough memory for an array", 3)


def test_buffers_that_the_system_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    model = gradc.compile("input x[n]\na = sin(x)\ny = sum(cos(a)*x)\noutput y")
    x = np.zeros(100_000)
    assert model(x=x)["y"] == 0
    (plan,) = [each for key, each in model._cache.items() if key[0] == "plan"]

    def exhausted() -> Any:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(plan.pool, "take", exhausted)
        assert refused(lambda: model(x=x)).line is not None
    assert model(x=x)["y"] == 0


def test_the_estimate_is_near_what_is_taken() -> None:
    import tracemalloc

    text = "input X[n, m], w[m]\nr = tanh(X @ w)\nL = sum(r^2) + sum(exp(X))\noutput L"
    model = gradc.compile(text).grad("L", ["X", "w"])
    x, w = np.ones((2000, 300)), np.ones(300)
    sizes = {"n": 2000, "m": 300}
    graph = model.optimized()
    tracemalloc.start()
    plan = ArrayPlan(graph, sizes)
    tracemalloc.reset_peak()
    plan.run([x, w])
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.7 * taken < plan.room.peak < 1.5 * taken


def test_shares_of_control_groups(tmp_path: Path) -> None:
    def group(path: str, names: tuple[str, str, str], limit: str, used: int, files: int) -> None:
        (tmp_path / path).mkdir(parents=True, exist_ok=True)
        (tmp_path / path / names[0]).write_text(f"{limit}\n")
        (tmp_path / path / names[1]).write_text(f"{used}\n")
        (tmp_path / path / "memory.stat").write_text(f"anon 1\n{names[2]} {files}\n")

    listing = tmp_path / "listing"
    listing.write_text("12:cpu,cpuacct:/x\n5:memory:/old/job\n0::/user/app\nnonsense")
    group("user", memory._GROUP_2, "1000", 300, 100)
    group("user/app", memory._GROUP_2, "max", 200, 0)
    group("memory", memory._GROUP_1, str(2**63 - 4096), 5, 0)
    group("memory/old/job", memory._GROUP_1, "500", 700, 0)
    assert sorted(memory._shares(tmp_path, listing)) == [0, 800]
    assert memory._shares(tmp_path / "nothing", tmp_path / "nowhere") == []


def test_bytes_in_words() -> None:
    assert [memory.shown(count) for count in (0, 999, 1500, 4 * 10**9, 10**13, 10**18)] == [
        "0 bytes",
        "999 bytes",
        "1.5 kB",
        "4 GB",
        "10 TB",
        "1,000,000 TB",
    ]
    assert Room(gradc.compile("y = 1").graph, 5, {}).allowed() == 5


# What fails for some elements ----------------------------------------------------------------------------------------


def test_elements_that_are_not_selected_may_have_no_result() -> None:
    stack = np.stack([np.eye(2), np.zeros((2, 2)), -np.eye(2)])
    solved = gradc.compile("input S[m, d, d], b[d], on[m]\nx = [if on[k] > 0 then solve(S[k], b)[0] else 0 for k]")
    assert solved(S=stack, b=[1, 2], on=[1, 0, 1])["x"].tolist() == [1, 0, -1]
    volumes = gradc.compile("input S[m, d, d], on[m]\nL = sum(if on[k] > 0 then logdet(S[k]) else 0 for k)")
    assert volumes(S=stack, on=[1, 0, 0])["L"] == 0
    gradient = volumes.grad("L", "S")(S=stack, on=[1, 0, 0])["grad(L, S)"]
    np.testing.assert_array_equal(gradient, [np.eye(2), np.zeros((2, 2)), np.zeros((2, 2))])
    for name, rows in (("sum", [2**62, 2**62]), ("prod", [2**40, 2**40]), ("sum", [-(2**63), -(2**63)])):
        model = gradc.compile(f"input X[n, m]: int, on[n]\ns = [if on[i] > 0 then {name}(X[i]) else 0 for i]")
        assert model(X=[[1, 2], rows], on=[1, 0])["s"].tolist() == [3 if name == "sum" else 2, 0]
        problem = found(lambda: model(X=[[1, 2], rows], on=[1, 1]))  # noqa: B023
        assert (problem.code, problem.label) == ("E0604", "the result does not fit for i = 1")
