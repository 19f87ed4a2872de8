"""`run` texts: scripts for `/bin/sh -ec` in which data never becomes a command.

Each placeholder becomes `"$MAGENT_n"`, and its value travels in the environment. That holds only where the shell
expects a word, so the script is read first, and a placeholder anywhere else is refused with the way out.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any

from jinja2 import nodes

from magent.expressions.lexer import lex_code
from magent.expressions.problems import MAX_PROBLEMS, Access, EvaluationError, ExpressionProblem, problem, together
from magent.expressions.shell_commands import CommandReader
from magent.expressions.shell_cursor import HOLE, Placeholder, Refused
from magent.expressions.syntax import parse_braced
from magent.expressions.templates import Parsed
from magent.expressions.values import Evaluation, as_text

MAX_SCRIPT = 120_000  # bytes
_READ = 200_000  # characters that are read over and over to tell all the problems of a script
MAX_VALUE = 100_000  # bytes of one value: the kernel takes 128 KiB, name included
MAX_VALUES = 1_000_000  # bytes of all: arguments and environment share 2 MiB
_VARIABLE = re.compile(r'"\$(MAGENT_\d+(?:_\d+)?)"')
_BRACES = frozenset("{}%#")
_LITERAL = "literal braces are written {{ '{{' }} and {{ '}}' }}"


@dataclass(frozen=True, slots=True)
class _Script:
    """The text between the placeholders (one more than there are), and what reading it found out."""

    texts: tuple[str, ...]
    placeholders: tuple[Placeholder, ...]
    warnings: tuple[ExpressionProblem, ...]
    accesses: tuple[Access, ...]


def _placeholder(source: str, start: int) -> tuple[nodes.Expr, int]:
    """The expression of the `{{` at `start`, and where the text goes on."""
    try:
        tokens, end = lex_code(source, start + 2, "}}", start)
        if source[end] == "-" or (source[start + 2 : start + 3] == "-" and source[start + 3 : start + 4].isspace()):
            raise problem(
                source, start, "in a `run` text white space stays as it is", "leave the `-` out of the braces"
            )
        if not tokens:
            raise problem(source, start, "`{{` holds nothing", _LITERAL)
        return parse_braced(source, tokens, end), end + 2
    except ExpressionProblem as error:
        if source[start + 2 : start + 3] in (".", "") or error.hint is None:
            error.hint = _LITERAL
        raise


def _cut(source: str, problems: list[ExpressionProblem]) -> tuple[list[str], list[Placeholder]]:
    """The script's text around its placeholders, and these; those that cannot be parsed count as unquoted."""
    texts, placeholders, offset = [""], [], 0
    while (start := source.find("{{", offset)) >= 0:
        texts[-1] += source[offset:start]
        try:
            tree, offset = _placeholder(source, start)
        except ExpressionProblem as wrong:
            problems.append(wrong)
            closing = source.find("}}", start)
            if closing < 0 or len(problems) >= MAX_PROBLEMS:
                raise together(problems) from None
            offset = closing + 2
            placeholders.append(Placeholder(None, start, raw=True))
            texts.append("")
            continue
        if (
            isinstance(tree, nodes.Const)
            and isinstance(tree.value, str)
            and tree.value
            and not set(tree.value) - _BRACES
        ):
            texts[-1] += tree.value
            continue
        raw = isinstance(tree, nodes.Filter) and tree.name == "unquoted"
        placeholders.append(Placeholder(Parsed(source, tree, lone=True), start, raw))
        texts.append("")
    texts[-1] += source[offset:]
    return texts, placeholders


@functools.lru_cache(maxsize=2048)
def _read(source: str) -> _Script:
    if len(source.encode("utf-8", "replace")) > MAX_SCRIPT:
        raise problem(source, 0, "a script of more than 120 KB cannot be started", "put it into a file and run that")
    if HOLE in source:
        raise problem(source, source.index(HOLE), "a NUL character cannot be in a script")
    problems: list[ExpressionProblem] = []
    texts, placeholders = _cut(source, problems)
    most = min(MAX_PROBLEMS, 1 + _READ // (len(source) + 1))
    reader = CommandReader(HOLE.join(texts), placeholders)
    if placeholders:
        while (error := _refusal(reader)) is not None and len(problems) < most:
            problems.append(problem(source, error.placeholder.offset, f"a placeholder {error.why}", error.hint))
            error.placeholder.raw = True  # as if it were none, for those behind it
            reader = CommandReader(HOLE.join(texts), placeholders)
        if problems:
            raise together(problems)
    number = 0
    for placeholder in placeholders:
        number += not placeholder.raw
        placeholder.number = number
    return _Script(
        tuple(texts),
        tuple(placeholders),
        tuple(_warnings(source, placeholders, reader)),
        tuple(access for placeholder in placeholders for access in placeholder.value.accesses),
    )


def _refusal(reader: CommandReader) -> Refused | None:
    try:
        reader.read()
    except Refused as error:
        return error
    return None


def _warnings(source: str, placeholders: list[Placeholder], reader: CommandReader) -> list[ExpressionProblem]:
    found = [
        (
            each.offset,
            "`unquoted` inserts the value as shell text: data can become a command",
            "leave `unquoted` out where it may be data",
        )
        for each in placeholders
        if each.raw
    ]
    hint = "use the list form, or give it as an argument: sh -c '… \"$1\"' sh {{ … }}"
    found += [(each.offset, message, hint) for each, message in reader.warnings]
    return [problem(source, *each) for each in sorted(dict.fromkeys(found))]


class ShellText:
    """A script with placeholders. Raises ExpressionProblem when made of a text whose placeholders are not safe."""

    __slots__ = ("_script", "accesses", "source", "warnings")

    def __init__(self, source: str) -> None:
        self.source = str(source)
        self._script = _read(self.source)
        self.accesses: tuple[Access, ...] = self._script.accesses
        self.warnings: tuple[ExpressionProblem, ...] = self._script.warnings

    def render(self, names: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
        """The script for `/bin/sh -ec`, and the variables that it needs. Raises EvaluationError."""
        script = self._script
        parts = [script.texts[0]]
        variables: dict[str, str] = {}
        for placeholder, text in zip(script.placeholders, script.texts[1:], strict=True):
            value = placeholder.value.value(names)
            parts += [_raw(value) if placeholder.raw else _words(placeholder, value, variables), text]
        if sum(len(value) for value in variables.values()) > MAX_VALUES:
            raise EvaluationError(
                "the values of this `run` are larger than 1 MB together", "give what is large as `stdin`"
            )
        text = "".join(parts)
        if len(text.encode("utf-8", "replace")) > MAX_SCRIPT:
            raise EvaluationError("the script becomes larger than 120 KB", "give what is large as `stdin`")
        return text, variables

    def shown(self, names: Mapping[str, Any]) -> str:
        """The script as a person would type it, with the values in their places, quoted. Raises EvaluationError."""
        text, variables = self.render(names)
        return _VARIABLE.sub(lambda found: quote(variables[found[1]]) if found[1] in variables else found[0], text)

    def __repr__(self) -> str:
        return f"ShellText({self.source!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShellText) and self.source == other.source

    def __hash__(self) -> int:
        return hash(self.source)


def _raw(value: Any) -> str:
    text = _text(value)
    if "\0" in text:
        raise EvaluationError("the value holds a NUL character, which no script can", "give it as `stdin`")
    return text


def _text(value: Any) -> str:
    return as_text(value, Evaluation({}, []))


def _words(placeholder: Placeholder, value: Any, variables: dict[str, str]) -> str:
    """The shell's words for a value, whose texts go into `variables`."""
    name = f"MAGENT_{placeholder.number}"
    if not isinstance(value, list):
        variables[name] = _checked(_text(value))
        return f'"${name}"'
    if placeholder.one is not None:
        raise EvaluationError(
            f"a list gives several words, but here there can be only one: {placeholder.one}",
            "put the placeholder alone, or make one text of it: {{ x | join(' ') }}",
        )
    words = []
    for index, item in enumerate(value):
        variables[f"{name}_{index}"] = _checked(_text(item))
        words.append(f'"${name}_{index}"')
    return " ".join(words)


def _checked(text: str) -> str:
    if "\0" in text:
        raise EvaluationError("the value holds a NUL character, which no argument can", "give it as `stdin`")
    if len(text) > MAX_VALUE or len(text.encode("utf-8", "surrogatepass")) > MAX_VALUE:
        raise EvaluationError("the value is larger than 100 KB, too much for an argument", "give it as `stdin`")
    return text
