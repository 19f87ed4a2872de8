"""`magent trace`: the tree of a run's spans, in 80 columns and in a terminal; as JSON; for Perfetto."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from magent import cells
from magent.cli import trace as verb
from magent.cli.console import Console, Globals
from magent.cli.main import main
from magent.cli.trace_rows import rows
from magent.events import Event
from magent.spans.ids import Trace
from magent.spans.path import children, critical
from magent.spans.span import Span
from magent.traces import Traced, trace_of
from tests.build import workflow
from tests.cli.helpers import Screen, magent, waiting

FLOW = """\
magent: 1
name: tides
agents: {bot: {replies: ["It rises."]}}
nodes:
  draft: {prompt: "tides", agent: bot, next: fan}
  fan: {type: parallel, branches: [quick, slow], next: each}
  quick: {run: "true"}
  slow: {run: "sleep 0.2"}
  each: {type: parallel, for_each: "range(40) | list", body: count, next: ask}
  count: {set: {n: "{{ item }}"}, on_error: continue, next: check}
  check: {run: "exit {{ 3 if item == 17 else 0 }}", on_error: continue}
  ask: {type: human_input, input: approval, prompt: "Publish it?"}
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a run of it that waits, r1."""
    return waiting(tmp_path_factory.mktemp("tides"), FLOW)


@pytest.fixture
def tides(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(recorded)
    return recorded


def test_the_tree_of_a_run_fits_eighty_columns_and_sums_up_its_items(
    tides: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = magent(capsys, "trace", "r1")
    lines = told.out.splitlines()
    assert told.code == 0
    assert max(map(cells.width, lines)) <= 80
    assert "\x1b" not in told.out
    assert lines[0] == "waiting  tides  r1"
    tree = [line.split("  0")[0] for line in lines]
    found = {line.split()[0]: line for line in tree if line.startswith("  ")}
    assert "█" in found["slow"]
    assert "█" not in found["quick"]
    assert "[17] (failed)" in told.out
    assert any("more (" in line for line in lines)
    assert len(lines) < 40
    assert "wait for a person (waiting)" in told.out


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_the_tree_fits_a_window_whatever_it_is(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Console, "window", columns)
    spans = [Span("a" * 16, None, "life", "invoke_workflow w", "", 1, 0.0, 90.0, "completed")]
    spans[0].spend({"input": 1_000_000, "output": 5}, 1.5)
    spans.append(Span("b" * 16, "a" * 16, "visit", "ein_sehr_langer_name_" * 4, "x", 2, 1.0, 2.0, "failed"))
    flow = workflow("nodes: {a: {run: x}}")
    trace = Trace("c" * 32, "r1@1")
    found = Traced("r1", flow, "completed", trace, spans, 90.0, children(spans), frozenset(), ((0.0, 90.0),))
    screen = Screen()
    verb._show(Console(Globals(no_color=True), screen, Screen()), found)
    assert max(map(cells.width, screen.getvalue().splitlines())) <= columns


def test_verbose_tells_every_span(tides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = magent(capsys, "trace", "r1", "-v").out
    assert all(f"[{number}]" in told for number in range(40))


def test_as_json_every_span_has_its_place(tides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = magent(capsys, "trace", "r1", "--output", "json").out
    told = json.loads(first)
    spans = {span["span_id"]: span for span in told["spans"]}
    (root,) = (span for span in spans.values() if span["parent_id"] not in spans)
    assert (root["name"], root["status"], root["critical"]) == ("invoke_workflow tides", "waiting", True)
    (model,) = (span for span in spans.values() if span["kind"] == "model")
    assert model["tokens"] == {"input": 0, "output": 0}
    assert model["content"] == {"input": "tides", "output": "It rises."}
    visit = spans[spans[model["parent_id"]]["parent_id"]]
    assert (visit["kind"], visit["path"], visit["events"][-1]["attributes"]) == (
        "visit",
        "draft",
        {"magent.next": "fan"},
    )
    ids = [span["span_id"] for span in json.loads(magent(capsys, "trace", "--output", "json").out)["spans"]]
    assert ids == [span["span_id"] for span in told["spans"]]


def test_chrome_trace_events_go_to_stdout_or_a_file(tides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(magent(capsys, "trace", "r1", "--chrome").out)
    assert {event["ph"] for event in told["traceEvents"]} == {"X", "M", "i"}
    written = magent(capsys, "trace", "r1", "--chrome", "-o", "t.json")
    assert (written.code, written.out) == (0, "")
    assert len(json.loads(tides.joinpath("t.json").read_text())["traceEvents"]) == len(told["traceEvents"])


def test_how_a_span_ended_is_told_however_long_its_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("long.yaml").write_text(f"magent: 1\nname: long\nnodes: {{{'n' * 60}: {{run: exit 3}}}}\n", "utf-8")
    assert main(["run", "long.yaml", "-q"]) == 1
    assert "nnn… (failed)  " in magent(capsys, "trace").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--output", "json", "--chrome"), "exclude each other"),
        (("-o", "x.json"), "-o names the file of --chrome"),
        (("--chrome", "-o", "no/x.json"), "cannot be written"),
        (("r2",), "r2"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    tides: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    told = magent(capsys, "trace", *words)
    assert (told.code, said in told.err) == (2, True)


def test_where_a_run_was_begun_stands_before_where_it_was_resumed(
    tides: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACEPARENT", f"00-{'a' * 32}-{'b' * 16}-01")
    assert main(["run", "tides.yaml", "--no-input", "--id", "r3", "-q"]) == 3
    monkeypatch.setenv("TRACEPARENT", f"00-{'c' * 32}-{'d' * 16}-01")
    assert main(["resume", "r3", "--no-input", "-q"]) == 3
    capsys.readouterr()
    told = magent(capsys, "trace", "r3").out.splitlines()
    at = next(at for at, line in enumerate(told) if line.startswith(f"trace {'a' * 32}"))
    assert told[at + 1 : at + 3] == [f"begun within span {'b' * 16} of that trace", f"resumed within trace {'c' * 32}"]


def many(count: int) -> list[Event]:
    """The events of a run with so many items, of two visits each."""
    names = {"id": "r1", "name": "test"}
    facts: list[tuple[str, dict[str, Any]]] = [("run.started", {"run_id": "r1", "inputs": {}, "env": {}, "run": names})]
    head = {"scope": 0, "node": "each", "path": "each"}
    facts.append(("visit.started", {**head, "visit": 1, "items": [0] * count, "need": count}))
    for number in range(count):
        for node in ("one", "two"):
            data = {"scope": number + 1, "node": node, "path": f"each[{number}]/{node}"}
            facts += [("visit.started", {**data, "visit": 1}), ("visit.completed", {**data, "output": 1, "next": None})]
    facts += [("visit.completed", {**head, "next": None}), ("run.completed", {"outputs": {}})]
    return [Event(seq, 1e9 + seq / 1000, kind, data) for seq, (kind, data) in enumerate(facts, 1)]


@pytest.mark.untraced
def test_ten_thousand_visits_are_told_in_well_under_two_seconds_and_in_a_few_lines() -> None:
    flow = workflow(
        "nodes: {each: {type: parallel, for_each: '[1]', body: one}, one: {run: x, next: two}, two: {run: y}}"
    )
    events = many(5000)
    began = time.process_time()
    found = trace_of("r1", flow, events, "completed")
    told = rows(found)
    assert time.process_time() - began < 2
    assert sum(span.kind == "visit" for span in found.spans) == 10_001
    assert len(told) < 30
    assert sum(len(row.spans) for row in told if row.summary) > 9_900


def test_in_a_terminal_signs_and_colours_tell_how_each_ended(tides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    console = Console(Globals(), screen, Screen())
    assert verb.trace(console, id="r1", output=None, chrome=False, file=None, otlp=None) == 0
    told = screen.getvalue()
    assert "⏸ tides" in told
    assert "✔ draft" in told
    assert "\x1b[" in told


def test_a_span_of_the_workflows_own_code_is_told_by_progress_and_by_runs_show(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "import magent\ndef f():\n  with magent.span('index') as span:\n    span.set('rows', 3)\n"
    here.joinpath("counting.py").write_text(code, "utf-8")
    here.joinpath("w.yaml").write_text('{magent: 1, name: w, nodes: {a: {call: "counting:f"}}}', "utf-8")
    assert "◇ a index (rows=3)" in magent(capsys, "run", "w.yaml").err
    assert "◇ index (rows=3)" in magent(capsys, "runs", "show").out
    assert "    index" in magent(capsys, "trace").out


def test_between_lives_bars_have_a_gap_and_the_head_says_both_times() -> None:
    """A span of two lives, 10 seconds apart, each of which took one."""
    lives = [
        Span("a" * 16, None, "life", "invoke_workflow w", "", 1, 0.0, 1.0, "interrupted"),
        Span("b" * 16, "a" * 16, "life", "resume w", "", 9, 11.0, 12.0, "completed"),
    ]
    fan = Span("c" * 16, "a" * 16, "visit", "fan", "fan", 2, 0.0, 12.0, "completed", gaps=[(1.0, 11.0)])
    late = Span("d" * 16, "b" * 16, "visit", "late", "late", 10, 11.5, 12.0, "completed")
    spans = [*lives, fan, late]
    within = children(spans)
    driven = ((0.0, 1.0), (11.0, 12.0))
    flow, trace = workflow("nodes: {a: {run: x}}"), Trace("e" * 32, "r1@1")
    found = Traced("r1", flow, "completed", trace, spans, 12.0, within, frozenset(critical(within, 12.0)), driven)
    screen = Screen()
    verb._show(Console(Globals(no_color=True), screen, Screen()), found)
    lines = screen.getvalue().splitlines()
    (bar,) = [line for line in lines if line.split()[1:3] == ["fan", "2.00s"]]
    filled = bar.partition("2.00s  ")[2]
    before, sign, after = filled.partition("┊")
    assert (sign, set(before + after), abs(len(before) - len(after)) <= 2) == ("┊", {"░"}, True)
    assert "took 2.00s (12.0s with gaps)" in lines[1]
    assert lines[-1] == "10.0s when nobody drove it are left out of bars and times (┊)"
