"""The array examples at realistic sizes: value and gradient by gradc's interpreter beside the same written by hand.

Run it in the folder ``tests``; peers that are not installed are said to be missing::

    python -m bench.arrays                                   # gradc beside bench.by_hand, and compile times
    python -m bench.arrays --size small --only mixture,adjustment --peers

Every case has a process of its own and one thread. Runs of all contestants alternate, so that a busy machine slows
all of them; the medians are compared. "gradc", "by hand" and the peers are times of one value with its gradient,
"ratio" is gradc over by hand. Memory is the peak of what NumPy and Python allocate during a call (``tracemalloc``),
results included, in further runs; peers have allocators of their own. "compile" is the time from the text to the first
value and gradient at tiny sizes, after another program; "plan" is how much longer the first call at the case's sizes
takes than later ones, which is paid once for each combination of sizes.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bench import array_peers, by_hand, measure
from bench.array_peers import PEERS

import gradc

EXAMPLES = Path(__file__).parents[2] / "examples"

Array = Any
Data = dict[str, Array]


@dataclass(frozen=True)
class Case:
    """An example at sizes: its data by the names of its inputs, what is differentiated, and the function by hand."""

    example: str
    make: Callable[..., Data]
    small: tuple[int, ...]
    medium: tuple[int, ...]
    large: tuple[int, ...]
    of: str = "L"

    def data(self, size: str) -> Data:
        """The same data every time."""
        sizes: tuple[int, ...] = getattr(self, size)
        return self.make(np.random.default_rng(20), *sizes)

    def text(self) -> str:
        """The program."""
        return (EXAMPLES / f"{self.example}.grad").read_text("utf-8")

    def hand(self) -> Callable[..., tuple[float, Sequence[Array]]]:
        """The function by hand; its parameters are the inputs in the order of their declaration."""
        found: Callable[..., tuple[float, Sequence[Array]]] = getattr(by_hand, self.example)
        return found


# Data ----------------------------------------------------------------------------------------------------------------


def _least_squares(rng: Any, n: int, d: int) -> Data:
    X, w = rng.normal(size=(n, d)), rng.normal(size=d)
    return {"X": X, "y": X @ w + rng.normal(size=n), "w": w + rng.normal(size=d), "b": 0.5}


def _logistic_regression(rng: Any, n: int, d: int) -> Data:
    X, w = rng.normal(size=(n, d)), rng.normal(size=d)
    t = (X @ w + rng.logistic(size=n) > 0).astype(float)
    return {"X": X, "t": t, "w": w + 0.1 * rng.normal(size=d), "b": 0.1}


def _labelled(rng: Any, n: int, d: int, k: int) -> Data:
    return {"X": rng.normal(size=(n, d)), "class": rng.integers(k, size=n)}


def _softmax_classifier(rng: Any, n: int, d: int, k: int) -> Data:
    return {**_labelled(rng, n, d, k), "W": 0.3 * rng.normal(size=(d, k)), "b": rng.normal(size=k)}


def _two_layer_network(rng: Any, n: int, d: int, h: int, k: int) -> Data:
    first = {"W1": rng.normal(size=(d, h)) / d**0.5, "b1": 0.1 * rng.normal(size=h)}
    second = {"W2": rng.normal(size=(h, k)) / h**0.5, "b2": 0.1 * rng.normal(size=k)}
    return {**_labelled(rng, n, d, k), **first, **second}


def _gaussian_mixture(rng: Any, d: int, k: int, n: int) -> Data:
    icf = np.hstack([0.3 * rng.normal(size=(k, d)), rng.normal(size=(k, d * (d - 1) // 2)) / d**0.5])
    return {"x": rng.normal(size=(n, d)), "α": rng.normal(size=k), "μ": rng.normal(size=(k, d)), "icf": icf}


def _bundle_adjustment(rng: Any, n: int, m: int, p: int) -> Data:
    cams = np.empty((n, 11))
    cams[:, :3] = 0.2 * rng.normal(size=(n, 3))
    cams[:, 3:6] = 0.1 * rng.normal(size=(n, 3)) - [0, 0, 6]
    cams[:, 6] = 500 + 10 * rng.normal(size=n)
    cams[:, 7:9] = rng.normal(size=(n, 2))
    cams[:, 9:] = 0.01 * rng.normal(size=(n, 2))
    cam, pt = np.sort(rng.integers(n, size=p)), rng.integers(m, size=p)
    feat = 50 * rng.normal(size=(p, 2))
    return {"cam": cam, "pt": pt, "feat": feat, "cams": cams, "X": rng.normal(size=(m, 3)), "w": rng.uniform(size=p)}


def _gaussian_process(rng: Any, n: int, d: int) -> Data:
    X = rng.normal(size=(n, d))
    y = np.sin(X.sum(axis=1)) + 0.1 * rng.normal(size=n)
    return {"X": X, "y": y, "log_ℓ": 0.2 * rng.normal(size=d), "log_σ_f": 0.1, "log_σ_n": -2.0}


def _attention(rng: Any, n: int, e: int, d: int) -> Data:
    weights = {name: rng.normal(size=(e, width)) / e**0.5 for name, width in (("W_q", d), ("W_k", d), ("W_v", e))}
    return {"x": rng.normal(size=(n, e)), "target": rng.normal(size=(n, e)), **weights}


def _convolution(rng: Any, h: int, c: int, r: int, s: int) -> Data:
    x, target = rng.normal(size=(h, c)), rng.normal(size=(h - r + 1, c - s + 1))
    return {"x": x, "target": target, "k": rng.normal(size=(r, s)), "b": 0.1}


def _lennard_jones(rng: Any, n: int) -> Data:
    side = round(n ** (1 / 3) + 0.5)
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)[:n]
    return {"x": 1.1 * grid + 0.05 * rng.normal(size=(n, 3))}


def _determinant(rng: Any, n: int) -> Data:
    return {"A": rng.normal(size=(n, n))}


CASES: dict[str, Case] = {
    "least squares": Case("least_squares", _least_squares, (50, 4), (10_000, 100), (100_000, 100)),
    "logistic regression": Case("logistic_regression", _logistic_regression, (50, 4), (10_000, 100), (100_000, 100)),
    "softmax classifier": Case(
        "softmax_classifier", _softmax_classifier, (50, 4, 3), (10_000, 100, 10), (50_000, 100, 10)
    ),
    "two-layer network": Case(
        "two_layer_network", _two_layer_network, (8, 6, 5, 3), (256, 64, 128, 10), (2048, 784, 256, 10)
    ),
    "gaussian mixture d10": Case("gaussian_mixture", _gaussian_mixture, (3, 4, 50), (10, 25, 1000), (10, 25, 10_000)),
    "gaussian mixture d64": Case("gaussian_mixture", _gaussian_mixture, (5, 4, 50), (64, 25, 1000), (64, 25, 2500)),
    "bundle adjustment": Case(
        "bundle_adjustment", _bundle_adjustment, (4, 10, 30), (50, 3000, 10_000), (50, 8000, 31_843)
    ),
    "gaussian process": Case("gaussian_process", _gaussian_process, (20, 2), (300, 4), (1000, 4)),
    "attention": Case("attention", _attention, (12, 5, 4), (256, 64, 64), (1024, 64, 64)),
    "convolution": Case("convolution", _convolution, (9, 8, 3, 2), (128, 128, 5, 5), (512, 512, 7, 7)),
    "lennard-jones": Case("lennard_jones", _lennard_jones, (9,), (300,), (1000,), "E"),
    "determinant by minors": Case("determinant", _determinant, (7,), (7,), (7,), "D"),
}


# Measuring -----------------------------------------------------------------------------------------------------------

Run = Callable[[], tuple[float, Sequence[Array]]]


def gradient(case: Case) -> gradc.model.ValueAndGrad:
    """Value and gradient by gradc, compiled now."""
    return gradc.compile(case.text(), name=f"{case.example}.grad").value_and_grad(case.of)


def contestants(case: Case, data: Data, peers: Sequence[str] = ()) -> dict[str, Run | str]:
    """Functions of nothing that give value and gradients; for a peer that has none, why."""
    compiled = gradient(case)
    by_place = list(data.values())
    hand = case.hand()

    def ours() -> tuple[float, Sequence[Array]]:
        value, gradients = compiled(data)
        return value, list(gradients.values())

    found: dict[str, Run | str] = {"gradc": ours, "by hand": lambda: hand(*by_place)}
    for peer in peers:
        try:
            found[peer] = array_peers.prepare(peer, case.example, data, compiled.wrt)
        except ImportError:
            found[peer] = "missing"
    return found


def agree(found: tuple[float, Sequence[Array]], expected: tuple[float, Sequence[Array]]) -> bool:
    """Whether values and gradients are the same, up to rounding."""
    pairs = zip([found[0], *found[1]], [expected[0], *expected[1]], strict=True)
    return all(_close(np.asarray(a), np.asarray(b)) for a, b in pairs)


def _close(found: Array, expected: Array) -> bool:
    scale = np.max(np.abs(expected), initial=0.0)
    return found.shape == expected.shape and bool(np.max(np.abs(found - expected), initial=0.0) <= 1e-9 * scale)


def interleaved(runs: Mapping[str, Run], seconds: float, least: int = 11) -> dict[str, float]:
    """The median time of each function; they take turns for about so many seconds."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    finish = time.perf_counter() + seconds
    rounds = 0
    while rounds < least or (time.perf_counter() < finish and rounds < 1001):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - started)
        rounds += 1
    return {name: statistics.median(found) for name, found in times.items()}


def peak_memory(run: Run) -> int:
    """The largest number of bytes that a call holds at once, its results included."""
    run()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    run()
    found = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return found


def measured(name: str, size: str, peers: Sequence[str]) -> dict[str, Any]:
    """One case in this process."""
    case = CASES[name]
    gradc.compile("input X[n]; L = sum(exp(X))").value_and_grad("L")(X=[1.0])
    tiny = case.data("small")
    compile_time = measure.best(lambda: gradient(case)(tiny))

    data = case.data(size)
    compiled = gradient(case)
    compiled(tiny)
    started = time.perf_counter()
    compiled(data)
    first = time.perf_counter() - started
    later = measure.best(lambda: compiled(data), 0.2)

    prepared = contestants(case, data, peers)
    expected = prepared["by hand"]
    assert not isinstance(expected, str)
    failures = {name: run for name, run in prepared.items() if isinstance(run, str)}
    runs = {name: run for name, run in prepared.items() if not isinstance(run, str)}
    for other in [each for each in runs if each != "by hand"]:
        try:
            if not agree(runs[other](), expected()):
                failures[other] = "DIFFERS"
        except Exception as problem:
            failures[other] = f"{type(problem).__name__}"
            del runs[other]
    return {
        "compile": compile_time,
        "plan": max(first - later, 0.0),
        "times": interleaved(runs, 2.0),
        "memory": {who: peak_memory(runs[who]) for who in ("gradc", "by hand") if who in runs},
        "failures": failures,
    }


def _row(name: str, found: Mapping[str, Any], peers: Sequence[str]) -> list[str]:
    if "error" in found:
        return [name, found["error"], *[""] * (7 + 2 * len(peers))]
    times, memory, failures = found["times"], found["memory"], found["failures"]
    ours, hand = times.get("gradc", float("nan")), times["by hand"]
    row = [
        name,
        failures.get("gradc", measure.duration(ours)),
        measure.duration(hand),
        f"{ours / hand:.2f}",
        f"{memory.get('gradc', 0) / 1e6:.2f}",
        f"{memory['by hand'] / 1e6:.2f}",
        f"{memory.get('gradc', 0) / memory['by hand']:.2f}",
        measure.duration(found["compile"]),
        measure.duration(found["plan"]),
    ]
    for peer in peers:
        if peer in times:
            row += [
                measure.duration(times[peer]),
                f"{ours / times[peer]:.2f}" + (" DIFFERS" if peer in failures else ""),
            ]
        else:
            row += [failures.get(peer, ""), ""]
    return row


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", choices=("small", "medium", "large"), default="medium")
    parser.add_argument("--only", default="", help="parts of the names of cases, separated by commas")
    parser.add_argument("--peers", action="store_true", help="JAX (jit), PyTorch and HIPS autograd as well")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        name, size, peers = chosen.child
        print(json.dumps(measured(name, size, peers.split(",") if peers else ())))
        return
    parts = chosen.only.split(",")
    names = [name for name in CASES if any(part in name or part in CASES[name].example for part in parts)]
    listed = list(PEERS) if chosen.peers else []
    missing = [peer for peer in listed if importlib.util.find_spec(peer) is None]
    for peer in missing:
        print(f"{peer} is not installed here: left out", file=sys.stderr)
    listed = [peer for peer in listed if peer not in missing]
    rows = []
    for name in names:
        rows.append(_row(name, measure.in_process("bench.arrays", name, chosen.size, ",".join(listed)), listed))
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    head = [f"value and gradient, {chosen.size}", "gradc", "by hand", "ratio", "MB", "by hand MB", "ratio"]
    head += ["compile", "plan"]
    for peer in listed:
        head += [peer, f"gradc/{peer}"]
    print(measure.table(head, rows))


if __name__ == "__main__":
    main()
