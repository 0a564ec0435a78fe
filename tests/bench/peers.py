"""gradc beside other libraries, in one run: the time to the first gradient, and of later ones.

Run it in the folder ``tests``, where the extra ``bench`` is installed; a library that is missing is left out::

    python -m bench.peers                                    # every library, family and size: some twenty minutes
    python -m bench.peers --peer gradc,jax --family dag --size 1000

"first" is the time from text (gradc) or from building the expression (all others) to the first value and gradient,
"later" the shortest of the calls that follow. The columns "× gradc" are these times over gradc's. Every measurement has
a process, and ``--timeout`` seconds, of its own, imports and a tiny program before the clock starts, and one thread.
A library that fails at one size is not asked for a larger one. "agrees" says whether value and gradient are gradc's.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from bench import measure
from bench.programs import FAMILIES, SIZES, Family, Functions

# Gives value and partials as Python numbers.
Gradient = Callable[[], tuple[float, Sequence[float]]]
Peer = Callable[[Family, int], Gradient]


def _gradc(family: Family, size: int) -> Gradient:
    import gradc

    model = gradc.compile(family.text(size))
    gradient = model.value_and_grad("f", list(model.inputs))

    def run() -> tuple[float, Sequence[float]]:
        value, partials = gradient()
        return value, list(partials.values())

    return run


def _jax(family: Family, size: int) -> Gradient:
    import jax
    import jax.numpy as np

    jax.config.update("jax_enable_x64", True)
    functions = Functions(np.sin, np.cos, np.exp, np.sinh, np.arctan)
    gradient = jax.jit(jax.value_and_grad(lambda x: family.evaluate(size, x, functions)))
    point = tuple(family.values(size))

    def run() -> tuple[float, Sequence[float]]:
        value, partials = jax.device_get(gradient(point))
        return float(value), partials

    return run


def _sympy(family: Family, size: int) -> Gradient:
    import sympy

    point = family.values(size)
    symbols = sympy.symbols(f"x0:{len(point)}")
    value = family.evaluate(size, symbols, Functions(sympy.sin, sympy.cos, sympy.exp, sympy.sinh, sympy.atan))
    compiled = sympy.lambdify(symbols, [value, *(value.diff(symbol) for symbol in symbols)], "math", cse=True)

    def run() -> tuple[float, Sequence[float]]:
        found = compiled(*point)
        return found[0], found[1:]

    return run


def _symengine(backend: str) -> Peer:
    def prepare(family: Family, size: int) -> Gradient:
        import numpy
        import symengine

        point = family.values(size)
        symbols = [symengine.Symbol(f"x{i}") for i in range(len(point))]
        functions = Functions(symengine.sin, symengine.cos, symengine.exp, symengine.sinh, symengine.atan)
        value = family.evaluate(size, symbols, functions)
        results = [value, *(value.diff(symbol) for symbol in symbols)]
        compiled = symengine.Lambdify(symbols, results, cse=True, backend=backend)
        given = numpy.array(point)

        def run() -> tuple[float, Sequence[float]]:
            found = compiled(given)
            return found[0], found[1:]

        return run

    return prepare


def _casadi(family: Family, size: int) -> Gradient:
    import casadi

    point = casadi.DM(family.values(size))
    x = casadi.SX.sym("x", point.numel())
    functions = Functions(casadi.sin, casadi.cos, casadi.exp, casadi.sinh, casadi.atan)
    value = family.evaluate(size, casadi.vertsplit(x), functions)
    compiled = casadi.Function("g", [x], [value, casadi.gradient(value, x)])

    def run() -> tuple[float, Sequence[float]]:
        found, partials = compiled(point)
        return float(found), partials.nonzeros() if partials.is_dense() else casadi.densify(partials).nonzeros()

    return run


def _autograd(family: Family, size: int) -> Gradient:
    import autograd
    import autograd.numpy as np

    point = family.values(size)
    functions = Functions(np.sin, np.cos, np.exp, np.sinh, np.arctan)
    gradient = autograd.value_and_grad(lambda x: family.evaluate(size, x, functions))

    def run() -> tuple[float, Sequence[float]]:
        value, partials = gradient(point)
        return float(value), partials

    return run


def _torch(family: Family, size: int) -> Gradient:
    import torch

    torch.set_num_threads(1)
    functions = Functions(torch.sin, torch.cos, torch.exp, torch.sinh, torch.atan)
    point = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in family.values(size)]

    def run() -> tuple[float, Sequence[float]]:
        value = family.evaluate(size, point, functions)
        partials = torch.autograd.grad(value, point)
        return value.item(), [partial.item() for partial in partials]

    return run


# The library to import, and how its gradient is made.
PEERS: dict[str, tuple[str, Peer]] = {
    "gradc": ("gradc", _gradc),
    "jax jit(grad)": ("jax", _jax),
    "sympy lambdify(cse)": ("sympy", _sympy),
    "symengine lambda": ("symengine", _symengine("lambda")),
    "symengine llvm": ("symengine", _symengine("llvm")),
    "casadi SX": ("casadi", _casadi),
    "autograd": ("autograd", _autograd),
    "torch eager": ("torch", _torch),
}


def _signature(value: float, partials: Sequence[float]) -> list[float]:
    """A few numbers in which a wrong partial shows: the value, the norm, and sums with changing weights."""
    found = [float(partial) for partial in partials]
    norm = math.sqrt(math.fsum(partial * partial for partial in found))
    weighted = [math.fsum(math.cos(k * (i + 1)) * partial for i, partial in enumerate(found)) for k in (1, 2, 3)]
    return [float(value), norm, *weighted]


def _agree(found: Sequence[float], expected: Sequence[float]) -> bool:
    scale = max(abs(value) for value in expected)
    return all(abs(a - b) <= 1e-8 * scale for a, b in zip(found, expected, strict=True))


def measured(peer: str, name: str, size: int) -> dict[str, Any]:
    """One library on one program in this process."""
    _, prepare = PEERS[peer]
    family = FAMILIES[name]
    prepare(FAMILIES["dag"], 5)()
    # What the generator itself keeps is not the library's time.
    family.operations(size)
    before = measure.peak()
    started = time.perf_counter()
    gradient = prepare(family, size)
    found = gradient()
    first = time.perf_counter() - started
    memory = measure.peak() - before
    return {"first": first, "later": measure.best(gradient), "bytes": memory, "signature": _signature(*found)}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peer", help="parts of their names, separated by commas")
    parser.add_argument("--family", default=",".join(FAMILIES))
    parser.add_argument("--size", default=",".join(map(str, SIZES)))
    parser.add_argument("--timeout", type=float, default=60.0)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps(measured(chosen.child[0], chosen.child[1], int(chosen.child[2]))))
        return
    wanted = chosen.peer.split(",") if chosen.peer else [""]
    peers = [peer for peer in PEERS if any(part in peer for part in wanted) or peer == "gradc"]
    missing = [peer for peer in peers if find_spec(PEERS[peer][0]) is None]
    peers = [peer for peer in peers if peer not in missing]
    rows: list[list[str]] = []
    for name in chosen.family.split(","):
        given_up: set[str] = set()
        for size in map(int, chosen.size.split(",")):
            ours: dict[str, Any] = {}
            for peer in peers:
                if peer in given_up:
                    continue
                found = measure.in_process("bench.peers", peer, name, size, timeout=chosen.timeout)
                print(".", end="", file=sys.stderr, flush=True)
                ours = ours or found
                row = [f"{name} {size}", peer]
                if "error" in found:
                    given_up.add(peer)
                    rows.append([*row, found["error"], *[""] * 5])
                    continue
                rows.append(
                    [
                        *row,
                        measure.duration(found["first"]),
                        f"{found['first'] / ours['first']:.2f}" if "first" in ours else "",
                        measure.duration(found["later"]),
                        f"{found['later'] / ours['later']:.2f}" if "later" in ours else "",
                        f"{found['bytes'] / 1e6:.0f}",
                        ("yes" if _agree(found["signature"], ours["signature"]) else "NO") if "first" in ours else "",
                    ]
                )
    print(file=sys.stderr)
    print(measure.table(["program", "library", "first", "× gradc", "later", "× gradc", "MB", "agrees"], rows))
    if missing:
        print("not installed: " + ", ".join(missing))


if __name__ == "__main__":
    main()
