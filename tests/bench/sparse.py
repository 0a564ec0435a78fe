"""Sparse Hessians and Jacobians beside CasADi's, and beside dense ones of JAX where n is small.

Run it in the folder ``tests``, where the extra ``bench`` is installed; a library that is missing is left out::

    python -m bench.sparse                                   # all programs, libraries and sizes: some minutes
    python -m bench.sparse --program rosenbrock --size 1000

"first" is the time from nothing to the first matrix, pattern and colours included, "later" the shortest of the calls
that follow; "ns" is "later" and "bytes" the peak memory above what importing took, both for each non-zero: the cost is
proportional to the non-zeros if they stay flat down the table. "× gradc" are the times over gradc's. "agrees" says
whether a product of the matrix with a vector is gradc's. Every measurement has a process of its own, and one thread.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from bench import measure

SIZES = {"rosenbrock": (100, 1_000, 10_000, 100_000), "bundle": (100, 1_000, 10_000, 50_000)}
LIBRARIES = {"gradc": "gradc", "casadi-sx": "casadi", "casadi-mx": "casadi", "jax": "jax"}
# A dense Hessian of this many rows is 8 MB; ten times as many are 800.
DENSE = 1_000

Product = Callable[[Any], Any]
Matrix = Callable[[], tuple[int, Product]]
"""Computes the matrix: its number of non-zeros, and a product with a vector."""

ROSENBROCK = """param x[n]
f = sum(100*(x[i+1] - x[i]^2)^2 + (1 - x[i])^2 for i in 0..n-1)
"""


def point(n: int) -> Any:
    """Where the Hessian is taken."""
    return np.linspace(-1.0, 1.0, n)


def scene(p: int) -> dict[str, Any]:
    """Cameras, points and so many observations, without order."""
    rng = np.random.default_rng(p)
    n, m = max(p // 100, 2), max(p // 5, 2)
    where = {"cam": rng.integers(0, n, p), "pt": rng.integers(0, m, p), "feat": rng.normal(size=(p, 2))}
    cams = rng.normal(size=(n, 11)) * 0.1 + 0.5
    return {**where, "cams": cams, "X": rng.normal(size=(m, 3)) + np.array([0, 0, 4]), "w": rng.random(p) + 0.5}


# Libraries -----------------------------------------------------------------------------------------------------------


def _gradc(program: str, n: int) -> Matrix:
    import gradc

    if program == "rosenbrock":
        hessian = gradc.compile(ROSENBROCK).sparse_hessian("f", "x")
        x = point(n)

        def run() -> tuple[int, Product]:
            found = hessian(x=x)
            return found.nnz, lambda v: found @ v

        return run
    model = gradc.load(Path(__file__).parents[2] / "examples" / "bundle_adjustment.grad")
    jacobians = [model.sparse_jacobian("error", name) for name in ("cams", "X")]
    data = scene(n)

    def both() -> tuple[int, Product]:
        cams, points = (jacobian(data) for jacobian in jacobians)
        columns = cams.shape[1]
        return cams.nnz + points.nnz, lambda v: cams @ v[:columns] + points @ v[columns:]

    return both


def _casadi(program: str, n: int, kind: str) -> Matrix:
    import casadi

    symbols = casadi.SX if kind == "sx" else casadi.MX
    if program == "rosenbrock":
        x = symbols.sym("x", n)
        f = casadi.sum1(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
        function = casadi.Function("h", [x], [casadi.hessian(f, x)[0]])
        given: tuple[Any, ...] = (point(n),)
    else:
        function, given = _casadi_bundle(casadi, symbols, n, kind)
    given = tuple(casadi.DM(each) for each in given)

    def run() -> tuple[int, Product]:
        found = function(*given)
        return found.nnz(), lambda v: np.asarray(casadi.mtimes(found, casadi.DM(v))).ravel()

    return run


def _casadi_bundle(casadi: Any, symbols: Any, p: int, kind: str) -> tuple[Any, tuple[Any, ...]]:
    data = scene(p)
    camera, spot, weight, feat = (casadi.SX.sym(name, size) for name, size in zip("cxwf", (11, 3, 1, 2), strict=True))
    r = camera[0:3]
    angle = casadi.norm_2(r)
    u = r / angle
    at = spot - camera[3:6]
    turned = (
        casadi.cos(angle) * at
        + casadi.sin(angle) * casadi.cross(u, at)
        + (1 - casadi.cos(angle)) * casadi.dot(u, at) * u
    )
    flat = turned[0:2] / turned[2]
    r2 = casadi.dot(flat, flat)
    seen = camera[6] * (1 + camera[9] * r2 + camera[10] * r2**2) * flat + camera[7:9]
    one = casadi.Function("e", [camera, spot, weight, feat], [weight * (seen - feat)])
    cams, points = symbols.sym("C", 11, len(data["cams"])), symbols.sym("X", 3, len(data["X"]))
    weights, feats = symbols.sym("w", 1, p), symbols.sym("f", 2, p)
    cam, pt = data["cam"].tolist(), data["pt"].tolist()
    if kind == "sx":
        errors = [
            one(cams[:, c], points[:, q], weights[:, o], feats[:, o])
            for o, (c, q) in enumerate(zip(cam, pt, strict=True))
        ]
        error = casadi.vertcat(*errors)
    else:
        error = casadi.vec(one.map(p)(cams[:, cam], points[:, pt], weights, feats))
    wrt = casadi.vertcat(casadi.vec(cams), casadi.vec(points))
    if kind == "sx":
        inner = casadi.jacobian(error, wrt)
    else:
        inner = casadi.horzcat(casadi.jacobian(error, cams), casadi.jacobian(error, points))
    function = casadi.Function("j", [cams, points, weights, feats], [inner])
    return function, (data["cams"].T, data["X"].T, data["w"][None, :], data["feat"].T)


def _jax(program: str, n: int) -> Matrix:
    import jax

    jax.config.update("jax_enable_x64", True)

    def f(x: Any) -> Any:
        return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    hessian = jax.jit(jax.hessian(f))
    x = point(n)

    def run() -> tuple[int, Product]:
        found = np.asarray(hessian(x))
        return found.size, lambda v: found @ v

    return run


def measured(program: str, library: str, n: int) -> dict[str, Any]:
    """One matrix in this process."""
    make = {
        "gradc": _gradc,
        "casadi-sx": lambda program, n: _casadi(program, n, "sx"),
        "casadi-mx": lambda program, n: _casadi(program, n, "mx"),
        "jax": _jax,
    }[library]
    make("rosenbrock", 4)()
    before = measure.peak()
    started = time.perf_counter()
    run = make(program, n)
    count, product = run()
    first = time.perf_counter() - started
    memory = measure.peak() - before
    later = measure.best(run, 1.0)
    columns = n if program == "rosenbrock" else scene(n)["cams"].size + scene(n)["X"].size
    check = product(np.cos(np.arange(columns)))
    return {"count": count, "first": first, "later": later, "memory": memory, "check": float(np.abs(check).sum())}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--program", default=",".join(SIZES))
    parser.add_argument("--library", default=",".join(LIBRARIES))
    parser.add_argument("--size", default="")
    parser.add_argument("--timeout", type=float, default=300.0)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        program, library, size = chosen.child
        print(json.dumps(measured(program, library, int(size))))
        return
    rows = []
    for program in chosen.program.split(","):
        for n in map(int, chosen.size.split(",")) if chosen.size else SIZES[program]:
            own: dict[str, Any] = {}
            for library in chosen.library.split(","):
                dense = library == "jax"
                if find_spec(LIBRARIES[library]) is None or (dense and (program != "rosenbrock" or n > DENSE)):
                    continue
                found = measure.in_process("bench.sparse", program, library, n, timeout=chosen.timeout)
                head = [f"{program} {n}", library]
                if "error" in found:
                    rows.append([*head, found["error"], *[""] * 7])
                    continue
                own = own or found
                close = abs(found["check"] - own["check"]) <= 1e-8 * abs(own["check"])
                rows.append(
                    [
                        *head,
                        str(found["count"]),
                        measure.duration(found["first"]),
                        measure.duration(found["later"]),
                        f"{found['later'] / found['count'] * 1e9:.0f}",
                        f"{found['memory'] / found['count']:.0f}",
                        f"{found['first'] / own['first']:.3g}",
                        f"{found['later'] / own['later']:.3g}",
                        "yes" if close else "NO",
                    ]
                )
                print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    head = [
        "program",
        "library",
        "non-zeros",
        "first",
        "later",
        "ns",
        "bytes",
        "first × gradc",
        "later × gradc",
        "agrees",
    ]
    print(measure.table(head, rows))


if __name__ == "__main__":
    main()
