"""Hostile text in what is made for others to read: drawings, a report, a trace. Whatever a text says, it stays text:
a parser of that language sees the same kinds of parts as where the text is a plain word."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from magent import api, draw
from magent.spec.build import build
from magent.spec.checks import check
from magent.spec.loader import load_data
from tests.fuzz.targets import OWN, Target, said, seeds_of, vocabulary

PLAIN = "word"


def _workflow(text: str) -> dict[str, Any]:
    """The text wherever a file may say what it likes, with something of each kind to draw."""
    when = f"inputs.x == {json.dumps(text)}"
    return {
        "magent": 1,
        "name": "gift",
        "description": text,
        "inputs": {"x": {"type": "string", "default": text, "description": text}},
        "agents": {"w": {"replies": [text, text]}},
        "nodes": {
            "a": {"prompt": text, "agent": "w", "description": text, "next": [{"to": "b", "when": when}, {"to": "c"}]},
            "b": {"run": ["printf", "%s", text], "next": "c"},
            "c": {"type": "condition", "switch": "inputs.x", "cases": {text: "d", "other": "e"}, "default": "d"},
            "d": {"type": "loop", "until": when, "max_iterations": 2, "body": "f", "on_exhausted": "continue"},
            "e": {"type": "human_input", "input": "choice", "prompt": text, "options": [text, "b"], "assignee": text},
            "f": {"set": {"y": text}},
        },
    }


def _drawn(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(*OWN):
        bundle = load_data(_workflow(text), ".")
        if any(problem.severity == "error" for problem in [*bundle.problems, *check(bundle)]):
            return
        workflow = build(bundle)
        assert _dot(draw.dot(workflow)) == _dot(draw.dot(_plain())), "DOT"
        assert _mermaid(draw.mermaid(workflow)) == _mermaid(draw.mermaid(_plain())), "Mermaid"
        assert _xml(draw.svg(workflow)) <= _xml(draw.svg(_plain())), "SVG"
        for line in draw.text(workflow, 60):
            shown = draw.plain(line)
            assert not shown or shown.isprintable(), f"text: {shown!r}"


@cache
def _plain() -> Any:
    return build(load_data(_workflow(PLAIN), "."))


def _dot(text: str) -> list[str]:
    """Its words, as Graphviz's grammar has them, with `""` for each text."""
    return re.sub(r'"(?:\\.|[^"\\])*"', '""', text, flags=re.DOTALL).split()


def _mermaid(text: str) -> list[str]:
    """Its lines, with `""` for each text, in which there is no sign that Mermaid obeys."""
    for label in re.findall(r'"([^"\n]*)"', text):
        assert not set("`<>$;\\|{}[]") & set(re.sub(r"#\d+;|<br/>", "", label)), f"Mermaid: {label!r}"
    return re.sub(r'"[^"\n]*"', '""', text).split("\n")


def _xml(text: str) -> set[tuple[str, ...]]:
    """The elements that there are, each with the names of its attributes."""
    return {(each.tag, *sorted(each.attrib)) for each in ElementTree.fromstring(text).iter()}


_TAGS = set(
    re.findall(
        r"\w+",
        """a b body br circle code col colgroup dd del details div dl dt em figcaption figure footer g h1 h2 h3 h4 head
        header html i input ins label li line main meta nav ol p path polygon polyline pre rect script section small
        span strong style summary svg table tbody td text th thead time title tr tspan ul""",
    )
)


class _Page(HTMLParser):
    """What a browser takes for the parts of a page: nothing in it runs, loads or leads elsewhere but what is ours."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.own: list[str] = []  # scripts and styles
        self._in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _TAGS, f"HTML: <{tag}>"
        for name, value in attrs:
            assert re.fullmatch("[a-z0-9:-]+", name), f"HTML: an attribute {name!r}"
            assert not name.startswith("on"), f"HTML: an attribute {name}"
            assert name not in ("src", "style", "action", "srcdoc", "formaction"), f"HTML: an attribute {name}"
            assert name != "href" or str(value).startswith("#"), f"HTML: a link to {value!r}"
        self._in = tag
        if tag in ("script", "style"):
            self.own.append("")

    def handle_data(self, data: str) -> None:
        if self._in in ("script", "style"):
            self.own[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"HTML: a comment {data!r}")


def _reported(data: bytes) -> None:
    """The page and the trace of a run in which everybody says the text."""
    Path("said").mkdir(exist_ok=True)
    with contextlib.suppress(*OWN):
        assert _page(data.decode("utf-8", "replace")) == _page_of_word(), "HTML: a script or a style"


@cache
def _page_of_word() -> list[str]:
    return _page(PLAIN)


def _page(text: str) -> list[str]:
    """The scripts and styles of the report."""
    store = "file:said/.magent"
    nodes = {
        "a": {"prompt": text, "agent": "w", "description": text, "next": "e"},
        "e": {"type": "human_input", "input": "feedback", "prompt": text, "context": {"k": text}, "next": "f"},
        "f": {"set": {"y": text, "z": {"k": [text]}}, "next": "g"},
        "g": {"prompt": text, "agent": "w", "on_error": "continue"},
    }
    described = {**_workflow(text), "agents": {"w": {"replies": [text]}}, "nodes": nodes}
    try:
        api.run(described, store=store, run_id="r1", answers={"e": {"text": text, "comment": text}}, interactive=False)
        assert said(f"report r1 -o said/report.html --store {store}") == 0
        assert said(f"trace r1 --chrome --store {store}") == 0
        page = _Page()
        page.feed(Path("said/report.html").read_text("utf-8"))
        page.close()
        return page.own
    finally:
        shutil.rmtree("said/.magent", ignore_errors=True)


TARGETS: dict[str, Target] = {
    "drawn": Target(_drawn, lambda: seeds_of("paint"), vocabulary("paint")),
    "reported": Target(_reported, lambda: seeds_of("paint"), vocabulary("paint"), files=True),
}
