"""Templates into closures: statements write to the evaluation's text, and have local names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import nodes

from magent.expressions.compile_expressions import UNSET, Code, ExpressionCompiler, Scope
from magent.expressions.problems import EvaluationError, Mismatch
from magent.expressions.registry import FILTERS
from magent.expressions.syntax import text_of
from magent.expressions.values import Evaluation, Loop, as_text, defined, items, kind

Store = Callable[[Evaluation, Any], None]


class Compiler(ExpressionCompiler):
    """Compiles templates."""

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

    def _loop_parts(self, node: nodes.For) -> tuple[int, Store, Code | None, Code]:
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

    def _store(self, target: nodes.Node) -> Store:
        if isinstance(target, nodes.Name):
            slot = self._slot(self.scope, target.name)

            def store(evaluation: Evaluation, value: Any) -> None:
                evaluation.slots[slot] = value

            return store
        assert isinstance(target, (nodes.Tuple, nodes.List))
        stores = [self._store(each) for each in target.items]
        return lambda evaluation, value: _unpack(evaluation, value, stores)


def _reset(evaluation: Evaluation, slots: list[int]) -> None:
    for slot in slots:
        evaluation.slots[slot] = UNSET


def _passing(evaluation: Evaluation, found: Any, store: Store, test: Code, inner: list[int]) -> list[Any]:
    """The items for which the `if` of a `for` holds."""
    passed = []
    for item in found:
        _reset(evaluation, inner)
        store(evaluation, item)
        if test(evaluation):
            passed.append(item)
    return passed


def _unpack(evaluation: Evaluation, value: Any, stores: list[Store]) -> None:
    defined(value)
    if not isinstance(value, (list, tuple, range)) or len(value) != len(stores):
        count = f" of {len(value)} items" if isinstance(value, (list, tuple, range)) else ""
        raise EvaluationError(f"{kind(value)}{count} does not give {len(stores)} names their values")
    for store, item in zip(stores, value, strict=True):
        store(evaluation, item)


def compiled(tree: nodes.Node) -> tuple[Code, int]:
    """The code of an expression, which gives its value, or of a template, which writes; and how many slots it needs."""
    compiler = Compiler()
    code = compiler.body(tree.body) if isinstance(tree, nodes.Template) else compiler.needed(tree)
    return code, compiler.slots


def fresh_slots(count: int) -> list[Any]:
    return [UNSET] * count
