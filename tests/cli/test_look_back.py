"""Looking back: `runs`, `checkpoints` and `respond --list`, on screens of three widths and in a pipe."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from magent.cli.main import main
from tests.cli.helpers import ROOT, magent, process
from tests.terminal import Golden, Terminal

REVIEW = """
    magent: 1
    name: review
    checkpoints: {every: 5}
    state:
      log: {reduce: append, default: []}
      score: {reduce: max, default: 0}
      notes: {reduce: merge, default: {}}
    agents: {writer: {replies: ["Tides rise.\\nTides fall.", "Tides rise, and fall, twice a day."]}}
    nodes:
      draft:
        prompt: Write about tides
        agent: writer
        set: {log: "draft {{ nodes.draft.visits }}", score: "{{ nodes.draft.visits * 3 }}"}
        next: check
      check: {type: condition, next: [{when: "state.score < 6", loop_back: draft, max: 3}, {to: fan}]}
      fan: {type: parallel, branches: [tests, lint], next: each}
      tests: {set: {log: tests, notes: {tests: {ok: 12}}}}
      lint: {set: {log: lint, notes: {lint: {ok: true}}}}
      each: {type: parallel, for_each: [a, b], body: count, next: sign_off}
      count: {set: {log: "item {{ item }}"}}
      sign_off:
        type: human_input
        input: approval
        prompt: "Publish [bold]it[/bold]?"
        context: {draft: "{{ state.draft }}"}
        timeout: 2d
        default: true
        next: done
      done: {run: "echo tides > tides.txt", cwd: "{{ run.workspace }}"}
    outputs: {text: "{{ state.draft }}", log: "{{ state.log }}"}
"""
ITEMS = """
    magent: 1
    name: 東京の天気レポート
    nodes:
      each: {type: parallel, for_each: "range(500) | list", body: work, on_branch_error: collect, next: lint}
      work: {type: condition, next: [{when: "item % 100 == 7", to: bad}, {to: good}]}
      bad: {set: {y: "{{ [1] | first + 'x' }}"}}
      good: {set: {y: "{{ item }}"}}
      lint: {run: "echo 'line 7 is too long, and so is this message of the program that looks at it' >&2; exit 3"}
"""
DONE, WAITS, FAILED = "20260101-000000-d01e", "20260101-000000-3a17", "20260101-000000-fa11"
SCREENS = {
    "list": ["runs"],
    "show_completed": ["runs", "show", DONE],
    "show_failed": ["runs", "show", FAILED],
    "show_waiting": ["runs", "show", WAITS],
    "history": ["runs", "history", DONE],
    "explain": ["explain", DONE],
    "checkpoints": ["checkpoints", "list", DONE],
    "checkpoint": ["checkpoints", "show", DONE, "10"],
    "diff": ["diff", DONE, WAITS],
    "stats": ["stats"],
    "respond_list": ["respond", "--list"],
}
SCRIPT = """
import sys
from magent.cli.main import main
for words in {screens!r}:
    main(words)
    sys.stderr.flush()
    print("=" * 20, flush=True)
"""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with a run that is done, one that waits, one that failed and one whose record is damaged."""
    place, before = tmp_path_factory.mktemp("shelf"), Path.cwd()
    for name, text in (("review", REVIEW), ("items", ITEMS)):
        place.joinpath(f"{name}.yaml").write_text(dedent(text), "utf-8")
    os.chdir(place)
    try:
        assert main(["-q", "run", "review.yaml", "--use-defaults", "--id", DONE]) == 0
        assert main(["-q", "run", "review.yaml", "--no-input", "--id", WAITS]) == 3
        assert main(["-q", "run", "items.yaml", "--id", FAILED]) == 1
        assert main(["-q", "run", "items.yaml", "--id", "broken"]) == 1
        place.joinpath(".magent/runs/broken/run.json").write_text("{}")
        yield place
    finally:
        os.chdir(before)


@pytest.fixture
def there(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(shelf)
    return shelf


def _steady(line: str) -> str:
    """Without sizes and times of another form than the golden screens know."""
    line = re.sub(r" *\b\d+(\.\d)? k?B\b", " 0 B", line)
    line = re.sub(r"^( +worked .*s) +[+-]\d+%$", r"\1", line)  # on a machine that was busy with one of the two
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.Z…]*", "2026-01-01T…", line)


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_every_screen_fits_the_window(columns: int, there: Path, golden: Golden) -> None:
    script = SCRIPT.format(screens=list(SCREENS.values()))
    with Terminal([sys.executable, "-c", script], columns=columns, rows=400, cwd=there) as terminal:
        assert terminal.end() == 0
        lines = iter(terminal.history)
    for name in SCREENS:
        screen = list(iter(lambda: next(lines), "=" * 20))
        golden(f"look_{name}_{columns}", [_steady(line) for line in screen])


def test_a_pipe_gets_words_and_no_window(there: Path) -> None:
    outcome = process("runs", "list")
    assert outcome.code == 0
    assert "\x1b" not in outcome.out
    row = next(line for line in outcome.out.splitlines() if line.startswith(FAILED))
    assert row.split()[1:3] == ["failed", "東京の天気レポート"]
    assert re.search(r" \d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", row)


@pytest.mark.parametrize("sought", ["fa11", "20260101-000000-f", FAILED])
def test_a_run_is_named_by_what_is_unique_of_its_id(sought: str, there: Path, capsys: Any) -> None:
    for verb in (["runs", "show"], ["runs", "history"], ["checkpoints", "list"], ["checkpoints", "show"]):
        assert magent(capsys, *verb, sought).code == 0


@pytest.mark.parametrize(
    "verb",
    [["runs", "show"], ["runs", "history"], ["runs", "cancel"], ["runs", "rm"], ["checkpoints", "list"], ["respond"]],
)
def test_a_misspelt_id_gets_the_nearest_and_a_short_one_its_candidates(
    verb: list[str], there: Path, capsys: Any
) -> None:
    assert "did you mean 'latest'?" in magent(capsys, *verb, "latset").err
    ambiguous = magent(capsys, *verb, "2026")
    assert ambiguous.code == 2
    assert f"{DONE}" in ambiguous.err


@pytest.mark.parametrize("verb", [["runs", "show"], ["runs", "history"], ["runs", "cancel"]])
def test_a_damaged_run_says_what_to_do(verb: list[str], there: Path, capsys: Any) -> None:
    there.joinpath(".magent/runs/broken/journal.jsonl").write_bytes(b"{}\n")
    outcome = magent(capsys, *verb, "broken")
    assert outcome.code == 5
    assert "internal error" not in outcome.err


def test_no_run_of_a_workflow_names_the_nearest(there: Path, capsys: Any) -> None:
    outcome = magent(capsys, "runs", "--workflow", "reveiw")
    assert (outcome.code, outcome.out) == (0, "")
    assert "did you mean 'review'?" in outcome.err
    assert "did you mean 'waiting'?" in magent(capsys, "runs", "--status", "wating").err


def test_the_run_shown_as_json_has_all_there_is(there: Path, capsys: Any) -> None:
    shown = json.loads(magent(capsys, "runs", "show", FAILED, "--output", "json").out)
    assert len(shown["visits"]) == 1502 - 500
    assert shown["files"] == []
    assert json.loads(magent(capsys, "runs", "show", DONE, "--output", "json").out)["files"] == [
        {"path": "tides.txt", "size": 6}
    ]


def test_with_verbose_nothing_is_left_out(there: Path, capsys: Any) -> None:
    assert "[250]" not in magent(capsys, "runs", "show", FAILED).out
    assert "[250]" in magent(capsys, "runs", "show", FAILED, "-v").out


def test_the_history_as_json_has_whole_values(there: Path, capsys: Any) -> None:
    steps = json.loads(magent(capsys, "runs", "history", DONE, "--output", "json").out)
    assert steps[0]["status"] == "begins"
    second = next(step for step in steps if (step["path"], step["visit"]) == ("draft", 2))
    assert {"what": "add", "path": "log[1]", "after": "draft 2"} in second["changes"]
    assert {"what": "change", "path": "score", "before": 3, "after": 6} in second["changes"]
    inner = next(step for step in steps if step["path"] == "each[1]/count")
    assert inner["scope"] == "item 1 of each"


def test_the_history_of_one_node_or_since_an_event(there: Path, capsys: Any) -> None:
    def seqs(*words: str) -> list[int]:
        told = magent(capsys, "runs", "history", DONE, "--output", "json", *words).out
        return [step["seq"] for step in json.loads(told)]

    assert seqs("--node", "draft") == [3, 7]
    assert seqs("--node", "each[1]/count") == [15]
    assert seqs("--since", "17") == [19, 21]
    assert seqs("--since", "1000") == []
    assert "did you mean 'draft'?" in magent(capsys, "runs", "history", DONE, "--node", "drat").err


def test_a_checkpoint_and_the_events_give_the_same_state(there: Path, capsys: Any) -> None:
    listed = json.loads(magent(capsys, "checkpoints", "list", DONE, "--output", "json").out)
    assert [each["sound"] for each in listed] == [True] * len(listed)
    seq = str(listed[-1]["seq"])
    words = ("checkpoints", "show", DONE, seq, "--output", "json")
    kept = json.loads(magent(capsys, *words).out)
    place = there / f".magent/runs/{DONE}/checkpoints" / f"{int(seq):08d}.json"
    place.rename(place.with_suffix(".away"))
    try:
        folded = json.loads(magent(capsys, *words).out)
    finally:
        place.with_suffix(".away").rename(place)
    assert (kept.pop("checkpoint"), folded.pop("checkpoint")) == (True, False)
    assert kept == folded
    assert kept["state"]["score"] == 6


@pytest.mark.parametrize(("seq", "said"), [("0", "from 1 to"), ("99", "checkpoints of 5, "), ("five", "not 'five'")])
def test_an_event_that_is_none_is_bad_usage(seq: str, said: str, there: Path, capsys: Any) -> None:
    outcome = magent(capsys, "checkpoints", "show", DONE, seq)
    assert outcome.code == 2
    assert said in outcome.err


def test_what_waits_is_told_with_the_command_that_answers(there: Path, capsys: Any) -> None:
    (asked,) = json.loads(magent(capsys, "respond", "--list", "--output", "json").out)
    assert asked["command"] == f"magent respond {WAITS} sign_off --approve"
    assert asked["command"] in magent(capsys, "respond", "--list").out
    assert re.match(r"\d{4}-\d\d-\d\dT", asked["since"])


def test_the_list_loads_no_engine(there: Path) -> None:
    script = "import sys; from magent.cli.main import main; main(['-q', 'runs']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=there,
                          env={**os.environ, "PYTHONPATH": ROOT})  # fmt: skip
    loaded = set(done.stderr.split())
    assert "magent.stores.file" in loaded
    assert not {name for name in loaded if name.startswith(("magent.app", "magent.engine", "magent.human", "rich"))}


def test_a_question_on_another_terminal_is_shown_and_answered_from_here(here: Path, capsys: Any) -> None:
    here.joinpath("ask.yaml").write_text(
        "magent: 1\nname: w\nnodes:\n  ask: {type: human_input, input: feedback, prompt: How?, next: again}\n"
        "  again: {type: human_input, input: feedback, prompt: And now?}\n"
    )
    with Terminal.magent("run", "ask.yaml", "--id", "r1", cwd=here) as terminal:
        terminal.wait("How?")
        while "ask" not in (told := magent(capsys, "runs", "show", "r1").out):
            terminal.read()
        assert "running" in told
        assert "magent respond r1 ask --text" in told
        assert "where it may be asked as well: the first answer counts" in told
        assert "magent runs cancel r1" in told
        assert "How?" in magent(capsys, "respond", "--list").out
        answered = magent(capsys, "respond", "r1", "ask", "--text", "well", "--by", "ann")
        assert (answered.code, "whoever drives the run goes on with it" in answered.err) == (0, True)
        terminal.wait("'ask' is no longer asked: answered by ann (command)")
        terminal.wait("And now?")
        late = magent(capsys, "respond", "r1", "ask", "--text", "badly")
        assert (late.code, "'ask' of run r1 is answered already, by ann at 20" in late.err) == (2, True)
        assert magent(capsys, "runs", "cancel", "r1").code == 0
        assert terminal.end() == 1
        assert "'again' is no longer asked" in terminal.text


ONCE = """
    magent: 1
    name: once
    nodes:
      score: {type: parallel, branches: [rules, style], next: each}
      rules: {run: "echo 7"}
      style: {run: "echo 8"}
      each: {type: parallel, for_each: "range(10)", body: cheer, next: tail}
      cheer: {run: "echo hi"}
      tail: {type: subgraph, uses: more}
    subgraphs:
      more:
        nodes:
          a: {set: {x: 1}, next: b}
          b: {set: {x: 2}, next: c}
          c: {set: {x: 3}, next: d}
          d: {set: {x: 4}}
"""


def test_the_history_tells_a_change_once(here: Path, capsys: Any) -> None:
    here.joinpath("once.yaml").write_text(dedent(ONCE), "utf-8")
    assert main(["-q", "run", "once.yaml", "--id", "once"]) == 0
    told = magent(capsys, "runs", "history", "once", "--node", "score").out.splitlines()
    assert told[1:] == [
        '       + rules: {"exit_code": 0, "data": "7"}',
        '       + style: {"exit_code": 0, "data": "8"}',
        '       + score: {"rules": "…", "style": "…"}',
    ]
    whole = json.loads(magent(capsys, "runs", "history", "once", "--node", "score", "--output", "json").out)
    assert whole[0]["changes"][-1]["after"]["rules"]["stdout"] == "7\n"


def test_many_rows_that_went_well_are_told_by_the_node_around_them(here: Path, capsys: Any) -> None:
    here.joinpath("once.yaml").write_text(dedent(ONCE), "utf-8")
    assert main(["-q", "run", "once.yaml", "--id", "once"]) == 0
    told = magent(capsys, "runs", "show", "once").out
    assert "10 items of cheer" in told
    assert "[3]" not in told
    assert "[3] cheer" in magent(capsys, "runs", "show", "once", "-v").out


def test_what_holds_a_question_waits(there: Path, capsys: Any) -> None:
    there.joinpath("held.yaml").write_text(
        "{magent: 1, name: held, nodes: {p: {type: parallel, branches: [q]}, q: {type: human_input, input: approval}}}"
    )
    assert main(["-q", "run", "held.yaml", "--no-input", "--id", "held"]) == 3
    shown = json.loads(magent(capsys, "runs", "show", "held", "--output", "json").out)
    assert {visit["path"]: visit["status"] for visit in shown["visits"]} == {"p": "waiting", "q": "waiting"}
    assert main(["runs", "rm", "held", "--yes"]) == 0


def test_a_damaged_run_without_checkpoints_is_not_called_short(here: Path, capsys: Any) -> None:
    here.joinpath("one.yaml").write_text("{magent: 1, name: one, nodes: {a: {set: {x: 1}}}}")
    assert main(["-q", "run", "one.yaml", "--id", "one"]) == 0
    assert "it is short" in magent(capsys, "checkpoints", "list", "one").err
    here.joinpath(".magent/runs/one/journal.jsonl").write_bytes(b"{}\n")
    outcome = magent(capsys, "checkpoints", "list", "one")
    assert outcome.code == 5
    assert "it is short" not in outcome.err
