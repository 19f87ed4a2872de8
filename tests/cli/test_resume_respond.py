"""`magent resume`, `magent respond`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.cli.helpers import magent


@pytest.fixture
def waiting(demo: Path, capsys: Any) -> str:
    """The id of a run that waits at sign_off."""
    assert magent(capsys, "run", "demo.yaml", "-i", "topic=x", "--id", "20260101-000000-abcd", "--no-input").code == 3
    return "20260101-000000-abcd"


def test_without_an_answer_it_shows_what_is_asked(waiting: str, capsys: Any) -> None:
    outcome = magent(capsys, "respond", waiting)
    assert outcome.code == 0
    assert "\nsign_off (approval)\n" in outcome.out
    assert "\n  Publish [bold]it[/bold]?\n" in outcome.out
    assert f"magent respond {waiting} sign_off --approve" in outcome.out


def test_what_is_asked_is_shown_as_json(waiting: str, capsys: Any) -> None:
    (question,) = json.loads(magent(capsys, "respond", waiting, "--output", "json").out)
    assert (question["node"], question["input"], question["run_id"]) == ("sign_off", "approval", waiting)


def test_everything_that_waits_is_listed(waiting: str, capsys: Any) -> None:
    assert waiting in magent(capsys, "respond", "--list").out
    (question,) = json.loads(magent(capsys, "respond", "--list", "--output", "json").out)
    assert question["workflow"] == "demo"


def test_what_a_run_asked_when_it_was_killed_is_listed_too(waiting: str, capsys: Any) -> None:
    run = Path(f".magent/runs/{waiting}")
    *lines, last = (run / "journal.jsonl").read_text("utf-8").splitlines(keepends=True)
    assert '"run.waiting"' in last
    (run / "journal.jsonl").write_text("".join(lines), "utf-8")
    for kept in (run / "result.json", *run.glob("checkpoints/*")):
        kept.unlink()
    assert magent(capsys, "runs", "list", "--status", "interrupted").out
    assert f"magent respond {waiting} " in magent(capsys, "respond", "--list").out
    assert f"magent respond {waiting} " in magent(capsys, "runs", "show", waiting).out


def test_nothing_that_waits_is_said_on_stderr(here: Path, capsys: Any) -> None:
    outcome = magent(capsys, "respond", "--list")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "nothing waits for an answer\n")


def test_nothing_that_waits_where_not_all_can_be_read_is_not_said_of_all(waiting: str, capsys: Any) -> None:
    Path(f".magent/runs/{waiting}/run.json").write_text("{}")
    told = magent(capsys, "respond", "--list").err.splitlines()
    assert told[0] == "nothing waits for an answer in the runs that can be read"
    assert told[1].startswith("magent: 1 run is damaged: what waits there")


TWO = """
    magent: 1
    name: two
    nodes:
      fan: {type: parallel, branches: [a, b]}
      a: {type: human_input, input: approval, prompt: "A?", assignee: ann, timeout: 2d}
      b: {type: human_input, input: approval, prompt: "B?"}
"""


def test_of_two_questions_none_is_answered_by_chance_and_each_says_whose_it_is(here: Path, capsys: Any) -> None:
    here.joinpath("two.yaml").write_text(dedent(TWO))
    asked = magent(capsys, "run", "two.yaml", "--no-input", "--id", "t1").err.splitlines()
    at = asked.index("⏸ a waits: A?")
    assert re.fullmatch(r"  until \S+ \S+ \((1d 23h|2d 0h) left\), assigned to ann", asked[at + 1])
    assert asked[at + 2 : at + 4] == ["  magent respond t1 a --approve", "⏸ b waits: B?"]
    refused = magent(capsys, "respond", "t1", "--approve")
    assert (refused.code, refused.err.splitlines()) == (
        2,
        ["magent: run t1 waits for 2 answers: a, b", "  name the one you mean: magent respond t1 a …"],
    )
    assert len(json.loads(magent(capsys, "respond", "--list", "--output", "json").out)) == 2
    assert magent(capsys, "respond", "t1", "b", "--approve").code == 0
    assert magent(capsys, "respond", "t1", "--approve").code == 0  # there is but one


def test_an_answer_is_kept_and_resume_goes_on_with_it(waiting: str, capsys: Any) -> None:
    outcome = magent(capsys, "respond", "latest", "--reject", "--comment", "not yet", "--by", "ann")
    assert outcome.code == 0
    assert "still waits" not in outcome.err
    assert f"magent resume {waiting}" in outcome.err
    result = json.loads(magent(capsys, "resume", "--output", "json").out)
    assert result["outputs"]["published"] is False
    answered = [
        json.loads(line)
        for line in Path(f".magent/runs/{waiting}/journal.jsonl").read_text("utf-8").splitlines()
        if '"visit.answered"' in line
    ]
    answer = answered[0]["answer"]
    assert (answer["by"], answer["comment"], answer["via"]) == ("ann", "not yet", "command")


def test_an_answer_goes_on_at_once_with_resume(waiting: str, capsys: Any) -> None:
    outcome = magent(capsys, "respond", "abcd", "sign_off", "--approve", "--resume", "--output", "json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["outputs"]["published"] is True


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rate", "3"], "--rate"),
        (["--approve", "--reject"], "--approve and --reject"),
        (["--answer", "{broken"], "--answer"),
        (["--answer", '{"approved": "perhaps"}'], "approved"),
        (["sign_of", "--approve"], "sign_off"),
        (["--comment", "hm"], "--comment"),
        (["--resume"], "--resume needs an answer"),
        (["--approve", "--output", "jsonl"], "--output takes text or json"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_and_nothing_is_lost(
    words: list[str], said: str, waiting: str, capsys: Any
) -> None:
    outcome = magent(capsys, "respond", waiting, *words)
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err
    assert magent(capsys, "respond", waiting, "--approve").code == 0


def test_a_run_that_waits_for_nobody_is_bad_usage(demo: Path, capsys: Any) -> None:
    magent(capsys, "run", "failing.yaml", "--id", "f1")
    outcome = magent(capsys, "respond", "f1", "--approve")
    assert outcome.code == 2
    assert "magent runs show f1" in outcome.err


@pytest.mark.parametrize(
    "words", [["respond"], ["respond", "nobody"], ["resume", "nobody"], ["runs", "show", "nobody"]]
)
def test_an_unknown_run_is_bad_usage(words: list[str], demo: Path, capsys: Any) -> None:
    assert magent(capsys, *words).code == 2


def test_list_goes_with_no_run(waiting: str, capsys: Any) -> None:
    assert magent(capsys, "respond", waiting, "--list").code == 2


def test_two_questions_need_a_name(here: Path, capsys: Any) -> None:
    here.joinpath("workflow.yaml").write_text(
        "magent: 1\nname: two\nnodes:\n"
        "  each: {type: parallel, for_each: [a, b], body: ask}\n"
        '  ask: {type: human_input, input: choice, options: [red, blue], prompt: "{{ item }}?"}\n'
    )
    assert magent(capsys, "run", "--id", "two").code == 3
    outcome = magent(capsys, "respond", "two", "--choose", "red")
    assert outcome.code == 2
    assert "each[0]/ask, each[1]/ask" in outcome.err
    outcome = magent(capsys, "respond", "two", "each[1]/ask", "--choose", "red")
    assert outcome.code == 0
    assert "it still waits at each[0]/ask" in outcome.err
    assert "each[1]/ask" not in magent(capsys, "respond", "two").out
    words = ("respond", "two", "--choose", "blue", "--resume", "--output", "json")
    assert json.loads(magent(capsys, *words).out)["status"] == "completed"


def test_resume_of_a_completed_run_says_so_with_0(demo: Path, capsys: Any) -> None:
    magent(capsys, "run", "demo.yaml", "-i", "topic=x", "--use-defaults", "--id", "c1")
    outcome = magent(capsys, "resume", "c1", "--output", "json")
    assert outcome.code == 0
    assert "completed already" in outcome.err
    assert magent(capsys, "-q", "resume", "c1").err == ""  # cron mails what is said
    assert json.loads(outcome.out)["outputs"]["published"] is True


def test_resume_tries_again_what_failed(demo: Path, capsys: Any) -> None:
    demo.joinpath("flaky.yaml").write_text("magent: 1\nname: flaky\nnodes: {a: {run: 'test -f ready'}}\n")
    assert magent(capsys, "run", "flaky.yaml", "--id", "k1").code == 1
    demo.joinpath("ready").touch()
    assert magent(capsys, "resume", "k1").code == 0


def test_a_limit_that_was_reached_is_raised_on_resume(demo: Path, capsys: Any) -> None:
    assert magent(capsys, "run", "demo.yaml", "-i", "topic=x", "--limit", "steps=2", "--id", "l1").code == 4
    assert magent(capsys, "resume", "l1", "--limit", "steps=20", "--use-defaults").code == 0


def test_a_store_is_named_by_flag_or_environment(demo: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    magent(capsys, "--store", "file:elsewhere", "run", "failing.yaml", "--id", "e1")
    assert demo.joinpath("elsewhere/runs/e1/run.json").is_file()
    assert magent(capsys, "runs", "show", "e1").code == 2
    monkeypatch.setenv("MAGENT_STORE", "file:elsewhere")
    assert magent(capsys, "runs", "show", "e1").code == 0


def test_a_run_that_has_all_its_answers_says_so_and_reads_the_same_everywhere(waiting: str, capsys: Any) -> None:
    assert magent(capsys, "respond", waiting, "--approve").code == 0
    again = magent(capsys, "respond", waiting, "--reject")
    assert again.code == 2
    assert f"'sign_off' of run {waiting} is answered already, by " in again.err
    assert f"(command)\n  magent resume {waiting}" in again.err
    (listed,) = json.loads(magent(capsys, "runs", "list", "--output", "json").out)
    shown = json.loads(magent(capsys, "runs", "show", "--output", "json").out)
    assert (shown["status"], shown["exit_code"], shown["waiting"]) == (listed["status"], 130, [])


def test_who_answers_may_stand_in_the_answer(waiting: str, capsys: Any) -> None:
    words = ["respond", waiting, "--answer", '{"approved": true, "by": "eve"}', "--resume", "--output", "json"]
    assert magent(capsys, *words).code == 0
    journal = Path(f".magent/runs/{waiting}/journal.jsonl").read_text("utf-8")
    assert '"by":"eve"' in journal


def test_commands_to_type_next_name_the_store_that_was_named(demo: Path, capsys: Any) -> None:
    run = ["run", "demo.yaml", "-i", "topic=x", "--id", "r1", "--no-input", "--store", "file:elsewhere"]
    outcome = magent(capsys, *run, "--output", "json")
    (question,) = json.loads(outcome.out)["waiting"]
    assert question["command"] == f"magent respond r1 sign_off --approve --store file:{demo}/elsewhere"
    assert "magent resume r1 --store file:elsewhere   goes on" in outcome.err
    outcome = magent(capsys, *question["command"].split()[1:])
    assert outcome.code == 0
    assert f"magent resume r1 --store file:{demo}/elsewhere   goes on" in outcome.err


def test_commands_leave_out_a_store_that_is_found_anyway(
    demo: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGENT_STORE", "file:elsewhere")
    outcome = magent(capsys, "run", "demo.yaml", "-i", "topic=x", "--no-input", "--output", "json")
    assert "--store" not in json.loads(outcome.out)["waiting"][0]["command"]
    assert "--store" not in outcome.err


def test_a_secret_in_an_answer_is_masked(here: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSE_KEY", "key-of-the-house")
    text = "magent: 1\nname: s\nsecrets: [HOUSE_KEY]\nnodes: {ask: {type: human_input, input: feedback}}\n"
    here.joinpath("workflow.yaml").write_text(text)
    assert magent(capsys, "run", "--id", "s1", "--store", "file:own").code == 3
    assert magent(capsys, "respond", "s1", "--text", "it is key-of-the-house", "--store", "file:own").code == 0
    assert "key-of-the-house" not in here.joinpath("own", "runs", "s1", "journal.jsonl").read_text("utf-8")


def test_the_flag_that_raises_a_limit_is_in_the_command_to_type_next(demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "run", "demo.yaml", "-i", "topic=x", "--use-defaults", "--limit", "steps=2", "--id", "r1")
    assert outcome.code == 4
    assert "magent resume r1 --limit steps=4   goes on" in outcome.err


def test_a_question_with_a_deadline_says_until_when(here: Path, capsys: Any) -> None:
    text = "magent: 1\nname: d\nnodes: {ask: {type: human_input, input: approval, timeout: 1d, assignee: ann}}\n"
    here.joinpath("workflow.yaml").write_text(text)
    assert magent(capsys, "run", "--store", "file:own").code == 3
    assert ", until 20" in magent(capsys, "respond", "latest", "--store", "file:own").out
    (asked,) = json.loads(magent(capsys, "respond", "--list", "--store", "file:own", "--output", "json").out)
    assert (asked["assignee"], asked["deadline"][:2], asked["command"][:14]) == ("ann", "20", "magent respond")
