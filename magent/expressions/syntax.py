"""From text to a checked tree: Jinja's parser under our lexer, then a closed list of what may stand in the tree."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.lexer import Token, TokenStream
from jinja2.parser import Parser

from magent.expressions import filters_data, filters_numbers, filters_text, predicates, regexes
from magent.expressions.lexer import lex_expression, lex_template
from magent.expressions.problems import (
    LITERALS,
    MAX_PROBLEMS,
    RESERVED,
    EvaluationError,
    ExpressionProblem,
    problem,
    shortened,
    together,
)
from magent.expressions.registry import FILTERS, TESTS, Registry

_ = (
    filters_data,
    filters_numbers,
    filters_text,
    predicates,
    regexes,
)  # imported for the filters and tests they declare

MAX_DEPTH = 150  # of the tree; evaluation takes a frame or two of the stack for each
GLOBALS = ("range", "dict")
_WORDS = frozenset(("if", "else", "elif", "and", "or", "not", "in", "is", "for"))
_EXPRESSIONS = (
    nodes.Name, nodes.Const, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.CondExpr,
    nodes.Filter, nodes.Test, nodes.Call, nodes.Getitem, nodes.Getattr, nodes.Slice, nodes.Concat, nodes.Compare,
    nodes.Operand, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Add, nodes.Sub, nodes.Mod, nodes.Pow, nodes.Not,
    nodes.Neg, nodes.Pos, nodes.And, nodes.Or,
)  # fmt: skip
_STATEMENTS = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign, nodes.AssignBlock)
_ALLOWED = frozenset((*_EXPRESSIONS, *_STATEMENTS))
# What people call on values in Python, JavaScript or GitHub's expressions, and what to write.
_METHODS = {
    "upper": "x | upper", "lower": "x | lower", "strip": "x | trim", "trim": "x | trim", "title": "x | title",
    "capitalize": "x | capitalize", "split": "x | split(…)", "splitlines": "x | lines", "replace": "x | replace(…)",
    "join": "items | join(…)", "format": "x | format(…)", "items": "x | items", "keys": "x | list",
    "values": "x | items | map('last')", "get": "x.key | default(…)", "count": "x | length", "length": "x | length",
    "append": "x + [item]", "push": "x + [item]", "extend": "x + other", "concat": "x + other", "sort": "x | sort",
    "reverse": "x | reverse", "index": "x | regex_search(…)", "find": "'part' in x", "includes": "part in x",
    "contains": "part in x", "startswith": "x[:3] == 'abc'", "startsWith": "x[:3] == 'abc'",
    "endswith": "x[-3:] == 'abc'", "endsWith": "x[-3:] == 'abc'", "toUpperCase": "x | upper",
    "toLowerCase": "x | lower", "toString": "x | string", "map": "x | map('filter')", "filter": "x | select(…)",
    "isdigit": "x | regex_search('^[0-9]+$') is not none", "pop": "x[:-1]", "slice": "x[a:b]",
    "center": "x | center(…)", "update": "dict(x, key=value)",
}  # fmt: skip
_FUNCTIONS = {
    "len": "x | length", "str": "x | string", "int": "x | int", "float": "x | float", "list": "x | list",
    "sum": "x | sum", "min": "x | min", "max": "x | max", "abs": "x | abs", "round": "x | round", "sorted": "x | sort",
    "reversed": "x | reverse", "bool": "x == true", "toJSON": "x | tojson", "fromJSON": "x | fromjson",
    "contains": "part in x", "startsWith": "x[:3] == 'abc'", "format": "'…' | format(x)", "join": "x | join(', ')",
    "print": "{{ x }}", "type": "x is string", "enumerate": "{% for … %} has loop.index", "any": "x | select | list",
    "defined": "x is defined", "not": "not x", "map": "x | map('filter')", "filter": "x | select(…)",
}  # fmt: skip


class Grammar(Environment):
    """Lends Jinja's parser our tokens."""

    tokens: list[Token]

    def _tokenize(self, source: str, name: str | None, *_: Any, **__: Any) -> TokenStream:  # noqa: ARG002
        return TokenStream(iter(self.tokens), name, None)


class _Parser(Parser):
    """Jinja's parser over tokens that are there already."""

    def __init__(self, source: str, tokens: list[Token]) -> None:
        grammar = Grammar.__new__(Grammar)
        grammar.tokens = tokens
        grammar.extensions = {}
        super().__init__(grammar, source)


def parse_template(source: str) -> tuple[nodes.Template, bool]:
    """The tree of a template, and whether it is one lone `{{ … }}`. Raises ExpressionProblem."""
    lexed = lex_template(source)
    parser = _Parser(source, lexed.tokens)
    try:
        tree = nodes.Template(parser.subparse(), lineno=1)
    except TemplateSyntaxError as error:
        raise _explained(source, parser, error) from None
    except RecursionError:
        raise problem(source, 0, "this text is nested too deeply") from None
    check(source, tree)
    return tree, lexed.lone


def parse_expression(source: str) -> nodes.Expr:
    """The tree of a bare expression. Raises ExpressionProblem."""
    return _parse_tokens(source, lex_expression(source), "eof")


def parse_braced(source: str, tokens: list[Token], end: int) -> nodes.Expr:
    """The tree of `tokens`, which stand between braces that close at `end`. Raises ExpressionProblem."""
    return _parse_tokens(source, [*tokens, Token(end + 1, "variable_end", "}}")], "variable_end")


def _parse_tokens(source: str, tokens: list[Token], last: str) -> nodes.Expr:
    parser = _Parser(source, tokens)
    try:
        tree = parser.parse_expression()
        if parser.stream.current.type != last:
            parser.fail("chunk after expression")
    except TemplateSyntaxError as error:
        raise _explained(source, parser, error) from None
    except RecursionError:
        raise problem(source, 0, "this expression is nested too deeply") from None
    check(source, tree)
    return tree


def _explained(source: str, parser: Parser, error: TemplateSyntaxError) -> Exception:
    """The parser's error in words for people."""
    token = parser.stream.current
    message = re.sub(r"\s+", " ", error.message or "this is not an expression")
    if token.type == "eof":
        if "looking for the following tags" in message:
            return _open_block(source, message)
        return problem(source, len(source), "the expression ends too early", "something is missing at its end")
    shown, offset = shortened(str(token.value), 30), token.lineno - 1
    if token.type in ("variable_end", "block_end"):
        return problem(source, offset, f"the expression before `{shown}` ends too early", "something is missing there")
    if "unknown tag" in message:
        return problem(source, offset, f"`{shown}` does not belong here", "it closes or continues nothing that is open")
    if "assign" in message:
        return problem(
            source, error.lineno - 1, "can't assign to this", "only names are given values: `{% set name = value %}`"
        )
    hint = {"assign": "`==` compares", "colon": "write it in brackets, or quote it"}.get(token.type)
    if token.type in ("name", "string", "integer", "float"):
        hint = "an operator, a comma or a quote is missing before it"
    if token.type == "name" and shown.lower() in _WORDS and shown not in _WORDS:
        hint = f"write `{shown.lower()}`"
    if token.type == "comma":
        hint = "several values are written [a, b]; in YAML quote an expression that holds a comma"
    return problem(source, offset, f"`{shown}` is not expected here", hint)


def _open_block(source: str, message: str) -> Exception:
    found = re.search(r"closed is '(\w+)'", message)
    word = found[1] if found else "if"
    starts = [match.start() for match in re.finditer(r"\{%[-+]?\s*" + word + r"\b", source)]
    return problem(source, starts[-1] if starts else 0, f"`{{% {word} %}}` is not closed", f"add `{{% end{word} %}}`")


def offset_of(node: nodes.Node) -> int:
    """Where the text of an expression begins: its leftmost part's place."""
    while True:
        inner = _leftmost(node)
        if inner is None:
            return node.lineno - 1
        node = inner


def _leftmost(node: nodes.Node) -> nodes.Node | None:
    if isinstance(node, (nodes.Getattr, nodes.Getitem, nodes.Filter, nodes.Test, nodes.Call)):
        return node.node
    if isinstance(node, nodes.BinExpr):
        return node.left
    if isinstance(node, nodes.Compare):
        return node.expr
    if isinstance(node, nodes.Concat):
        return node.nodes[0]
    return node.expr1 if isinstance(node, nodes.CondExpr) else None


def _walk(tree: nodes.Node) -> Iterator[tuple[nodes.Node, nodes.Node | None, int]]:
    """(node, parent, depth) of the whole tree, without recursion."""
    waiting: list[tuple[nodes.Node, nodes.Node | None, int]] = [(tree, None, 0)]
    while waiting:
        entry = waiting.pop()
        yield entry
        node, _, depth = entry
        for field in node.fields:
            value = getattr(node, field)
            if value.__class__ is list:
                waiting += [(each, node, depth + 1) for each in value if isinstance(each, nodes.Node)]
            elif isinstance(value, nodes.Node):
                waiting.append((value, node, depth + 1))


def check(source: str, tree: nodes.Node) -> None:
    """Raises ExpressionProblem for what the language does not have: the first of all, which knows the others."""
    found: list[ExpressionProblem] = []
    for node, parent, depth in _walk(tree):
        if depth > MAX_DEPTH:
            raise problem(source, node.lineno - 1, f"this is nested too deeply (more than {MAX_DEPTH} levels)")
        try:
            _check_node(source, node, parent)
        except ExpressionProblem as wrong:
            found.append(wrong)
            if len(found) == MAX_PROBLEMS:
                break
    if found:
        raise together(found)


def _check_node(source: str, node: nodes.Node, parent: nodes.Node | None) -> None:
    if type(node) not in _ALLOWED:
        _refuse(source, node)
    if isinstance(node, nodes.Name):
        _check_name(source, node, parent)
    elif isinstance(node, (nodes.Filter, nodes.Test)):
        _check_function(source, node, FILTERS if isinstance(node, nodes.Filter) else TESTS)
    elif isinstance(node, nodes.Call):
        _check_call(source, node)
    elif isinstance(node, nodes.For) and node.recursive:
        raise problem(source, node.lineno - 1, "loops cannot be recursive")


def _refuse(source: str, node: nodes.Node) -> NoReturn:
    if isinstance(node, nodes.NSRef):
        raise problem(
            source, node.lineno - 1, "a part of a value cannot be set", "values do not change: set a name anew"
        )
    raise problem(source, node.lineno - 1, f"`{type(node).__name__.lower()}` is not part of the language")


def _check_name(source: str, node: nodes.Name, parent: nodes.Node | None) -> None:
    if node.ctx == "store":
        if node.name in RESERVED or node.name in GLOBALS or node.name == "loop":
            raise problem(
                source, node.lineno - 1, f"`{node.name}` cannot be given another meaning", "take another name"
            )
    elif node.name in _WORDS:
        raise problem(
            source, node.lineno - 1, f"`{node.name}` is not expected here", "brackets make clear what belongs together"
        )
    elif node.name in GLOBALS and not (isinstance(parent, nodes.Call) and parent.node is node):
        raise problem(source, node.lineno - 1, f"`{node.name}` is a function", f"call it: `{node.name}(…)`")


def _check_function(source: str, node: nodes.Filter | nodes.Test, known: Registry) -> None:
    if node.name not in known:
        raise problem(source, node.lineno - 1, *known.unknown(node.name))
    function = known[node.name]
    if node.dyn_args is None and node.dyn_kwargs is None:
        wrong = function.misused(len(node.args), [str(pair.key) for pair in node.kwargs])
        if wrong:
            raise problem(source, node.lineno - 1, f"`{node.name}`: {wrong}", f"it is written {function.parameters()}")
    if node.name in ("map", "select", "reject", "selectattr", "rejectattr"):
        _check_named(source, node)
    elif node.name.startswith("regex_") and node.args and isinstance(node.args[0], nodes.Const):
        _check_pattern(source, node.args[0])


def _check_named(source: str, node: nodes.Filter | nodes.Test) -> None:
    """The filter or test that `map`, `select` and the like are given by name."""
    index = 1 if node.name.endswith("attr") else 0
    argument = node.args[index] if len(node.args) > index else None
    known = FILTERS if node.name == "map" else TESTS
    if isinstance(argument, nodes.Const) and argument.value not in known:
        raise problem(source, argument.lineno - 1, *known.unknown(str(argument.value)))


def _check_pattern(source: str, node: nodes.Const) -> None:
    if isinstance(node.value, str):
        try:
            regexes.compiled(node.value)
        except EvaluationError as error:
            raise problem(source, node.lineno - 1, error.message, error.hint) from None


def _check_call(source: str, node: nodes.Call) -> None:
    target = node.node
    if isinstance(target, nodes.Name):
        if target.name not in GLOBALS:
            _unknown_function(source, target)
        return
    if isinstance(target, nodes.Getattr):
        if isinstance(target.node, nodes.Name) and target.node.name == "loop" and target.attr == "cycle":
            return
        owner = shortened(source[offset_of(target) : target.lineno - 1], 30) or "x"
        written = _METHODS.get(target.attr)
        near = written or _METHODS.get((difflib.get_close_matches(target.attr, _METHODS, n=1) or [""])[0])
        hint = near.replace("x", owner, 1) if near and near.startswith("x") else near
        raise problem(
            source,
            offset_of(target),
            f"values have no methods: `{owner}.{target.attr}()`",
            f"write `{hint}`" if hint else None,
        )
    raise problem(source, node.lineno - 1, "only `range(…)` and `dict(…)` can be called")


def _unknown_function(source: str, target: nodes.Name) -> NoReturn:
    hint = _FUNCTIONS.get(target.name)
    if hint is None and target.name in FILTERS:
        hint = f"x | {target.name}"
    near = f"write `{hint}`" if hint else "the functions are `range` and `dict`; everything else is a filter: `x | …`"
    raise problem(source, target.lineno - 1, f"there is no function `{target.name}`", near)


def text_of(node: nodes.Node) -> str:
    """A short name for an expression, for messages: `state.review.verdict`, or `…`."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f"{text_of(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem):
        key = node.arg
        if isinstance(key, nodes.Const) and isinstance(key.value, str):
            name = key.value[:60]
            return text_of(node.node) + (f".{name}" if name.isidentifier() else f"[{name!r}]")
        inner = (
            str(key.value) if isinstance(key, nodes.Const) else "…" if isinstance(key, nodes.Slice) else text_of(key)
        )
        return f"{text_of(node.node)}[{inner}]"
    if isinstance(node, nodes.Const):
        return shortened(_written(node.value), 30)
    if isinstance(node, nodes.Filter) and node.node is not None:
        return f"{text_of(node.node)} | {node.name}"
    return "…"


def _written(value: Any) -> str:
    for name in ("true", "false", "null"):
        if value is LITERALS[name]:
            return name
    return repr(value)
