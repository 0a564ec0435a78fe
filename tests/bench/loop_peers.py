"""The loops of ``bench.loop_cases`` in JAX (jit, ``lax.scan``) and CasADi (``mapaccum``), with value and gradients.

Numbers are float64, data are converted before the clock starts, and results are awaited.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Run = Callable[[], tuple[float, Sequence[Any]]]


def _jax(name: str, data: dict[str, Any]) -> Run:
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp, scan = jax.numpy, jax.lax.scan

    def force(x: Any, k: Any) -> Any:
        return -jnp.sin(x) + k * (jnp.roll(x, -1) - 2 * x + jnp.roll(x, 1))

    if name in ("numbers, for", "euler, 10", "euler, 1000"):
        first, second = ("a", "b") if name.startswith("numbers") else ("y0", "k")
        count, h = data["n"], data["h"]

        def value(y: Any, k: Any) -> Any:
            y, _ = scan(lambda y, _: (y + h * (k - jnp.sin(y)), None), y, None, length=count)
            return jnp.sum(y * y)

        given = [data[first], data[second]]
    elif name.startswith("runge-kutta"):
        count, h = data["n"], data["h"]

        def value(x: Any, v: Any, k: Any) -> Any:  # type: ignore[misc]
            def step(carry: Any, _: Any) -> Any:
                x, v = carry
                a1 = force(x, k)
                a2 = force(x + h / 2 * v, k)
                a3 = force(x + h / 2 * v + h * h / 4 * a1, k)
                a4 = force(x + h * v + h * h / 2 * a2, k)
                return (x + h * v + h * h / 6 * (a1 + a2 + a3), v + h / 6 * (a1 + 2 * a2 + 2 * a3 + a4)), None

            (x, _), _ = scan(step, (x, v), None, length=count)
            return jnp.sum(x * x)

        given = [data["x0"], data["v0"], data["k"]]
    elif name == "elements":
        u = jnp.array(data["u"])

        def value(w: Any, s: Any) -> Any:  # type: ignore[misc]
            def step(x: Any, each: Any) -> Any:
                x = w * x + s * each
                return x, x

            _, xs = scan(step, 0.0, u[1:])
            return jnp.sum(xs * xs) / 2

        given = [data["w"], data["s"]]
    elif name == "recurrent network":
        x, target = jnp.array(data["x"]), jnp.array(data["target"])
        sigmoid = jax.nn.sigmoid

        def value(*weights: Any) -> Any:  # type: ignore[misc]
            in_, in_z, in_r, own, own_z, own_r, b, b_z, b_r, out, c = weights

            def step(state: Any, row: Any) -> Any:
                z = sigmoid(in_z @ row + own_z @ state + b_z)
                r = sigmoid(in_r @ row + own_r @ state + b_r)
                new = jnp.tanh(in_ @ row + own @ (r * state) + b)
                state = z * state + (1 - z) * new
                return state, out @ state + c

            _, found = scan(step, jnp.zeros(len(b)), x)
            return jnp.sum((found - target) ** 2) / (2 * len(x))

        given = list(data.values())[2:]
    else:
        raise KeyError(name)
    arrays = [jnp.array(each, dtype=float) for each in given]
    compiled = jax.jit(jax.value_and_grad(value, argnums=tuple(range(len(arrays)))))

    def run() -> tuple[float, list[Any]]:
        found, gradients = jax.block_until_ready(compiled(*arrays))
        return float(found), [np.asarray(each) for each in gradients]

    run()
    return run


def _casadi(name: str, data: dict[str, Any]) -> Run:
    import casadi

    if name not in ("numbers, for", "euler, 10", "euler, 1000"):
        raise KeyError(name)
    first, second = ("a", "b") if name.startswith("numbers") else ("y0", "k")
    size = np.size(data[first])
    y, k = casadi.SX.sym("y", size), casadi.SX.sym("k", size)
    step = casadi.Function("step", [y, k], [y + data["h"] * (k - casadi.sin(y))])
    start, rate = casadi.MX.sym("start", size), casadi.MX.sym("rate", size)
    last = step.fold(data["n"])(start, casadi.repmat(rate, 1, data["n"]))
    value = casadi.sumsqr(last)
    gradients = [casadi.gradient(value, each) for each in (start, rate)]
    compiled = casadi.Function("run", [start, rate], [value, *gradients])

    def run() -> tuple[float, list[Any]]:
        found, *slopes = compiled(data[first], data[second])
        shaped = [np.asarray(each).reshape(np.shape(data[first])) for each in slopes]
        return float(found), shaped

    return run


PEERS: dict[str, Callable[[str, dict[str, Any]], Run]] = {"jax": _jax, "casadi": _casadi}


def prepare(peer: str, name: str, data: dict[str, Any]) -> Run:
    """Value and gradients by a peer, compiled; ImportError where it is missing, KeyError where it has no such loop."""
    return PEERS[peer](name, data)
