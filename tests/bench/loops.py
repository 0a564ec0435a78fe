"""Loops: value and gradient by gradc's interpreter beside the same written by hand in Python and NumPy.

Run it in the folder ``tests``; peers that are not installed are said to be missing::

    python -m bench.loops                        # gradc beside bench.loop_cases
    python -m bench.loops --only euler --peers
    python -m bench.loops --compile              # from text to optimised graph, at several trip counts

Every case has a process of its own and one thread; runs of all contestants alternate, and medians are compared. Times
are those of an iteration: that of a call over its number of iterations. "gradc/hand" is the ratio of a value and of a
value with its gradients, "gradient/value" that of gradc's own. Memory is the peak of what NumPy and Python allocate
during a call for value and gradients (``tracemalloc``), over the number of iterations.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from typing import Any

from bench import loop_peers, measure
from bench.arrays import agree, interleaved, peak_memory
from bench.loop_cases import CASES, Case

import gradc

_COUNTS = (10, 1_000, 100_000)


def contestants(case: Case, iterations: int) -> dict[str, Any]:
    """Functions of nothing: gradc's and by hand, for the value and for value and gradients."""
    data = case.make(iterations)
    by_place = list(data.values())
    model = gradc.compile(case.text)
    compiled = model.value_and_grad("L")

    def gradient() -> tuple[float, list[Any]]:
        value, found = compiled(data)
        return value, list(found.values())

    def value() -> float:
        (found,) = model(data).values()
        return float(found)

    return {
        "value": value,
        "gradient": gradient,
        "value by hand": lambda: case.value(*by_place),
        "gradient by hand": lambda: case.gradient(*by_place),
    }


def measured(name: str, peers: list[str], seconds: float = 3.0) -> dict[str, Any]:
    """One case in this process."""
    case = CASES[name]
    runs = contestants(case, case.iterations)
    expected = runs["gradient by hand"]()
    failures = {} if agree(runs["gradient"](), expected) else {"gradient": "DIFFERS"}
    if abs(runs["value"]() - expected[0]) > 1e-9 * abs(expected[0]):
        failures["value"] = "DIFFERS"
    for peer in peers:
        try:
            runs[peer] = loop_peers.prepare(peer, name, case.make(case.iterations))
        except (ImportError, KeyError):
            failures[peer] = "missing"
            continue
        if not agree(runs[peer](), expected):
            failures[peer] = "DIFFERS"
    memory = {who: peak_memory(runs[who]) for who in ("gradient", "gradient by hand")}
    times = interleaved(runs, seconds, 5)
    count = case.iterations
    return {
        "times": {who: each / count for who, each in times.items()},
        "memory": {who: each / count for who, each in memory.items()},
        "failures": failures,
    }


def compiled_at(name: str, iterations: int) -> dict[str, Any]:
    """From the text, in which the number of iterations is a constant, to the optimised graph of value and gradients."""
    text = CASES[name].text
    for declared in ("input n: int, ", "input n: int\n"):
        text = text.replace(declared, f"n = {iterations}\ninput " if declared.endswith(" ") else f"n = {iterations}\n")
    size = "T" if name == "recurrent network" else "n"
    sizes = {size: iterations} if f"[{size}" in text else {}
    gradc.compile("input X[n]; L = sum(exp(X))").value_and_grad("L").model.optimized()
    run = measure.best(lambda: gradc.compile(text, sizes=sizes).value_and_grad("L").model.optimized(), 1.0)
    return {"compile": run}


def _row(name: str, found: dict[str, Any], peers: list[str]) -> list[str]:
    if "error" in found:
        return [name, found["error"], *[""] * (10 + len(peers))]
    times, memory, failures = found["times"], found["memory"], found["failures"]
    row = [name, f"{CASES[name].iterations:,}"]
    for what in ("value", "gradient"):
        ours, hand = times[what], times[f"{what} by hand"]
        row += [failures.get(what, measure.duration(ours)), measure.duration(hand), f"{ours / hand:.2f}"]
    row += [f"{times['gradient'] / times['value']:.2f}"]
    row += [f"{times['gradient by hand'] / times['value by hand']:.2f}"]
    row += [f"{memory['gradient']:.0f}", f"{memory['gradient by hand']:.0f}"]
    return row + [failures.get(peer) or measure.duration(times[peer]) for peer in peers]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", help="parts of the names of cases, separated by commas")
    parser.add_argument("--peers", action="store_true", help="JAX (jit, scan) and CasADi (mapaccum) as well")
    parser.add_argument("--compile", action="store_true", help="compile times at several trip counts instead")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        what, name, detail = chosen.child
        found = (
            compiled_at(name, int(detail)) if what == "compile" else measured(name, detail.split(",") if detail else [])
        )
        print(json.dumps(found))
        return
    names = [name for name in CASES if any(part in name for part in chosen.only.split(","))]
    if chosen.compile:
        rows = []
        for name in names:
            found = [measure.in_process("bench.loops", "compile", name, count) for count in _COUNTS]
            rows.append([name, *(each.get("error") or measure.duration(each["compile"]) for each in found)])
        print(measure.table(["compile, at", *(f"{count:,}" for count in _COUNTS)], rows))
        return
    peers = [peer for peer in loop_peers.PEERS if chosen.peers and importlib.util.find_spec(peer) is not None]
    for peer in loop_peers.PEERS:
        if chosen.peers and peer not in peers:
            print(f"{peer} is not installed here: left out", file=sys.stderr)
    rows = [_row(name, measure.in_process("bench.loops", "run", name, ",".join(peers)), peers) for name in names]
    head = ["an iteration of", "times", "value", "by hand", "gradc/hand", "gradient", "by hand", "gradc/hand"]
    head += ["gradient/value", "by hand", "bytes", "by hand", *peers]
    print(measure.table(head, rows))


if __name__ == "__main__":
    main()
