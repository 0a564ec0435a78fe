"""Explains a derivative as a textbook does: values, local gradients, the product along every path, the sum of the
paths.

Everything is read off the graph as written, before any rewrite, so that ``y + y`` is two paths. The compiled adjoint,
which has been through all passes, is evaluated beside it and must agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gradc.errors import CallError, Diagnostic
from gradc.explain.arrays import ArrayExplainer
from gradc.explain.elements import element, named
from gradc.explain.explainer import SHOWN, Explainer
from gradc.explain.explanation import Explanation, LocalGradient, Path, Row
from gradc.explain.paths import Level
from gradc.memory import collector_paused

if TYPE_CHECKING:
    from gradc.model import Model


def explain(
    model: Model,
    of: str,
    wrt: str,
    values: Mapping[str, Any] | None = None,
    *,
    paths: int = SHOWN,
    level: str = "names",
    lr: float | None = None,
) -> Explanation:
    """Explain the derivative of one name of a program with respect to another.

    Either may be an element of an array, as in ``W[2, 0]``, and ``wrt`` a whole array or a slice of one too; ``of`` has
    to be one number.

    ``values`` are inputs in place of the defaults; where one that matters is missing, formulas are shown alone.
    ``level`` is "names", where a statement is one step, or "ops", where every operation is. At most ``paths`` paths are
    listed, those that contribute most. ``lr`` is the learning rate of one step of gradient descent. Raises
    ``CallError`` for an unknown name and for one that is no real number.
    """
    if level not in ("names", "ops"):
        raise ValueError(f"level must be 'names' or 'ops', not {level!r}")
    with collector_paused():
        model, y = _target(model, of)
        part = element(model, wrt)
        (v,) = model.variables([wrt if part is None else part.name])
        chosen: Level = "ops" if level == "ops" else "names"
        second = model.graph.type(model.node(v)).shape
        if part is not None or second or any(d["type"].shape for d in model.graph.data.values()):
            return ArrayExplainer(model, y, v, chosen, part).explain(values, paths, lr)
        return Explainer(model, y, v, chosen).explain(values, paths, lr)


def _target(model: Model, of: str) -> tuple[Model, str]:
    """What is explained, and the model in which it has a name."""
    model, name = named(model, of)
    found = model.graph.type(model.node(name))
    if found.real and found.shape:
        hint = f"name one element, as in `{name.partition('[')[0]}[{', '.join('0' for _ in found.shape)}]`"
        shown = ", ".join(map(str, found.shape))
        hints = (hint,) if "[" not in name else ()
        raise CallError(Diagnostic("E0609", f"`{name}` is an array [{shown}], not one number", hints=hints))
    return model, model.targets([name])[0]


__all__ = ["SHOWN", "Explanation", "LocalGradient", "Path", "Row", "explain"]
