"""Where expressions, templates and shell texts stand, as one table; each found, parsed, with its place in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from magent.expressions import Access, Condition, Expression, ExpressionProblem, ShellText, Template, survey
from magent.source import Path, Problem, dotted
from magent.spec.checks.positions import Written
from magent.spec.checks.views import GraphView, Names, Place, mapping

Form = Literal["expression", "condition", "template", "value", "shell"]


@dataclass(frozen=True, slots=True)
class Plain:
    """A template with one plain path in it, read without parsing: most are like that, and files may hold thousands."""

    source: str
    accesses: tuple[Access, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """A text that cannot be parsed: why, and what is read where it can be read."""

    problems: tuple[ExpressionProblem, ...]
    accesses: tuple[Access, ...]


Parsed = Expression | Condition | Template | ShellText | Plain | Broken
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
        *(Spot((key,), "value") for key in ("route", "stdin", "with", "wait")),
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
    (
        *("description", "call", "builtin", "uses", "parameters", "type", "function", "replies", "price"),
        *("extends", "role_type", "skills", "expertise", "related_skills", "delegate_to"),
    )
)
STEP_SPOTS = (
    *(Spot(("steps", "*", key), "template") for key in ("tool", "chain")),
    Spot(("steps", "*", "with"), "value"),
    Spot(("steps", "*", "when"), "condition"),
)
NOTIFY_SPOTS = (
    Spot(("command",), "value"),
    Spot(("webhook",), "template", secrets=True),  # those of chat servers hold their key
    Spot(("headers",), "value", secrets=True),
)


@dataclass(frozen=True, eq=False)
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
    parsed: Parsed

    @property
    def accesses(self) -> tuple[Access, ...]:
        return self.parsed.accesses

    @cached_property
    def written(self) -> Written:
        start = self.place.position()
        return Written(self.text, self.place.document.sources.get(start.file), start)

    def error(self, line: int, column: int, code: str, message: str, hint: str | None = None) -> Problem:
        return Problem(code, message, self.written.position(line, column), dotted(self.place.path), hint)

    def warning(self, line: int, column: int, code: str, message: str, hint: str | None = None) -> Problem:
        return Problem(code, message, self.written.position(line, column), dotted(self.place.path), hint, "warning")


class Reader:
    """Parses texts; the same text is parsed once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Parsed] = {}

    def read(self, form: Form, text: str) -> Parsed:
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


def _parse(form: Form, text: str) -> Parsed:
    if form in ("template", "value") and (plain := _plain(text)):
        return plain
    try:
        if form == "condition":
            return Condition(text)
        if form == "expression":
            return Expression(text)
        return ShellText(text) if form == "shell" else Template(text)
    except ExpressionProblem as problem:
        if form in ("condition", "expression"):
            return Broken((problem, *problem.others), ())
        problems, accesses = survey(text, problem, shell=form == "shell")
        return Broken(tuple(problems), accesses)


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
