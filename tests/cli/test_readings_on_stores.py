"""What looks at runs says of one in SQLite or PostgreSQL what it says of one in files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.cli.helpers import magent
from tests.postgres import Postgres

FLOW = """
    magent: 1
    name: tides
    inputs: {goal: {type: integer, default: 8}}
    checkpoints: {interval: 1d}
    state: {notes: {type: array, default: [], reduce: append}}
    agents: {writer: {replies: [one, two, three]}}
    roles:
      sailor: {agent: writer, skills: [boats]}
      diver: {agent: writer, skills: [boats], expertise: [reefs]}
    nodes:
      draft: {prompt: tides, route: {skills: [boats], expertise: [reefs]}, set: {notes: "{{ output }}"}, next: rate}
      rate: {run: "echo {{ state.notes | length }}", parse: json, next: [
        {to: each, when: output.data >= 2}, {loop_back: draft, max: 3}]}
      each: {type: parallel, for_each: [1, 2, 3], body: check, max_concurrency: 1, on_branch_error: collect, next: ask}
      check: {run: "test {{ item }} != 2"}
      ask: {type: human_input, input: approval, prompt: "Go?", next: [{when: output.approved, to: last}, {to: end}]}
      last: {run: [echo, "3"], parse: json, next: [{to: end, when: output.data > inputs.goal}]}
"""
_OF_THE_MOMENT = frozenset((  # what differs between two runs that went the same way
    "time", "started", "ended", "duration", "worked", "took", "median", "p95", "at", "answered", "since", "gaps",
    "trace_id", "span_id", "parent_id", "parent_span_id", "links", "attributes", "critical", "workspace", "dir",
))  # fmt: skip
READINGS = (
    ["explain", "r1"],
    ["runs", "history", "r1"],
    ["diff", "r1", "r2"],
    ["trace", "r1"],
    ["stats"],
)


def steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: steady(each) for name, each in value.items() if name not in _OF_THE_MOMENT}
    if isinstance(value, list):
        return [steady(each) for each in value]
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "then", value) if isinstance(value, str) else value


def looked_at(store: str, capsys: Any) -> dict[str, Any]:
    """Two runs of it, of which the second fails for want of an edge, and all that is said of them."""

    def on(*words: str) -> Any:
        return magent(capsys, *words, "--store", store)

    assert on("run", "tides.yaml", "--no-input", "--id", "r1").code == 3
    assert on("respond", "r1", "--reject", "--by", "ann", "--resume").code == 0
    assert on("run", "tides.yaml", "--no-input", "--id", "r2").code == 3
    assert on("respond", "r2", "--approve", "--by", "bob", "--resume").code == 1
    found: dict[str, Any] = {}
    for words in READINGS:
        told = on(*words, "--output", "json")
        assert (told.code, told.err) == (int(words[0] == "diff"), "")
        found[" ".join(words)] = steady(json.loads(told.out))
        text = on(*words)
        assert (text.code, "\x1b" in text.out) == (told.code, False)
    found["explained"] = on("explain", "r2").out
    assert on("report", "r2", "-o", "r2.html").code == 0
    page = Path("r2.html").read_text("utf-8")
    found["titles"] = re.findall(r"<h[23][^>]*>([^<]*)<", page)
    found["blocks"] = re.findall(r"<figcaption>([^<]*)</figcaption>", page)
    found["states"] = re.findall(r'<span class="aloud">([a-z]+): ', page)
    return found


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, here: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{here}/runs.db"
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.url()


def test_what_is_told_of_runs_does_not_depend_on_where_they_are_kept(here: Path, store: str, capsys: Any) -> None:
    here.joinpath("tides.yaml").write_text(dedent(FLOW))
    in_files = looked_at(f"file:{here}/.magent", capsys)
    elsewhere = looked_at(store, capsys)
    for name, told in in_files.items():
        assert elsewhere[name] == told, name
    visits = {f"{each['path']}#{each['visit']}": each for each in in_files["explain r1"]["visits"]}
    assert [way["state"] for way in visits["rate#1"]["edges"]] == ["refused", "taken"]
    assert [each["role"] for each in visits["draft#1"]["decisions"][0]["decision"]["candidates"]] == ["diver", "sailor"]
    assert "refused end when output.data > inputs.goal — does not hold: output.data = 3" in in_files["explained"]
    spans = in_files["trace r1"]["spans"]
    assert {span["kind"] for span in spans} >= {"life", "visit", "attempt", "model", "wait"}
    assert in_files["stats"]["workflows"][0]["statuses"] == {"completed": 1, "failed": 1}
    assert in_files["diff r1 r2"]["runs"]["first_divergence"]["path"] == "ask"
    assert {"Prompt", "Command"} <= set(in_files["blocks"])
