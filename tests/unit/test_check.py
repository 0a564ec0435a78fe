"""The checker of derivatives: right programs are right, wrong ones are wrong and located, noise is neither."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradc
from gradc.check import backends
from gradc.check.report import Check, Entry
from gradc.cli import main
from gradc.errors import CallError
from gradc.ir.builder import Builder

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def check(text: str, values: dict[str, Any] | None = None, ops: gradc.OpTable = gradc.TABLE, **options: Any) -> Check:
    return gradc.compile(text, name="m.grad", ops=ops).check(values, **options)


def verdicts(found: Check) -> dict[str, str]:
    return {entry.wrt: entry.verdict for entry in found.entries}


# Right programs ------------------------------------------------------------------------------------------------------

RIGHT = {
    "arithmetic": "param x = 3, y = -2\nz = x*y/(x - y) + x^3 - 2^y",
    "elementary": "param x = 0.7\ny = sin(x)*exp(x) + log(x) + atan2(x, 2) + erf(x) + lgamma(x + 1) + hypot(x, 2)",
    "large exponents": "param x = 1.01\ny = x^1000",
    "conditions": "param x = 0.5, y = -1\nz = if x > 0 then log(x)*y else sqrt(x)",
    "untaken": "param x = -1\nz = if x > 0 then log(x) else 3*x^2",
    "functions": "fn f(a, b) = a*b^2\nparam x = 2\ny = f(x, x) + f(1, x)",
    "own derivative": "fn f(x) = x^3\nderivative f(x) = 3*x^2\nparam x = 2\ny = f(x)*x",
    "own derivative, twice": "fn f(x) = x^3\nderivative f(x) = 3*x^2\nparam x = 2\ny = grad(f(x)*x, x)",
    "requests": "param x = 0.3\nf = sin(x)*x^2\ny = grad(grad(f, x), x) + f",
    "stopped": "param x = 1.5\ny = stop_gradient(x)*x^2",
    "stopped in a loop": "param x = 1.5\ny = x\nfor t in 0..4 { y = y*0.5 + stop_gradient(y)*x }\noutput y",
    "sums": "param w[4] = [1.0, 2.0, -1.0, 0.5]\nL = sum(w[i]^2*w[i+1] for i in 0..3) + sum(w)",
    "matrices": "param A[2, 2] = [[2.0, 1.0], [0.5, 3.0]], b[2] = [1.0, -1.0]\nL = sum(solve(A, A.T @ b)) + det(A)",
    "cholesky": "param A[2, 2] = [[2.0, 1.0], [1.0, 3.0]]\nL = sum(cholesky(A)) + logdet(A) + sum(inv(A))",
    "spectra": "param A[2, 2] = [[2.0, 1.0], [1.0, 3.0]]\nL = sum(eigvalsh(A)^2) + 2*svdvals(A)[0]",
    "reductions": "param x[3] = [0.3, 2.0, -1.0]\n"
    "L = prod(x) + max(x) + min(x) + norm(x) + logsumexp(x) + sum(softmax(x)*x) + sum(cumsum(x)^2) + sum(sort(x)*x)",
    "loop": "param w = 0.3\ny = 1.0\nfor t in 0..5 { y = y + w*sin(y) }\noutput y",
    "while": "param a = 2\nx = a\nwhile abs(x*x - a) > 1e-12 { x = (x + a/x)/2 }\noutput x",
    "block": "param w = 0.3\ny = w\nif w > 0 { y = w^3 } else { y = -w }\noutput y",
    "collected": "param w = 0.3\nx = 1.0\nfor t in 0..4 { x = x*w + 1; trace[t] = x }\nL = sum(trace^2)\noutput L",
    "array output": "param w[3] = [1.0, 2.0, 3.0]\ny = w^2 + sum(w)\noutput y",
    "intermediate": "param w = 2\na = w^2\nb = a*w\noutput b",
    "optimum": "param x = 1, y = 1\nf = (1 - x)^2 + 100*(y - x^2)^2",
    "integers": "input n: int = 3\nparam x = 2\ny = x^n + n",
    "truth": "input b: bool = 1 < 2\nparam x = 2\ny = if b then x^2 else x",
    "steps": "param x = 1.4\ny = floor(x)*x + sign(x) + round(x)",
    "cancelling": "param x = 0.3, t = 1\ny = x - x + 1e-20*t",
    "offset": "param x = 0.3\ny = 1e16 + x",
    "no dependence": "param x = 1, z = 3\ny = x^2",
}  # fmt: skip


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
def test_right_programs_are_right(text: str) -> None:
    found = check(text)
    assert found.ok, str(found)
    assert {entry.verdict for entry in found.entries} == {"right"}, str(found)
    assert all(each.verdict != "differs" for point in found.points for each in point.comparisons)


@pytest.mark.parametrize("text", [RIGHT["elementary"], RIGHT["matrices"], RIGHT["reductions"], RIGHT["loop"]])
def test_right_programs_are_right_in_many_digits(text: str) -> None:
    found = check(text, precision=30)
    assert found.ok, str(found)
    assert {(entry.verdict, entry.method) for entry in found.entries} == {("right", "mpmath, 30 digits")}


def test_single_precision() -> None:
    found = gradc.compile("param x = 0.7\ny = sin(x)*exp(x)", dtype="f32").check()
    assert verdicts(found) == {"x": "right"}
    assert found.ok


def test_derivatives_by_intermediate_values() -> None:
    found = check(RIGHT["intermediate"], wrt="a")
    assert [(entry.value, entry.reference, entry.verdict) for entry in found.entries] == [(2.0, 2.0, "right")]


def test_methods() -> None:
    assert check("param x = 2\ny = x^2").entries[0].method == "complex step"
    assert check(RIGHT["spectra"]).entries[0].method == "central differences"


def test_the_remainder_is_of_second_order() -> None:
    found = check("param x = 0.7\ny = sin(x)\nz = 2*x\noutput y, z").points[0].orders
    assert found["y"] == pytest.approx(2, abs=0.02)
    assert found["z"] is None
    wrong = check("fn f(x) = sin(x)\nderivative f(x) = -cos(x)\nparam x = 0.7\ny = f(x)").points[0].orders
    assert wrong["y"] == pytest.approx(1, abs=0.02)


EXAMPLE_VALUES: dict[str, dict[str, Any]] = {
    "chain": {"a": 3.0},
    "attention": {}, "black_scholes": {}, "rosenbrock": {}, "two_paths": {}, "pendulum": {}, "kepler": {},
    "logistic_neuron": {}, "van_der_waals": {}, "gravitation": {},
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLE_VALUES)
def test_examples_are_right(name: str) -> None:
    model = gradc.load(EXAMPLES / f"{name}.grad")
    values = dict(EXAMPLE_VALUES[name])
    random = np.random.default_rng(1)
    for place, node in zip(model.inputs, model.graph.inputs, strict=True):
        type = model.graph.type(node)
        if type.shape and model.graph.attrs(node).get("default") is None:
            values[place] = random.uniform(0.2, 1, (3,) * type.rank)
    found = model.check(values)
    assert found.ok, str(found)
    # One output of this is 0 whatever the inputs are, and computed as the sum of large terms.
    known = {"laplace"} if name == "gravitation" else set()
    assert {entry.of for entry in found.entries if entry.verdict != "right"} <= known, str(found)


# Wrong derivatives ---------------------------------------------------------------------------------------------------

WRONG = {
    "sign": ("fn f(x) = x^3\nderivative f(x) = -3*x^2\nparam w = 2\ny = 3*f(w)", "-12, and 12 is right"),
    "factor": ("fn f(x) = x^3\nderivative f(x) = 2*x^2\nparam w = 2\ny = f(w)*w", "8, and 12 is right"),
    "a millionth": (
        "fn f(x) = sin(x)\nderivative f(x) = cos(x)*(1 + 1e-6)\nparam w = 2\ny = f(w)",
        "-0.4161472527, and -0.4161468365 is right",
    ),
    "a billionth": (
        "fn f(x) = sin(x)\nderivative f(x) = cos(x)*(1 + 1e-9)\nparam w = 2\ny = f(w)",
        "-0.416146837, and -0.4161468365 is right",
    ),
    "one branch": (
        "fn f(x) = if x > 0 then x^2 else -x^2\nderivative f(x) = 2*x\nparam w = 2, v = -1.5\ny = f(w) + f(v)",
        "-3, and 3 is right",
    ),
    "second argument": (
        "fn f(x, a) = x*a^2\nderivative f(x, a) = a^2, x*a\nparam w = 2, v = 3\ny = f(w, v)",
        "6, and 12 is right",
    ),
    "in a loop": (
        "fn f(x) = sin(x)\nderivative f(x) = if x > 1 then 2*cos(x) else cos(x)\n"
        "param w = 0.9\ny = w\nfor t in 0..4 { y = f(y) + 0.3 }\noutput y",
        "is right",
    ),
    "over arrays": (
        "fn f(x) = x^2\nderivative f(x) = if x > 2.9 then 1.9*x else 2*x\nparam w[3] = [1.0, 2.0, 3.0]\nL = sum(f(w))",
        "5.7, and 6 is right",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_wrong_derivatives_are_wrong_and_named(text: str, said: str) -> None:
    found = check(text)
    assert not found.ok
    assert "wrong" in verdicts(found).values(), str(found)
    (fault,) = found.faults
    assert fault.code == "E0650"
    assert fault.message.startswith("the derivative of `f` by ")
    assert said in fault.message
    # The place is the line of the rule.
    assert fault.line == 2


def test_a_rule_that_holds_at_one_point_alone() -> None:
    text = "fn f(x) = x^2\nderivative f(x) = 4\nparam w = 2\ny = f(w)"
    found = check(text)
    assert verdicts(found) == {"w": "right"}
    assert not found.ok
    assert len(found.faults) == 1
    assert "of `f` by `x`" in found.faults[0].message


def test_a_rule_whose_effect_is_hidden() -> None:
    found = check("fn f(x) = x^2\nderivative f(x) = x\nparam w = 2\ny = 0*f(w) + w")
    assert verdicts(found) == {"w": "right"}
    assert [fault.code for fault in found.faults] == ["E0650"]


def test_the_diagnostic() -> None:
    found = check(WRONG["factor"][0])
    assert (
        str(found.faults[0])
        == """error[E0650]: the derivative of `f` by `x` is wrong: at x = 2 it is 8, and 12 is right
 --> m.grad:2:19
  |
2 | derivative f(x) = 2*x^2
  |                   ^^^^^ not the derivative of the function's body by `x`
 ::: m.grad:4:5
  |
4 | y = f(w)*w
  |     ---- called here
  = help: correct the line, or leave `derivative` out: gradc differentiates the body itself"""
    )


def softsign(**fields: Any) -> gradc.OpTable:
    row = gradc.Op(
        name="softsign",
        doc="x/(1 + |x|).",
        functions=("softsign",),
        type_rule=gradc.TABLE["tanh"].type_rule,
        scalar=lambda x: x / (1 + abs(x)),
        array=lambda x: x / (1 + abs(x)),
        **fields,
    )
    return gradc.TABLE.extend(row)


def test_an_operator_with_a_wrong_gradient() -> None:
    right = check("param w = 3\ny = softsign(w)^2", ops=softsign(gradient="d softsign(x) = 1/(1 + abs(x))^2"))
    assert right.ok, str(right)
    found = check("param w = 3\ny = softsign(w)^2", ops=softsign(gradient="d softsign(x) = 1/(1 + abs(x))"))
    assert verdicts(found) == {"w": "wrong"}
    first, _, rest = str(found.faults[0]).partition("\n")
    assert first == (
        "error[E0650]: the local gradient of `softsign` by its operand is wrong: at 3 it is 0.25, and 0.0625 is right"
    )
    assert (
        rest
        == """ --> m.grad:2:5
  |
2 | y = softsign(w)^2
  |     ^^^^^^^^^^^ the edge from its operand
  = help: the row of the operator gives its derivative: `gradient`, `partials` or `pullback`"""
    )


def test_an_operator_with_wrong_partials_by_one_operand() -> None:
    def partials(builder: Builder, node: int) -> list[int]:
        x, y = builder.operands(node)
        # The one by y should be x.
        return [y, builder.apply("neg", x)]

    row = gradc.Op(
        name="times",
        doc="x*y.",
        functions=("times",),
        arity=(2, 2),
        dependence=("smooth", "smooth"),
        type_rule=gradc.TABLE["hypot"].type_rule,
        scalar=lambda x, y: x * y,
        array=lambda x, y: x * y,
        complex=lambda x, y: x * y,
        partials=partials,
    )
    found = check("param a = 2, b = 3\ny = times(a, b)", ops=gradc.TABLE.extend(row))
    assert verdicts(found) == {"a": "right", "b": "wrong"}
    assert "`times` by its second operand is wrong: at 2, 3 it is -2, and 2 is right" in found.faults[0].message


def test_elements_that_are_wrong_are_found_among_many() -> None:
    text = "fn f(x) = x^2\nderivative f(x) = if x > 2.99 then 1.9*x else 2*x\nparam w[300]\nL = sum(f(w[i]) for i)"
    found = check(text, {"w": np.linspace(0, 3, 300)})
    assert {entry.wrt: entry.verdict for entry in found.entries if entry.verdict != "right"} == {"w[299]": "wrong"}
    right = check("param w[300]\nL = sum(sin(w[i]) for i)", {"w": np.linspace(0, 3, 300)})
    assert right.ok
    assert right.points[0].checked == 300
    assert len(right.entries) == 4


def test_a_backend_that_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    off = backends.Backend("broken", lambda model, inputs, sizes: [9.0, *[0.0] * (len(model.outputs) - 1)])
    monkeypatch.setattr(backends, "BACKENDS", (*backends.BACKENDS, off))
    found = check("param x = 3\ny = x^2")
    assert not found.ok
    assert [(each.name, each.verdict, each.worst) for each in found.points[0].comparisons][-1] == (
        "broken", "differs", 6.0,
    )  # fmt: skip
    assert "DIFFERS" in found.text()


def test_a_backend_that_breaks_down_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: Any) -> Any:
        raise RuntimeError("no such\nregister")

    monkeypatch.setattr(backends, "BACKENDS", (backends.Backend("broken", breaks), *backends.BACKENDS))
    comparisons = {each.name: each for each in check("param x = 3\ny = x^2").points[0].comparisons}
    assert comparisons["broken"].note == "it fails with RuntimeError: no such register"
    assert {each.verdict for name, each in comparisons.items() if name != "broken"} == {"agrees"}


# Noise, kinks, points without a derivative ---------------------------------------------------------------------------


def test_noise_is_no_verdict() -> None:
    text = "param x = 0.3\ny = sin((1e16 + x) - 1e16)"
    found = check(text)
    assert verdicts(found) == {"x": "noise"}
    assert found.ok
    assert "noise too high to say" in found.text()
    assert verdicts(check(text, precision=30)) == {"x": "right"}


def test_a_wrong_rule_in_noise_is_wrong_with_more_digits() -> None:
    text = "fn f(x) = sin((1e16 + x) - 1e16)\nderivative f(x) = 2*cos(x)\nparam x = 0.3\ny = f(x)"
    assert verdicts(check(text, precision=30)) == {"x": "wrong"}


@pytest.mark.parametrize(
    ("text", "verdict", "note"),
    [
        ("param x = 0\ny = abs(x)", "right", "a kink, with slopes -1 and 1"),
        ("param x = 0\ny = relu(x)", "right", "a kink, with slopes 0 and 1"),
        ("param x = 0\ny = if x >= 0 then 2*x else x", "right", "a kink, with slopes 1 and 2"),
        ("param x = 2\ny = max(x, 2)", "right", "a kink, with slopes 0 and 1"),
        ("param x = 1e-4\ny = abs(x) + 2", "right", "a kink within 1e-7, with slopes 1 and 1"),
        ("param x = 0\ny = if x >= 0 then 1 else 0", "undefined", "the value jumps here"),
        ("fn f(x) = abs(x)\nderivative f(x) = 0.5\nparam x = 0\ny = f(x)", "right", "a kink, with slopes -1 and 1"),
        ("fn f(x) = abs(x)\nderivative f(x) = 1.5\nparam x = 0\ny = f(x)", "wrong", "a kink, with slopes -1 and 1"),
        ("param x = 0\ny = sqrt(x)", "undefined", ""),
        ("param x = 0\ny = cbrt(x)", "undefined", ""),
        ("param x = -1\ny = log(x)", "undefined", ""),
        ("param x = 1\ny = 1/(x - 1)", "undefined", ""),
    ],
)
def test_points_that_are_not_smooth(text: str, verdict: str, note: str) -> None:
    (entry,) = check(text).entries
    if "within" in note:
        # Steps are a thousandth of x: they do not reach the kink.
        note = ""
    assert (entry.verdict, entry.note) == (verdict, note), str(check(text))


def test_a_kink_that_is_near() -> None:
    (entry,) = check("param x = 1\ny = abs(x - 1.0004)").entries
    assert (entry.verdict, entry.note) == ("right", "a kink within 1e-3, with slopes -1 and 0.2")


def test_values_that_are_no_numbers() -> None:
    found = check("param x = -1\ny = log(x)")
    assert found.ok
    assert "y is nan here, so there is nothing to compare its derivatives with" in found.text()
    assert verdicts(check("param x = inf\ny = 1/x")) == {"x": "right"}


def test_a_nan_where_there_is_a_derivative_is_wrong() -> None:
    text = "fn f(x) = x^2\nderivative f(x) = 2*x*(0/x + 1)\nparam x = 0\ny = f(x)"
    found = check(text)
    assert verdicts(found) == {"x": "wrong"}
    assert not found.ok


def test_nothing_to_check() -> None:
    for text in ("y = 3.0", "input n: int = 3\ny = n + 1.0"):
        with pytest.raises(CallError) as caught:
            check(text)
        assert caught.value.diagnostics[0].code == "E0609"
    with pytest.raises(CallError) as caught:
        check("param x\ny = x")
    assert caught.value.diagnostics[0].code == "E0601"


# Samples -------------------------------------------------------------------------------------------------------------


def test_samples() -> None:
    text = (
        "fn f(x) = if x > 0.9 then x^2 else x\nderivative f(x) = if x > 0.9 then x else 1\n"
        "input k: int = 1, a[2] = [0.5, 0.5]\nparam w = 0.5\ny = f(w)*k + sum(a)"
    )
    assert check(text).ok
    found = check(text, samples=40, ranges={"w": (0, 1), "k": (1, 3), "a": (0, 1)})
    assert len(found.points) == 41
    assert not found.ok
    wrong = {point.at["w"] for point in found.points if not point.ok}
    assert wrong
    assert min(wrong) > 0.9
    assert {point.at["k"] for point in found.points} == {1, 2, 3}
    assert len(found.faults) == 1
    # Equal seeds, equal points.
    again = check(text, samples=40, ranges={"w": (0, 1), "k": (1, 3), "a": (0, 1)})
    assert again.to_dict() == found.to_dict()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"samples": 3},
            "error[E0651]: there are samples to take, and no range to take them from\n"
            "  = help: say from where to where inputs go: `--range x=0:1`, in Python `ranges={'x': (0, 1)}`",
        ),
        ({"ranges": {"x": (1, 0)}}, "error[E0651]: the range of `x` goes from 1 to 0"),
        ({"ranges": {"b": (0, 1)}}, "error[E0651]: `b` is a truth value, which has no range"),
        ({"ranges": {"X": (0, 1)}}, "error[E0602]: there is no input `X`\n  = help: a similar name exists: `x`"),
    ],
)
def test_ranges_that_are_none(options: dict[str, Any], said: str) -> None:
    with pytest.raises(CallError) as caught:
        check("param x = 1\ninput b: bool = 1 < 2\ny = if b then x else 2*x", **options)
    assert str(caught.value) == said


# Accuracy ------------------------------------------------------------------------------------------------------------


def accuracy(text: str, **options: Any) -> dict[str, Any]:
    model = gradc.compile(text, name="m.grad", **options)
    return {each.name: each for each in model.check(ulps=True).points[0].accuracy}


def test_a_value_of_a_large_argument_is_accurate_and_ill_conditioned() -> None:
    found = accuracy("param x = 1e22\ny = sin(x)")
    assert found["y"].exact.startswith("-0.85220084976718880")
    assert found["y"].ulps < 1
    assert found["y"].condition == pytest.approx(6.14e21, rel=0.01)
    assert found["y"].verdict == "accurate"


def test_bad_code_is_told_from_bad_problems() -> None:
    naive = accuracy("param x = 1e-4\ny = (1 - cos(x))/x^2", level=0)
    assert naive["y"].verdict == "loses digits"
    assert naive["y"].ulps > 1e6
    assert naive["y"].condition < 1e-8
    assert naive["y"].place.startswith("m.grad:2:5: `(1 - cos(x))` loses 7 digits")
    # An optimiser that knows the formula mends it.
    assert accuracy("param x = 1e-4\ny = 2*sin(x/2)^2/x^2")["y"].verdict == "accurate"
    hard = accuracy("param x = 1.0000000001\ny = x - 1", level=0)
    assert hard["y"].verdict == "accurate"
    assert hard["y"].condition == pytest.approx(1e10, rel=0.01)
    worse = accuracy("param x = 3.141592653589793, k = 1e6\ny = sin(k*x)", level=0)
    assert worse["y"].verdict == "ill-conditioned"
    assert worse["y"].ulps > 100


def test_log1p() -> None:
    good = accuracy("param x = 1e-10\ny = log1p(x)")
    assert (good["y"].verdict, good["∂y/∂x"].verdict) == ("accurate", "accurate")
    assert good["y"].ulps <= 1
    assert good["y"].exact.startswith("9.9999999995000003")
    assert accuracy("param x = 1e-10\ny = log(1 + x)", level=0)["y"].verdict == "loses digits"
    assert accuracy("param x = 1e-10\ny = log(1 + x)")["y"].verdict == "accurate"


# Faces ---------------------------------------------------------------------------------------------------------------


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


TWO_PATHS = str(EXAMPLES / "two_paths.grad")


def test_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "check", TWO_PATHS)
    assert (code, err) == (0, "")
    assert out.partition("\n")[2] == (
        "at x = 3, y = 17, w1 = 6, w2 = 2\n"
        "            compiled    numerical    apart    verdict\n"
        "  ∂L/∂w1          -6           -6        0    right\n"
        "  ∂L/∂w2         -24          -24        0    right\n"
        "\n"
        "  by                complex step\n"
        "  Taylor remainder  of order 2.00\n"
        "  agree             forward mode, -O0, -O1, -O2, -O3, arrays, straight-line code, map\n"
        "\n"
        "ok: 2 right at one point\n"
    )


def test_a_wrong_program_ends_with_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "m.grad"
    file.write_text(WRONG["factor"][0])
    code, out, err = call(capsys, "check", str(file))
    assert code == 1
    assert "  ∂y/∂w          24           32        8    WRONG\n" in out
    assert out.endswith("WRONG: 1 wrong at one point\n")
    assert err.startswith("error[E0650]: the derivative of `f` by `x` is wrong")
    code, out, err = call(capsys, "check", str(file), "--json")
    assert (code, err) == (1, "")
    found = json.loads(out)
    assert (found["ok"], [fault["code"] for fault in found["faults"]]) == (False, ["E0650"])
    assert found["faults"][0]["line"] == 2


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "check", TWO_PATHS, "--json", "--ulps", "--of", "L", "--wrt", "w1,a")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert list(found) == ["ok", "of", "wrt", "points", "faults"]
    (point,) = found["points"]
    assert list(point) == ["at", "values", "entries", "taylor_order", "comparisons", "notes", "accuracy"]
    names = {field.name for field in fields(Entry)} | {"error"}
    assert all(set(entry) == names for entry in point["entries"])
    assert [(entry["wrt"], entry["value"]) for entry in point["entries"]] == [("w1", -6.0), ("a", -6.0)]
    assert {each["name"] for each in point["comparisons"]} >= {"forward mode", "-O0", "map"}
    assert list(point["accuracy"][0]) == ["name", "value", "exact", "ulps", "condition", "verdict", "place"]


def test_many_points(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "check", TWO_PATHS, "--samples", "5", "--range", "x=0:1", "--range", "w₁=-2:2")
    assert code == 0
    assert out.count("\nat x = ") == 1
    assert out.endswith("ok: 12 right at 6 points\n")


def test_what_is_no_call(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "check", TWO_PATHS, "--range", "x=1")
    assert code == 2
    assert "`--range`: `x=1` is not of the form `name=low:high`, as in x=0:1" in err
    code, _, err = call(capsys, "check", TWO_PATHS, "--samples", "2")
    assert code == 2
    assert err.startswith("error[E0802]: `--samples` goes with `--range`, from which they are drawn")
    assert call(capsys, "check", TWO_PATHS, "--precision", "3")[0] == 2


def test_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "help", "check")
    assert code == 0
    assert "\n# check: are the derivatives right?\n" in out


def test_the_result_prints_as_the_report() -> None:
    found = check("param x = 3\ny = x^2")
    assert str(found) == found.text()
    assert all(math.isfinite(entry.error) for entry in found.entries)
