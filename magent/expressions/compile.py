"""A checked tree into closures: each node becomes a function of the `Evaluation` that gives its value.

Nothing of Jinja's runtime takes part: names, keys, operators, filters and loops are ours, bounded one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import nodes

from magent.expressions.accesses import chain
from magent.expressions.operators import BINARY, COMPARE, Operator, join, negated, positive
from magent.expressions.problems import LITERALS, EvaluationError, Mismatch
from magent.expressions.registry import FILTERS, TESTS, Function, whole
from magent.expressions.syntax import text_of
from magent.expressions.values import (
    ITEM,
    MAX_STEPS,
    Evaluation,
    Loop,
    Undefined,
    as_text,
    contains,
    cut,
    defined,
    get,
    items,
    kind,
)

Code = Callable[[Evaluation], Any]
_UNSET: Any = object()


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


class Compiler:
    """Compiles one tree. `slots` is how many local variables it has."""

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
        value = node.value
        return lambda evaluation: value

    def _name(self, node: nodes.Name) -> Code:
        name = node.name
        if name in LITERALS:
            value = LITERALS[name]
            return lambda evaluation: value
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
            return {_hashable(key(evaluation)): value(evaluation) for key, value in pairs}

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
        other = self.expression(node.expr2) if node.expr2 is not None else _no_else
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
        act, call, alone = function.act, function.call, not (node.args or node.kwargs or node.dyn_args or node.dyn_kwargs)

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
                names.update(_names(named(evaluation)))
            return given, names

        return give

    def _call(self, node: nodes.Call) -> Code:
        arguments = self._arguments(node)
        if isinstance(node.node, nodes.Getattr):
            loop = self.expression(node.node.node)
            return lambda evaluation: _cycle(loop(evaluation), arguments(evaluation)[0])
        assert isinstance(node.node, nodes.Name)
        act = _range if node.node.name == "range" else _dict
        return lambda evaluation: act(evaluation, *arguments(evaluation))

    # statements: each adds to the evaluation's text

    def body(self, body: list[nodes.Node]) -> Code:
        parts = [part for node in body for part in self.statement(node)]
        if len(parts) == 1:
            return parts[0]

        def run(evaluation: Evaluation) -> None:
            for part in parts:
                part(evaluation)

        return run

    def statement(self, node: nodes.Node) -> list[Code]:
        self.size += 1
        if isinstance(node, nodes.Output):
            return [self._written(each) for each in node.nodes]
        return [getattr(self, f"_{type(node).__name__.lower()}")(node)]

    def _written(self, node: nodes.Node) -> Code:
        if isinstance(node, nodes.TemplateData):
            text = node.data
            return lambda evaluation: evaluation.write(text)
        code = self.needed(node)
        return lambda evaluation: evaluation.write(as_text(code(evaluation), evaluation))

    def _if(self, node: nodes.If) -> Code:
        branches = [(self.needed(each.test), self.body(each.body)) for each in (node, *node.elif_)]
        otherwise = self.body(node.else_)

        def run(evaluation: Evaluation) -> None:
            for test, body in branches:
                if test(evaluation):
                    body(evaluation)
                    return
            otherwise(evaluation)

        return run

    def _assign(self, node: nodes.Assign) -> Code:
        code = self.needed(node.node)
        store = self._store(node.target)
        return lambda evaluation: store(evaluation, code(evaluation))

    def _assignblock(self, node: nodes.AssignBlock) -> Code:
        body, inner = self._scoped(lambda: self.body(node.body))
        change = self._block_filter(node.filter) if node.filter is not None else None
        store = self._store(node.target)

        def run(evaluation: Evaluation) -> None:
            _reset(evaluation, inner)
            outside, evaluation.parts = evaluation.parts, []
            try:
                body(evaluation)
                text: Any = "".join(evaluation.parts)
            finally:
                evaluation.parts = outside
            store(evaluation, change(evaluation, text) if change is not None else text)

        return run

    def _block_filter(self, node: nodes.Filter) -> Callable[[Evaluation, Any], Any]:
        """The filters of `{% set x | f %}`, whose innermost has the block's text for its value."""
        slot = self._slot(Scope(), "")
        code = self._filtered(node, lambda evaluation: evaluation.slots[slot])

        def change(evaluation: Evaluation, text: Any) -> Any:
            evaluation.slots[slot] = text
            return defined(code(evaluation))

        return change

    def _filtered(self, node: nodes.Filter, innermost: Code) -> Code:
        inner = self._filtered(node.node, innermost) if isinstance(node.node, nodes.Filter) else innermost
        return self._function(FILTERS[node.name], inner, node, "|")

    def _for(self, node: nodes.For) -> Code:
        source, label, before = self.needed(node.iter), text_of(node.iter), self.size
        self.depth += 1
        depth = self.depth
        (loop, store, test, body), inner = self._scoped(lambda: self._loop_parts(node))
        self.depth -= 1
        otherwise, outer = self._scoped(lambda: self.body(node.else_))
        work = self.size - before

        def run(evaluation: Evaluation) -> None:
            value = source(evaluation)
            try:
                found = items(value, evaluation)
            except Mismatch as error:
                raise EvaluationError(f"`for` over `{label}` {error.needs}") from None
            evaluation.toil(len(found) * work)
            if test is not None:
                found = _passing(evaluation, found, store, test, inner)
            facts = Loop(found, depth)
            for item in found:
                _reset(evaluation, inner)
                facts.index0 += 1
                evaluation.slots[loop] = facts
                store(evaluation, item)
                body(evaluation)
            if not len(found):
                _reset(evaluation, outer)
                otherwise(evaluation)

        return run

    def _loop_parts(self, node: nodes.For) -> tuple[int, Callable[[Evaluation, Any], None], Code | None, Code]:
        store = self._store(node.target)
        test = self.needed(node.test) if node.test is not None else None
        loop = self._slot(self.scope, "loop")
        return loop, store, test, self.body(node.body)

    def _scoped(self, act: Callable[[], Any]) -> tuple[Any, list[int]]:
        """What `act` compiles inside of a scope of its own, and the slots to empty before it runs."""
        self.scope = Scope(self.scope)
        try:
            return act(), list(self.scope.slots.values())
        finally:
            assert self.scope.outer is not None
            self.scope = self.scope.outer

    def _slot(self, scope: Scope, name: str) -> int:
        if name not in scope.slots:
            scope.slots[name] = self.slots
            self.slots += 1
        return scope.slots[name]

    def _store(self, target: nodes.Node) -> Callable[[Evaluation, Any], None]:
        if isinstance(target, nodes.Name):
            slot = self._slot(self.scope, target.name)

            def store(evaluation: Evaluation, value: Any) -> None:
                evaluation.slots[slot] = value

            return store
        assert isinstance(target, (nodes.Tuple, nodes.List))
        stores = [self._store(each) for each in target.items]
        return lambda evaluation, value: _unpack(evaluation, value, stores)


def _nothing(evaluation: Evaluation) -> Any:
    return None


def _no_else(evaluation: Evaluation) -> Any:
    return Undefined("… if …", "the condition does not hold and there is no `else`")


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
        return outer(evaluation) if value is _UNSET else value

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


def _hashable(key: Any) -> Any:
    if isinstance(key, (str, int, float)) or key is None:
        return key
    raise EvaluationError(f"{kind(key)} cannot be a key of a mapping")


def _names(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise EvaluationError("`**` takes a mapping whose keys are text")
    return {str(key): value[key] for key in value}


def _range(evaluation: Evaluation, args: list[Any], kwargs: dict[str, Any]) -> range:
    if kwargs or not 1 <= len(args) <= 3:
        raise EvaluationError("`range` is written range(stop), range(start, stop) or range(start, stop, step)")
    numbers = [whole(defined(each), "each number of `range`") for each in args]
    if len(numbers) == 3 and numbers[2] == 0:
        raise EvaluationError("the step of `range` cannot be 0")
    made = range(*numbers)
    if made and abs((made[-1] - made[0]) // made.step) >= MAX_STEPS:
        raise EvaluationError(
            f"the budget of an evaluation is spent: a range of more than {MAX_STEPS:,} numbers", "do it in a task"
        )
    return made


def _dict(evaluation: Evaluation, args: list[Any], kwargs: dict[str, Any]) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    if len(args) > 1:
        raise EvaluationError("`dict` takes one mapping, or one list of pairs, and names")
    for given in args:
        defined(given)
        if isinstance(given, Mapping):
            evaluation.make(2 * ITEM * len(given))
            made.update({key: given[key] for key in given})
        else:
            made.update(_pairs(evaluation, given))
    evaluation.make(2 * ITEM * len(kwargs))
    return {**made, **kwargs}


def _pairs(evaluation: Evaluation, given: Any) -> dict[Any, Any]:
    if not isinstance(given, (list, tuple)) or not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in given):
        raise EvaluationError("`dict` takes a mapping, or a list of pairs [key, value]")
    evaluation.make(2 * ITEM * len(given))
    return {_hashable(key): value for key, value in items(given, evaluation)}


def _cycle(loop: Any, values: list[Any]) -> Any:
    if not isinstance(loop, Loop) or not values:
        raise EvaluationError("`loop.cycle(a, b)` takes its values in turn, inside of `for`")
    return values[loop.index0 % len(values)]


def _reset(evaluation: Evaluation, slots: list[int]) -> None:
    for slot in slots:
        evaluation.slots[slot] = _UNSET


def _passing(
    evaluation: Evaluation, found: Any, store: Callable[[Evaluation, Any], None], test: Code, inner: list[int]
) -> list[Any]:
    """The items for which the `if` of a `for` holds."""
    passed = []
    for item in found:
        _reset(evaluation, inner)
        store(evaluation, item)
        if test(evaluation):
            passed.append(item)
    return passed


def _unpack(evaluation: Evaluation, value: Any, stores: list[Callable[[Evaluation, Any], None]]) -> None:
    defined(value)
    if not isinstance(value, (list, tuple, range)) or len(value) != len(stores):
        count = f" of {len(value)} items" if isinstance(value, (list, tuple, range)) else ""
        raise EvaluationError(f"{kind(value)}{count} does not give {len(stores)} names their values")
    for store, item in zip(stores, value, strict=True):
        store(evaluation, item)


def compile_expression(tree: nodes.Expr) -> tuple[Code, int]:
    """The code of an expression and how many slots it needs."""
    compiler = Compiler()
    return compiler.needed(tree), compiler.slots


def compile_template(tree: nodes.Template) -> tuple[Code, int]:
    """The code that writes a template, and how many slots it needs."""
    compiler = Compiler()
    return compiler.body(tree.body), compiler.slots


def fresh_slots(count: int) -> list[Any]:
    return [_UNSET] * count
