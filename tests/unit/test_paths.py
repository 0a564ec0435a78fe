"""Paths: counted, added up and ranked without being listed, against a full enumeration."""

import itertools
import math
import time

from hypothesis import example, given, settings
from hypothesis import strategies as st

import gradc
from gradc.explain.paths import Edge, Network, network, weight
from gradc.ir.builder import Builder
from gradc.ops import TABLE


def small_network(count, pairs):
    """A network of nodes 0, 1… with an edge for each pair; what its nodes compute does not matter here."""
    graph = Builder(TABLE).finish([])
    edges = sorted((Edge(a, b, None) for a, b in pairs), key=lambda edge: edge.target)
    return Network(graph, {}, [count - 1], [0], range(count), edges, (), {}, None)


def every_path(net, source, target):
    if source == target:
        return [[]]
    found = []
    for index in net.outgoing.get(source, ()):
        found += [[index, *rest] for rest in every_path(net, net.edges[index].target, target)]
    return found


FACTORS = [1.0, 1.0, 2.0, -2.0, 0.5, 3.0, -0.1, 0.0, math.inf, math.nan, 1e300, 1e-300]


@st.composite
def networks(draw):
    count = draw(st.integers(2, 6))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] < pair[1])
    net = small_network(count, draw(st.lists(pairs, min_size=1, max_size=11)))
    factors = [draw(st.sampled_from(FACTORS)) for _ in net.edges]
    cut = {i for i in range(len(net.edges)) if draw(st.integers(0, 9)) == 0}
    return net, factors, cut


def of_size(net, factors, cut):
    """By what paths rank: kinds of factors first, the most NaN and so on, then the size of the product."""

    def rank(path):
        flowing = [factors[index] for index in path if index not in cut]
        sizes = [abs(factor) for factor in flowing if math.isfinite(factor) and factor]
        nans = sum(factor != factor for factor in flowing)
        kinds = len(path) - len(flowing), -nans, -sum(map(math.isinf, flowing)), flowing.count(0)
        return *kinds, -round(math.fsum(map(math.log2, sizes)), 6)

    return rank


def twice_the_same():
    """Two paths of one size, each of which leaves the largest one elsewhere; logarithms in f64 tell them apart."""
    pairs = [(0, 1), (0, 2), (1, 2), (1, 2), (0, 2), (0, 1), (0, 2)]
    net = small_network(3, pairs)
    factors = [1.0, 1e-300, 1e-300, -0.1, 1e-300, 3.0, -0.1]
    return net, factors, {0, 2, 3, 6}


@given(networks(), st.integers(1, 12))
@example(twice_the_same(), 5)
@settings(max_examples=400, deadline=None)
def test_ranking_against_enumeration(case, count):
    net, factors, cut = case
    last = net.of[0]
    everything = every_path(net, 0, last)
    assert net.count(last, 0) == len(everything)
    assert net.best(last, 0, count) == everything[:count]

    weights = [weight(factor, index in cut) for index, factor in enumerate(factors)]
    # Sorting is stable, so equals stay in the order of the text.
    assert net.best(last, 0, count, weights) == sorted(everything, key=of_size(net, factors, cut))[:count]


@given(networks())
@settings(max_examples=200, deadline=None)
def test_the_sum_over_all_paths(case):
    net, factors, cut = case
    factors = [f if math.isfinite(f) and 1e-9 < abs(f) < 1e9 else 0.0 for f in factors]
    products = [math.prod(factors[i] for i in path) for path in every_path(net, 0, net.of[0]) if not cut & {*path}]
    found = net.flow(net.of[0], factors, cut).get(0, 0.0)
    assert math.isclose(found, math.fsum(products), rel_tol=1e-9, abs_tol=1e-9)


def test_an_edge_that_is_cut_carries_not_even_nan():
    net = small_network(3, [(0, 1), (1, 2), (0, 2)])
    inner, outer = net.incoming[1][0], net.incoming[2][0]
    factors = [1.0] * 3
    factors[inner] = math.inf
    factors[outer] = 0.0
    assert math.isnan(net.flow(2, factors, ())[0])
    assert net.flow(2, factors, {outer})[0] == 1.0


def test_long_networks_with_many_paths_are_ranked_quickly():
    count = 20_000
    net = small_network(count, [(i, i + 1) for i in range(count - 1) for _ in range(2)])
    factors = [1.1 if index % 2 else 1.1 - 1e-9 * (index % 7) for index in range(len(net.edges))]
    started = time.perf_counter()
    best = net.best(count - 1, 0, 5, [weight(factor, False) for factor in factors])
    assert time.perf_counter() - started < 20
    assert net.count(count - 1, 0) == 2 ** (count - 1)
    assert len({tuple(path) for path in best}) == 5
    sizes = [sum(math.log(factors[i]) for i in path) for path in best]
    assert all(a >= b - 1e-9 for a, b in itertools.pairwise(sizes))


def test_names_and_operations():
    model = gradc.compile("input x\nu = x*sin(x) + x^2\ny = u*u")
    names = network(model.graph, [model.node("y")], [model.node("x")])
    assert [(model.graph.name(e.source), model.graph.name(e.target)) for e in names.edges] == [
        ("x", "u"),
        ("x", "u"),
        ("x", "u"),
        ("u", "y"),
        ("u", "y"),
    ]
    steps = network(model.graph, [model.node("y")], [model.node("x")], "ops")
    assert steps.count(steps.of[0], steps.wrt[0]) == names.count(names.of[0], names.wrt[0]) == 6


def test_conditions_of_an_edge():
    model = gradc.compile("input x, z\ny = if x > 0 then (if z > 0 then x*z else z) else x")
    net = network(model.graph, [model.node("y")], [model.node("x")])
    above_x, above_z = (
        next(n for n in net.graph if net.graph.op(n) == "gt" and net.graph.name(net.graph.operands(n)[0]) == name)
        for name in "xz"
    )
    (first, second) = (net.graph.data[edge.live] for edge in net.edges)
    assert (first["op"], first["operands"]) == ("and", (above_x, above_z))
    assert (second["op"], second["operands"]) == ("not", (above_x,))
