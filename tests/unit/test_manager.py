"""Pipelines in text, and running them."""

from __future__ import annotations

import networkx
import pytest

from gradc.errors import CompileError
from gradc.ir.builder import Builder
from gradc.ir.graph import Graph
from gradc.ir.types import F32, INT
from gradc.ops import TABLE
from gradc.passes.manager import LEVELS, PASSES, Context, Pass, custom, level, parse_pipeline, run
from gradc.passes.simplify import simplify
from gradc.rules.rewrite import CLASSES, rules_of


def example() -> Graph:
    """x*1 + x, where `a` names the product."""
    builder = Builder(TABLE)
    x = builder.input("x")
    a = builder.name("a", builder.apply("mul", x, builder.constant(1.0)))
    builder.names.update(x=x, a=a)
    return builder.finish([("y", builder.apply("add", a, x))])


def ops(graph: Graph) -> list[str]:
    return [data["op"] for data in graph.data.values()]


def test_steps_run_in_order_and_the_map_is_composed() -> None:
    graph = example()
    dumped: list[tuple[str, int]] = []
    context = Context(fired=[])
    report = run(
        graph,
        parse_pipeline("dissolve, rewrite(exact), dce", PASSES),
        context=context,
        check=True,
        dump=lambda name, after: dumped.append((name, len(after))),
    )
    assert ops(report.graph) == ["input", "const", "mul"]
    assert dumped == [("dissolve", 4), ("rewrite(exact)", 4), ("dce", 3)]
    assert [name for name, _ in report.seconds] == ["dissolve", "rewrite(exact)", "dce"]
    assert report.number[graph.names["a"]] == report.graph.names["a"] == 0
    assert [firing.rule for firing in context.fired or []] == ["mul_one", "double"]


def test_rules_can_be_switched_off() -> None:
    report = run(example(), parse_pipeline("rewrite(exact)", PASSES), context=Context(disabled=frozenset({"mul_one"})))
    assert "mul" in ops(report.graph)


def test_nothing_to_do_gives_the_graph_back() -> None:
    graph = run(example(), parse_pipeline("simplify(exact), dce", PASSES)).graph
    assert run(graph, parse_pipeline("simplify(exact), fold, dedupe, dissolve, dce", PASSES)).graph is graph


def test_passes_can_be_added() -> None:
    mine = Pass("twice", "run dce twice", lambda graph, options, context: PASSES["dce"].run(graph, (), context))
    assert [step.name for step in parse_pipeline("twice, dce", PASSES.extend(mine))] == ["twice", "dce"]
    assert "twice" not in PASSES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "simplfy, dce",
            "error[E0905]: there is no pass `simplfy`\n --> <pipeline>:1:1\n  |\n1 | simplfy, dce\n"
            "  | ^^^^^^^ unknown\n  = help: a similar name exists: `simplify`",
        ),
        (
            "dce, simplify(exat)",
            "error[E0905]: the pass `simplify` has no option `exat`\n --> <pipeline>:1:15\n"
            "  |\n1 | dce, simplify(exat)\n"
            "  |               ^^^^ unknown\n  = help: a similar name exists: `exact`\n"
            "  = help: the options of `simplify` are: `exact`, `stable`, `late`, `real`, `finite`, `fixpoint`",
        ),
        (
            "dce(",
            "error[E0905]: this parenthesis is not closed\n --> <pipeline>:1:4\n  |\n1 | dce(\n  |    ^ opened here",
        ),
        (
            "dce fold",
            "error[E0905]: a comma is missing between two passes\n --> <pipeline>:1:5\n  |\n1 | dce fold\n"
            "  |     ^^^^ expected `,` here",
        ),
        (
            "dce,, fold",
            "error[E0905]: a pipeline is names of passes with commas between them\n --> <pipeline>:1:5\n  |\n"
            "1 | dce,, fold\n  |     ^ not a name",
        ),
        (
            "simplify((exact))",
            "error[E0905]: options do not nest\n --> <pipeline>:1:10\n  |\n1 | simplify((exact))\n"
            "  |          ^ not a word",
        ),
    ],
)
def test_a_wrong_pipeline_is_told(text: str, message: str) -> None:
    with pytest.raises(CompileError) as caught:
        parse_pipeline(text, PASSES)
    assert str(caught.value) == message


def test_an_empty_pipeline_has_no_steps() -> None:
    assert parse_pipeline("  ", PASSES) == ()


def test_own_functions_are_steps_and_are_checked() -> None:
    def drop_outputs(graph: Graph) -> Graph:
        return Graph.from_nx(graph.copy(), outputs=[("only", 0)])

    report = run(example(), [custom(drop_outputs)])
    assert report.graph.outputs == (("only", 0),)
    assert report.seconds[0][0] == "drop_outputs"

    def nothing(graph: Graph) -> Graph:
        return None  # type: ignore[return-value]

    with pytest.raises(CompileError, match=r"the pass `nothing` returned a value of type NoneType, not a graph"):
        run(example(), [custom(nothing)])

    def broken(graph: Graph) -> Graph:
        dag = networkx.DiGraph()
        dag.add_node(0, op="nonsense", operands=(), type=graph.type(0))
        return Graph(dag, graph.ops, (), [("y", 0)], {})

    with pytest.raises(CompileError, match=r"error\[E0906\]: the pass `broken` returned an invalid graph: I"):
        run(example(), [custom(broken)])


def test_levels_name_known_passes() -> None:
    known = PASSES.extend(Pass("expand", "", lambda graph, options, context: (graph, {})))
    for number in LEVELS:
        for finite in (False, True):
            assert parse_pipeline(level(number, assume_finite=finite), known)
            assert ("finite" in level(number, assume_finite=finite)) == (finite and number > 0)


# Folding -------------------------------------------------------------------------------------------------------------


def folded(op: str, *values: float, type: object = None) -> object:
    builder = Builder(TABLE)
    nodes = [builder.constant(value, type) if type else builder.constant(value) for value in values]  # type: ignore[arg-type]
    graph = builder.finish([("y", builder.apply(op, *nodes))])
    result, _ = simplify(graph, fold=True)
    return result.constant(result.output("y"))


def test_constants_are_folded_by_the_op_itself() -> None:
    assert folded("div", 1.0, -0.0) == -float("inf")
    assert folded("mul", 0.1, 0.1, type=F32) == 0.010000000707805157
    assert folded("add", 2**63 - 2, 1, type=INT) == 2**63 - 1


def test_an_integer_that_does_not_fit_is_left_for_the_run() -> None:
    assert folded("add", 2**63 - 1, 1, type=INT) is None
    assert folded("floordiv", 1, 0, type=INT) is None


def test_rules_of_the_f32_type_compute_in_f32() -> None:
    builder = Builder(TABLE)
    x = builder.input("x", F32)
    inner = builder.apply("mul", builder.constant(0.30000001192092896, F32), x)
    y = builder.apply("mul", builder.constant(0.10000000149011612, F32), inner)
    graph, _ = simplify(builder.finish([("y", y)]), rules_of(TABLE, ("stable",)))
    factor = graph.constant(graph.operands(graph.output("y"))[0])
    assert factor == 0.030000001192092896
    # The product of these is subnormal in f32, so the rule leaves it alone.
    builder = Builder(TABLE)
    x, tiny = builder.input("x", F32), builder.constant(2.0**-70, F32)
    y = builder.apply("mul", tiny, builder.apply("mul", tiny, x))
    graph = builder.finish([("y", y)])
    assert simplify(graph, rules_of(TABLE, ("stable",)))[0] is graph


def test_rules_do_not_fire_on_integers() -> None:
    builder = Builder(TABLE)
    n = builder.input("n", INT)
    graph = builder.finish([("y", builder.apply("add", n, n))])
    assert simplify(graph, rules_of(TABLE, CLASSES))[0] is graph


def test_rules_that_save_work_spare_shared_nodes() -> None:
    builder = Builder(TABLE)
    x, y, z = (builder.input(name) for name in "xyz")
    a, b = builder.apply("mul", x, y), builder.apply("mul", x, z)
    graph = builder.finish([("s", builder.apply("add", a, b)), ("a", a), ("b", b)])
    assert simplify(graph, rules_of(TABLE, ("finite",)))[0] is graph
    graph = distributed()
    assert ops(run(graph, parse_pipeline("rewrite(finite), dce", PASSES)).graph).count("mul") == 1


def distributed() -> Graph:
    builder = Builder(TABLE)
    x, y, z = (builder.input(name) for name in "xyz")
    return builder.finish([("s", builder.apply("add", builder.apply("mul", x, y), builder.apply("mul", x, z)))])


def test_an_unknown_class_is_an_error() -> None:
    with pytest.raises(KeyError):
        rules_of(TABLE, ("exactly",))
