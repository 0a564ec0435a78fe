"""What is read from a text: precedence, spans, numbers, names, and every statement."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from gradc import cache, files, resources
from gradc.errors import CompileError
from gradc.source import Source
from gradc.syntax import parse, tree


def show(node: object) -> str:
    """A tree as text, fully parenthesised; for the small trees of tests."""
    match node:
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
        case tree.Argument(keyword=None, value=value):
            return show(value)
        case tree.Argument(keyword=keyword, value=value):
            return f"{show(keyword)}={show(value)}"
    raise AssertionError(node)


def expression(text: str) -> tree.Expr:
    return parse.parse_expression(Source("test", text))


def statements(text: str) -> list[tree.Statement]:
    return parse.parse_program(Source("test", text)).statements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b * c", "(a + (b * c))"),
        ("a - b - c", "((a - b) - c)"),
        ("a / b * c // d % e @ f", "(((((a / b) * c) // d) % e) @ f)"),
        ("-x^2", "(- (x ^ 2))"),
        ("2^3^2", "(2 ^ (3 ^ 2))"),
        ("2**3^2", "(2 ^ (3 ^ 2))"),
        ("2^-1", "(2 ^ (- 1))"),
        ("2^-x^2", "(2 ^ (- (x ^ 2)))"),
        ("-a*b", "((- a) * b)"),
        ("a*-b", "(a * (- b))"),
        ("a - -b", "(a - (- b))"),
        ("+-+a", "(+ (- (+ a)))"),
        ("not a and b or c", "(((not a) and b) or c)"),
        ("a or b and c", "(a or (b and c))"),
        ("not not a < b", "(not (not (a < b)))"),
        ("a + 1 <= b * 2 and c != d", "(((a + 1) <= (b * 2)) and (c != d))"),
        ("(a < b) < c", "((a < b) < c)"),
        ("if a then b else c + 1", "(if a then b else (c + 1))"),
        ("if a then if b then c else d else e", "(if a then (if b then c else d) else e)"),
        ("if a then b else if c then d else e", "(if a then b else (if c then d else e))"),
        ("(if a then b else c) + 1", "((if a then b else c) + 1)"),
        ("f(g(x), y = 1 + 2,)", "f(g(x), y=(1 + 2))"),
        ("f()", "f()"),
        ("f(x)^2", "(f(x) ^ 2)"),
        ("f (x)", "f(x)"),
        ("\n (1 +\n # why\n 2)\n", "(1 + 2)"),
        ("iffy + notable", "(iffy + notable)"),
        ("if₁ + 1", "(if₁ + 1)"),
    ],
)
def test_precedence(text: str, expected: str) -> None:
    assert show(expression(text)) == expected


@pytest.mark.parametrize(
    ("text", "value", "integer"),
    [
        ("1", 1.0, 1),
        ("1.5", 1.5, None),
        (".5", 0.5, None),
        ("5.", 5.0, None),
        ("1e-3", 1e-3, None),
        ("1E+3", 1e3, None),
        ("5.e2", 500.0, None),
        ("1_000_000", 1e6, 1_000_000),
        ("1_0.2_5e1_0", 10.25e10, None),
        ("007", 7.0, 7),
        ("9007199254740993", 9007199254740992.0, 9007199254740993),
        ("1e-999", 0.0, None),
    ],
)
def test_numbers(text: str, value: float, integer: int | None) -> None:
    number = expression(text)
    assert isinstance(number, tree.Number)
    assert (number.value, number.integer, number.start, number.end) == (value, integer, 0, len(text))


def test_an_integer_of_many_digits() -> None:
    number = expression("0" * 10_000 + "7")
    assert isinstance(number, tree.Number)
    assert number.integer == 7


@pytest.mark.parametrize(
    ("text", "id_"), [("w₁", "w1"), ("y\u0302", "ŷ"), ("ŷ", "ŷ"), ("λ_2", "λ_2"), ("नि", "नि"), ("x٣", "x٣")]
)
def test_names_are_compared_in_canonical_form(text: str, id_: str) -> None:
    name = expression(text)
    assert isinstance(name, tree.Name)
    assert (name.id, name.shown) == (id_, text)


def test_spans() -> None:
    text = "y = f(a, (b + c)) * -(d)^2"
    (assign,) = statements(text)
    assert isinstance(assign, tree.Assign)

    def part(node: tree.Node) -> str:
        return text[node.start : node.end]

    product = assign.value
    assert isinstance(product, tree.Binary)
    assert part(assign) == text
    assert part(product) == "f(a, (b + c)) * -(d)^2"
    assert product.at == text.index("*")
    assert isinstance(product.left, tree.Call)
    assert part(product.left.arguments[1]) == "(b + c)"
    assert isinstance(product.right, tree.Unary)
    assert part(product.right) == "-(d)^2"
    assert isinstance(product.right.operand, tree.Binary)
    assert part(product.right.operand.left) == "(d)"


def test_every_statement() -> None:
    text = """\
# all of them
input x = 3, n: int = 4, y     # data
param w₁ = 6; use "other.grad"
q, r = f(x, y = 2)
fn g(a, b=1,) = a + b
fn f(x, y) {
  t = x^2; fn h(z) = z

  s = h(t)
  return s, t
}
fn zero() { return 0 }
derivative g(a, b) = 1, 1
output q, r"""
    found = statements(text)
    assert [type(s).__name__ for s in found] == [
        "Declaration", "Declaration", "Use", "Assign", "FunctionDef", "FunctionDef", "FunctionDef", "DerivativeDef",
        "Output",
    ]  # fmt: skip
    data, weights, use, assign, short, block, zero, rule, output = found
    assert isinstance(data, tree.Declaration)
    assert isinstance(weights, tree.Declaration)
    assert (data.kind, weights.kind) == ("input", "param")
    assert [(i.name.id, i.dtype and i.dtype.id, i.default and show(i.default)) for i in data.items] == [
        ("x", None, "3"), ("n", "int", "4"), ("y", None, None),
    ]  # fmt: skip
    assert text[data.start : data.end] == "input x = 3, n: int = 4, y"
    assert isinstance(use, tree.Use)
    assert (use.path, text[use.path_start : use.path_end]) == ("other.grad", '"other.grad"')
    assert isinstance(assign, tree.Assign)
    assert [t.id for t in assign.targets] == ["q", "r"]
    assert isinstance(short, tree.FunctionDef)
    assert [(p.name.id, p.default and show(p.default)) for p in short.parameters] == [("a", None), ("b", "1")]
    assert (short.body, [show(r) for r in short.results]) == ([], ["(a + b)"])
    assert isinstance(block, tree.FunctionDef)
    assert [type(s).__name__ for s in block.body] == ["Assign", "FunctionDef", "Assign"]
    assert [show(r) for r in block.results] == ["s", "t"]
    assert text[block.end - 1] == "}"
    assert isinstance(zero, tree.FunctionDef)
    assert (zero.parameters, zero.body) == ([], [])
    assert isinstance(rule, tree.DerivativeDef)
    assert ([p.id for p in rule.parameters], [show(p) for p in rule.partials]) == (["a", "b"], ["1", "1"])
    assert isinstance(output, tree.Output)
    assert [n.id for n in output.names] == ["q", "r"]


@pytest.mark.parametrize("text", ["", "\n", ";;\n;", "# only a comment", "\n\n# one\n  \t\n"])
def test_nothing_is_a_program(text: str) -> None:
    assert statements(text) == []


def test_rule_files() -> None:
    first, second = parse.parse_gradients(Source("g", "# g\nd sin(x) = cos(x)\nd x ^ c = c*x^(c-1), none\n"))
    assert (show(first.pattern), [show(p) for p in first.partials]) == ("sin(x)", ["cos(x)"])
    assert (show(second.pattern), len(second.partials)) == ("(x ^ c)", 2)
    text = "[log one-plus] log(1 + x) => log1p(x)\nx / c => x * (1/c) if power_of_two(c)\n"
    named, guarded = parse.parse_rewrites(Source("r", text))
    assert (named.name, show(named.replacement), named.guard) == ("log one-plus", "log1p(x)", None)
    assert (guarded.name, guarded.guard and show(guarded.guard)) == ("", "power_of_two(c)")
    with pytest.raises(CompileError, match="expected `d`, found `e`"):
        parse.parse_gradients(Source("g", "e sin(x) = cos(x)"))


def test_bytes() -> None:
    source = files.decode(b"\xef\xbb\xbfx = 1\r\ny = 2\rz = 3", "a.grad")
    assert source == files.from_text("x = 1\ny = 2\nz = 3", "a.grad")
    assert source.text == "x = 1\ny = 2\nz = 3"
    with pytest.raises(CompileError) as caught:
        files.decode(b"\xef\xbb\xbfx = 1\r\ny = \xe9", "a.grad")
    (found,) = caught.value.diagnostics
    assert (found.code, found.line, found.column) == ("E0105", 2, 5)
    with pytest.raises(CompileError):
        parse.parse_program(Source("a.grad", "x = 1 # \ud800"))


def test_all_mistakes_at_once() -> None:
    text = "a = * 2\nb = 1\nfn f(x) {\n  t = (x\n  u = 3 3\n  return t\n}\nc = (1 +\nd = 2\ne = 1e\n"
    with pytest.raises(CompileError) as caught:
        statements(text)
    assert [(d.code, d.line) for d in caught.value.diagnostics] == [
        ("E0101", 1), ("E0102", 4), ("E0101", 5), ("E0102", 8), ("E0103", 10),
    ]  # fmt: skip


def test_mistakes_are_not_counted_forever() -> None:
    with pytest.raises(CompileError) as caught:
        statements("a = *\n" * 1000)
    assert len(caught.value.diagnostics) == parse.MAX_ERRORS


N = 10_000


@pytest.mark.parametrize(
    "text",
    [
        "(" * N + "x" + ")" * N,
        "-" * N + "x",
        "not " * N + "x",
        "f(" * N + "x" + ")" * N,
        "x^" * N + "x",
        "if a then b else " * N + "c",
        "if " * N + "a" + " then b else c" * N,
        "x + " * 10 * N + "x",
        "f(" + "x, " * N + "x)",
        "x" * 1_000_000,
    ],
    ids=lambda text: text[:20],
)
def test_large_expressions(text: str) -> None:
    limit = sys.getrecursionlimit()
    assert isinstance(expression(text), tree.Node)  # and it is freed here
    with pytest.raises(CompileError):
        expression(text + " $")
    with pytest.raises(CompileError):
        expression(text[:-1]) if text.endswith(")") else expression("(" + text)
    assert sys.getrecursionlimit() == limit


def test_many_statements() -> None:
    text = "".join(f"x{i} = x{i - 1}*2\n" for i in range(1, 30_001))
    assert len(statements(text)) == 30_000
    with pytest.raises(CompileError) as caught:
        statements(text + "y = (\n" + text)
    assert len(caught.value.diagnostics) == 1


def test_threads_share_a_parser() -> None:
    results: list[str] = []

    def work(number: int) -> None:
        for _ in range(20):
            results.append(show(expression(f"a{number} + f(\n{number})")))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(f"(a{n} + f({n}))" for n in range(8) for _ in range(20))


# The cache -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):  # type: ignore[no-untyped-def]
    place = tmp_path / "cache"
    monkeypatch.setenv("GRADC_CACHE_DIR", str(place))
    return place


def build() -> str:
    made = cache.lark("grad.lark", start=["formula"], transformer=parse.Builder(), postlex=parse._LineEnds())
    return show(made.parse("1 + 2*x"))


def test_the_cache_is_private_and_survives_damage(folder) -> None:  # type: ignore[no-untyped-def]
    assert build() == "(1 + (2 * x))"
    (entry,) = folder.iterdir()
    if os.name == "posix":
        assert folder.stat().st_mode & 0o777 == 0o700
    whole = entry.read_bytes()
    for damaged in (b"", whole[:1000], whole[:-1] + b"\0", b"\0" * 5000):
        entry.write_bytes(damaged)
        assert build() == "(1 + (2 * x))"
        assert [e.name for e in folder.iterdir()] == [entry.name]
        assert cache.read(entry.name) is not None


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_a_folder_that_others_can_write_to_is_not_used(folder) -> None:  # type: ignore[no-untyped-def]
    folder.mkdir()
    folder.chmod(0o777)
    assert build() == "(1 + (2 * x))"
    assert list(folder.iterdir()) == []


def test_no_cache_is_needed(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_text("")
    for place in ("", str(tmp_path / "file"), str(tmp_path / "file" / "below")):
        monkeypatch.setenv("GRADC_CACHE_DIR", place)
        assert build() == "(1 + (2 * x))"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="another place there")
def test_where_the_cache_is(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.delenv("GRADC_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "gradc"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.folder() == tmp_path / ".cache" / "gradc"


def test_files_are_found() -> None:
    assert "conditional" in resources.grammar("grad.lark").read_text("utf-8")
    assert resources.package_file("help/E0101.md").is_file()
    assert not resources.package_file("help/none.md").is_file()
