"""The whole page: one file, nothing of which comes from elsewhere, and nothing in which is run but its own script."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from magent.draw.look import style
from magent.report import sections
from magent.report.facts import Facts
from magent.report.html import Raw, tag
from magent.report.timeline import Timeline
from magent.report.values import Room
from magent.version import VERSION


def page(facts: Facts) -> str:
    """The HTML of a run's report."""
    room = Room()
    timeline = Timeline(facts, room)
    rows = timeline.markup()
    more = (
        f"{timeline.hidden:,} of its rows are not shown here: magent trace {facts.run_id} tells all"
        if timeline.hidden
        else ""
    )
    parts = [
        sections.graph(facts, timeline),
        sections.section("timeline", "Timeline", rows, tag("p", more, class_="note") if more else None),
        sections.errors(facts, timeline),
        sections.people(facts, timeline),
        sections.costs(facts),
        sections.state(facts, timeline),
        sections.values(facts, room),
    ]
    kept = [part for part in parts if part is not None]
    main = tag("main", sections.head(facts), list(sections.notices(facts)), kept, id="main", tabindex="-1")
    foot = tag("footer", f"run {facts.run_id} as it stood at {sections.moment(facts.traced.now)} · magent {VERSION}")
    css, script = _styles(), _script()
    body = tag(
        "body",
        tag("a", "Skip to the report", href="#main", class_="skip"),
        _top(kept),
        main,
        foot,
        Raw(f"<script>{script}</script>"),
    )
    return f"<!doctype html>\n{tag('html', _head(facts, css, script), body, lang='en')}\n"


def _head(facts: Facts, css: str, script: str) -> Raw:
    own = f"style-src '{_digest(css)}'; script-src '{_digest(script)}'"
    allowed = f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=allowed),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{facts.workflow.name}: {facts.run_id}, {facts.status}"),
        Raw(f"<style>{css}</style>"),
    )


_NAMES = {
    "graph": "Graph", "timeline": "Timeline", "errors": "Errors", "people": "People", "costs": "Costs",
    "state": "State", "values": "Inputs and outputs",
}  # fmt: skip


def _top(parts: list[Raw]) -> Raw:
    there = [id for id in _NAMES if any(part.startswith(f'<section id="{id}"') for part in parts)]
    links = [tag("a", _NAMES[id], href=f"#{id}") for id in there]
    return tag("header", tag("nav", links, aria_label="parts of the report"), tag("div", id="tools"), class_="top")


@cache
def _styles() -> str:
    return _read("page.css") + style()


@cache
def _script() -> str:
    return _read("page.js")


def _read(name: str) -> str:
    return files("magent.report").joinpath(name).read_text("utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
