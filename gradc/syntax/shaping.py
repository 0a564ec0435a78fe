"""Lowers the built-in functions that give arrays another shape, join them, and make them from sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gradc.ir import sizes
from gradc.ir.builder import Builder
from gradc.ir.sizes import Dim
from gradc.ir.types import typed
from gradc.ops import build
from gradc.syntax.extents import meet, require, written
from gradc.syntax.site import Refusal, Site


def reshape(site: Site) -> int:
    """The elements in their order under another shape."""
    node = site.any_array(0)
    type = site.builder.type(node)
    shape = tuple(site.extent(at) for at in range(1, len(site.values)))
    before, after = sizes.product(type.shape), sizes.product(shape)
    if not require(site.builder, "==", before, after, site.builder.span):
        message = f"an array {written(type.shape)} does not fill the shape {written(shape)}"
        raise Refusal(message, None, f"{before} elements for {after}", code="E0309")
    return build.reshape(site.builder, node, shape)


def flatten(site: Site) -> int:
    """The elements in their order as a vector."""
    node = site.any_array(0)
    return build.reshape(site.builder, node, (sizes.product(site.builder.type(node).shape),))


# Joining -------------------------------------------------------------------------------------------------------------


def _parts(site: Site) -> list[int]:
    """The arguments as nodes of one kind."""
    for at in range(len(site.values)):
        if (site.type(at).dtype == "bool") != (site.type(0).dtype == "bool"):
            found = "truth values" if site.type(at).dtype == "bool" else "numbers"
            raise Refusal(f"`{site.name}` takes numbers or truth values, not both", at, f"these are {found}")
    return site.lowering.applier.alike(site.values)


def joined(builder: Builder, nodes: Sequence[int], axis: int) -> int:
    """Arrays that differ in one axis at most, one behind the other along it."""
    type = builder.type(nodes[0])
    whole = [(0, 1, extent) for extent in type.shape[:axis]]
    described = []
    start: Dim = 0
    for node in nodes:
        extent = builder.type(node).shape[axis]
        described.append(((*whole, (start, 1, extent)), ()))
        start = extent + start
    shape = (*type.shape[:axis], start, *type.shape[axis + 1 :])
    return builder.apply("assemble", *nodes, attrs={"shape": shape, "parts": tuple(described)})


def stacked(builder: Builder, nodes: Sequence[int]) -> int:
    """Values of one shape as the rows of an array."""
    operands: list[int] = []
    for at, node in enumerate(nodes):
        operands += [node, build.extent(builder, at)]
    shape = (len(nodes), *builder.type(nodes[0]).shape)
    attrs = {"shape": shape, "parts": (((None,), ()),) * len(nodes)}
    return builder.apply("assemble", *operands, attrs=attrs)


def uniform(builder: Builder, nodes: Sequence[int]) -> list[int] | int:
    """The nodes under one shape, that of the first; or the position of one that has another."""
    due = builder.type(nodes[0]).shape
    found = []
    for at, node in enumerate(nodes):
        shape = builder.type(node).shape
        if len(shape) != len(due):
            return at
        if not all(require(builder, "==", a, b, builder.span) for a, b in zip(due, shape, strict=True)):
            return at
        found.append(meet(builder, node, due, builder.span))
    return found


def concat(site: Site) -> int:
    """Arrays one behind the other along an axis."""
    nodes = _parts(site)
    types = [site.builder.type(node) for node in nodes]
    rank = types[0].rank
    for at, type in enumerate(types):
        if not type.rank or type.rank != rank:
            label = f"this is {written(type.shape)}, and the first {written(types[0].shape)}"
            if not type.rank:
                label = "this is a single number"
            hint = "a number becomes a vector in brackets: `[x]`" if not type.rank else ""
            hints = [hint] if hint else []
            raise Refusal(f"`{site.name}` joins arrays of equally many axes", at, label, *hints, code="E0309")
    axis = site.axis(rank, 0)
    for at, type in enumerate(types[1:], start=1):
        due = tuple(type.shape[k] if k == axis else types[0].shape[k] for k in range(rank))
        for k in range(rank):
            if not require(site.builder, "==", due[k], type.shape[k], site.builder.span):
                label = f"{type.shape[k]} along axis {k}, where the first has {due[k]}"
                message = f"`{site.name}` joins arrays that agree in all axes but one"
                raise Refusal(message, at, label, code="E0309")
        nodes[at] = meet(site.builder, nodes[at], due, site.builder.span)
    return joined(site.builder, nodes, axis)


def stack(site: Site) -> int:
    """Arrays of one shape along a new axis."""
    found = uniform(site.builder, nodes := _parts(site))
    if isinstance(found, int):
        shapes = [written(site.builder.type(node).shape) for node in (nodes[found], nodes[0])]
        label = f"this is {shapes[0]}, and the first {shapes[1]}"
        raise Refusal(f"`{site.name}` takes arrays of one shape", found, label, code="E0309")
    rank = site.builder.type(found[0]).rank + 1
    axis = site.axis(rank, 0)
    order = list(range(1, rank))
    order.insert(axis, 0)
    return build.transpose(site.builder, stacked(site.builder, found), order)


def pad(site: Site) -> int:
    """An array with zeros around it."""
    node = site.numbers(0)
    type = site.builder.type(node)
    before, after = site.extent(1), site.extent(len(site.values) - 1)
    axes = site.axes(type.rank)
    items = tuple((before if axis in axes else 0, 1, extent) for axis, extent in enumerate(type.shape))
    shape = tuple(before + extent + after if axis in axes else extent for axis, extent in enumerate(type.shape))
    return site.apply("assemble", node, shape=shape, parts=((items, ()),))


def repeat(site: Site) -> int:
    """Every element several times along an axis."""
    node = site.any_array(0)
    type = site.builder.type(node)
    times = site.extent(1)
    axis = site.axis(type.rank)
    head, tail = type.shape[: axis + 1], type.shape[axis + 1 :]
    wide = build.reshape(site.builder, node, (*head, 1, *tail))
    wide = build.broadcast(site.builder, wide, (*head, times, *tail))
    return build.reshape(site.builder, wide, (*head[:-1], head[-1] * times, *tail))


# Arrays from sizes ---------------------------------------------------------------------------------------------------


def filled(value: float) -> Callable[[Site], int]:
    """An array of one number."""

    def make(site: Site) -> int:
        shape = tuple(site.extent(at) for at in range(len(site.values)))
        return site.builder.constant(value, typed(site.lowering.program.real.dtype, shape))

    return make


def full(site: Site) -> int:
    """An array of one number, which the program computes."""
    return build.broadcast(site.builder, site.scalar(0), tuple(site.extent(at) for at in range(1, len(site.values))))


def arange(site: Site) -> int:
    """The integers from a first one up to, but without, a last one."""
    first: Dim = site.extent(0) if len(site.values) > 1 else 0
    last = site.extent(len(site.values) - 1)
    if not require(site.builder, ">=", last, first, site.builder.span):
        raise Refusal(f"`{site.name}` counts upwards", 1, f"less than {first}, where it begins")
    indices, (value,) = site.indices(last - first)
    if first != 0:
        value = site.apply("add", value, build.extent(site.builder, first))
    return build.tabulate(site.builder, value, indices)


def linspace(site: Site) -> int:
    """Numbers at equal distances, both ends among them."""
    applier = site.lowering.applier
    start, stop = site.scalar(0), site.scalar(1)
    extent = site.extent(2)
    indices, (place,) = site.indices(extent)
    steps = site.count([extent - 1], site.builder.type(start))
    share = site.apply("div", applier.real_node(place), steps)
    width = site.apply("mul", share, site.apply("sub", stop, start))
    # The last value is the end itself, whatever the rounding.
    last = site.apply("eq", place, build.extent(site.builder, extent - 1))
    value = site.apply("select", last, stop, site.apply("add", start, width))
    return build.tabulate(site.builder, value, indices)


def scatter_add(site: Site) -> int:
    """Values added up at the places that integers name."""
    places = site.lowering.applier.int_node(site.values[0])
    type = site.builder.type(places)
    if type.dtype != "int" or type.rank != 1:
        found = f"an array {written(type.shape)}" if type.rank > 1 else "a single number"
        label = f"this is {found}" if type.rank != 1 else "these are no integers"
        hint = "declare them so: `input places[m]: int`"
        hints = [hint] if type.rank == 1 else []
        raise Refusal(f"`{site.name}` takes a vector of integers here: the places", 0, label, *hints, code="E0310")
    values, extent = site.array(1), site.extent(2)
    own = site.builder.type(values)
    if not require(site.builder, "==", type.shape[0], own.shape[0], site.builder.span):
        label = f"{own.shape[0]} for {type.shape[0]} places"
        raise Refusal(f"`{site.name}` takes as many values as places", 1, label, code="E0309")
    values = meet(site.builder, values, (type.shape[0], *own.shape[1:]), site.builder.span)
    indices, (place,) = site.indices(type.shape[0])
    value = build.access(site.builder, values, (None,), [place])
    target = build.access(site.builder, places, (None,), [place])
    return site.apply("assemble", value, target, shape=(extent, *own.shape[1:]), parts=(((None,), tuple(indices)),))
