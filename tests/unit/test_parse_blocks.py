"""Loops and `if` blocks: what is read, where each part stands, and what is said about mistakes in them."""

from __future__ import annotations

import pytest

from gradc.errors import CompileError, Diagnostic
from gradc.source import Source
from gradc.syntax import code, parse, tree
from gradc.syntax.declare import used_as_index


def statements(text: str) -> list[tree.Statement]:
    return parse.parse_program(Source("test", text)).statements


def show(node: tree.Statement) -> str:
    """The shape of a statement, without what its expressions hold."""
    match node:
        case tree.Assign(targets=targets):
            return "=".join(name.shown for name in targets)
        case tree.IndexAssign(target=target, indices=indices):
            return f"{target.shown}[{len(indices)}]"
        case tree.For(index=index, body=body):
            return f"for {index.shown} {block(body)}"
        case tree.While(body=body):
            return f"while {block(body)}"
        case tree.IfBlock(then=then, other=other):
            return f"if {block(then)}" + (f" else {block(other)}" if other else "")
        case tree.FunctionDef(body=body):
            return f"fn {block(tuple(body))}"
    raise AssertionError(node)


def block(body: tuple[tree.Statement, ...]) -> str:
    return "{" + ", ".join(map(show, body)) + "}"


def errors(text: str) -> list[Diagnostic]:
    with pytest.raises(CompileError) as caught:
        statements(text)
    return list(caught.value.diagnostics)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("for t in 0..n { y = y + 1 }", "for t {y}"),
        ("for t in 0..n { y = 1; z = 2; }", "for t {y, z}"),
        ("for t in 0..n {\n\n  y = 1 # why\n\n  z = 2\n}\n", "for t {y, z}"),
        ("for t in 0..n { q, r = f(t) }", "for t {q=r}"),
        ("for t in 0..n { trace[t] = y; C[i, j] = A[i, j] for i in 0..2 if i < j }", "for t {trace[1], C[2]}"),
        ("for t in 0..n { for u in t..n { while c { y = 1 } } }", "for t {for u {while {y}}}"),
        ("while a < b and not c { y = 1 }", "while {y}"),
        ("if a { y = 1 }", "if {y}"),
        ("if a { y = 1 } else { z = 2; w = 3 }", "if {y} else {z, w}"),
        ("if a { y = 1 } else if b { z = 2 } else { w = 3 }", "if {y} else {if {z} else {w}}"),
        ("if a { y = 1 }\n\n# why\n  else if b { z = 2 } # so\nelse { w = 3 }", "if {y} else {if {z} else {w}}"),
        ("if a { if b { y = 1 } else { z = 2 } }", "if {if {y} else {z}}"),
        ("if a { if b { y = 1 } } else { z = 2 }", "if {if {y}} else {z}"),
        ("if if a then b else c { y = if a then 1 else 2 }", "if {y}"),
        ("if (a) { y = 1 }", "if {y}"),
        ("fn f(x) { y = x; for t in 0..3 { y = y*x }; return y }", "fn {y, for t {y}}"),
        ("fn f(x) {\n  if x > 0 { y = 1 }\n  else { y = 2 }\n  return y\n}", "fn {if {y} else {y}}"),
    ],
)
def test_blocks(text: str, expected: str) -> None:
    (found,) = statements(text)
    assert show(found) == expected


def test_every_part_knows_its_place() -> None:
    text = (
        "x = 1\nfor t in a+1..n { y = t; z[t] = y }\nwhile y < 3 { y = 2 }  # on\nif y { a = 1 }\nelse if z { b = 2 }"
    )
    _, loop, repeated, choice = statements(text)

    def words(node: tree.Node) -> str:
        return text[node.start : node.end]

    assert isinstance(loop, tree.For)
    assert words(loop) == "for t in a+1..n { y = t; z[t] = y }"
    assert [words(loop.index), words(loop.first), words(loop.stop)] == ["t", "a+1", "n"]
    assert [words(each) for each in loop.body] == ["y = t", "z[t] = y"]
    assert isinstance(repeated, tree.While)
    assert [words(repeated), words(repeated.test)] == ["while y < 3 { y = 2 }", "y < 3"]
    assert isinstance(choice, tree.IfBlock)
    assert words(choice) == "if y { a = 1 }\nelse if z { b = 2 }"
    (other,) = choice.other
    assert isinstance(other, tree.IfBlock)
    assert [words(other), words(other.test), words(other.then[0])] == ["if z { b = 2 }", "z", "b = 2"]
    assert other.other == ()
    assert [loop.depth, repeated.depth, choice.depth, other.depth] == [1, 1, 2, 1]


@pytest.mark.parametrize("head", ["for t in 0..n", "while c"])
def test_a_loop_may_be_checkpointed(head: str) -> None:
    plain, bare, counted = statements(
        f"{head} {{ y = 1 }}\n{head} checkpoint {{ y = 1 }}\n{head} checkpoint n+1{{ y = 1 }}"
    )
    for loop, asked in ((plain, False), (bare, True), (counted, True)):
        assert isinstance(loop, tree.For | tree.While)
        assert loop.checkpoint is asked
        assert isinstance(loop.segments, tree.Binary) == (loop is counted)


def test_checkpoint_is_a_name_everywhere_else() -> None:
    text = "checkpoint = 3\nfor checkpoint in 0..checkpoint checkpoint checkpoint { checkpoint = checkpoint }"
    assert [show(each) for each in statements(text)] == ["checkpoint", "for checkpoint {checkpoint}"]
    (loop,) = statements("for t in 0..n checkpoint checkpoints { y = 1 }")
    assert isinstance(loop, tree.For)
    assert isinstance(loop.segments, tree.Name)


# What stands in a block ----------------------------------------------------------------------------------------------


def test_what_a_block_assigns_and_evaluates() -> None:
    (found,) = statements("for t in a..b { x = c; if d { y[t] = e for i in f..g } else { while h { p, q = k } } }")
    assert [name.id for name in code.assigned_in(found)] == ["x", "y", "p", "q"]
    (function,) = statements("fn f(x) { for t in a..b { y = grad(x, z); if c { w = d } }; return y }")
    assert isinstance(function, tree.FunctionDef)
    names = {
        node.id for each in code.statements_in(function) for node in code.walk(each) if isinstance(node, tree.Name)
    }
    assert names == {"a", "b", "x", "y", "z", "c", "d"}
    assert code.targets_of(function) == {"z"}


def test_bounds_and_indices_in_blocks_are_integers() -> None:
    found = statements(
        "for t in a..b { y = x[i] + x[t]; if z[j] > 0 { w = x[k] } }\nfn f(m) { for t in 0..m { y = t }; return y }"
    )
    assert used_as_index(found) == {"a", "b", "i", "j", "k"}


# Depth ---------------------------------------------------------------------------------------------------------------


def nested(head: str, count: int) -> str:
    return f"{head} {{ " * count + "y = 1" + " }" * count


@pytest.mark.parametrize("head", ["for t in 0..2", "while c", "if c"])
def test_blocks_nest_up_to_a_bound(head: str) -> None:
    (found,) = statements(nested(head, tree.MAX_DEPTH))
    assert isinstance(found, tree.Block)
    assert found.depth == tree.MAX_DEPTH
    (error,) = errors(nested(head, tree.MAX_DEPTH + 1))
    assert (error.code, error.line, error.column) == ("E0703", 1, 1)
    assert [each.code for each in errors(nested(head, 10_000))] == ["E0703"]


def test_an_else_if_is_one_block_more() -> None:
    chain = "if a { y = 0 }" + " else if a { y = 1 }" * tree.MAX_DEPTH
    (error,) = errors(chain)
    assert (error.code, error.column) == ("E0703", 1)
    assert isinstance(statements(chain.rpartition(" else")[0])[0], tree.IfBlock)


def test_many_open_blocks_are_one_mistake() -> None:
    assert [each.code for each in errors("for t in 0..2 { " * 10_000)] == ["E0102"]


# Mistakes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "at", "message", "hint"),
    [
        (
            "for t in 0..n:\n    y = y + 1\n    z = 2\nw = 3",
            ":",
            "expected `{` behind the range",
            "a block has braces: `for t in 0..n { … }`",
        ),
        (
            "for t in 0..n\n{ y = 1 }",
            "",
            "expected `{` behind the range",
            "it stands in the same line: `for t in 0..n {`",
        ),
        ("for t in 0..n\ny = 1", "", "expected `{` behind the range", "a block has braces: `for t in 0..n { … }`"),
        (
            "for (t = 0; t < 3; t++) { y = 1 }",
            "(",
            "expected the name of an index behind `for`",
            "a loop is written `for t in 0..n { … }`",
        ),
        ("for t in range(n) { y = 1 }", "range(n)", "expected a range behind `in`", "write `0..n`"),
        ("for t in range(1, n):\n  y = 1", "range(1, n)", "expected a range behind `in`", "write `1..n`"),
        ("for x in xs { y = 1 }", "xs", "expected a range behind `in`", "write `0..xs`"),
        ("for t = 0..n { y = 1 }", "=", "expected `in` behind the index", "a loop is written `for t in 0..n { … }`"),
        ("for t in 0 to n { y = 1 }", "to", "expected `..` in a range", "write `a..b`: from a up to, but without, b"),
        ("for t in 1:n { y = 1 }", ":", "expected `..` in a range", "write `a..b`: from a up to, but without, b"),
        (
            "for t in 0..n step 2 { y = 1 }",
            "step",
            "a range has no step",
            "an index runs in steps of 1; count with `2*t`",
        ),
        ("for t in 0..=n { y = 1 }", "..=", "unknown notation `..=`", "a range stops before its end: write `0..n+1`"),
        ("for t in 0...n { y = 1 }", "...", "expected `..` in a range", "write `a..b`: from a up to, but without, b"),
        (
            "for t, u in 0..n { y = 1 }",
            ",",
            "a loop has one index",
            "write a loop in a loop: `for t in 0..n { for … { … } }`",
        ),
        ("for t { y = 1 }", "{", "expected `in` behind the index", "a loop is written `for t in 0..n { … }`"),
        ("for { y = 1 }", "{", "expected the name of an index behind `for`", "a loop is written `for t in 0..n { … }`"),
        (
            "for t in 0..n if c { y = 1 }",
            "if",
            "a loop has no condition behind its range",
            "put `if c { … }` into its block",
        ),
        (
            "for t in 0..n do\n  y = 1\nend",
            "do",
            "expected `{` behind the range",
            "a block has braces: `for t in 0..n { … }`",
        ),
        (
            "for t in 0..n checkpiont { y = 1 }",
            "checkpiont",
            "unknown option `checkpiont`",
            "did you mean `checkpoint`?",
        ),
        (
            "for t in 0..n checkpoint\ny = 1",
            "",
            "expected `{` behind `checkpoint`",
            "a block has braces: `for t in 0..n checkpoint { … }`",
        ),
        (
            "for t in 0.. { y = 1 }",
            "{",
            "expected the end of the range behind `..`",
            "a range is given whole: `for t in 0..n`",
        ),
        (
            "while (c) do\n y = 1\nend",
            "do",
            "expected `{` behind the condition",
            "a block has braces: `while (c) { … }`",
        ),
        ("while c:\n y = 1", ":", "expected `{` behind the condition", "a block has braces: `while c { … }`"),
        ("while { y = 1 }", "{", "expected a condition behind `while`", "write `while c { … }`"),
        ("while x = 3 { y = 1 }", "=", "unexpected `=`", "`==` compares"),
        (
            "while true { y = 1; break }",
            "break",
            "unknown statement `break`",
            "a loop that stops by a condition is written `while c { … }`",
        ),
        ("while c { continue }", "continue", "unknown statement `continue`", "put what is left out into `if c { … }`"),
        (
            "while c { if d { break } }",
            "break",
            "unknown statement `break`",
            "a loop that stops by a condition is written `while c { … }`",
        ),
        (
            "do { y = 1 } while c",
            "do",
            "unknown statement `do`",
            "a loop is written `for t in 0..n { … }` or `while c { … }`",
        ),
        (
            "if c then y = 1 else y = 2 end",
            "then",
            "an `if` with `then` is an expression, not a statement",
            "name its value: `y = if c then a else b`; or write a block: `if c { … } else { … }`",
        ),
        (
            "if c:\n  y = 1\nelif d:\n  y = 2\nelse:\n  y = 3\nz = 1",
            ":",
            "expected `{` behind the condition",
            "a block has braces: `if c { … }`",
        ),
        ("if c { y = 1 } elif d { y = 2 }", "elif", "unknown notation `elif`", "write `else if c { … }`"),
        (
            "if c { y = 1 }\nelif d { y = 2 }",
            "elif",
            "unknown statement `elif`",
            "write `else if c { … }` behind a `}`",
        ),
        ("if c { y = 1 } else y = 2", "y", "expected `{` behind `else`", "a block has braces: `else { … }`"),
        ("if c { y = 1 } else:\n y = 2", ":", "expected `{` behind `else`", "a block has braces: `else { … }`"),
        ("if c { y = 1 } else\n{ y = 2 }", "", "expected `{` behind `else`", "it stands in the same line: `else {`"),
        (
            "if c { y = 1 }; else { y = 2 }",
            "else",
            "`else` without `if`",
            "it stands directly behind the `}` of its `if`",
        ),
        ("for t in 0..n { y = 1 } else { y = 2 }", "else", "`else` without `if`", "a loop has no `else`"),
        (
            "if c { y = 1 } else { y = 2 } else { y = 3 }",
            "else",
            "`else` without `if`",
            "`else` is the last part of an `if`; before it stands `else if c`",
        ),
        ("else { y = 1 }", "else", "`else` without `if`", "it stands directly behind the `}` of its `if`"),
        ("if (c) y = 1", "y", "expected `{` behind the condition", "a block has braces: `if (c) { … }`"),
        ("if c y = 1", "y", "expected `{` behind the condition", "a block has braces: `if c { … }`"),
        ("if c\n  y = 1", "", "expected `{` behind the condition", "a block has braces: `if c { … }`"),
        ("if { y = 1 }", "{", "expected a condition behind `if`", "write `if c { … }`"),
        (
            "for t in 0..n { y = 1 } z = 2",
            "z",
            "expected the end of the statement",
            "statements are separated by a line end or `;`",
        ),
        ("for t in 0..n { y += 2*x }", "+=", "unknown operator `+=`", "write `y = y + 2*x`"),
        ("for t in 0..n { y *= x + 1 }", "*=", "unknown operator `*=`", "write `y = y * (x + 1)`"),
        ("for t in 0..n { y++ }", "++", "unknown operator `++`", "write `y = y + 1`"),
        ("for t in 0..n { a[t] += 1 }", "+=", "unknown operator `+=`", "write `a[t] = a[t] + 1`"),
        ("y += 1", "+=", "unknown operator `+=`", "a name is given its value once; use a new one: `y2 = y + …`"),
        ("for t in 0..n { fn g(x) = x }", "fn", "`fn` cannot stand in a loop", "define the function before it"),
        ("for t in 0..n { input x }", "input", "`input` cannot stand in a loop", "move it before the block"),
        (
            "for t in 0..n { output y }",
            "output",
            "`output` cannot stand in a loop",
            "move it behind the block: outputs are known when all is computed",
        ),
        (
            "fn f(x) { for t in 0..n { return x }; return x }",
            "return",
            "`return` cannot stand in a loop",
            "give a name its value here, and return that behind the block",
        ),
        (
            "if c { derivative f(x) = 1 }",
            "derivative",
            "`derivative` cannot stand in an `if` block",
            "move it behind its function",
        ),
        ('while c { use "a.grad" }', "use", "`use` cannot stand in a loop", "move it to the beginning of the file"),
        (
            "for t in 0..n { }",
            "{ }",
            "an empty block does nothing",
            "give a name a value in it, or leave the statement out",
        ),
        (
            "for t in 0..n {\n\n # nothing\n}",
            "{",
            "an empty block does nothing",
            "give a name a value in it, or leave the statement out",
        ),
        ("while c { y = 1; { z = 2 } }", "{", "an expression alone is not a statement", "name its value: `y = …`"),
        ("for t in 0..n { y }", "y", "an expression alone is not a statement", "name its value: `y = y`"),
        ("for t in 0..n { y = 1", "{", "`{` is not closed", ""),
        ("for t in 0..n { y = f(x }", "}", "`}` does not close `(`", ""),
        ("for t in 0..n { y = 1 ) }", ")", "`)` does not close `{`", ""),
        ("y = if c { 1 } else { 2 }", "{", "expected `then` behind the condition", "write `if c then a else b`"),
        (
            "y = for t in 0..n { 1 }",
            "for",
            "expected an expression behind `=`",
            "what is computed comes first: `[x[i] for i]`",
        ),
        ("for t in x[0..n { y = 1 }", "..", "a range stands behind `in`", "a slice is written `a:b`"),
        ("for t in 0..n { 3 = y }", "3", "only a name can be given a value", "write `name = expression`"),
        (
            "for t in 0..n { while = 3 }",
            "while",
            "the keyword `while` cannot be a name",
            "choose another name, such as `while_`",
        ),
        (
            "for in 0..n { y = 1 }",
            "in",
            "expected the name of an index behind `for`",
            "a loop is written `for t in 0..n { … }`",
        ),
        ("fn f(x) { for t in 0..n { y = x } }", "}", "the block returns nothing", "a block ends with `return …`"),
        ("end", "end", "unknown statement `end`", "a block ends with `}`"),
        (
            "loop { y = 1 }",
            "loop",
            "unknown statement `loop`",
            "a loop is written `for t in 0..n { … }` or `while c { … }`",
        ),
        ("repeat 10 { y = 1 }", "repeat", "unknown statement `repeat`", "a loop is written `for t in 0..n { … }`"),
        (
            "foreach x in xs { y = 1 }",
            "foreach",
            "unknown statement `foreach`",
            "a loop is written `for t in 0..n { … }`",
        ),
        (
            "while c checkpoint checkpoint 3 { y = 1 }",
            "3",
            "expected `{` behind `checkpoint`",
            "a block has braces: `while c checkpoint checkpoint { … }`",
        ),
        ("y = f(x\nfor t in 0..n { y = 1 }", "(", "`(` is not closed", ""),
        ("y = checkpoint 3", "3", "expected an operator", "write `checkpoint*3` for a product"),
        (
            "for t in 0..n { for u in 0..m { y = = 1 } }",
            "=",
            "expected an expression, found `=`",
            "`==` compares, without a space",
        ),
        ("for t in 0..n { pass }", "pass", "unknown statement `pass`", "a block holds a statement or more"),
        ("if x < 1 < 2 { y = 1 }", "<", "comparisons do not chain", "write `x < 1 and 1 < 2`"),
        (
            "if c { y = 1 }\n\n\nz = 2\nelse { y = 3 }",
            "else",
            "`else` without `if`",
            "it stands directly behind the `}` of its `if`",
        ),
        (
            "for t in 0..n, u in 0..m { y = 1 }",
            ",",
            "a loop has one index",
            "write a loop in a loop: `for t in 0..n { for … { … } }`",
        ),
        ("for t in 0..n +  { y = 1 }", "{", "expected an expression behind `+`", ""),
        ("while c && d { y = 1 }", "&&", "unknown operator `&&`", "write `and`"),
        ("while not { y = 1 }", "{", "expected an expression behind `not`", ""),
        ("for t of xs { y = 1 }", "of", "expected `in` behind the index", "a loop is written `for t in 0..n { … }`"),
        ("for t in [1, 2] { y = 1 }", "[1, 2]", "expected a range behind `in`", "write `a..b`"),
        (
            "for t in 0..n { return }",
            "return",
            "`return` cannot stand in a loop",
            "give a name its value here, and return that behind the block",
        ),
        ("for t in 0..n y = 1", "y", "expected `{` behind the range", "a block has braces: `for t in 0..n { … }`"),
        ("}", "}", "`}` closes nothing", ""),
        ("{ y = 1 }", "{", "an expression alone is not a statement", "name its value: `y = …`"),
        ("for t in 0..3x { y = 1 }", "3x", "malformed number `3x`", "write `3*x` for a product"),
        ("while c – d { y = 1 }", "–", "unexpected character `–` (U+2013 EN DASH)", "write `-`"),
        ('while c "x { y = 1 }', '"x { y = 1 }', "text in quotes is not closed", 'close it with `"`'),
        ("while c ! { y = 1 }", "!", "unknown operator `!`", "the factorial is `gamma(c + 1)`; negation is `not`"),
        (
            "if a { y = 1 }\nelse if b\n{ y = 2 }",
            "",
            "expected `{` behind the condition",
            "it stands in the same line: `if b {`",
        ),
        ("if a { y = 1 }\nelse\ny = 2", "", "expected `{` behind `else`", "a block has braces: `else { … }`"),
        (
            "for t in 0..n { break if c }",
            "break",
            "unknown statement `break`",
            "a loop that stops by a condition is written `while c { … }`",
        ),
        ("while x > 0 { x -= 1 }", "-=", "unknown operator `-=`", "write `x = x - 1`"),
        ("for t in 0..n { y = t*2", "{", "`{` is not closed", ""),
        ("for t in 0..n {\n y = 1\n\noutput y", "{", "`{` is not closed", ""),
        ("fn f(x) { y = x", "{", "`{` is not closed", ""),
        ("if c {y}", "y", "an expression alone is not a statement", "name its value: `y = y`"),
        ("if c {y=}", "}", "expected an expression behind `=`", ""),
        ("else", "else", "`else` without `if`", "it stands directly behind the `}` of its `if`"),
        ("elif c:", "elif", "unknown statement `elif`", "write `else if c { … }` behind a `}`"),
        ("else = 3", "else", "the keyword `else` cannot be a name", "choose another name, such as `else_`"),
        ("for = 3", "for", "the keyword `for` cannot be a name", "choose another name, such as `for_`"),
        (
            "for (t in 0..n) { y = 1 }",
            "(",
            "expected the name of an index behind `for`",
            "a loop is written `for t in 0..n { … }`",
        ),
        ("for t in 0..n { x[t] -= a + 1 }", "-=", "unknown operator `-=`", "write `x[t] = x[t] - (a + 1)`"),
        ("if c { y = 1 } else if { z = 2 }", "{", "expected a condition behind `if`", "write `if c { … }`"),
    ],
)
def test_mistakes(text: str, at: str, message: str, hint: str) -> None:
    (error,) = errors(text)
    assert error.span is not None
    line = text.split("\n")[error.line - 1]
    assert line[error.column - 1 : error.end - 1] == at
    assert (error.message, error.hints) == (message, (hint,) if hint else ())


@pytest.mark.parametrize(
    ("text", "places"),
    [
        # Everything in the braces of a head that is wrong belongs to that mistake.
        ("for t in range(n) {\n y = 1\n z = = 2\n}\nw = = 3", [(1, 10), (5, 5)]),
        ("for t in range(n)\n{\n y = 1\n}\nw = = 3", [(1, 10), (5, 5)]),
        ("if c:\n  y = 1\nelif d:\n  y = 2\nelse:\n  y = 3\nz = = 1", [(1, 5), (7, 5)]),
        ("while c do\n  y = 1\nend\nz = = 1", [(1, 9), (4, 5)]),
        # The statements of a block are told apart.
        ("for t in 0..n { y = a b; z = ; w = 2 3 }", [(1, 23), (1, 29), (1, 38)]),
        (
            "for t in 0..n {\n  if c {\n    y = = 1\n  } else {\n    z = 2 3\n  }\n  w = a b\n}\nq = = 1",
            [(3, 9), (5, 11), (7, 9), (9, 5)],
        ),
        ("fn f(x) {\n  for t in range(n) {\n    y = x\n  }\n  z = = 3\n  return y\n}", [(2, 12), (5, 7)]),
        # A block is not called empty because all that it holds is a mistake.
        ("if c {y}\nz = = 1", [(1, 7), (2, 5)]),
        ("if c { y }\nz = = 1", [(1, 8), (2, 5)]),
        # Where the `}` is missing.
        ("for t in 0..n {\n  y = 1\n\noutput y\nz = = 1", [(1, 15), (5, 5)]),
        ("for t in 0..n { y = f(x }\nz = = 1", [(1, 25), (2, 5)]),
    ],
)
def test_where_reading_goes_on(text: str, places: list[tuple[int, int]]) -> None:
    assert [(error.line, error.column) for error in errors(text)] == places
