"""The text of the diagnostics that the run of a loop may end with."""

from __future__ import annotations

from typing import Any

import pytest
from interrupted import QUIET, interrupted

import gradc

COUNTED = "input k: int\ny = 1\nfor t in 0..k { y = 2*y }"
SEARCH = "input a\ny = a\nwhile abs(y^2 - a) > 0 {\n  y = (y + a/y)/2\n}"
LOGS = "input x\ny = x\nwhile y > 1 { y = log(y - 2) }"
PLACES = "input x[n], k: int\ny = zeros(n)\nfor t in 0..n { y[t + k] = x[t] }"
READS = "input x[n], k: int\ny = 0\nfor t in 0..n { y = y + x[t - k] }"
GROWS = "input x[n], m: int\ny = x\nfor t in 0..m { y = concat(y, y) }"
WHOLE = "input k: int\nc = k\nfor t in 0..3 { c = c*c }"

CASES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (
        COUNTED,
        {},
        {"k": -2},
        """error[E0640]: the range 0..-2 ends before it begins
 --> m.grad:3:1
  |
3 | for t in 0..k { y = 2*y }
  | ^^^^^^^^^^^^^^^^^^^^^^^^^ this loop
  = help: a range runs upwards, up to, but without, its end; it may be empty, as 0..0""",
    ),
    (
        COUNTED,
        {"max_iterations": 100},
        {"k": 101},
        """error[E0641]: this loop makes 101 steps, and 100 are allowed
 --> m.grad:3:1
  |
3 | for t in 0..k { y = 2*y }
  | ^^^^^^^^^^^^^^^^^^^^^^^^^
  = help: `max_iterations=` in Python, `--max-iterations` on the command line say how many there may be""",
    ),
    (
        SEARCH,
        {"max_iterations": 1000},
        {"a": 1e300},
        """error[E0641]: this loop has not ended after 1,000 iterations
 --> m.grad:3:1
  |
3 | while abs(y^2 - a) > 0 {
  | ^^^^^^^^^^^^^^^^^^^^^^^^
  = help: `max_iterations=` in Python, `--max-iterations` on the command line say how many there may be""",
    ),
    (
        PLACES,
        {},
        {"x": [1.0, 2.0], "k": 1},
        """error[E0611]: the index 2 is out of range
 --> m.grad:3:17
  |
3 | for t in 0..n { y[t + k] = x[t] }
  |                 ^^^^^^^^^^^^^^^ the axis has 2 elements, 0 to 1""",
    ),
    (
        READS,
        {},
        {"x": [1.0, 2.0], "k": 1},
        """error[E0611]: the index -1 is out of range
 --> m.grad:3:25
  |
3 | for t in 0..n { y = y + x[t - k] }
  |                         ^^^^^^^^ `x` has 2 elements, 0 to 1
  = help: an index that is computed or data does not count from the end; only a written one does, as in `x[-1]`""",
    ),
    (
        GROWS,
        {},
        {"x": [1.0, 2.0], "m": 1},
        """error[E0616]: 2*n and n must be equal, and are 4 and 2
 --> m.grad:3:21
  |
3 | for t in 0..m { y = concat(y, y) }
  |                     ^^^^^^^^^^^^ needed here
 ::: m.grad:1:7
  |
1 | input x[n], m: int
  |       - n is 2: `x` has the shape [2]""",
    ),
    (
        WHOLE,
        {},
        {"k": 100000},
        """error[E0604]: an integer grows beyond 64 bits
 --> m.grad:3:21
  |
3 | for t in 0..3 { c = c*c }
  |                     ^^^ the result does not fit
  = help: write one of the numbers with a point, as in `2.0`, to calculate with real numbers""",
    ),
    (
        LOGS,
        {},
        {"x": 1.5},
        """error[E0642]: the condition of this loop compares a NaN after 1 iterations
 --> m.grad:3:1
  |
3 | while y > 1 { y = log(y - 2) }
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a comparison with NaN is false
  = help: find what makes it with `--debug-nans`, or test for it: x == x is false for a NaN""",
    ),
]


@pytest.mark.parametrize(("text", "options", "values", "expected"), CASES)
def test_the_exact_text(text: str, options: dict[str, Any], values: dict[str, Any], expected: str) -> None:
    with pytest.raises(gradc.CallError) as caught:
        gradc.compile(text, name="m.grad", **options)(values)
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("condition", "decided"),
    [
        ("t < 2 and sqrt(x) < 1", False),
        ("t < 2 and (t < 2 or sqrt(x) < 1)", True),
        ("not (t >= 2 or sqrt(x) < 1)", True),
        ("not (t > 9 or sqrt(x) >= 1 or t > 1)", True),
        ("if t < 2 then t < 9 else sqrt(x) < 1", False),
        ("if t < 2 then t < 9 else t > 9 and sqrt(x) < 1", True),
        ("if sqrt(x) < 1 then t < 9 else t < 2", False),
        ("if sqrt(x) < 1 then t < 2 else t < 2", True),
        ("t < 2 and any([sqrt(x), 1] > 3)", True),
    ],
)
def test_a_nan_that_decides_nothing_is_no_error(condition: str, decided: bool) -> None:
    model = gradc.compile(f"input x = -1\ny = 0; t = 0\nwhile {condition} {{ t = t + 1; y = y + t }}\noutput t")
    if decided:
        assert model() == {"t": 0.0 if "any" in condition else 2.0}
        return
    with pytest.raises(gradc.CallError) as caught:
        model()
    assert caught.value.diagnostics[0].code == "E0642"


def test_a_derivative_that_each_iteration_differentiates_again() -> None:
    with pytest.raises(gradc.CompileError) as caught:
        gradc.compile("input w\ny = w\nfor t in 0..3 { y = y + grad(y^2, w) }", name="m.grad")(w=1)
    assert (
        str(caught.value)
        == """error[E0406]: this derivative is carried, and differentiated again in the next iteration
 --> m.grad:3:25
  |
3 | for t in 0..3 { y = y + grad(y^2, w) }
  |                         ^^^^^^^^^^^^ its order grows with every iteration
  = help: differentiate after the loop, or what the loop carries without derivatives"""
    )


def test_as_many_steps_as_are_allowed() -> None:
    assert gradc.compile(COUNTED, max_iterations=3)(k=3) == {"y": 8.0}
    assert gradc.compile(COUNTED, max_iterations=0)(k=0) == {"y": 1.0}
    for wrong in (-1, 2.0, True):
        with pytest.raises(ValueError, match="max_iterations"):
            gradc.compile(COUNTED, max_iterations=wrong)


def test_a_condition_may_test_for_nan() -> None:
    text = "input x\ny = 0\nwhile y < 3 or x > 1 { y = y + 1 }"
    until = "input x\ny = x\nwhile y == y and y > 1 { y = log(y - 2) }"
    assert str(gradc.compile(until)(x=1.5)["y"]) == "nan"
    assert gradc.compile("input x\ny = 0\nwhile x != x and y < 3 { y = y + 1 }")(x=float("nan")) == {"y": 3.0}
    with pytest.raises(gradc.CallError):
        gradc.compile(text)(x=float("nan"))


def test_blocks_in_blocks() -> None:
    depth = 20
    lines = ["y = 0.0"]
    lines += [f"{'if y > -1' if at % 3 else f'for t{at} in 0..2'} {{" for at in range(depth)]
    lines += ["y = y + 1", *["}"] * depth]
    assert gradc.compile("\n".join(lines))() == {"y": 2.0**7}


def test_a_body_of_many_statements() -> None:
    count = 3000
    lines = ["input x = 1.5", "y = x", "u0 = y", "for t in 0..2 {", "v0 = y"]
    lines += [f"v{at + 1} = v{at} + {at % 3}" for at in range(count)]
    lines += [f"y = v{count}*0.5", "}", "g = grad(y, x)", "output y, g"]
    found = gradc.compile("\n".join(lines))()
    assert found == {"y": ((1.5 + count) * 0.5 + count) * 0.5, "g": 0.25}


def test_an_interrupt_ends_a_long_loop() -> None:
    text = b"y = 0.0\nwhile y > -1 { y = y + 1 }"
    assert interrupted("run", "--max-iterations", "1000000000", "-", text=text) == QUIET


def test_a_member_of_a_family_that_does_not_end_is_told_of_by_every_derivative() -> None:
    function = "fn f(a) {\n  z = a\n  while abs(z) < 3 { z = z*z*0.3 + a }\n  return z\n}"
    text = f"param x[n]\n{function}\nL = sum(f(x[i])*x[i] for i)\noutput L"
    model = gradc.compile(text, max_iterations=100)
    x = [0.1, 2.0]
    for face, more in (("grad", {}), ("hessian", {}), ("jvp", {"tangent_x": [1, 1]}), ("hvp", {"tangent_x": [1, 1]})):
        with pytest.raises(gradc.CallError) as caught:
            getattr(model, face)("L", "x")(x=x, **more)
        assert caught.value.diagnostics[0].code == "E0641"
