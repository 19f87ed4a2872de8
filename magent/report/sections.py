"""The other parts of the page: how the run stands, its graph, people, costs, state, inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from magent.clock import iso
from magent.draw.to_svg import inline
from magent.history import Change
from magent.keys import GUARD
from magent.report.facts import Facts
from magent.report.html import Raw, tag
from magent.report.timeline import Timeline, sign
from magent.report.values import Room, brief, money, seconds
from magent.spans import words
from magent.spans.span import Span

_MOST_STEPS, _MOST_CHANGES = 1000, 12
_DECISIONS = ("approved", "decision", "choice", "rating", "valid", "text")
_WAYS = {"add": ("+", "added"), "change": ("~", "changed"), "remove": ("−", "removed")}


def head(facts: Facts) -> Raw:
    """The name, how the run stands, and what there is to do."""
    shown_ = facts.shown
    used = shown_["tokens"]
    told = [
        ("run", tag("code", facts.run_id)),
        ("begun", tag("time", moment(facts.traced.begun), datetime=iso(facts.traced.begun))),
        ("worked", seconds(shown_["duration"])),
        ("steps", f"{shown_['steps']:,}"),
        ("tokens", f"{used['input']:,} in, {used['output']:,} out" if sum(used.values()) else None),
        ("cost", (money(shown_["cost_usd"]) or "$0") if sum(used.values()) else None),
        ("file", tag("code", shown_["file"]) if shown_.get("file") else None),
        ("forked from", _parent(shown_.get("parent"))),
    ]
    facts_ = tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in told if value is not None])
    status = facts.status
    badge = tag("span", sign(status), f" {status}", class_=f"badge {status}")
    about = tag("p", facts.workflow.description, class_="lead") if facts.workflow.description else None
    return tag("div", tag("h1", facts.workflow.name, " ", badge), about, facts_, class_="head")


def _parent(parent: Mapping[str, object] | None) -> Raw | None:
    if not parent:
        return None
    place = f", at {parent['from']}" if parent.get("from") else ""
    return tag("span", tag("code", parent["run_id"]), place)


def moment(time: float) -> str:
    return iso(time)[:19].replace("T", " ") + " UTC"


def notices(facts: Facts) -> Iterator[Raw]:
    """What went wrong, and what the run waits for."""
    error = facts.shown.get("error")
    if error:
        where = f" at {error['node']}" if error.get("node") else ""
        said = tag("p", tag("b", f"{error['type']}{where}"), f": {error['message']}")
        yield tag("div", said, tag("p", error["hint"]) if error.get("hint") else None, class_="error", role="note")
    if facts.status == "interrupted":
        command = tag("pre", tag("code", f"magent resume {facts.run_id}"), class_="command")
        yield tag(
            "div",
            tag("p", tag("b", "It was interrupted, and can be gone on with")),
            command,
            class_="asks",
            role="note",
        )
    for each in facts.asked:
        question = each.question
        options = ", ".join(str(option.get("label", option.get("value"))) for option in question.options)
        parts = [tag("p", tag("b", f"{question.path} asks for {question.input}"), f", since {moment(each.since)}")]
        parts += [tag("pre", question.prompt, dir="auto")] if question.prompt else []
        parts += [tag("p", f"one of: {options}")] if options else []
        parts += [tag("pre", tag("code", each.command), class_="command")]
        yield tag("div", parts, class_="asks", role="note")


def graph(facts: Facts, timeline: Timeline) -> Raw:
    """The workflow with the run over it; nodes lead to their first visit."""

    def where(key: str, name: str) -> str | None:
        anchor = timeline.anchors.get((key, name))
        return f"#{anchor}" if anchor else None

    picture = Raw(GUARD.hide(inline(facts.workflow, facts.overlay, where)))
    choice = tag("label", tag("input", type="checkbox", id="whole"), " actual size", class_="choice", for_="whole")
    frame = tag("div", picture, class_="canvas", tabindex="0", role="group", aria_label="the graph")
    legend = "Solid: always. Dashed: where its condition holds. Dotted: back. Thick: the way the run took."
    return section("graph", "Graph", tag("div", choice, frame, class_="graph"), tag("p", legend, class_="note"))


def people(facts: Facts, timeline: Timeline) -> Raw | None:
    """Who approved what, when, by which way, and how long it took."""
    waits = [span for span in facts.traced.spans if span.kind == "wait" or span.attributes.get("magent.asked")]
    if not waits:
        return None
    waits.sort(key=lambda span: span.start)
    rows = [_answer(span, facts, timeline) if span.kind == "wait" else _consent(span, timeline) for span in waits]
    return section("people", "People", _table("people", ("question", "answer", "by", "via", "when", "took"), rows))


def _answer(span: Span, facts: Facts, timeline: Timeline) -> Sequence[object]:
    answer = span.content.get("output")
    asked = tag("span", _link(span, timeline), tag("small", f" {span.attributes.get('magent.input', '')}"))
    prompt = span.content.get("input")
    asked = tag("div", asked, tag("p", brief(prompt), class_="meta")) if prompt else asked
    if not isinstance(answer, Mapping):
        since = facts.traced.now - span.start
        return asked, tag("b", span.status), "", "", "", seconds(since if span.end is None else span.duration)
    decision = next((name for name in _DECISIONS if answer.get(name) not in (None, "")), None)
    told: list[object] = [tag("b", _decided(decision, answer[decision]) if decision else "answered")]
    told += [
        tag("p", f"{name}: {brief(answer[name])}") for name in ("comment", "comments", "errors") if answer.get(name)
    ]
    told += [tag("p", f"form: {brief(answer['form'])}")] if answer.get("form") else []
    at = str(answer.get("at") or "")[:19].replace("T", " ")
    return asked, told, answer.get("by") or "", answer.get("via") or "", at, seconds(span.duration)


def _consent(span: Span, timeline: Timeline) -> Sequence[object]:
    """Of a tool that asks before it is called."""
    said = {name: span.attributes.get(f"magent.answer.{name}") for name in ("approved", "by", "via", "at")}
    call = f"{span.attributes.get(words.TOOL)}({brief(span.content.get('input'))})"
    asked = tag("div", _link(span, timeline), tag("small", " confirm"), tag("p", call, class_="meta"))
    told: list[object] = [
        tag("b", "nobody was there" if said["approved"] is None else _decided("approved", said["approved"]))
    ]
    told += [tag("p", f"comment: {brief(span.content['comment'])}")] if "comment" in span.content else []
    at = str(said["at"] or "")[:19].replace("T", " ")
    return asked, told, said["by"] or "", said["via"] or "", at, ""


def _decided(name: str, value: object) -> str:
    if name == "approved":
        return "approved" if value else "rejected"
    if name == "valid":
        return "valid" if value else "invalid"
    return brief(value).replace("_", " ") if name == "decision" else f"{name}: {brief(value)}"


def _link(span: Span, timeline: Timeline) -> Raw:
    visits = [id for (path, _), id in timeline.paths.items() if path == span.path]
    return tag("a", span.path, href=f"#{visits[-1]}") if visits else tag("span", span.path)


@dataclass(slots=True)
class _Used:
    calls: int = 0
    read: int = 0
    written: int = 0
    cost: float | None = 0.0
    took: float = 0.0

    def add(self, span: Span) -> None:
        used = span.tokens or (0, 0)
        self.calls, self.read, self.written = self.calls + 1, self.read + used[0], self.written + used[1]
        self.cost = None if span.cost is None or self.cost is None else self.cost + span.cost
        self.took += span.worked or 0.0

    def row(self, name: str, of: int) -> Sequence[object]:
        total = self.read + self.written
        share = tag("rect", x="0", y="1", width=f"{1000 * total / of if of else 0:.1f}", height="8", class_="model")
        bar = tag("svg", share, class_="bar", viewBox="0 0 1000 10", preserveAspectRatio="none", aria_hidden="true")
        took = seconds(self.took)
        return name, f"{self.calls:,}", f"{self.read:,}", f"{self.written:,}", money(self.cost) or "$0", took, bar


def costs(facts: Facts) -> Raw | None:
    """Calls of models, by node and by agent."""
    calls = [span for span in facts.traced.spans if span.kind == "model"]
    if not calls:
        return None
    nodes: dict[str, _Used] = {}
    agents: dict[str, _Used] = {}
    for span in calls:
        nodes.setdefault(str(span.attributes.get("magent.node", span.path)), _Used()).add(span)
        agent = str(span.attributes.get(words.AGENT) or "")
        model = span.attributes.get(words.RESPONSE_MODEL) or span.attributes.get(words.REQUEST_MODEL)
        agents.setdefault(f"{agent} ({model})" if model and model != agent else agent, _Used()).add(span)
    total = sum(used.read + used.written for used in nodes.values())
    heads = ("calls", "tokens in", "tokens out", "cost", "time", "share")
    tables = [
        _table("costs", (name, *heads), [used.row(each, total) for each, used in _most(found)])
        for name, found in (("node", nodes), ("agent", agents))
    ]
    return section("costs", "Costs", tables)


def _most(found: Mapping[str, _Used]) -> list[tuple[str, _Used]]:
    return sorted(found.items(), key=lambda each: (-(each[1].cost or 0.0), -each[1].read - each[1].written, each[0]))


def state(facts: Facts, timeline: Timeline) -> Raw | None:
    """The state, step by step: what each visit wrote."""
    if not facts.steps:
        return None
    steps = facts.steps[:_MOST_STEPS]
    rows = []
    for step in steps:
        id = timeline.events.get(step.seq) or timeline.paths.get((step.path, step.visit))
        name = step.path + (f"#{step.visit}" if step.visit > 1 else "") if step.path else "the run begins"
        who: list[object] = [tag("a", name, href=f"#{id}") if id else name]
        who += [tag("p", f"in {step.scope}", class_="meta")] if step.scope else []
        changes = [_change(change) for change in step.changes[:_MOST_CHANGES]]
        if len(step.changes) > _MOST_CHANGES:
            changes.append(tag("li", f"… {len(step.changes) - _MOST_CHANGES:,} more", class_="more"))
        rows.append((seconds(facts.offset(step.time)), who, tag("ul", changes, class_="changes") if changes else "–"))
    left = len(facts.steps) - len(steps)
    more = tag("p", f"{left:,} more steps: magent runs history {facts.run_id}", class_="more") if left else None
    return section("state", "State over time", _table("state", ("after", "step", "what changed"), rows), more)


def _change(change: Change) -> Raw:
    sign, said = _WAYS[change.what]
    parts: list[object] = [
        tag("span", sign, class_=f"way {change.what}", title=said),
        " ",
        tag("code", change.path),
        ": ",
    ]
    before = tag("del", brief(change.before)) if change.what != "add" else None
    after = tag("ins", brief(change.after)) if change.what != "remove" else None
    return tag("li", parts, before, " → " if before is not None and after is not None else None, after)


def values(facts: Facts, room: Room) -> Raw:
    """What the run was given, what it gave, and what it left behind."""
    parts = [room.block("Inputs", facts.inputs), room.block("Outputs", facts.shown.get("outputs"), "answered")]
    files = facts.shown.get("files") or []
    if files:
        items = [tag("li", tag("code", each["path"]), tag("small", f" {each['size']:,} bytes")) for each in files[:200]]
        parts.append(tag("figure", tag("figcaption", "Files"), tag("ul", items), class_="block"))
    kept = [tag("div", part, data_find=True) for part in parts if part is not None]
    return section("values", "Inputs and outputs", kept or tag("p", "none", class_="note"))


def errors(facts: Facts, timeline: Timeline) -> Raw | None:
    """Every visit and call that failed, whether it was caught or not."""
    failed = [
        span for span in facts.traced.spans if span.error and span.kind in ("visit", "tool", "model", "delegation")
    ]
    if not failed:
        return None
    failed.sort(key=lambda span: (span.start, span.number))
    rows = []
    for span in failed[:200]:
        error = span.error or {}
        after = seconds(facts.offset(span.start if span.end is None else span.end))
        said = [tag("b", error.get("type", "error")), f": {brief(error.get('message', ''), 400)}"]
        rows.append((after, tag("span", _link(span, timeline), tag("small", f" {span.kind}")), said))
    more = tag("p", f"{len(failed) - 200:,} more", class_="more") if len(failed) > 200 else None
    return section("errors", "Errors", _table("errors", ("after", "where", "what"), rows), more)


def section(id: str, title: str, *children: object) -> Raw:
    return tag("section", tag("h2", title, id=f"{id}-title"), children, id=id, aria_labelledby=f"{id}-title")


def _table(kind: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> Raw:
    top = tag("thead", tag("tr", [tag("th", name, scope="col") for name in heads]))
    body = [tag("tr", [tag("td", cell) for cell in row], data_find=True) for row in rows]
    return tag(
        "div",
        tag("table", top, tag("tbody", body), class_=kind),
        class_="wide",
        tabindex="0",
        role="group",  # no landmark: its section is one
        aria_label=f"table: {', '.join(heads)}",
    )
