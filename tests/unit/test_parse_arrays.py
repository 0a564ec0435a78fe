"""What is read from the notation of arrays: shapes, literals, subscripts, comprehensions, index targets, with spans."""

from __future__ import annotations

import sys

import pytest

import gradc
from gradc.errors import CompileError
from gradc.source import Source
from gradc.syntax import parse, tree


def show(node: tree.Node | None) -> str:
    """A tree as text, fully parenthesised, with a pair of braces around a comprehension's clauses."""
    match node:
        case None:
            return ""
        case tree.Number(value=value, integer=integer):
            return str(value if integer is None else integer)
        case tree.Name(shown=shown):
            return shown
        case tree.Unary(op=op, operand=operand):
            return f"({op} {show(operand)})"
        case tree.Binary(op=op, left=left, right=right):
            return f"({show(left)} {op} {show(right)})"
        case tree.Conditional(test=test, then=then, other=other):
            return f"(if {show(test)} then {show(then)} else {show(other)})"
        case tree.Call(function=function, arguments=arguments):
            return f"{function.shown}({', '.join(map(show, arguments))})"
        case tree.Argument(keyword=keyword, value=value):
            return show(value) if keyword is None else f"{show(keyword)}={show(value)}"
        case tree.ArrayLiteral(items=items):
            return f"[{', '.join(map(show, items))}]"
        case tree.Subscript(value=value, items=items):
            return f"{show(value)}[{', '.join(map(show, items))}]"
        case tree.Slice(lower=lower, upper=upper, step=step):
            return f"{show(lower)}:{show(upper)}:{show(step)}"
        case tree.Attribute(value=value, name=name):
            return f"{show(value)}.{show(name)}"
        case tree.Comprehension(body=body):
            return f"{{{show(body)} {clauses(node)}}}"
    raise AssertionError(node)


def clauses(node: tree.Comprehension | tree.IndexAssign) -> str:
    shown = []
    for binder in node.binders:
        assert (binder.lower is None) == (binder.upper is None)
        shown.append(binder.name.shown + (f" in {show(binder.lower)}..{show(binder.upper)}" if binder.lower else ""))
    return f"for {', '.join(shown)}" + (f" if {show(node.condition)}" if node.condition else "")


def expression(text: str) -> tree.Expr:
    return parse.parse_expression(Source("test", text))


def statements(text: str) -> list[tree.Statement]:
    return parse.parse_program(Source("test", text)).statements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, 2, 3]", "[1, 2, 3]"),
        ("[1, 2,]", "[1, 2]"),
        ("[x]", "[x]"),
        ("[[1, 2], [3, 4,],]", "[[1, 2], [3, 4]]"),
        ("[\n  1, # one\n\n  2\n]", "[1, 2]"),
        ("[a + 1, if b then c else d]", "[(a + 1), (if b then c else d)]"),
        ("-[1, 2]^2", "(- ([1, 2] ^ 2))"),
        ("sum(x, axis=[0, 1])", "sum(x, axis=[0, 1])"),
        ("f([1, 2],)", "f([1, 2])"),
    ],
)
def test_literals(text: str, expected: str) -> None:
    assert show(expression(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("X[i]", "X[i]"),
        ("X[i, j + 1]", "X[i, (j + 1)]"),
        ("X[i, j,]", "X[i, j]"),
        ("X[\n i,\n j\n]", "X[i, j]"),
        ("x[-1]", "x[(- 1)]"),
        ("x[:]", "x[::]"),
        ("x[::]", "x[::]"),
        ("x[1:]", "x[1::]"),
        ("x[:n - 1]", "x[:(n - 1):]"),
        ("x[1:n:2]", "x[1:n:2]"),
        ("x[::-1]", "x[::(- 1)]"),
        ("x[a::b]", "x[a::b]"),
        ("x[a:b:]", "x[a:b:]"),
        ("X[i, 1:, :]", "X[i, 1::, ::]"),
        ("x[if a then b else c:d]", "x[(if a then b else c):d:]"),
        ("X[i][j]", "X[i][j]"),
        ("f(x)[0]", "f(x)[0]"),
        ("(a + b)[i]", "(a + b)[i]"),
        ("[1, 2][0]", "[1, 2][0]"),
        ("x [0]", "x[0]"),
        ("x[obs[p], k]", "x[obs[p], k]"),
        ("x[[0, 2]]", "x[[0, 2]]"),
        ("x[i]^2", "(x[i] ^ 2)"),
        ("2^x[i]", "(2 ^ x[i])"),
        ("-x[i]", "(- x[i])"),
        ("a*x[i] + b", "((a * x[i]) + b)"),
        ("not x[i]", "(not x[i])"),
        ("x[i < j]", "x[(i < j)]"),
    ],
)
def test_subscripts(text: str, expected: str) -> None:
    assert show(expression(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("X.T", "X.T"),
        ("X.T @ y", "(X.T @ y)"),
        ("X.T^2", "(X.T ^ 2)"),
        ("-X.T", "(- X.T)"),
        ("(A @ B).T[0]", "(A @ B).T[0]"),
        ("X[0].T.T", "X[0].T.T"),
        ("f(x).T", "f(x).T"),
        ("X . T", "X.T"),
        ("X.shape", "X.shape"),
        ("x.T*.5", "(x.T * 0.5)"),
    ],
)
def test_attributes(text: str, expected: str) -> None:
    assert show(expression(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[x[i] for i]", "{x[i] for i}"),
        ("[A[i, j] * x[j] for i, j]", "{(A[i, j] * x[j]) for i, j}"),
        ("[i for i in 0..n]", "{i for i in 0..n}"),
        ("[i for i in 1..n-1]", "{i for i in 1..(n - 1)}"),
        ("[i for i in 0 .. n]", "{i for i in 0..n}"),
        ("[i for i in 0..10]", "{i for i in 0..10}"),
        ("[i for i in a+1..2*b]", "{i for i in (a + 1)..(2 * b)}"),
        ("[i for i in (0)..f(n)]", "{i for i in 0..f(n)}"),
        ("[i for i in 0..x[0]]", "{i for i in 0..x[0]}"),
        ("[i for i in -n..-1]", "{i for i in (- n)..(- 1)}"),
        ("[i for i, j in 0..n, k]", "{i for i, j in 0..n, k}"),
        (
            "sum(x[i] for i, j in 0..n, k if i < j and j < k)",
            "sum({x[i] for i, j in 0..n, k if ((i < j) and (j < k))})",
        ),
        ("sum(x[i] for i)", "sum({x[i] for i})"),
        ("max(x[i]*y[j] for i, j if i < j)", "max({(x[i] * y[j]) for i, j if (i < j)})"),
        ("sum(sum(A[i, j] for j) for i)", "sum({sum({A[i, j] for j}) for i})"),
        ("[sum(A[i, k] * B[k, j] for k) for i, j]", "{sum({(A[i, k] * B[k, j]) for k}) for i, j}"),
        ("[[i*j for j in 0..n] for i in 0..n]", "{{(i * j) for j in 0..n} for i in 0..n}"),
        ("[if c then a else b for i]", "{(if c then a else b) for i}"),
        ("[x[i] for i if if a then b else c]", "{x[i] for i if (if a then b else c)}"),
        ("[x[i] for i][0]", "{x[i] for i}[0]"),
        ("sum([x[i] for i], axis=0)", "sum({x[i] for i}, axis=0)"),
        ("[\n  x[i]\n  for i\n  in 0..n\n  if m[i]\n]", "{x[i] for i in 0..n if m[i]}"),
        ("[forx + inner for i]", "{(forx + inner) for i}"),
    ],
)
def test_comprehensions(text: str, expected: str) -> None:
    assert show(expression(text)) == expected


def test_a_reduction_is_told_from_an_array() -> None:
    """Both are a call whose one argument is a comprehension; one in brackets begins before its body."""
    arrays = ("f([[a] for i])", "f(([a for i]))", "f([a for i],)")
    for text in ("f([a] for i)", "f(a for i)", "f((a) for i)", *arrays):
        call = expression(text)
        assert isinstance(call, tree.Call)
        (argument,) = call.arguments
        value = argument.value
        assert isinstance(value, tree.Comprehension)
        assert (value.start < value.body.start) == (text in arrays)
        assert (argument.start, argument.end) == (value.start, value.end)


def test_declarations() -> None:
    text = "input X[n, d], y[n] = 0, idx[m]: int, z: int = 1, t[3,] = [1, 2, 3], s[2*n, n + 1]: f64 = 2; param W[d, 10]"
    data, weights = statements(text)
    assert isinstance(data, tree.Declaration)
    assert isinstance(weights, tree.Declaration)
    found = [
        (i.name.id, i.shape and [show(s) for s in i.shape], i.dtype and i.dtype.id, show(i.default)) for i in data.items
    ]
    assert found == [
        ("X", ["n", "d"], None, ""),
        ("y", ["n"], None, "0"),
        ("idx", ["m"], "int", ""),
        ("z", None, "int", "1"),
        ("t", ["3"], None, "[1, 2, 3]"),
        ("s", ["(2 * n)", "(n + 1)"], "f64", "2"),
    ]
    assert [text[i.start : i.end] for i in data.items] == [
        "X[n, d]", "y[n] = 0", "idx[m]: int", "z: int = 1", "t[3,] = [1, 2, 3]", "s[2*n, n + 1]: f64 = 2",
    ]  # fmt: skip
    assert text[weights.start : weights.end] == "param W[d, 10]"


def test_index_targets() -> None:
    text = """\
C[i, j] = sum(A[i, k] * B[k, j] for k)
Y[i, j,] = x[i + j] for i in 0..h-p+1, j in 0..w-q+1 if i < j  # why
fn f(x) {
  t[i] = x[i]; s[i + 1] = t[i] for i
  return t, s
}
z = 1"""
    first, second, function, _ = statements(text)
    assert isinstance(first, tree.IndexAssign)
    assert (first.target.id, [show(i) for i in first.indices], first.binders, first.condition) == (
        "C", ["i", "j"], [], None,
    )  # fmt: skip
    assert show(first.value) == "sum({(A[i, k] * B[k, j]) for k})"
    assert text[first.start : first.end] == text.split("\n")[0]
    assert isinstance(second, tree.IndexAssign)
    assert clauses(second) == "for i in 0..((h - p) + 1), j in 0..((w - q) + 1) if (i < j)"
    assert text[second.start : second.end] == text.split("\n")[1].partition("  #")[0]
    assert isinstance(function, tree.FunctionDef)
    inner, last = function.body
    assert isinstance(inner, tree.IndexAssign)
    assert isinstance(last, tree.IndexAssign)
    assert [show(i) for i in last.indices] == ["(i + 1)"]
    assert text[inner.start : inner.end] == "t[i] = x[i]"
    assert text[last.start : last.end] == "s[i + 1] = t[i] for i"


def test_spans() -> None:
    text = "f((a + b)[i, 1:n, :, ::2].T[0], [x[i] for i in 0..(n) if c], [ 1, 2 ], g(y for j))"
    call = expression(text)
    assert isinstance(call, tree.Call)

    def part(node: tree.Node | None) -> str:
        assert node is not None
        return text[node.start : node.end]

    first, second, third, fourth = (argument.value for argument in call.arguments)
    assert isinstance(first, tree.Subscript)
    assert part(first) == "(a + b)[i, 1:n, :, ::2].T[0]"
    attribute = first.value
    assert isinstance(attribute, tree.Attribute)
    assert (part(attribute), part(attribute.name)) == ("(a + b)[i, 1:n, :, ::2].T", "T")
    subscript = attribute.value
    assert isinstance(subscript, tree.Subscript)
    assert part(subscript) == "(a + b)[i, 1:n, :, ::2]"
    assert part(subscript.value) == "(a + b)"
    assert [part(item) for item in subscript.items] == ["i", "1:n", ":", "::2"]
    assert isinstance(second, tree.Comprehension)
    assert part(second) == "[x[i] for i in 0..(n) if c]"
    (binder,) = second.binders
    assert (part(binder), part(binder.name), part(binder.upper)) == ("i in 0..(n)", "i", "(n)")
    assert part(third) == "[ 1, 2 ]"
    assert isinstance(fourth, tree.Call)
    assert part(fourth) == "g(y for j)"
    assert part(fourth.arguments[0]) == "y for j"
    for ended in ("x[1:]", "x[1:2:]", "x[::]"):
        found = expression(ended)
        assert isinstance(found, tree.Subscript)
        assert ended[found.items[0].start : found.items[0].end] == ended[2:-1]


def test_labels_of_rewrites() -> None:
    """Brackets at the beginning of a line are a rule's name; anywhere else they are arrays."""
    text = "[a b] [x][0] => x\n[1, 2] [[3]] => f([4]) if [5][i] == 6\n\n[[x], y] => x[0]\nx[i] => [x]\n"
    named, odd, none, plain = parse.parse_rewrites(Source("r", text))
    assert (named.name, show(named.pattern), show(named.replacement)) == ("a b", "[x][0]", "x")
    assert (odd.name, show(odd.pattern), show(odd.replacement), show(odd.guard)) == (
        "1, 2", "[[3]]", "f([4])", "([5][i] == 6)",
    )  # fmt: skip
    assert (none.name, show(none.pattern), show(none.replacement)) == ("", "[[x], y]", "x[0]")
    assert (plain.name, show(plain.pattern), show(plain.replacement)) == ("", "x[i]", "[x]")
    (rule,) = parse.parse_gradients(Source("g", "d f([x, y]) = x[0], y.T"))
    assert (show(rule.pattern), [show(p) for p in rule.partials]) == ("f([x, y])", ["x[0]", "y.T"])
    with pytest.raises(CompileError):
        parse.parse_rewrites(Source("r", "[x] => x\n"))


N = 10_000


@pytest.mark.parametrize(
    "text",
    [
        "[" * N + "x" + "]" * N,
        "[(" * N + "x" + ")]" * N,
        "x[" * N + "0" + "]" * N,
        "x" + "[0]" * N,
        "x" + ".T" * N,
        "[" * N + "x" + " for i]" * N,
        "f(" * N + "x" + " for i in 0..n if c)" * N,
        "[x for i in 0.." * N + "n" + "]" * N,
        "[x for i if " * N + "c" + "]" * N,
        "x[" + "1:2, " * N + "]",
        "[x for " + "i, " * N + "j]",
    ],
    ids=lambda text: text[:20],
)
def test_large_expressions(text: str) -> None:
    limit = sys.getrecursionlimit()
    assert isinstance(expression(text), tree.Node)  # and it is freed here
    with pytest.raises(CompileError):
        expression(text + " $")
    with pytest.raises(CompileError):
        expression(text[:-1] if text.endswith("]") else "[" + text)
    assert sys.getrecursionlimit() == limit


def test_all_mistakes_at_once() -> None:
    text = """\
a = [1, 2
b[i] = x[i] for i in 5
c = sum(x[i] for i = 0..n)
fn f(x) {
  t[i] = x[i
  u = [x[i] if c for i]
  return t
}
d = x[
  1:2,
  3 4
]
e = [1, 2; 3]
f[i] = (
  x[i]
g = X'
"""
    with pytest.raises(CompileError) as caught:
        statements(text)
    assert [(d.code, d.line) for d in caught.value.diagnostics] == [
        ("E0102", 1), ("E0101", 2), ("E0101", 3), ("E0102", 5), ("E0101", 6), ("E0101", 11), ("E0101", 13),
        ("E0102", 14), ("E0101", 16),
    ]  # fmt: skip


def test_a_line_inside_brackets_goes_on() -> None:
    """Only what begins like a statement, as far left as its own, ends what an unclosed bracket holds."""
    text = "y = [\nx[i]\nfor i in 0..n\nif m[i] == 3\n]\nz = f(\n  a = 1,\n  b = [2]\n)\n"
    assert [type(s).__name__ for s in statements(text)] == ["Assign", "Assign"]


@pytest.mark.parametrize(("text", "hint"), [("y = x.sum()", "write `sum(x)`"), ("y = np.mean(x)", "write `mean(…)`")])
def test_methods_of_other_languages_are_functions_here(text: str, hint: str) -> None:
    with pytest.raises(CompileError) as caught:
        gradc.compile(f"input x[n]\n{text}")
    assert hint in str(caught.value)
