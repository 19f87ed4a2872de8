"""What people meant when YAML read something else, or nothing: words and the line to write, for each known trap.

`read` composes a text. Where reading broke off at a trap whose line to write is known, it goes on as if that line stood
there, so that whatever else is wrong in the file is found in the same go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from magent.source import Map, Path, Position, Problem, Seq, Text, dotted
from magent.spec.composer import compose
from magent.spec.composer_result import MAX_PROBLEMS, Composed
from magent.spec.composer_scalars import quoted
from magent.spec.composer_text import Refused, decode, split_lines
from magent.spec.traps_faults import BANG, explain
from magent.spec.traps_lines import EXPRESSION_KEYS, Field, balanced, field_at, flow_end, in_quotes

MAX_MENDED = 20  # so often a text is composed anew as if a line were mended
MAX_MENDED_CHARS = 10_000_000
PROSE_KEYS = frozenset(("prompt", "system", "instructions", "content", "description", "reason", "context"))
CUT = re.compile(r"^[ \t]*(?:-[ \t]+)*(\w+):[ \t]+([^\s\"'|>&*!{\[#].*?)[ \t]#[^\s#].*$")


def read(data: bytes, file: str) -> tuple[Any, list[Problem], list[str]]:
    """The data of a text (None where it cannot be read), its problems and its lines."""
    try:
        text = decode(data, file)
    except Refused as refused:
        return None, [refused.problem], []
    lines = split_lines(text)
    faults: list[Problem] = []
    budget = MAX_MENDED_CHARS
    mended: list[int] = []  # the numbers of the lines
    while True:
        composed = compose(text, file)
        if composed.fault is None:
            break
        trap = explain(composed, composed.fault)
        faults.append(_shifted(trap.problem, mended))
        budget -= len(text)
        if trap.mended is None or len(mended) >= MAX_MENDED or budget < 0:
            break
        number, line = trap.mended
        mended.append(number)
        text = "\n".join([*composed.lines[: number - 1], line, *composed.lines[number:]])
    return composed.data, faults + settle(composed), lines


def _shifted(problem: Problem, mended: list[int]) -> Problem:
    """The problem where it stands in the file: each mending before has put two quotes into its line."""
    place = problem.position
    shift = 2 * mended.count(place.line)
    return replace(problem, position=place._replace(column=max(1, place.column - shift))) if shift else problem


def settle(composed: Composed) -> list[Problem]:
    """The problems of a text that was read, with those that a trap explains put into its words, and its data mended."""
    problems = [_sign(problem, composed.lines) for problem in composed.problems]
    if composed.data is None:
        return problems
    problems = _templates(composed, problems)
    templates = composed.braces[:MAX_PROBLEMS]
    for node, key, path in composed.lonely:
        if len(problems) < MAX_PROBLEMS and not any(_inside(node.position, each.place, each.end) for each in templates):
            problems = _comma(node, key, path, composed, problems)
    return problems + _empty_anchors(composed) + _cut(composed)


def _empty_anchors(composed: Composed) -> list[Problem]:
    """`prompt: &x`"""
    message = "'&' at the start names an anchor, and the value is empty: put text that begins with '&' in quotes"
    return [
        Problem("yaml-trap", message, place, dotted(path), f"write: {dotted(path[-1:])}: {in_quotes('&' + name)}"[:120])
        for name, (place, path) in list(composed.empty_anchors.items())[:MAX_PROBLEMS]
    ]


def _inside(place: Position, start: Position, end: tuple[int, int]) -> bool:
    return start[1:] <= place[1:] < end


def _sign(problem: Problem, lines: list[str]) -> Problem:
    """`when: !state.done`, `prompt: *note`"""
    if problem.code not in ("tag", "alias") or not 0 < problem.position.line <= len(lines):
        return problem
    column = problem.position.column - 1
    field = field_at(lines[problem.position.line - 1], column, flow=False)
    if field is None or field.start != column or field.value.startswith("!!"):
        return problem
    if field.value.startswith("*"):
        return (
            replace(problem, hint=f"if it is text, {field.hint()}") if "names no anchor" in problem.message else problem
        )
    if not field.value.startswith("!"):
        return problem
    if field.is_expression:
        line = f"{field.text[: field.start]}not {field.value[1:].lstrip()}{field.text[field.end :]}".strip()
        return replace(problem, code="yaml-trap", message=BANG, hint=f"write: {line}"[:140])
    return replace(problem, hint=f"leave it out; or, if it is text, {field.hint()}")


def _templates(composed: Composed, problems: list[Problem]) -> list[Problem]:
    """`prompt: {{ inputs.x }}`"""
    for braces in composed.braces[:MAX_PROBLEMS]:
        place, end = braces.place, braces.end
        problems = [problem for problem in problems if not _inside(problem.position, place, end)]
        text = composed.lines[place.line - 1]
        hint = "put the whole text in quotes"
        if end[0] == place.line:
            key = braces.key if isinstance(braces.key, str) else ""
            hint = Field(text, key, place.column - 1, end[1] - 1).hint()
            text = text[place.column - 1 : end[1] - 1]
        else:
            text = " ".join([text[place.column - 1 :], *composed.lines[place.line : end[0] - 1]]).strip()
        message = "a text that begins with '{{' must be in quotes: without them YAML reads a mapping"
        problems.append(Problem("yaml-trap", message, place, dotted(braces.path), hint))
        _mend(braces.parent, braces.key, text)
    return problems


def _mend(parent: Any, key: Any, text: str) -> None:
    """Puts a text where it was meant to stand."""
    if isinstance(parent, Map) and key not in parent:
        return
    parent[key] = Text(text)
    parent[key].style = "plain"


def _comma(node: Map, key: str, path: Path, composed: Composed, problems: list[Problem]) -> list[Problem]:
    """`{to: a, when: f(a, b)}`: the comma ends the value, and `b)` becomes a key."""
    if key not in node or len(node) > 1000:
        return problems
    names = list(node)
    before = names[names.index(key) - 1]
    value, place, key_place = node[before], node.value_positions[before], node.key_positions[key]
    text = composed.lines[key_place.line - 1]
    if before == key or not isinstance(value, Text) or value.style != "plain" or place.line != key_place.line:
        return problems
    field = Field(text, before, place.column - 1, flow_end(text, place.column - 1))
    if text[key_place.column - 1 + len(key) :].lstrip().startswith(":") or key_place.column > field.end:
        return problems
    if balanced(value) or not balanced(field.value):
        return problems
    end = (place.line, field.end + 1)
    for name in [name for name in names if name != before and _inside(node.key_positions[name], place, end)]:
        del node[name], node.key_positions[name], node.value_positions[name]
    _mend(node, before, field.value)
    what = "expression" if field.is_expression else "text"
    message = f"inside {{ }} a comma ends an unquoted {what}: put the {what} in quotes"
    problems = [problem for problem in problems if not _inside(problem.position, place, end)]
    return [*problems, Problem("yaml-trap", message, place, dotted((*path[:-1], before)), field.hint())]


def _cut(composed: Composed) -> list[Problem]:
    """`prompt: Fix issue #12 now`: ` #` begins a comment."""
    found = {}
    for number, line in enumerate(composed.lines, 1):
        if " #" in line and (match := CUT.match(line)) and match[1] in PROSE_KEYS | EXPRESSION_KEYS:
            found[number, match.start(2) + 1] = match
    cut = (
        Problem(
            "yaml-trap",
            f"' #' begins a comment: the text ends after {quoted(value)}",
            place,
            dotted(path),
            f"if it is text, {Field(match.string, match[1], match.start(2), len(match.string.rstrip())).hint()}",
            severity="warning",
        )
        for path, value, place in (_texts(composed.data) if found else ())
        if (match := found.get(place[1:])) is not None and value == match[2].rstrip()
    )
    return list(islice(cut, MAX_PROBLEMS))


def _texts(data: Any) -> Iterator[tuple[Path, Text, Position]]:
    """Every plain text of a document."""
    seen: set[int] = set()
    waiting: list[tuple[Path, Any]] = [((), data)]
    while waiting:
        path, node = waiting.pop()
        if id(node) in seen or not isinstance(node, (Map, Seq)):
            continue
        seen.add(id(node))
        places: Any = node.value_positions if isinstance(node, Map) else node.positions
        for key, value in node.items() if isinstance(node, Map) else enumerate(node):
            if isinstance(value, Text) and value.style == "plain":
                yield (*path, key), value, places[key]
            elif isinstance(value, (Map, Seq)):
                waiting.append(((*path, key), value))
