"""What happened, as a tree of bars that unfold: of each visit its prompt and answer, its calls, its errors.

Of a long row of visits those that did not go well are told, the first and the last ones; each node gets its share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from magent.draw.look import SIGNS
from magent.model import Subgraph
from magent.report.facts import Facts
from magent.report.html import Raw, tag
from magent.report.values import Room, brief, money, seconds, shown, tokens
from magent.said import Said
from magent.spans import words
from magent.spans.chrome import pieces
from magent.spans.span import Moment, Span

GOOD = ("completed", "skipped")
_MOST_ROWS, _MOST_BESIDE, _MOST_CANDIDATES = 3000, 500, 50
_LEAST_OF_A_LIFE, _DEEPEST = 60, 80
_KINDS = {"model": "model", "tool": "tool", "delegation": "subtask", "wait": "person", "own": "span", "attempt": "try"}


@dataclass(slots=True)
class Timeline:
    """Makes the rows; `anchors` are the ids of the first rows of nodes, by graph and name."""

    facts: Facts
    room: Room
    rows: int = 0
    hidden: int = 0
    anchors: dict[tuple[str, str], str] = field(default_factory=dict)
    paths: dict[tuple[str, int], str] = field(default_factory=dict)  # of visits, by address and number
    events: dict[int, str] = field(default_factory=dict)  # of visits, by the number of the event that each began with

    def markup(self) -> Raw:
        lives = sorted(self.facts.traced.lives, key=lambda span: span.start)
        parts = [self._life(life, number, len(lives)) for number, life in enumerate(lives, 1)]
        return tag("div", self._scale(), parts, class_="timeline")

    def _scale(self) -> Raw:
        axis = self.facts.axis
        marks = [tag("rect", x=f"{x - 3:.1f}", y="0", width="6", height="10", class_="gap") for x, _ in axis.marks]
        idle = ", ".join(seconds(gone) for _, gone in axis.marks)
        total = seconds(self.facts.traced.now - self.facts.traced.begun)
        told = f"from the start to {total}" + (f"; nobody drove it for {idle}, which is left out" if idle else "")
        picture = tag("svg", marks, class_="bar", viewBox="0 0 1000 10", preserveAspectRatio="none", aria_hidden="true")
        cells = (
            tag("span", "what", class_="what"),
            tag("span", picture, class_="track"),
            _cells("took", "tokens", "cost"),
        )
        return join_rows(tag("p", told, class_="note"), tag("div", cells, class_="row scale", aria_hidden="true"))

    def _life(self, life: Span, number: int, of: int) -> Raw:
        inner = list(self._rows(self._within(life), 0, max(_LEAST_OF_A_LIFE, _MOST_ROWS - self.rows)))
        if of == 1:
            return tag("div", inner)
        name = "The run began" if number == 1 else f"Life {number}: it was gone on with"
        offset = seconds(self.facts.offset(life.start))
        head = tag("h3", name, tag("small", f" after {offset}, {life.status}" if number > 1 else f", {life.status}"))
        return tag("section", head, inner, class_="life")

    def _within(self, span: Span) -> list[Span]:
        """What is in a span; the one attempt of a visit is not told apart from it."""
        found = [each for each in self.facts.traced.within.get(span.id, []) if each.kind != "life"]
        only = self._only_attempt(span)
        if only is None:
            return found
        inner = [each for each in found if each is not only] + self.facts.traced.within.get(only.id, [])
        return sorted(inner, key=lambda each: (each.start, each.number))

    def _only_attempt(self, span: Span) -> Span | None:
        attempts = [each for each in self.facts.traced.within.get(span.id, []) if each.kind == "attempt"]
        return attempts[0] if len(attempts) == 1 else None

    def _rows(self, spans: Sequence[Span], depth: int, room: int, around: Span | None = None) -> Iterator[Raw]:
        """The rows of spans beside one another, `room` at most with all that is in them: each gets its share of it."""
        told = _told(spans, min(room, _MOST_BESIDE) if depth <= _DEEPEST else 0)
        most = self.rows + room
        before = 0
        for number, at in enumerate(told):
            if at > before:
                yield self._gap(spans[before:at])
            share = (most - self.rows) // (len(told) - number)
            yield self._row(spans[at], depth, share, around)
            before = at + 1
        if before < len(spans):
            yield self._gap(spans[before:])

    def _gap(self, spans: Sequence[Span]) -> Raw:
        self.hidden += len(spans)
        counts: dict[str, int] = {}
        for span in spans:
            counts[span.status] = counts.get(span.status, 0) + 1
        said = ", ".join(f"{count:,} {status}" for status, count in counts.items())
        return tag("p", f"⋮ {said}, not shown here", class_="more")

    def _row(self, span: Span, depth: int, room: int, around: Span | None) -> Raw:
        self.rows += 1
        id = self._anchor(span)
        head = (
            tag("span", self._name(span), class_="what"),
            tag("span", self._bar(span), class_="track"),
            _cells(seconds(self.facts.traced.took(span)), tokens(span.tokens), money(span.cost) if span.tokens else ""),
        )
        body = [each for each in self._body(span, around) if each is not None]
        inner = list(self._rows(self._within(span), depth + 1, room - 1, span if span.kind == "visit" else around))
        names = f"row {span.kind}"
        opened = span.status not in GOOD and span.status != "cancelled"
        if not body and not inner:
            return tag("div", tag("div", head, class_=names), id=id, class_="leaf", data_find=True)
        inside = tag("div", tag("div", body, class_="told") if body else None, inner, class_="inside")
        return tag("details", tag("summary", head, class_=names), inside, id=id, open=opened, data_find=True)

    def _anchor(self, span: Span) -> str | None:
        if span.kind != "visit":
            return None
        id = f"v{span.number}"
        self.anchors.setdefault(self._place(span.path), id)
        self.events[span.number] = id
        self.paths[span.path, int(span.attributes.get("magent.visit", 1))] = id
        return id

    def _place(self, path: str) -> tuple[str, str]:
        """The key of the graph that a node at an address is in, and its name."""
        workflow = self.facts.workflow
        key = workflow.root
        *above, name = path.split("/")
        for step in above:
            node = workflow.graphs[key].nodes.get(step.partition("[")[0])
            key = node.uses if isinstance(node, Subgraph) else key
        return key, name

    def _name(self, span: Span) -> Iterator[object]:
        yield sign(span.status)
        yield tag("span", f"{span.status}: ", class_="aloud")
        if span.kind == "visit":
            around, _, name = span.path.rpartition("/")
            index = f"{around[around.rindex('[') :]} " if around.endswith("]") else ""
            number = int(span.attributes.get("magent.visit", 1))
            yield tag("b", f"{index}{name}")
            yield tag("small", (f" #{number}" if number > 1 else ""), f" {span.attributes.get('magent.node.type', '')}")
            if agent := span.attributes.get("magent.agent"):
                yield tag("small", f" · {agent}", f" as {role}" if (role := span.attributes.get("magent.role")) else "")
            return
        yield tag("small", f"{_KINDS.get(span.kind, span.kind)} ", class_="kind")
        yield tag("b", _title(span))

    def _bar(self, span: Span) -> Raw:
        axis = self.facts.axis
        critical = " critical" if span.id in self.facts.traced.critical else ""
        names = f"{span.kind if span.status in GOOD else span.status}{critical}"
        rects = []
        for start, end in pieces(span, self.facts.traced.now):
            left, right = axis.at(start), axis.at(end)
            wide = max(2.0, right - left)
            rects.append(tag("rect", x=f"{min(left, 998):.1f}", y="1", width=f"{wide:.1f}", height="8", class_=names))
        return tag("svg", rects, class_="bar", viewBox="0 0 1000 10", preserveAspectRatio="none", aria_hidden="true")

    def _body(self, span: Span, around: Span | None) -> Iterator[Raw | None]:
        yield self._meta(span)
        yield from _error(span)
        if span.kind == "visit":
            yield from self._given(span)
            yield _candidates(self.facts.routes.get((span.path, int(span.attributes.get("magent.visit", 1)))))
        elif span.kind in ("tool", "delegation", "model"):
            title = {"tool": "Arguments", "delegation": "Task", "model": "Prompt"}[span.kind]
            yield self.room.block(title, span.content.get("input"), "asked")
            yield _candidates(self.facts.routes.get(("", span.number)))
        elif span.kind == "wait":
            yield self.room.block("Question", span.content.get("input"), "asked")
        spoke = isinstance(self.facts.given.get(span.number), Said)
        titles = {"visit": "Answer" if spoke else "Output", "model": "Answer"}
        output = span.content.get("output")
        repeats = span.kind == "model" and around is not None and around.content.get("output") == output
        if not repeats and not (span.kind == "visit" and self._waits(span)):
            yield self.room.block(titles.get(span.kind, "Result"), output, "answered")
        only = self._only_attempt(span)
        told = (each for each in (*span.moments, *(only.moments if only else ())) if each.name != "round")
        moments = sorted(told, key=lambda each: each.time)  # rounds are told by the rows of what is in them
        if moments:
            items = [tag("li", self._moment(each)) for each in moments[:200]]
            yield tag("ul", items, class_="moments")

    def _given(self, span: Span) -> Iterator[Raw | None]:
        """What an agent was asked; the command that was run; what a function, a chain or a subgraph was given."""
        given = self.facts.given.get(span.number)
        as_it_was = "" if given is None or given.whole else " (as the file has it)"
        if isinstance(given, Said):
            yield self.room.block(f"System{as_it_was}", given.system, "asked")
            yield self.room.block(f"Prompt{as_it_was}", given.prompt, "asked")
        elif given is not None:
            yield self.room.block(f"{given.title}{as_it_was}", given.value, "asked")
        elif "input" in span.content:
            yield self.room.block("Inputs", span.content.get("input"), "asked")

    def _waits(self, span: Span) -> bool:
        return any(each.kind == "wait" for each in self.facts.traced.within.get(span.id, []))

    def _meta(self, span: Span) -> Raw | None:
        facts: list[object] = [f"began {seconds(self.facts.offset(span.start))} after the start"]
        if span.kind == "visit":
            facts.insert(0, tag("code", span.path))
        if model := span.attributes.get(words.RESPONSE_MODEL) or span.attributes.get(words.REQUEST_MODEL):
            facts.append(f"model {model}")
        if span.tokens and sum(span.tokens):
            facts.append(f"{span.tokens[0]:,} tokens in, {span.tokens[1]:,} out")
        facts += [who] if (who := agreed(span)) else []
        facts += ["effects outside"] if span.attributes.get("magent.external") else []
        if span.attributes.get("magent.estimated"):
            facts.append("tokens estimated")
        if span.id in self.facts.traced.critical and span.kind == "visit":
            facts.append("on the critical path")
        return tag("p", [(" · " if at else "", each) for at, each in enumerate(facts)], class_="meta")

    def _moment(self, moment: Moment) -> str:
        values = {name.removeprefix("magent."): value for name, value in moment.attributes.items()}
        told = ", ".join(f"{name} {brief(value)}" for name, value in values.items())
        return f"after {seconds(self.facts.offset(moment.time))}: {moment.name}{', ' + told if told else ''}"


def agreed(span: Span) -> str:
    """What a person said who was asked before a tool was called; nothing where nobody is."""
    if not span.attributes.get("magent.asked"):
        return ""
    said = {name: span.attributes.get(f"magent.answer.{name}") for name in ("approved", "by", "via")}
    if said["approved"] is None:
        return "a person was to be asked first"
    via = f" ({said['via']})" if said["via"] else ""
    comment = f": {brief(span.content['comment'])}" if "comment" in span.content else ""
    return f"{said['by'] or 'a person'} {'agreed' if said['approved'] is True else 'said no'}{via}{comment}"


def sign(status: str) -> Raw:
    """The badge of a status, as in the graph."""
    path, filled = SIGNS.get(status, ("M-2,0 H2", False))
    inner = (
        tag("circle", r="8", class_=f"badge {status}"),
        tag("path", d=path, class_=f"sign{' filled' if filled else ''}"),
    )
    return tag("svg", inner, class_="magent-graph mark", viewBox="-9 -9 18 18", aria_hidden="true")


def _told(spans: Sequence[Span], most: int) -> list[int]:
    """Which of them are told: all, or what did not go well, the first, and the last ones."""
    count = len(spans)
    if count <= most:
        return list(range(count))
    bad = [at for at, span in enumerate(spans) if span.status not in GOOD][: most // 3]
    last = (most - len(bad)) // 4
    told = {*bad, *range(count - last, count)}
    first = (at for at in range(count) if at not in told)
    return sorted(told | {at for at, _ in zip(first, range(most - len(told)), strict=False)})


def _title(span: Span) -> str:
    if span.kind == "tool":
        return str(span.attributes.get(words.TOOL, span.name))
    if span.kind == "model":
        return str(span.attributes.get(words.AGENT) or span.name)
    if span.kind == "attempt":
        return f"attempt {span.attributes.get('magent.attempt', 1)}"
    if span.kind == "delegation":
        names = (span.attributes.get("magent.role"), span.attributes.get(words.AGENT))
        return " · ".join(dict.fromkeys(str(name) for name in names if name))
    if span.kind == "wait":
        answer = span.content.get("output") or {}
        return f"answered by {answer.get('by') or 'somebody'}" if answer else "asked"
    return span.name


def _error(span: Span) -> Iterator[Raw]:
    if span.error:
        error = span.error
        hint = tag("p", error["hint"]) if error.get("hint") else None
        data = tag("pre", shown(error["data"], 4000)[0], tabindex="0") if error.get("data") is not None else None
        caught = span.attributes.get("magent.caught")
        told = tag("p", "it was caught by on_error, and the run went on") if caught else None
        yield tag(
            "div",
            tag("p", tag("b", error.get("type", "error")), f": {error.get('message', '')}"),
            hint,
            data,
            told,
            class_="error",
        )


def _candidates(routed: Mapping[str, Any] | None) -> Raw | None:
    """Every role that a route or a delegation looked at, with its score and why."""
    found = ((routed or {}).get("decision") or {}).get("candidates") or []
    if routed is None or not found:
        return None
    items = []
    for each in found[:_MOST_CANDIDATES]:
        taken = each.get("role") == routed["role"]
        what = "taken" if taken else "passed over" if each.get("fits") else "refused"
        reasons = "; ".join(map(str, each.get("reasons") or ()))
        name = tag("b" if taken else "span", each.get("role"))
        items.append(tag("li", f"{what} ", name, f" {float(each.get('score') or 0):.2f} — {reasons}"))
    left = len(found) - len(items)
    more = tag("li", f"… {left:,} more: magent explain tells them") if left else None
    return tag("figure", tag("figcaption", "Candidates"), tag("ul", items, more, class_="moments"), class_="block")


def _cells(*values: str) -> list[Raw]:
    return [
        tag("span", value, class_=f"cell {name}")
        for name, value in zip(("time", "tokens", "cost"), values, strict=True)
    ]


def join_rows(*rows: object) -> Raw:
    return tag("div", rows)
