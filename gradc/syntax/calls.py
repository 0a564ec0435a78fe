"""Lowers calls: built-in functions become operators, a program's own are inlined or, with a derivative, call nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from gradc.errors import suggestion
from gradc.ops import build
from gradc.source import Source
from gradc.syntax import arrays, code, recursion, tree
from gradc.syntax.requests import Requests
from gradc.syntax.scope import CONSTANTS, POISON, Closure, Frame, Poison, Scope, Value
from gradc.syntax.unknown import not_constant

if TYPE_CHECKING:
    from gradc.syntax.lower import Lowering

_EXTENT = "an extent is the name that the declaration gives it: `n` after `input x[n]`"

# What functions of other languages are called or written like here.
_ELSEWHERE: Final = {
    "len": _EXTENT,
    "length": _EXTENT,
    "numel": _EXTENT,
    "shape": _EXTENT,
    "size": _EXTENT,
    "range": "the integers below n are `arange(n)`; an index runs behind `for`: `sum(x[i] for i in 0..n)`",
    "enumerate": "an index is a number, too: `[x[i]*i for i]`",
    "zip": "one index reads several arrays: `[x[i]*y[i] for i]`",
    "array": "an array is written in brackets: `[1, 2, 3]`",
    "vector": "an array is written in brackets: `[1, 2, 3]`",
    "matrix": "an array is written in brackets: `[[1, 2], [3, 4]]`",
    "tensor": "an array is written in brackets: `[1, 2, 3]`",
    "einsum": "write the indices: `[sum(A[i, k]*B[k, j] for k) for i, j]`",
    "avg": "it is called `mean`",
    "average": "it is called `mean`",
    "product": "it is called `prod`",
    "sinc": "`sinc_unnormalised(x)` is sin(x)/x, and 1 at 0; NumPy's sinc is `sinc_unnormalised(pi*x)`",
    "inverse": "it is called `inv`",
    "identity": "it is called `eye`",
    "concatenate": "it is called `concat`",
    "hstack": "write `concat(x, y)`, for matrices with `axis=1`",
    "vstack": "write `concat(x, y)`, for vectors `stack(x, y)`",
    "amax": "it is called `max`",
    "amin": "it is called `min`",
    "swapaxes": "write the indices: `[A[j, i] for i, j]`",
    "permute": "write the indices: `[A[j, i] for i, j]`",
    "squeeze": "choose the one element of the axis: `x[0]`",
    "ravel": "it is called `flatten`",
    "triangular_solve": "write `solve_lower(L, b)` or `solve_upper(U, b)`",
    "eig": "the eigenvalues of a symmetric matrix are `eigvalsh(A)`",
    "eigh": "the eigenvalues of a symmetric matrix are `eigvalsh(A)`",
    "svd": "the singular values are `svdvals(A)`",
    "slogdet": "the log of the absolute value of the determinant is `logdet(A)`",
    "tile": "write the indices: `[x[i % n] for i in 0..2*n]`",
    "cross": "write it out: `[a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]]`",
    "map": "functions act on every element by themselves: `f(x)`, or `[f(x[i]) for i]`",
}


class Calls:
    """Makes what calls stand for in one lowering."""

    def __init__(self, lowering: Lowering) -> None:
        self.lowering = lowering
        self.requests = Requests(self)
        # Functions that stand behind one that calls them in a cycle, once found.
        self._behind: dict[tuple[Closure, str], Closure] = {}

    def call(self, node: tree.Call, values: list[Value], frame: Frame) -> Value | tuple[Value, ...] | None:
        """The value of a call; None where a frame has been pushed that will leave it on the stack."""
        lowering = self.lowering
        name, source = node.function.id, frame.scope.source
        closure = self.function(name, frame.scope)
        if closure is not None:
            return self._call_function(node, closure, values, frame)
        if name in code.DIFFERENTIATORS:
            return self.requests.lower(node, values, frame.scope)
        if name in arrays.FUNCTIONS and self._of_arrays(name, node):
            return arrays.lower(lowering, node, values, source)
        op = "select" if name == "where" else self.lowering.program.ops.functions.get(name)
        if op is None:
            self.unknown_function(node, frame.scope)
            return POISON
        places = [argument.value for argument in node.arguments]
        for argument in node.arguments:
            if argument.keyword is not None:
                self.lowering.error(
                    "E0302",
                    f"`{node.function.shown}` takes no keyword arguments",
                    source,
                    argument.keyword,
                    "an unknown keyword",
                    ("give its arguments in order, without names",),
                )
                return POISON
        row = self.lowering.program.ops[op]
        if not row.accepts(len(values)):
            self.argument_count(node, source, *row.arity)
            return POISON
        if op == "float" and isinstance(values[0], int) and self.lowering.builder.type(values[0]).real:
            return values[0]
        return lowering.apply(op, node.function.shown, values, places, source)

    @staticmethod
    def _of_arrays(name: str, node: tree.Call) -> bool:
        """Whether a call is of a function of arrays: ``max`` and ``min`` of several values are operators."""
        if name not in ("max", "min"):
            return True
        positional = sum(argument.keyword is None for argument in node.arguments)
        return len(node.arguments) > positional or positional == 1

    def argument_count(
        self,
        node: tree.Call,
        source: Source,
        low: int,
        high: int | None,
        found: int | None = None,
        hints: Sequence[str] = (),
    ) -> None:
        """Report a wrong number of arguments; ``found`` are those that count."""
        if high is None:
            due = f"at least {low} argument" + ("s" if low != 1 else "")
        elif low == high:
            due = f"{low} argument" + ("s" if low != 1 else "")
        else:
            due = f"{low} to {high} arguments"
        found = len(node.arguments) if found is None else found
        self.lowering.error(
            "E0301",
            f"`{node.function.shown}` takes {due}, not {found}",
            source,
            node,
            f"{found} given" if found else "none given",
            hints,
        )

    def function(self, name: str, scope: Scope) -> Closure | None:
        """The function of that name which a call means: one further down, too, that calls the one it is called in."""
        found = scope.function(name)
        if found is not None or name in self.lowering.program.ops.functions or name in arrays.FUNCTIONS:
            return found
        inside = next((frame.closure for frame in reversed(self.lowering.frames) if frame.closure is not None), None)
        if inside is None:
            return None
        found = self._behind.get((inside, name)) or recursion.function_in_cycle(scope, name, inside)
        if found is not None:
            self._behind[inside, name] = found
        return found

    def unknown_function(self, node: tree.Call, scope: Scope) -> None:
        """Report that there is no such function."""
        source = scope.source
        name = node.function
        known = scope.value(name.id)
        if known is not None or name.id in CONSTANTS:
            hint = f"a product needs a sign: `{name.shown} * (…)`"
            if known is not None and isinstance(known.value, int) and known.home.type(known.value).shape:
                hint = f"elements stand in brackets: `{name.shown}[…]`"
            message = f"`{name.shown}` is a value, not a function"
            self.lowering.error("E0203", message, source, name, "called like a function", (hint,))
            return
        if self.lowering.default_of is not None and name.id in self.lowering.not_in_default:
            not_constant(self.lowering, name, source)
            return
        if name.id in self.lowering.outlook.functions:
            place = self.lowering.outlook.functions[name.id]
            self.lowering.error(
                "E0204",
                f"the function `{name.shown}` is used before it is defined",
                source,
                name,
                "not yet defined here",
                ("move the definition up",),
                [(source, place.start, place.end, "defined here")],
            )
            return
        names = [*self.lowering.program.ops.functions, *arrays.FUNCTIONS, *code.DIFFERENTIATORS, "where"]
        meant = _ELSEWHERE.get(name.id)
        hints = (meant,) if meant else suggestion(name.id, [*scope.visible()[1], *names])
        message = f"unknown function `{name.shown}`"
        self.lowering.error("E0203", message, source, name, "not a function in scope", hints)

    def _call_function(
        self, node: tree.Call, closure: Closure, values: list[Value], frame: Frame
    ) -> Value | tuple[Value, ...] | None:
        lowering = self.lowering
        source, definition = frame.scope.source, closure.definition
        recursive = recursion.is_recursive(lowering, closure)
        if recursive and not recursion.admitted(lowering, node, closure, source):
            return POISON
        bound = self._match(node, closure, values, source)
        if bound is None or (recursive and any(isinstance(value, Poison) for value in bound)):
            return POISON
        if closure.registered is not None:
            missing = [p for p, v in zip(definition.parameters, bound, strict=True) if v is None]
            if not missing:
                return self._call_registered(node, closure, [v for v in bound if v is not None], source)
        if lowering.trial:
            # The function that is called is tried by itself.
            return self._made_up(definition)
        known = lowering.branches.known
        if recursive:
            bound = [None if value is None else known.plain(value) for value in bound]
        # What a function names inside is fresh at every inlining, but nobody outside can differentiate with respect to
        # it, so that equal calls share it cannot be seen.
        key = closure, tuple(map(known.key, bound))
        if key in lowering.inlined:
            result = lowering.inlined[key]
            return recursion.endless(lowering, node, closure, source) if result is None else result
        if len(self.lowering.frames) >= self.lowering.program.clock.limits.inline_depth:
            if recursive:
                recursion.too_deep(lowering, node, closure, source)
            self.lowering.error("E0703", "calls of functions nest too deeply", source, node, "one call too many")
            return POISON
        scope = Scope(closure.source, closure.scope, closure.limit)
        # In order: a default sees the parameters before its own, and no others.
        defaults: list[tree.Node] = []
        for parameter, value in zip(definition.parameters, bound, strict=True):
            if value is None:
                assert parameter.default is not None
                defaults += code.postorder(parameter.default)
                defaults.append(code.BindParameter(parameter.start, parameter.end, parameter))
            elif defaults:
                defaults.append(code.BindArgument(parameter.start, parameter.end, parameter, value))
            else:
                self.bind(parameter, value, closure, scope)
        instructions: list[tree.Node]
        if closure.registered is not None:
            instructions = [*defaults, code.CallRegistered(node.start, node.end, node, source)]
        else:
            if closure.code is None:
                closure.code = code.body_code(definition)
            instructions = [*defaults, *closure.code] if defaults else closure.code
            lowering.inlined[key] = None
        closure.active += 1
        lowering.frames.append(Frame(instructions, scope, closure, key, call=(source, node)))
        return None

    def _made_up(self, definition: tree.FunctionDef) -> Value | tuple[Value, ...]:
        """Numbers that stand for the results of a call in a trial run."""
        values = [_any_number(self.lowering) for _ in definition.results]
        return values[0] if len(values) == 1 else tuple(values)

    def bind(self, parameter: tree.Parameter, value: Value, closure: Closure, scope: Scope) -> None:
        """Bind an argument; it gets an identity of its own where the function differentiates with respect to it."""
        if parameter.name.id in closure.targets and not isinstance(value, Poison):
            value = self.lowering.identify(f"{closure.definition.name.shown}.{parameter.name.shown}", value)
        scope.bind(parameter.name, value, self.lowering.builder).used = True

    def _match(
        self, node: tree.Call, closure: Closure, values: list[Value], source: Source
    ) -> list[Value | None] | None:
        """The arguments in the order of the parameters, None for a default; None after a report."""
        parameters = closure.definition.parameters
        index = {parameter.name.id: i for i, parameter in enumerate(parameters)}
        bound: list[Value | None] = [None] * len(parameters)
        note = [(closure.source, closure.definition.name.start, closure.definition.name.end, "the function")]
        shown = node.function.shown
        for position, (argument, value) in enumerate(zip(node.arguments, values, strict=True)):
            if argument.keyword is None:
                if position > 0 and node.arguments[position - 1].keyword is not None:
                    self.lowering.error(
                        "E0302",
                        "an argument without a name stands behind one with a name",
                        source,
                        argument,
                        "which parameter is this?",
                        ("move it to the front, or name it too",),
                        note,
                    )
                    return None
                if position >= len(parameters):
                    required = sum(1 for p in parameters if p.default is None)
                    self.argument_count(node, source, required, len(parameters))
                    return None
                bound[position] = value
                continue
            at = index.get(argument.keyword.id)
            if at is None or bound[at] is not None:
                what = "unknown keyword" if at is None else "second value for the parameter"
                hints = suggestion(argument.keyword.id, index) if at is None else ()
                self.lowering.error(
                    "E0302",
                    f"{what} `{argument.keyword.shown}` in a call of `{shown}`",
                    source,
                    argument.keyword,
                    "not a parameter" if at is None else "already given",
                    hints,
                    note,
                )
                return None
            bound[at] = value
        missing = [p.name.shown for p, v in zip(parameters, bound, strict=True) if v is None and p.default is None]
        if missing:
            names = ", ".join(f"`{name}`" for name in missing)
            self.lowering.error(
                "E0301",
                f"the call of `{shown}` gives no value for {names}",
                source,
                node,
                f"{len(node.arguments)} given" if node.arguments else "none given",
                (),
                note,
            )
            return None
        return bound

    def call_bound(self, item: code.CallRegistered, frame: Frame) -> Value:
        """The call of a function that has a derivative of its own, on the parameters that the frame binds."""
        closure = frame.closure
        assert closure is not None
        values = [frame.scope.values[parameter.name.id].value for parameter in closure.definition.parameters]
        return self._call_registered(item.call, closure, values, item.source)

    def _call_registered(self, node: tree.Call, closure: Closure, values: list[Value], source: Source) -> Value:
        """A call node of a function that has a derivative of its own."""
        places: dict[object, tree.Node] = {
            position if argument.keyword is None else argument.keyword.id: argument.value
            for position, argument in enumerate(node.arguments)
        }
        nodes = []
        for position, (value, parameter) in enumerate(zip(values, closure.definition.parameters, strict=True)):
            if isinstance(value, Poison):
                return POISON
            if self.lowering.applier.type(value).dtype == "bool":
                self.lowering.error(
                    "E0303",
                    f"`{node.function.shown}` has a derivative, so it takes numbers",
                    source,
                    places.get(position, places.get(parameter.name.id, node)),
                    "this is a truth value",
                )
                return POISON
            nodes.append(self.lowering.applier.real_node(value))
        listed: list[tree.Node] = [
            places.get(at, places.get(p.name.id, node)) for at, p in enumerate(closure.definition.parameters)
        ]
        fitted = self.lowering.applier.fitted(source, node.function.shown, nodes, listed)
        if fitted is None:
            return POISON
        builder, attrs = self.lowering.builder, {"function": closure.registered}
        shape = builder.type(fitted[0]).shape
        if not shape or self._acts_alone(str(closure.registered)):
            return builder.apply("call", *fitted, attrs=attrs)
        # Inside are sums or derivatives of single numbers: the elements are called with, one by one.
        indices = [self.lowering.new_index("k", extent) for extent in shape]
        at = [build.index(builder, index) for index in indices]
        elements = [build.access(builder, each, (None,) * len(at), at) for each in fitted]
        return build.tabulate(builder, builder.apply("call", *elements, attrs=attrs), indices)

    def _acts_alone(self, function: str) -> bool:
        """Whether a function with a derivative of its own consists of operators that act on elements by themselves."""
        program = self.lowering.program
        seen = {function}
        stack = [function]
        while stack:
            found = program.functions.get(stack.pop())
            for graph in () if found is None else (found.body, found.partials):
                for entry in graph.data.values():
                    op = entry["op"]
                    if op == "call" and entry["attrs"]["function"] not in seen:
                        seen.add(entry["attrs"]["function"])
                        stack.append(entry["attrs"]["function"])
                    elif op not in ("input", "const", "name", "call") and not program.ops[op].elementwise:
                        return False
        return True


def _any_number(lowering: Lowering) -> int:
    """A number that stands for one known only when the program runs; in a body it enters from outside."""
    region = lowering.region
    if region is not None:
        return region.node(lowering, _any_number(region.outer))
    return lowering.builder.input(f"a result {len(lowering.builder.data)}", lowering.program.real)
