"""The verbs that only look: `validate`, `graph`, `runs`, `schema`."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from magent.cli.verbs import VERBS
from tests.cli.helpers import magent


def test_a_valid_file_prints_nothing_but_ok(demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "validate", "demo.yaml")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "demo.yaml: ok\n")


def test_all_problems_of_all_files_are_printed(demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "validate", "invalid.yaml", "demo.yaml", "nowhere.yaml")
    assert outcome.code == 2
    assert "invalid.yaml:5:" in outcome.out
    assert "nowhere.yaml" in outcome.out
    assert outcome.err.endswith("in 2 files\n")


def test_a_file_named_twice_is_told_once(demo: Path, capsys: Any) -> None:
    assert magent(capsys, "validate", "invalid.yaml", "invalid.yaml").out.count("did you mean 'second'?") == 1


@pytest.mark.parametrize("form", ["json", "sarif", "gitlab"])
def test_machines_get_json(form: str, demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "validate", "invalid.yaml", "--output", form)
    assert outcome.code == 2
    assert json.loads(outcome.out)
    assert json.loads(magent(capsys, "validate", "demo.yaml", "--output", form).out) is not None


def test_strict_makes_warnings_fail(here: Path, capsys: Any) -> None:
    here.joinpath("workflow.yaml").write_text(
        "magent: 1\nname: w\nagents: {a: {replies: [x]}}\nroles: {idle: {agent: a}}\nnodes: {a: {set: {x: 1}}}\n"
    )
    outcome = magent(capsys, "validate")
    assert outcome.code == 0
    assert "1 warning in 1 file" in outcome.err
    assert magent(capsys, "validate", "--strict").code == 2


def test_a_graph_is_dot_where_nothing_else_is_asked_for(demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "graph", "demo.yaml")
    assert outcome.out.startswith('digraph "demo" {')
    assert outcome.out == magent(capsys, "graph", "demo.yaml", "--dot").out


def test_the_other_forms_of_a_graph(demo: Path, capsys: Any) -> None:
    assert magent(capsys, "graph", "demo.yaml", "--mermaid").out.startswith("flowchart TD\n")
    assert json.loads(magent(capsys, "graph", "demo.yaml", "--json").out)["entry"] == "draft"


@pytest.mark.parametrize(("name", "begins"), [("g.dot", "digraph"), ("g.mmd", "flowchart"), ("g.json", "{")])
def test_a_graph_is_written_in_the_form_of_the_ending(name: str, begins: str, demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "graph", "demo.yaml", "-o", name)
    assert (outcome.code, outcome.out) == (0, "")
    assert demo.joinpath(name).read_text("utf-8").startswith(begins)


@pytest.mark.parametrize(
    "words", [["-o", "g.xyz"], ["-o", "g.dot", "--mermaid"], ["--dot", "--json"], ["-o", "no/such/dir/g.dot"]]
)
def test_a_form_that_makes_no_sense_is_bad_usage(words: list[str], demo: Path, capsys: Any) -> None:
    assert magent(capsys, "graph", "demo.yaml", *words).code == 2


def test_a_picture_needs_no_program(demo: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(demo))
    assert magent(capsys, "graph", "demo.yaml", "-o", "g.svg").code == 0
    assert demo.joinpath("g.svg").read_text("utf-8").startswith("<svg ")


def test_pixels_are_made_of_the_picture_where_there_is_a_font(demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "graph", "demo.yaml", "-o", "g.png")
    if "needs a font" in outcome.err:  # this machine has none, and says so rather than to leave the words out
        assert (outcome.code, demo.joinpath("g.png").exists()) == (2, False)
        return
    assert outcome.code == 0
    magic, width, height = struct.unpack(">8s8xII", demo.joinpath("g.png").read_bytes()[:24])
    assert magic == b"\x89PNG\r\n\x1a\n"
    assert 300 < width < height


@pytest.mark.parametrize(
    ("missing", "told"),
    [("resvg_py", "pip install 'magent-cli[pictures]', or write -o FILE.svg"), ("font", "or write -o FILE.svg")],
)
def test_what_pixels_lack_is_named(
    missing: str, told: str, demo: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing == "font":
        monkeypatch.setattr("magent.cli.raster.FAMILIES", ())  # one that is missing may be drawn in another
    else:
        monkeypatch.setitem(sys.modules, missing, None)
    outcome = magent(capsys, "graph", "demo.yaml", "-o", "g.png")
    assert outcome.code == 2
    assert told in outcome.err
    assert not demo.joinpath("g.png").exists()


def test_an_invalid_workflow_has_no_graph(demo: Path, capsys: Any) -> None:
    outcome = magent(capsys, "graph", "invalid.yaml")
    assert (outcome.code, outcome.out) == (2, "")
    assert "invalid.yaml:5:" in outcome.err


def test_the_graph_of_a_run_is_that_of_the_workflow_it_started_with(demo: Path, capsys: Any) -> None:
    magent(capsys, "run", "failing.yaml", "--id", "f1")
    demo.joinpath("failing.yaml").unlink()
    assert '"first" -> "lint"' in magent(capsys, "graph", "f1").out
    assert "neither a file nor a run 'nobody'" in magent(capsys, "graph", "nobody").err


def test_runs_are_listed_the_newest_first(demo: Path, capsys: Any) -> None:
    magent(capsys, "run", "failing.yaml", "--id", "a1")
    magent(capsys, "run", "demo.yaml", "-i", "topic=x", "--no-input", "--id", "a2")
    listed = json.loads(magent(capsys, "runs", "list", "--output", "json").out)
    assert [(run["run_id"], run["status"]) for run in listed] == [("a2", "waiting"), ("a1", "failed")]
    assert listed[0]["waiting"] == ["sign_off"]
    lines = magent(capsys, "runs").out.splitlines()
    assert lines[0].split() == ["RUN", "STATUS", "WORKFLOW", "BEGUN", "TOOK", "WAITS", "AT"]
    assert lines[1].startswith("a2 ")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--status", "failed"], ["a1"]),
        (["--workflow", "demo"], ["a2"]),
        (["--limit", "1"], ["a2"]),
        (["--since", "1h"], ["a2", "a1"]),
        (["--since", "2999-01-01"], []),
    ],
)
def test_runs_are_filtered(words: list[str], found: list[str], demo: Path, capsys: Any) -> None:
    magent(capsys, "run", "failing.yaml", "--id", "a1")
    magent(capsys, "run", "demo.yaml", "-i", "topic=x", "--no-input", "--id", "a2")
    listed = json.loads(magent(capsys, "runs", "list", "--output", "json", *words).out)
    assert [run["run_id"] for run in listed] == found


@pytest.mark.parametrize("words", [["--status", "done"], ["--since", "soon"], ["--limit", "few"], ["--output", "xml"]])
def test_filters_that_make_no_sense_are_bad_usage(words: list[str], here: Path, capsys: Any) -> None:
    assert magent(capsys, "runs", "list", *words).code == 2


def test_no_runs_is_said_on_stderr_and_is_an_empty_list(here: Path, capsys: Any) -> None:
    told = magent(capsys, "runs").err
    assert told.startswith("there are no runs in file:")
    assert "\n  magent run   " in told
    assert magent(capsys, "runs", "--output", "json").out == "[]\n"


def test_a_run_is_shown_with_its_visits(demo: Path, capsys: Any) -> None:
    magent(capsys, "run", "failing.yaml", "--id", "f1")
    outcome = magent(capsys, "runs", "show", "f1")
    assert outcome.code == 0
    assert outcome.out.startswith("failed  failing  f1\n")
    assert "lint" in outcome.out
    shown = json.loads(magent(capsys, "runs", "show", "f1", "--output", "json").out)
    assert (shown["status"], shown["run_id"]) == ("failed", "f1")
    assert [visit["node"] for visit in shown["visits"]][-1] == "lint"


@pytest.mark.parametrize("kind", ["workflow", "library", "answers", "test", "settings"])
def test_a_schema_is_printed(kind: str, capsys: Any) -> None:
    schema = json.loads(magent(capsys, "schema", kind).out)
    assert schema["$schema"].startswith("http://json-schema.org/draft-07/")


def test_an_unknown_schema_is_bad_usage(capsys: Any) -> None:
    outcome = magent(capsys, "schema", "workflows")
    assert (outcome.code, outcome.out) == (2, "")
    assert "did you mean 'workflow'?" in outcome.err


def test_only_verbs_that_work_are_listed() -> None:
    assert {entry.name.split()[0] for entry in VERBS} == {
        "run", "resume", "respond", "validate", "graph", "runs", "checkpoints", "agents", "roles", "tools", "schema",
        "report", "trace", "explain", "diff", "sweep", "stats", "doctor", "completion",
    }  # fmt: skip
