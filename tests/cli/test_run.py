"""`magent run`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.cli.helpers import ROOT, magent

RESULT_KEYS = [
    "run_id", "workflow", "status", "exit_code", "outputs", "path", "waiting", "error", "steps", "duration", "tokens",
    "cost_usd", "dir",
]  # fmt: skip


def test_a_run_prints_its_outputs_on_stdout_and_the_rest_on_stderr(demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "run", "demo.yaml", "-i", "topic=tides", "--use-defaults")
    assert outcome.code == 0
    assert outcome.out == "text: |-\n  Tides rise.\n  Tides fall.\npublished: true\n"
    for said in ("▶ draft (agent writer)", "▶ each (2 items)", "✔ each[1]/count", "✔ completed: "):
        assert said in outcome.err


def test_the_file_is_workflow_yaml_where_none_is_named(demo: Path, capsys: Any) -> None:
    demo.joinpath("demo.yaml").rename("workflow.yaml")
    assert magent(capsys, "run", "-i", "topic=tides", "--use-defaults", "-q").code == 0


def test_a_file_that_is_not_there_is_bad_usage(here: Path, capsys: Any) -> None:
    outcome = magent(capsys, "run", "nowhere.yaml", "--output", "json")
    assert (outcome.code, outcome.out) == (2, "")
    assert "nowhere.yaml" in outcome.err


def test_json_is_one_object_with_the_documented_keys(demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "run", "demo.yaml", "-i", "topic=tides", "--use-defaults", "--output", "json")
    result = json.loads(outcome.out)
    assert list(result) == RESULT_KEYS
    assert result["status"] == "completed"
    first, *items, last, asked, end = result["path"]  # which item is done first is a matter of luck
    assert [first, *sorted(items), last, asked, end] == [
        "draft",
        *("each[0]/count", "each[1]/count"),
        *("each", "sign_off", "done"),
    ]
    assert result["outputs"] == {"text": "Tides rise.\nTides fall.", "published": True}
    assert "▶ draft" in outcome.err


def test_a_failed_run_prints_its_object_too(demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "run", "failing.yaml", "--output", "json")
    result = json.loads(outcome.out)
    assert outcome.code == result["exit_code"] == 1
    assert (result["status"], result["error"]["type"], result["error"]["node"]) == ("failed", "exit", "lint")
    assert f"magent resume {result['run_id']}" in outcome.err


def test_json_lines_are_the_events_and_the_streamed_text(demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "run", "demo.yaml", "-i", "topic=x", "--use-defaults", "--output", "jsonl", "--id", "r1")
    events = [json.loads(line) for line in outcome.out.splitlines()]
    assert events[0]["type"] == "run.started"
    assert events[-1]["type"] == "run.completed"
    assert events[-1]["outputs"]["published"] is True
    assert "".join(event["text"] for event in events if event["type"] == "text" and event["path"] == "draft") == (
        "Tides rise.\nTides fall."
    )
    journal = Path(".magent/runs/r1/journal.jsonl").read_text("utf-8").splitlines()
    kept = [{key: value for key, value in json.loads(line).items() if key != "sum"} for line in journal]
    assert [event for event in events if event["type"] != "text"] == kept


def test_json_lines_leave_text_out_with_no_stream(demo: Path, capsys: Any) -> None:
    words = ("run", "demo.yaml", "-i", "topic=x", "--use-defaults", "--output", "jsonl", "--no-stream")
    assert '"type": "text"' not in magent(capsys, *words).out


def test_streamed_text_is_told_on_stderr_when_asked_for(demo: Path, capsys: Any) -> None:
    words = ("run", "demo.yaml", "-i", "topic=x", "--use-defaults")
    assert "draft │ Tides rise." not in magent(capsys, *words).err
    assert "draft │ Tides rise." in magent(capsys, *words, "--stream").err
    assert "draft │ Tides rise." in magent(capsys, *words, "-v").err


def test_quiet_says_nothing_of_a_run_that_goes_well(demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "-q", "run", "demo.yaml", "-i", "topic=x", "--use-defaults")
    assert outcome.err == ""
    assert outcome.out != ""


def test_quiet_still_says_what_failed_and_what_to_do(demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "-q", "run", "failing.yaml")
    assert "exit at lint" in outcome.err
    assert "magent resume " in outcome.err
    assert "▶" not in outcome.err


def test_an_invalid_file_is_shown_with_place_and_caret_and_nothing_runs(demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "run", "invalid.yaml")
    assert (outcome.code, outcome.out) == (2, "")
    assert "invalid.yaml:5:" in outcome.err
    assert "^" in outcome.err
    assert "did you mean 'second'?" in outcome.err
    assert not demo.joinpath(".magent").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "magent: input 'topic' (text) is missing: What it is about\n  write -i topic=…"),
        (["-i", "topci=x"], "did you mean 'topic'?"),
        (["-i", "topic=x", "-i", "count=many"], "input 'count' must be an integer"),
        (["-i", "topic=x", "--output", "jsn"], "--output takes text, json or jsonl, not 'jsn'"),
        (["-i", "topic=x", "--durability", "none"], "--durability takes sync, async or exit"),
        (["-i", "topic=x", "--limit", "money=3"], "--limit knows"),
        (["-i", "topic=x", "--max-concurrency", "0"], "--max-concurrency takes a whole number of at least 1"),
        (["-i", "topic=x", "--stop-after", "drft"], "drft"),
        (["-i", "topic=x", "--agent", "wrtr=local"], "wrtr"),
        (["-i", "topic=x", "--id", "../x"], "../x"),
        (
            ["-i", "topic=x", "--answers", "nowhere.yaml"],
            "--answers: nowhere.yaml cannot be read: there is no such file",
        ),
        (["-i", "topic=x", "--inputs", "nowhere.yaml"], "--inputs: nowhere.yaml cannot be read: there is no such file"),
        (["-i", "topic=x", "--store", "ftp://x"], "ftp"),
    ],
)
def test_bad_usage_is_told_before_anything_runs(words: list[str], said: str, demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "run", "demo.yaml", *words)
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err
    assert "Traceback" not in outcome.err
    assert not list(demo.glob(".magent/runs/*"))


def test_an_id_that_is_taken_is_bad_usage(demo: Path, capsys: Any) -> None:
    words = ("run", "demo.yaml", "-i", "topic=x", "--use-defaults", "--id", "mine")
    assert magent(capsys, *words).code == 0
    assert magent(capsys, *words).code == 2


def test_a_waiting_run_ends_with_3_and_the_command_that_answers(demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "run", "demo.yaml", "-i", "topic=x", "--id", "w1", "--no-input")
    assert outcome.code == 3
    assert "magent respond w1 sign_off --approve" in outcome.err
    assert "Publish [bold]it[/bold]?" in outcome.err
    assert outcome.out == ""


def test_answers_come_from_a_file(demo: Path, capsys: Any) -> None:
    demo.joinpath("answers.yaml").write_text("sign_off: false\n")
    outcome = magent(capsys, "run", "demo.yaml", "-i", "topic=x", "--answers", "answers.yaml", "--output", "json")
    assert json.loads(outcome.out)["outputs"]["published"] is False


@pytest.mark.parametrize("text", ["sign_of: true\n", "sign_off: maybe\n", "sign_off: [\n", "- true\n"])
def test_answers_that_cannot_fit_are_shown_with_their_place(text: str, demo: Path, capsys: Any) -> None:
    demo.joinpath("answers.yaml").write_text(text)
    outcome = magent(capsys, "run", "demo.yaml", "-i", "topic=x", "--answers", "answers.yaml")
    assert outcome.code == 2
    assert "answers.yaml" in outcome.err
    assert "Traceback" not in outcome.err


CAST = """
    magent: 1
    name: cast
    inputs: {task: {type: string}, skill: {type: string, default: python}}
    agents: {one: {replies: [x]}, two: {replies: [x]}}
    defaults: {agent: one}
    roles:
      dev: {skills: [python], agent: two}
      guard: {skills: [security], description: Finds holes.}
    nodes:
      named: {prompt: hi, role: dev, next: skilled}
      skilled: {prompt: hi, route: {skills: ["{{ inputs.skill }}"]}, next: worded}
      worded: {prompt: "{{ inputs.task }}", route: {}, next: later}
      later: {prompt: "{{ state.named }}", route: {}, next: last}
      last: {prompt: hi, role: "{{ state.named }}", next: own}
      own: {prompt: hi}
"""


def test_a_dry_run_names_roles_and_who_plays_them_where_that_can_be_known(here: Path, capsys: Any) -> None:
    here.joinpath("workflow.yaml").write_text(dedent(CAST))
    outcome = magent(capsys, "run", "-i", "task=find the holes", "--dry-run", "--output", "json")
    told = {each["node"]: each for each in json.loads(outcome.out)["order"]}
    assert {name: (each.get("role"), each["agent"]) for name, each in told.items()} == {
        "named": ("dev", "two"),
        "skilled": ("dev", "two"),
        "worded": ("guard", "one"),
        "later": (None, None),
        "last": ("{{ state.named }}", None),
        "own": (None, "one"),
    }
    assert "role" not in told["own"]
    assert told["later"]["route"] == {}


def test_a_dry_run_shows_the_plan_and_runs_nothing(demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "run", "demo.yaml", "-i", "topic=tides", "--dry-run", "--output", "json")
    plan = json.loads(outcome.out)
    assert outcome.code == 0
    assert plan["order"][0]["node"] == "draft"
    assert not list(demo.glob(".magent/runs/*"))


def test_stop_after_leaves_it_interrupted_with_0(demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "run", "demo.yaml", "-i", "topic=x", "--stop-after", "draft", "--output", "json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["status"] == "interrupted"
    assert "magent resume" in outcome.err


def test_a_limit_ends_with_4_and_names_the_flag(demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "run", "demo.yaml", "-i", "topic=x", "--limit", "steps=1")
    assert outcome.code == 4
    assert "--limit steps" in outcome.err


def test_inputs_come_from_files_and_stdin(demo: Path) -> None:
    demo.joinpath("in.json").write_text('{"topic": "from file", "count": 1}')
    command = [sys.executable, "-m", "magent", "run", "demo.yaml", "--inputs", "in.json", "-i", "topic=-", "--dry-run"]
    done = subprocess.run(
        [*command, "--output", "json"], input="flût\n", capture_output=True, text=True, check=True, env=_environment()
    )
    assert json.loads(done.stdout)["inputs"] == {"topic": "flût\n", "count": 1}


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": ROOT + os.pathsep + os.environ.get("PYTHONPATH", "")}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_run_that_can_be_resumed(number: signal.Signals, code: int, here: Path, capsys: Any) -> None:
    here.joinpath("workflow.yaml").write_text("magent: 1\nname: slow\nnodes: {a: {run: 'touch begun; sleep 60'}}\n")
    command = [sys.executable, "-m", "magent", "run", "--id", "s1", "--output", "jsonl"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment()
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if json.loads(line)["type"] == "visit.started":
                break
        run.send_signal(number)
        _, err = run.communicate(timeout=20)
    assert run.returncode == code
    assert "magent resume s1" in err
    assert "Traceback" not in err


def test_a_reader_that_leaves_does_not_end_the_run(demo: Path) -> None:
    command = f"{sys.executable} -m magent run demo.yaml -i topic=x --use-defaults --id h1 --output jsonl | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=_environment(), check=True)
    assert json.loads(done.stdout)["type"] == "run.started"
    assert "Traceback" not in done.stderr
    assert json.loads(Path(".magent/runs/h1/result.json").read_text("utf-8"))["status"] == "completed"


def test_all_the_problems_of_an_answers_file_are_told_in_one_go(demo: Path, capsys: Any) -> None:
    demo.joinpath("answers.yaml").write_text("sign_off: {aproved: true}\nsign_of: true\n")
    outcome = magent(capsys, "run", "demo.yaml", "-i", "topic=x", "--answers", "answers.yaml")
    assert outcome.code == 2
    assert "answers.yaml:1:12: error: unknown key `aproved`" in outcome.err
    assert "answers.yaml:2:1: error: 'sign_of' names no human_input node" in outcome.err
    assert "magent: 2 problems found" in outcome.err


@pytest.mark.parametrize("words", [["--id", ""], ["--id", "../x"], ["--id", "latest"], ["--store", ""]])
def test_an_id_or_store_that_is_empty_or_no_name_is_bad_usage(words: list[str], demo: Path, capsys: Any) -> None:
    assert magent(capsys, "run", "demo.yaml", "-i", "topic=x", "--use-defaults", *words).code == 2


def test_what_a_function_prints_does_not_come_between_the_result(here: Path, capsys: Any) -> None:
    here.joinpath("prints.py").write_text("def loud():\n    print('noise')\n    return 1\n")
    here.joinpath("workflow.yaml").write_text('magent: 1\nname: w\nnodes: {a: {call: "prints:loud"}}\n')
    outcome = magent(capsys, "run", "--output", "json", "--store", "memory:")
    assert json.loads(outcome.out)["status"] == "completed"
    assert "noise\n" in outcome.err


def test_a_store_that_cannot_be_made_says_what_to_do(demo: Path, capsys: Any) -> None:
    demo.joinpath("taken").write_text("a file")
    outcome = magent(capsys, "run", "demo.yaml", "-i", "topic=x", "--store", "file:taken")
    assert outcome.code == 5
    assert "choose another place with --store" in outcome.err


def test_a_run_that_its_end_node_fails_says_why(here: Path, capsys: Any) -> None:
    (here / "w.yaml").write_text(
        "magent: 1\nname: w\nnodes: {over: {type: end, status: failed, reason: No boat is left}}\n"
    )
    outcome = magent(capsys, "run", "w.yaml", "-q")
    assert (outcome.code, outcome.err.splitlines()[:2]) == (
        1,
        ["magent: No boat is left", "  so the run ended as failed, at its `end` node 'over'"],
    )


def test_a_function_that_ends_the_program_fails_its_task(here: Path, capsys: Any) -> None:
    here.joinpath("leaves.py").write_text("import sys\ndef now(): sys.exit(0)\n")
    here.joinpath("workflow.yaml").write_text('magent: 1\nname: w\nnodes: {a: {call: "leaves:now"}}\n')
    outcome = magent(capsys, "run", "--output", "json", "--store", "memory:")
    assert outcome.code == 1
    assert json.loads(outcome.out)["error"]["type"] == "call"


def test_a_limit_that_no_flag_raises_is_not_to_be_resumed(here: Path, capsys: Any) -> None:
    here.joinpath("workflow.yaml").write_text(
        "magent: 1\nname: w\nnodes: {s: {type: subgraph, uses: again}}\n"
        "subgraphs: {again: {nodes: {t: {type: subgraph, uses: again}}}}\n"
    )
    outcome = magent(capsys, "run", "--store", "memory:")
    assert outcome.code == 4
    assert "nested deeper than 16" in outcome.err
    assert "magent resume" not in outcome.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["run", "dmeo.yaml"], "did you mean 'demo.yaml'?"),
        (["run"], "name one that is here: magent run demo.yaml, magent run failing.yaml, magent run invalid.yaml"),
        (["run", "f1"], "it is a run; to go on with it: magent resume f1"),
        (["run", "nowhere"], "name one that is here: magent run demo.yaml"),
        (["resume", "demo.yaml"], "an id is wanted here; a file is run with: magent run demo.yaml"),
        (["demo.yaml", "-i", "topic=a b"], "did you mean: magent run demo.yaml -i 'topic=a b'"),
        (["-i", "topic=x", "run", "demo.yaml"], "it stands behind the verb: magent run demo.yaml -i topic=x"),
        (["run", "demo.yaml", "topic=x"], "an input is given with -i: -i topic=x"),
        (["run", "--use_defaults"], "did you mean '--use-defaults'?"),
        (["run", "--USE-DEFAULTS"], "did you mean '--use-defaults'?"),
        (["run", "--inp", "topic=x"], "did you mean '--input'?"),
        (["run", "--id"], "write --id ID"),
        (["run", "--dry-run=yes"], "write --dry-run alone"),
        (["rusn"], "did you mean 'runs'?"),
        (["Runs"], "did you mean 'runs'?"),
        (["runs_list"], "did you mean: magent runs list"),
        (["list"], "did you mean: magent runs list"),
        (["status", "f1"], "did you mean: magent runs show f1"),
        (["runs", "lsit"], "did you mean 'list'?"),
        (["--store"], "write --store URL, such as --store file:.magent"),
        (["run", "demo.yaml", "-i", "topic=x", "--stop-after", "darft"], "did you mean 'draft'?"),
        (["run", "demo.yaml", "-i", "topic=x", "--agent", "wirter=local"], "did you mean 'writer'?"),
        (["run", "demo.yaml", "-i", "tpoic=x"], "there is no input 'tpoic': did you mean 'topic'?"),
        (["run", "demo.yaml", "-i", "topic=@demo.yml"], "did you mean 'demo.yaml'?"),
        (["run", "demo.yaml", "--limit", "Steps=3"], "did you mean 'steps'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_whoever_mistypes_is_told_what_was_meant(words: list[str], hint: str, demo: Path, capsys: Any) -> None:
    magent(capsys, "run", "failing.yaml", "--id", "f1")
    outcome = magent(capsys, *words)
    assert (outcome.code, outcome.out) == (2, "")
    assert hint in outcome.err
    assert outcome.err.count("\n") <= 4


@pytest.mark.parametrize("verb", ["run", "graph"])
def test_a_library_is_nothing_to_run_or_draw(here: Path, capsys: Any, verb: str) -> None:
    here.joinpath("crew.yaml").write_text("magent: 1\nagents: {one: {replies: [hello]}}\n")
    done = magent(capsys, verb, "crew.yaml")
    assert (done.code, done.out) == (2, "")
    assert "crew.yaml is a library: it has no `nodes`, so there is nothing to run [not-a-workflow]" in done.err
