"""A checked tree into closures: each node becomes a function of the `Evaluation` that gives its value.

Nothing of Jinja's runtime takes part: names, keys, operators, filters and loops are ours, bounded one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import nodes

from magent.expressions.accesses import chain
from magent.expressions.functions import cycle, dict_, hashable, names_of, range_
from magent.expressions.operators import BINARY, COMPARE, Operator, contains, join, negated, positive
from magent.expressions.problems import LITERALS, EvaluationError, Mismatch
from magent.expressions.registry import FILTERS, TESTS, Function
from magent.expressions.syntax import text_of
from magent.expressions.values import ITEM, Evaluation, Undefined, cut, defined, get, items

Code = Callable[[Evaluation], Any]
UNSET: Any = object()


class Scope:
    """The local names of a template or of a loop's body; each has a slot of the evaluation."""

    def __init__(self, outer: Scope | None = None) -> None:
        self.outer = outer
        self.slots: dict[str, int] = {}

    def visible(self, name: str) -> list[int]:
        """The slots of that name, the innermost first: one that is not set yet lets the next one shine through."""
        found, scope = [], self
        while scope is not None:
            if name in scope.slots:
                found.append(scope.slots[name])
            scope = scope.outer  # type: ignore[assignment]
        return found


class ExpressionCompiler:
    """Compiles expressions. `slots` is how many local variables it has."""

    def __init__(self) -> None:
        self.slots = 0
        self.scope = Scope()
        self.depth = 0
        self.size = 0  # nodes compiled so far: a loop's work is that of its body

    def expression(self, node: nodes.Node) -> Code:
        self.size += 1
        return getattr(self, f"_{type(node).__name__.lower()}")(node)  # type: ignore[no-any-return]

    def needed(self, node: nodes.Node) -> Code:
        """Like `expression`, but what is undefined raises."""
        code = self.expression(node)
        if isinstance(node, (nodes.Const, nodes.BinExpr, nodes.Compare, nodes.Test, nodes.Concat)):
            return code
        return lambda evaluation: defined(code(evaluation))

    # names and keys

    def _const(self, node: nodes.Const) -> Code:
        return _constant(node.value)

    def _name(self, node: nodes.Name) -> Code:
        name = node.name
        if name in LITERALS:
            return _constant(LITERALS[name])
        code = _outside(name)
        for slot in reversed(self.scope.visible(name)):
            code = _local(slot, code)
        return code

    def _getattr(self, node: nodes.Getattr) -> Code:
        name, path, computed = chain(node)
        if name is not None and computed is None and name.name not in LITERALS and not self.scope.visible(name.name):
            return _path(path)
        owner, key, label = self.expression(node.node), node.attr, text_of(node)
        return lambda evaluation: get(owner(evaluation), key, label, evaluation)

    def _getitem(self, node: nodes.Getitem) -> Code:
        name, path, computed = chain(node)
        if name is not None and computed is None and name.name not in LITERALS and not self.scope.visible(name.name):
            return _path(path)
        owner, label = self.expression(node.node), text_of(node)
        if isinstance(node.arg, nodes.Slice):
            bounds = self._bounds(node.arg)
            return lambda evaluation: cut(owner(evaluation), bounds(evaluation), label, evaluation)
        key = self.needed(node.arg)
        return lambda evaluation: get(owner(evaluation), key(evaluation), label, evaluation)

    def _bounds(self, node: nodes.Slice) -> Callable[[Evaluation], slice]:
        start, stop, step = (
            self.needed(part) if part is not None else _nothing for part in (node.start, node.stop, node.step)
        )
        return lambda evaluation: slice(start(evaluation), stop(evaluation), step(evaluation))

    # values

    def _list(self, node: nodes.List) -> Code:
        parts = [self.expression(each) for each in node.items]
        size = ITEM * len(parts)

        def make(evaluation: Evaluation) -> list[Any]:
            evaluation.make(size)
            return [part(evaluation) for part in parts]

        return make

    def _tuple(self, node: nodes.Tuple) -> Code:
        make = self._list(node)  # type: ignore[arg-type]  # both have `items`
        return lambda evaluation: tuple(make(evaluation))

    def _dict(self, node: nodes.Dict) -> Code:
        pairs = [(self.needed(pair.key), self.expression(pair.value)) for pair in node.items]
        size = 2 * ITEM * len(pairs)

        def make(evaluation: Evaluation) -> dict[Any, Any]:
            evaluation.make(size)
            return {hashable(key(evaluation)): value(evaluation) for key, value in pairs}

        return make

    def _concat(self, node: nodes.Concat) -> Code:
        parts = [self.expression(each) for each in node.nodes]
        return lambda evaluation: join([part(evaluation) for part in parts], evaluation)

    # operators

    def _binary(self, node: nodes.BinExpr) -> Code:
        left, right, act = self.expression(node.left), self.expression(node.right), BINARY[type(node).__name__]
        name = f"`{text_of(node.left)}` and `{text_of(node.right)}`"
        return _placed(left, right, act, name)

    _add = _sub = _mul = _div = _floordiv = _mod = _pow = _binary

    def _neg(self, node: nodes.Neg) -> Code:
        code = self.expression(node.node)
        return lambda evaluation: negated(code(evaluation), evaluation)

    def _pos(self, node: nodes.Pos) -> Code:
        code = self.expression(node.node)
        return lambda evaluation: positive(code(evaluation), evaluation)

    def _compare(self, node: nodes.Compare) -> Code:
        left = self.expression(node.expr)
        if len(node.ops) == 1:
            operand = node.ops[0]
            name = f"`{text_of(node.expr)}` and `{text_of(operand.expr)}`"
            return _placed(left, self.expression(operand.expr), _COMPARE[operand.op], name)
        rest = [(_COMPARE[operand.op], self.expression(operand.expr)) for operand in node.ops]

        def compare(evaluation: Evaluation) -> bool:
            value = left(evaluation)
            for act, right in rest:
                other = right(evaluation)
                if not act(value, other, evaluation):
                    return False
                value = other
            return True

        return compare

    def _and(self, node: nodes.And) -> Code:
        left, right = self.needed(node.left), self.expression(node.right)
        return lambda evaluation: left(evaluation) and right(evaluation)

    def _or(self, node: nodes.Or) -> Code:
        left, right = self.needed(node.left), self.expression(node.right)
        return lambda evaluation: left(evaluation) or right(evaluation)

    def _not(self, node: nodes.Not) -> Code:
        code = self.needed(node.node)
        return lambda evaluation: not code(evaluation)

    def _condexpr(self, node: nodes.CondExpr) -> Code:
        test, first = self.needed(node.test), self.expression(node.expr1)
        other = self.expression(node.expr2) if node.expr2 is not None else _nothing
        return lambda evaluation: first(evaluation) if test(evaluation) else other(evaluation)

    # filters, tests, calls

    def _filter(self, node: nodes.Filter) -> Code:
        assert node.node is not None
        return self._function(FILTERS[node.name], self.expression(node.node), node, "|")

    def _test(self, node: nodes.Test) -> Code:
        return self._function(TESTS[node.name], self.expression(node.node), node, "is")

    def _function(self, function: Function, code: Code, node: nodes.Filter | nodes.Test, sign: str) -> Code:
        arguments = self._arguments(node)
        label = f"`{text_of(node.node) if node.node is not None else '…'} {sign} {node.name}`"
        act, call, alone = (
            function.act,
            function.call,
            not (node.args or node.kwargs or node.dyn_args or node.dyn_kwargs),
        )

        def run(evaluation: Evaluation) -> Any:
            value = code(evaluation)
            try:
                if alone and function.lenient:
                    return act(evaluation, value)
                return call(evaluation, value, *arguments(evaluation))
            except Mismatch as error:
                raise EvaluationError(f"{label} {error.needs}", error.hint) from None

        return run

    def _arguments(self, node: Any) -> Callable[[Evaluation], tuple[list[Any], dict[str, Any]]]:
        args = [self.expression(each) for each in node.args]
        kwargs = [(each.key, self.expression(each.value)) for each in node.kwargs]
        more = self.needed(node.dyn_args) if node.dyn_args is not None else None
        named = self.needed(node.dyn_kwargs) if node.dyn_kwargs is not None else None

        def give(evaluation: Evaluation) -> tuple[list[Any], dict[str, Any]]:
            given = [code(evaluation) for code in args]
            names = {key: code(evaluation) for key, code in kwargs}
            if more is not None:
                given += items(more(evaluation), evaluation)
            if named is not None:
                names.update(names_of(named(evaluation)))
            return given, names

        return give

    def _call(self, node: nodes.Call) -> Code:
        arguments = self._arguments(node)
        if isinstance(node.node, nodes.Getattr):
            loop = self.expression(node.node.node)
            return lambda evaluation: cycle(loop(evaluation), arguments(evaluation)[0])
        assert isinstance(node.node, nodes.Name)
        act = range_ if node.node.name == "range" else dict_
        return lambda evaluation: act(evaluation, *arguments(evaluation))


def _constant(value: Any) -> Code:
    def give(_: Evaluation) -> Any:
        return value

    return give


_nothing = _constant(None)


def _outside(name: str) -> Code:
    def read(evaluation: Evaluation) -> Any:
        try:
            return evaluation.names[name]
        except KeyError:
            return Undefined(name, "", evaluation.names)

    return read


def _local(slot: int, outer: Code) -> Code:
    def read(evaluation: Evaluation) -> Any:
        value = evaluation.slots[slot]
        return outer(evaluation) if value is UNSET else value

    return read


def _path(path: tuple[str, ...]) -> Code:
    """The quick way along keys that are known from the text."""

    def read(evaluation: Evaluation) -> Any:
        value: Any = evaluation.names
        try:
            for key in path:
                if type(value) is not dict and not isinstance(value, Mapping):
                    break
                value = value[key]
            else:
                return value
        except KeyError:
            pass
        return _walk(evaluation, path)

    return read


def _walk(evaluation: Evaluation, path: tuple[str, ...]) -> Any:
    """The careful way, which knows what is missing."""
    if path[0] not in evaluation.names:
        return Undefined(path[0], "", evaluation.names)
    value, label = evaluation.names[path[0]], path[0]
    for key in path[1:]:
        label += f".{key}" if key.isidentifier() else f"[{key[:60]!r}]"
        value = get(value, key, label, evaluation)
    return value


def _placed(left: Code, right: Code, act: Operator, label: str) -> Code:
    """A binary operator whose errors name the operands."""

    def run(evaluation: Evaluation) -> Any:
        one, other = left(evaluation), right(evaluation)
        if one.__class__ is Undefined or other.__class__ is Undefined:
            defined(one)
            defined(other)
        try:
            return act(one, other, evaluation)
        except ArithmeticError:
            raise EvaluationError("the number is too large") from None
        except EvaluationError as error:
            if " work on " in error.message and label != "`…` and `…`":
                error.message += f": {label}"
                error.args = (error.message,)
            raise

    return run


def _in(one: Any, other: Any, evaluation: Evaluation) -> bool:
    return contains(one, other, evaluation)


def _not_in(one: Any, other: Any, evaluation: Evaluation) -> bool:
    return not contains(one, other, evaluation)


_COMPARE: dict[str, Operator] = {**COMPARE, "in": _in, "notin": _not_in}
