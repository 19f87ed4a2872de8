"""Which names and keys an expression reads, known from its tree alone."""

from __future__ import annotations

import bisect
import functools
import re
from typing import Any

from jinja2 import nodes

from magent.expressions.problems import LITERALS, Access
from magent.expressions.syntax import GLOBALS

Path = tuple[str, ...]
Facts = frozenset[Path]  # what is known to be there, and not null
_NOTHING: Facts = frozenset()
_CALM = ("mapping", "string", "number", "integer", "float", "boolean", "true", "false", "sequence", "iterable")


def accesses_of(source: str, *trees: nodes.Node) -> tuple[Access, ...]:
    """The accesses of checked trees of one text, in its order."""
    finder = _Finder(source)
    for tree in trees:
        finder.visit(tree, _NOTHING)
    return tuple(sorted(finder.found, key=lambda access: (access.line, access.column)))


def chain(node: nodes.Node) -> tuple[nodes.Name | None, Path, nodes.Node | None]:
    """The name a chain of keys begins with, the path that is certain, and the first computed key."""
    steps: list[nodes.Getattr | nodes.Getitem] = []
    while isinstance(node, (nodes.Getattr, nodes.Getitem)):
        steps.append(node)
        node = node.node
    if not isinstance(node, nodes.Name):
        return None, (), None
    path = [node.name]
    for step in reversed(steps):
        key = step.attr if isinstance(step, nodes.Getattr) else step.arg
        if isinstance(key, str):
            path.append(key)
        elif isinstance(key, nodes.Const) and isinstance(key.value, str):
            path.append(key.value)
        else:
            return node, tuple(path), key
    return node, tuple(path), None


def _null(node: nodes.Node) -> bool:
    return (isinstance(node, nodes.Const) and node.value is None) or (
        isinstance(node, nodes.Name) and node.name == "null"
    )


@functools.lru_cache(maxsize=16)  # a script asks once a placeholder
def _line_starts(source: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\n", source))]


class _Finder:
    def __init__(self, source: str) -> None:
        self.starts = _line_starts(source)
        self.found: list[Access] = []
        self.locals: set[str] = set()

    def visit(self, node: nodes.Node | None, facts: Facts, guarded: bool = False) -> None:
        if node is None:
            return
        if isinstance(node, (nodes.Name, nodes.Getattr, nodes.Getitem)):
            self.chained(node, facts, guarded)
            return
        act = getattr(self, f"_{type(node).__name__.lower()}", None)
        if act is not None:
            act(node, facts)
        else:
            for child in node.iter_child_nodes():
                self.visit(child, facts)

    def chained(self, node: nodes.Node, facts: Facts, guarded: bool) -> None:
        name, path, computed = chain(node)
        at = node
        while isinstance(at, (nodes.Getattr, nodes.Getitem)):
            if isinstance(at, nodes.Getitem):
                self.visit(at.arg, facts)
            at = at.node
        if name is None:
            self.visit(at, facts, guarded)
        elif name.ctx == "load" and name.name not in LITERALS and name.name not in self.locals:
            self.add(name, path, computed, facts, guarded)

    def add(self, name: nodes.Name, path: Path, computed: nodes.Node | None, facts: Facts, guarded: bool) -> None:
        fixed = isinstance(computed, nodes.Const) or computed is None
        dynamic = not fixed or len(path) == 1
        known = guarded or any(path[:length] in facts for length in range(1, len(path) + 1))
        line = bisect.bisect_right(self.starts, name.lineno - 1)
        self.found.append(Access(path, dynamic, known, line, name.lineno - self.starts[line - 1]))

    # Each method below is named for the kind of node it takes.

    def _call(self, node: nodes.Call, facts: Facts) -> None:
        if not (isinstance(node.node, nodes.Name) and node.node.name in GLOBALS):
            self.visit(node.node, facts)
        for each in (*node.args, *node.kwargs, node.dyn_args, node.dyn_kwargs):
            self.visit(each, facts)

    def _filter(self, node: nodes.Filter, facts: Facts) -> None:
        first = node.args[0] if node.args else None
        if (
            node.name == "attr"
            and isinstance(first, nodes.Const)
            and isinstance(first.value, str)
            and node.node is not None
        ):
            self.visit(nodes.Getattr(node.node, first.value, "load", lineno=node.lineno), facts)
        else:
            self.visit(node.node, facts, node.name in ("default", "d"))
        for each in (*node.args, *node.kwargs, node.dyn_args, node.dyn_kwargs):
            self.visit(each, facts)

    def _test(self, node: nodes.Test, facts: Facts) -> None:
        shallow = len(chain(node.node)[1]) <= 2
        self.visit(
            node.node, facts, node.name in ("defined", "undefined") or (node.name in ("none", "null") and shallow)
        )
        for each in (*node.args, *node.kwargs, node.dyn_args, node.dyn_kwargs):
            self.visit(each, facts)

    def _compare(self, node: nodes.Compare, facts: Facts) -> None:
        with_null = len(node.ops) == 1 and (_null(node.ops[0].expr) or _null(node.expr))
        for each in (node.expr, *(operand.expr for operand in node.ops)):
            self.visit(each, facts, with_null and len(chain(each)[1]) <= 2)

    def _condexpr(self, node: nodes.CondExpr, facts: Facts) -> None:
        self.visit(node.test, facts)
        self.visit(node.expr1, facts | self.facts(node.test, True))
        self.visit(node.expr2, facts | self.facts(node.test, False))

    def _and(self, node: nodes.And, facts: Facts) -> None:
        self.visit(node.left, facts)
        self.visit(node.right, facts | self.facts(node.left, True))

    def _or(self, node: nodes.Or, facts: Facts) -> None:
        self.visit(node.left, facts)
        self.visit(node.right, facts | self.facts(node.left, False))

    def _if(self, node: nodes.If, facts: Facts) -> None:
        for branch in (node, *node.elif_):
            self.visit(branch.test, facts)
            inside = facts | self.facts(branch.test, True)
            for each in branch.body:
                self.visit(each, inside)
            facts |= self.facts(branch.test, False)
        for each in node.else_:
            self.visit(each, facts)

    def _for(self, node: nodes.For, facts: Facts) -> None:
        self.visit(node.iter, facts)
        outside = set(self.locals)
        self.locals |= {"loop", *self._targets(node.target)}
        self.visit(node.test, facts)
        inside = facts | self.facts(node.test, True) if node.test is not None else facts
        for each in node.body:
            self.visit(each, inside)
        self.locals = set(outside)
        for each in node.else_:
            self.visit(each, facts)
        self.locals = outside

    def _assign(self, node: nodes.Assign, facts: Facts) -> None:
        self.visit(node.node, facts)
        self.locals |= self._targets(node.target)

    def _assignblock(self, node: nodes.AssignBlock, facts: Facts) -> None:
        self.visit(node.filter, facts)
        outside = set(self.locals)
        for each in node.body:
            self.visit(each, facts)
        self.locals = outside | self._targets(node.target)

    def _targets(self, target: nodes.Node) -> set[str]:
        return {target.name} if isinstance(target, nodes.Name) else {name.name for name in target.find_all(nodes.Name)}

    def facts(self, test: nodes.Node, truth: bool) -> Facts:
        """The paths that are there and not null once `test` has come out as `truth`."""
        if isinstance(test, nodes.Not):
            return self.facts(test.node, not truth)
        if isinstance(test, (nodes.And, nodes.Or)):
            both = isinstance(test, nodes.And) is truth
            left, right = self.facts(test.left, truth), self.facts(test.right, truth)
            return left | right if both else left & right
        if isinstance(test, nodes.Test):
            return self._tested(test, truth)
        if isinstance(test, nodes.Compare):
            return self._compared(test, truth)
        if isinstance(test, nodes.Filter) and truth:
            return self._prefixes(test.node) if test.name in ("default", "d", "length", "count") else _NOTHING
        return self._prefixes(test) if truth else _NOTHING

    def _tested(self, test: nodes.Test, truth: bool) -> Facts:
        if truth and (test.name == "defined" or test.name in _CALM):
            return self._prefixes(test.node)
        if not truth and test.name in ("undefined", "none", "null"):
            return self._prefixes(test.node)
        return _NOTHING

    def _compared(self, test: nodes.Compare, truth: bool) -> Facts:
        if len(test.ops) != 1:
            return _NOTHING
        operand = test.ops[0]
        if _null(operand.expr) or _null(test.expr):
            other = test.expr if _null(operand.expr) else operand.expr
            return self._prefixes(other) if (operand.op == "ne") is truth and operand.op in ("eq", "ne") else _NOTHING
        constant = isinstance(operand.expr, nodes.Const) and operand.op in ("eq", "lt", "lteq", "gt", "gteq")
        return self._prefixes(test.expr) if constant and truth else _NOTHING

    def _prefixes(self, node: Any) -> Facts:
        """A path that is there, and what it leads through: `state` and its like are always there, so not alone."""
        while isinstance(node, nodes.Filter) and node.name in ("default", "d"):
            node = node.node
        name, path, computed = chain(node)
        if name is None or name.name in self.locals:
            return _NOTHING
        if computed is not None and not isinstance(computed, nodes.Const):
            path = path[:-1] if len(path) == 1 else path
        least = 1 if len(path) == 1 else 2
        return frozenset(path[:length] for length in range(least, len(path) + 1))
