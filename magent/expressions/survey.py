"""What can be said of a text that cannot be parsed: every problem of its `{{ … }}`, and what those that parse read."""

from __future__ import annotations

import dataclasses
import re

from jinja2 import nodes

from magent.expressions.accesses import accesses_of
from magent.expressions.lexer import lex_code
from magent.expressions.problems import MAX_PROBLEMS, RESERVED, Access, ExpressionProblem, all_of
from magent.expressions.syntax import parse_braced

_HIDING = re.compile(r"\{#|\{%[-+]?\s*raw\b")  # where these are, `{{` may be mere text


def survey(source: str, known: ExpressionProblem, *, shell: bool) -> tuple[list[ExpressionProblem], tuple[Access, ...]]:
    """All problems of a text of which one is `known`, in order, and the accesses of the parts that can be read.

    Accesses count as guarded: what surrounds them is not known. Names that the text itself may give are left out.
    """
    if not shell and _HIDING.search(source):
        return all_of([known]), ()
    problems, trees, offset = [known], list[nodes.Expr](), 0
    while (start := source.find("{{", offset)) >= 0 and len(problems) < MAX_PROBLEMS:
        try:
            tokens, end = lex_code(source, start + 2, "}}", start)
            offset = end + 2
            if tokens:
                trees.append(parse_braced(source, tokens, end))
        except ExpressionProblem as problem:
            problems.append(problem)
            closing = source.find("}}", max(offset, start + 2))
            if offset <= start:
                offset = closing + 2 if closing >= 0 else len(source)
    no_locals = shell or "{%" not in source
    sure = (access for access in accesses_of(source, *trees) if no_locals or access.path[0] in RESERVED)
    return all_of(problems), tuple(dataclasses.replace(access, guarded=True) for access in sure)
