"""`regex_search` and `regex_replace`: RE2's patterns, which are linear in the text."""

from __future__ import annotations

import functools
import re
from typing import Any

from magent.expressions.problems import EvaluationError
from magent.expressions.registry import FILTERS, whole
from magent.expressions.values import Evaluation, as_text
from magent.source import reason

_REFERENCE = re.compile(r"\\(\d{1,2}|g<(\w+)>|.|\Z)", re.S)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
_MATCH = 64  # what a match weighs in characters


@functools.lru_cache(maxsize=256)
def compiled(pattern: str, ignorecase: bool = False, multiline: bool = False) -> Any:
    """The pattern, compiled. Raises EvaluationError."""
    import re2  # a C++ library, needed only where a pattern is used

    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignorecase
    try:
        return re2.compile(f"(?m){pattern}" if multiline else pattern, options)
    except UnicodeEncodeError:
        raise EvaluationError("this is not a pattern of RE2: it holds half a character") from None
    except re2.error as error:
        raise EvaluationError(
            f"this is not a pattern of RE2: {reason(error)}", "RE2 has no look-around and no back-references"
        ) from None


def _prepared(evaluation: Evaluation, value: Any, pattern: str, flags: tuple[bool, bool]) -> tuple[str, Any]:
    if not isinstance(pattern, str):
        raise EvaluationError("a pattern is text")
    if len(pattern) > 10_000:
        raise EvaluationError("a pattern has at most 10,000 characters")
    text, expression = as_text(value, evaluation), compiled(pattern, bool(flags[0]), bool(flags[1]))
    size = expression.programsize
    evaluation.make(2 * size + size * size // 100 + len(text) // 4 * (1 + size // 50))
    return text, expression


def _group(expression: Any, written: Any) -> int:
    index = expression.groupindex.get(written, -1) if isinstance(written, str) else whole(written, "a group")
    if isinstance(written, str) and written.isdecimal() and len(written) < 10:
        index = int(written)
    if not 0 <= index <= expression.groups:
        raise EvaluationError(f"the pattern has no group {written}")
    return index


@FILTERS.add("regex_search")
def regex_search(
    evaluation: Evaluation, value: Any, pattern: str, group: Any = 0, ignorecase: bool = False, multiline: bool = False
) -> str | None:
    """The first text that matches the pattern (or what its `group` holds), or null."""
    text, expression = _prepared(evaluation, value, pattern, (ignorecase, multiline))
    number = _group(expression, group)
    match = expression.search(text)
    found = match[number] if match else None
    evaluation.make(len(found or ""))
    return str(found) if found is not None else None


@FILTERS.add("regex_replace")
def regex_replace(
    evaluation: Evaluation,
    value: Any,
    pattern: str,
    replacement: str = "",
    count: int = 0,
    ignorecase: bool = False,
    multiline: bool = False,
) -> str:
    r"""Every (or the first `count`) match replaced; `\1` and `\g<name>` in the replacement are what groups hold."""
    text, expression = _prepared(evaluation, value, pattern, (ignorecase, multiline))
    template = _template(as_text(replacement, evaluation), expression)
    evaluation.make(len(text))
    limit = whole(count, "the count of `regex_replace`", 0)
    parts: list[str] = []
    end = done = 0
    last = (-1, -1)
    for match in expression.finditer(text):
        if match.span() == last:  # the binding finds an empty match that stands ahead of it twice
            continue
        last = match.span()
        parts.append(text[end : match.start()])
        for piece in template:
            added = piece if isinstance(piece, str) else match[piece] or ""
            evaluation.make(len(added))
            parts.append(added)
        end, done = match.end(), done + 1
        evaluation.step(1)
        evaluation.make(_MATCH)
        if done == limit:
            break
    return "".join([*parts, text[end:]])


def _template(replacement: str, expression: Any) -> list[str | int]:
    """The replacement as texts and numbers of groups."""
    pieces: list[str | int] = []
    end = 0
    for match in _REFERENCE.finditer(replacement):
        pieces.append(replacement[end : match.start()])
        code = match[1]
        if code.isdigit():
            pieces.append(_group(expression, int(code)))
        elif match[2]:
            pieces.append(_group(expression, match[2]))
        else:
            pieces.append(_ESCAPES.get(code, match[0]))
        end = match.end()
    return [piece for piece in [*pieces, replacement[end:]] if piece != ""]
