"""Where expressions, templates and shell texts stand, as one table; each found, parsed, with its place in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from magent.expressions import Access, Condition, Expression, ExpressionProblem, ShellText, Template
from magent.source import Path, Position, Problem, dotted
from magent.spec.checks.views import GraphView, Names, Place, mapping

Form = Literal["expression", "condition", "template", "value", "shell"]


@dataclass(frozen=True, slots=True)
class Plain:
    """A template with one plain path in it, read without parsing: most are like that, and files may hold thousands."""

    source: str
    accesses: tuple[Access, ...]


Parsed = Expression | Condition | Template | ShellText | Plain
_PLAIN = re.compile(
    r"[^{}]*\{\{ *((?:inputs|state|output|nodes|round|error|run|env)(?:\.[A-Za-z][A-Za-z0-9_]*)+) *\}\}[^{}]*"
)


@dataclass(frozen=True, slots=True)
class Spot:
    """A key that holds text of the language. `pattern` leads to it, `*` being any key or index below.

    `output`, `secrets`, `round` say whether these names may be used there.
    """

    pattern: tuple[str, ...]
    form: Form
    output: bool = False
    secrets: bool = False
    round: bool = False


_ANY_NODE = (
    Spot(("when",), "condition"),
    Spot(("timeout",), "value"),
    Spot(("set",), "value", output=True),
    Spot(("next", "when"), "condition", output=True),
    Spot(("next", "*", "when"), "condition", output=True),
    Spot(("next", "max"), "value", output=True),
    Spot(("next", "*", "max"), "value", output=True),
    Spot(("on_error", "max"), "value"),
)
NODE_SPOTS: Mapping[str, tuple[Spot, ...]] = {
    "start": (),
    "end": (Spot(("reason",), "template"), Spot(("outputs",), "value")),
    "task": (
        *(Spot((key,), "template") for key in ("prompt", "system", "agent", "role", "tool", "chain", "cwd")),
        Spot(("run",), "shell"),
        Spot(("env",), "value", secrets=True),
        *(Spot((key,), "value") for key in ("stdin", "with", "wait")),
    ),
    "condition": (
        Spot(("switch",), "expression"),
        Spot(("cases", "*", "max"), "value"),
        Spot(("default", "max"), "value"),
    ),
    "parallel": (
        Spot(("for_each",), "expression"),
        Spot(("branches", "*", "when"), "condition"),
        Spot(("wait_for",), "value"),
        Spot(("max_concurrency",), "value"),
    ),
    "loop": (
        Spot(("while",), "condition", output=True, round=True),
        Spot(("until",), "condition", output=True, round=True),
        Spot(("for_each",), "expression"),
        Spot(("max_iterations",), "value"),
    ),
    "subgraph": (Spot(("with",), "value"),),
    "human_input": tuple(
        Spot((key,), "template" if key in ("prompt", "assignee") else "value")
        for key in ("prompt", "context", "content", "options", "form", "default", "assignee")
    ),
}
GRAPH_SPOTS = (Spot(("outputs",), "value"),)
# Settings whose text is not a template: names, schemas, words for people, and the answers of scripted agents.
_LITERAL = frozenset(
    ("description", "call", "builtin", "parameters", "replies", "price", "extends", "skills", "expertise")
)
STEP_SPOTS = (Spot(("steps", "*", "with"), "value"), Spot(("steps", "*", "when"), "condition"))
NOTIFY_SPOTS = (
    Spot(("command",), "value"),
    Spot(("webhook",), "template"),
    Spot(("headers",), "value", secrets=True),
)


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """One text at its place.

    `section` names what it stands in, `node` the node, agent, role, tool or chain, `owner` its mapping; `graph` is None
    outside of graphs.
    """

    place: Place
    spot: Spot
    text: Any
    section: str
    graph: GraphView | None
    node: str | None
    owner: Mapping[str, Any]
    parsed: Parsed | ExpressionProblem

    @property
    def accesses(self) -> tuple[Access, ...]:
        return () if isinstance(self.parsed, ExpressionProblem) else self.parsed.accesses

    def position(self, line: int, column: int) -> Position:
        return position_in(self.place, self.text, line, column)

    def error(self, line: int, column: int, code: str, message: str, hint: str | None = None) -> Problem:
        return Problem(code, message, self.position(line, column), dotted(self.place.path), hint)

    def warning(self, line: int, column: int, code: str, message: str, hint: str | None = None) -> Problem:
        return Problem(code, message, self.position(line, column), dotted(self.place.path), hint, "warning")


class Reader:
    """Parses texts; the same text is parsed once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Parsed | ExpressionProblem] = {}

    def read(self, form: Form, text: str) -> Parsed | ExpressionProblem:
        known = self._known.get((form, text))
        if known is None:
            known = self._known[form, text] = _parse(form, text)
        return known


def _plain(text: str) -> Plain | None:
    found = _PLAIN.fullmatch(text)
    if found is None:
        return None
    start = found.start(1)
    line, column = text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
    return Plain(text, (Access(tuple(found[1].split(".")), False, False, line, column),))


def _parse(form: Form, text: str) -> Parsed | ExpressionProblem:
    if form in ("template", "value") and (plain := _plain(text)):
        return plain
    try:
        if form == "condition":
            return Condition(text)
        if form == "expression":
            return Expression(text)
        return ShellText(text) if form == "shell" else Template(text)
    except ExpressionProblem as problem:
        return problem


def collect(names: Names) -> list[Use]:
    """Every text of the bundle that is parsed, in the order of the documents."""
    reader = Reader()
    found: list[Use] = []
    for place, data, spots, section, graph, node in _owners(names):
        for spot in spots:
            if spot.pattern[0] not in data:
                continue
            for path, value in select(data, spot.pattern):
                for leaf, text, form in _texts(value, spot.form):
                    parsed = reader.read(form, text)
                    found.append(Use(place / (*path, *leaf), spot, text, section, graph, node, data, parsed))
    return found


Owner = tuple[Place, Mapping[str, Any], tuple[Spot, ...], str, GraphView | None, str | None]


def _owners(names: Names) -> Iterator[Owner]:
    for graph in names.graphs:
        for name, node in graph.nodes.items():
            spots = NODE_SPOTS.get(graph.type_of(name))
            if spots is not None:
                yield graph.at(name), node, (*_ANY_NODE, *spots), "node", graph, name
        yield graph.place, graph.data, GRAPH_SPOTS, "outputs", graph, None
    for _, document in names.all_documents():
        yield from _shared(Place(document, ()), mapping(document.data))


def _shared(place: Place, data: Mapping[str, Any]) -> Iterator[Owner]:
    for section in ("agents", "roles", "tools"):
        for name, body in mapping(data.get(section)).items():
            if isinstance(body, Mapping):
                yield place / (section, name), body, tuple(_settings(section, body)), section, None, name
    for name, body in mapping(data.get("chains")).items():
        if isinstance(body, Mapping):
            yield place / ("chains", name), body, STEP_SPOTS, "chains", None, name
    if isinstance(data.get("notify"), Mapping):
        yield place / "notify", data["notify"], NOTIFY_SPOTS, "notify", None, None
    if isinstance(data.get("defaults"), Mapping):
        spots = (Spot(("agent",), "template"), Spot(("timeout",), "value"))
        yield place / "defaults", data["defaults"], spots, "defaults", None, None


def _settings(section: str, body: Mapping[str, Any]) -> Iterator[Spot]:
    for key in body:
        if key in _LITERAL and not (key == "extends" and section != "roles"):
            continue
        if key == "run" and section == "tools":
            yield Spot((key,), "shell", secrets=True)
        else:
            yield Spot((key,), "value", secrets=section != "roles")


def select(data: Mapping[str, Any], pattern: tuple[str, ...]) -> Iterator[tuple[Path, Any]]:
    """The values that `pattern` leads to, with their paths; its first key is there."""
    first = pattern[0]
    found: list[tuple[Path, Any]] = [((first,), data[first])]
    for step in pattern[1:]:
        deeper: list[tuple[Path, Any]] = []
        for path, value in found:
            if step == "*" and isinstance(value, list):
                deeper += [((*path, index), item) for index, item in enumerate(value)]
            elif step == "*" and isinstance(value, dict):
                deeper += [((*path, key), item) for key, item in value.items()]
            elif isinstance(value, dict) and step in value:
                deeper.append(((*path, step), value[step]))
        found = deeper
    return iter(found)


def _texts(value: Any, form: Form) -> Iterator[tuple[Path, str, Form]]:
    """The texts in a value: itself, or, where it is taken element by element, each text in it; not what is literal."""
    if isinstance(value, str):
        if "{" in value or form in ("expression", "condition"):
            yield (), value, form
    elif form in ("value", "shell"):
        waiting: list[tuple[Path, Any]] = [((), value)]
        for path, item in waiting:  # grows
            if isinstance(item, str):
                if "{" in item:
                    yield path, item, "template"
            elif isinstance(item, Mapping):
                waiting += [((*path, key), inner) for key, inner in item.items()]
            elif isinstance(item, list):
                waiting += [((*path, index), inner) for index, inner in enumerate(item)]


def position_in(place: Place, text: str, line: int, column: int) -> Position:
    """The place in the file of a line and column in `text`, which is the value at `place`; at worst the value's own."""
    start = place.position()
    style = getattr(text, "style", "plain")
    if style == "file":
        return Position(start.file, line, column)
    lines = place.document.sources.get(start.file)
    if not lines or start.line > len(lines):
        return start
    found: Position | None
    if style == "literal":
        found = _in_block(lines, start, line, column)
    elif style == "folded":
        found = _in_folded(lines, start, offset_of(text, line, column))
    else:
        found = _in_flow(lines, start, style, offset_of(text, line, column))
    if found is None or found.line > len(lines) or found.column > len(lines[found.line - 1]) + 1:
        return start
    return found


def offset_of(text: str, line: int, column: int) -> int:
    """The index in `text` of a line and column, both from 1."""
    offset = 0
    for _ in range(line - 1):
        offset = text.find("\n", offset) + 1
    return offset + column - 1


def _indent(lines: list[str], after: int) -> int:
    first = next((line for line in lines[after : after + 200] if line.strip()), "")
    return len(first) - len(first.lstrip(" "))


def _in_block(lines: list[str], start: Position, line: int, column: int) -> Position:
    return Position(start.file, start.line + line, _indent(lines, start.line) + column)


def _in_folded(lines: list[str], start: Position, offset: int) -> Position | None:
    indent = _indent(lines, start.line)
    for number in range(start.line, min(len(lines), start.line + 10_000)):
        content = len(lines[number]) - indent
        if offset <= content:
            return Position(start.file, number + 1, indent + offset + 1)
        offset -= max(content, 0) + 1
    return None


_ESCAPES = {"x": 4, "u": 6, "U": 10}


def _in_flow(lines: list[str], start: Position, style: str, offset: int) -> Position | None:
    """A plain or quoted text; folded over lines, its breaks count as one character."""
    quoted = style in ("single", "double")
    number, at = start.line - 1, start.column - 1 + quoted
    while offset > 0 and number < len(lines):
        raw = lines[number]
        if at >= len(raw.rstrip()):
            number, offset = number + 1, offset - 1
            at = len(lines[number]) - len(lines[number].lstrip()) if number < len(lines) else 0
            continue
        if style == "double" and raw[at] == "\\":
            at += _ESCAPES.get(raw[at + 1 : at + 2], 2)
        else:
            at += 2 if style == "single" and raw[at : at + 2] == "''" else 1
        offset -= 1
    return Position(start.file, number + 1, at + 1) if number < len(lines) else None
