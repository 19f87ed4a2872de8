"""The words of a command line: verbs, options before and after them, mistakes."""

from __future__ import annotations

import gc
import inspect
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from magent.__main__ import main as door
from magent.cli.declared import DECLARED
from magent.cli.main import find, split
from magent.cli.parser import kind
from magent.cli.verbs import ENTRIES, VERBS
from magent.errors import UsageError
from magent.version import VERSION
from tests.cli.helpers import ROOT, magent, process


@pytest.mark.parametrize("words", [["--version"], ["run", "--version"], ["--version", "run"], ["-q", "--version"]])
def test_the_version_is_printed_wherever_it_is_asked_for(words: list[str]) -> None:
    assert process(*words).out == f"magent {VERSION}\n"


def test_an_option_value_that_looks_like_a_flag_stays_a_value(capsys: Any) -> None:
    outcome = magent(capsys, "run", "nowhere.yaml", "--id", "--version")
    assert outcome.out == ""
    assert outcome.code == 2


@pytest.mark.parametrize("words", [[], ["--help"], ["-q", "--help"]])
def test_help_lists_every_verb_with_an_example(words: list[str], capsys: Any) -> None:
    outcome = magent(capsys, *words)
    assert outcome.code == 0
    assert all(f"  {entry.name} " in outcome.out for entry in VERBS)
    assert "Example:" in outcome.out


@pytest.mark.parametrize("name", list(ENTRIES))
def test_the_help_of_every_verb_has_an_example_and_the_global_options(name: str, capsys: Any) -> None:
    outcome = magent(capsys, *name.split(), "--help")
    assert outcome.code == 0
    assert f"\n  magent {name}" in outcome.out
    for option in ("--quiet", "--verbose", "--no-color", "--store", "--version"):
        assert option in outcome.out


@pytest.mark.parametrize("name", list(ENTRIES))
def test_a_verb_takes_what_is_declared_of_it(name: str) -> None:
    """The parser hands values over as they were written, under the names of the declaration."""
    module = import_module(f"magent.cli.{ENTRIES[name].module}")
    signature = inspect.signature(getattr(module, ENTRIES[name].function), eval_str=True)
    first, *others = signature.parameters.values()
    assert first.name == "console"
    wanted: dict[str, Any] = {each.name: kind(each) for each in DECLARED[name].arguments}
    wanted |= {each.name: kind(each) for each in DECLARED[name].own}
    assert {each.name: each.annotation for each in others} == wanted


def test_what_is_declared_is_a_verb_of_the_table() -> None:
    assert set(DECLARED) == set(ENTRIES)


@pytest.mark.parametrize("name", list(ENTRIES))
def test_all_that_is_declared_has_help(name: str) -> None:
    declared = DECLARED[name]
    assert all(each.help for each in declared.arguments)
    assert all(each.help for each in declared.options)
    assert all(example.help for example in declared.examples)


def test_a_misspelt_verb_gets_the_nearest(capsys: Any) -> None:
    outcome = magent(capsys, "rnu")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "magent: no such verb 'rnu'\n  did you mean 'run'?\n"


def test_a_misspelt_second_word_gets_the_nearest(capsys: Any) -> None:
    outcome = magent(capsys, "runs", "lst")
    assert outcome.code == 2
    assert "no such verb 'runs lst'" in outcome.err
    assert "did you mean 'list'?" in outcome.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["runs", "hist"], "did you mean 'history'?"),
        (["route", "a task"], "did you mean: magent roles route 'a task'"),
        (["check", "a.yaml"], "did you mean: magent validate a.yaml"),
        (["version"], "did you mean: magent --version"),
        (["run "], "did you mean: magent run"),
        (["runs", "--output", "json", "list"], "the second word follows the first: magent runs list [OPTIONS]"),
        (["completion", "bsh"], "did you mean 'bash'?"),
    ],
)
def test_a_word_that_is_nearly_right_gets_the_right_line(words: list[str], hint: str, capsys: Any) -> None:
    outcome = magent(capsys, *words)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.endswith(f"\n  {hint}\n")


def test_a_link_that_leads_nowhere_is_not_its_own_likeness(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "flow.yaml").symlink_to(tmp_path / "gone.yaml")
    outcome = magent(capsys, "run", str(tmp_path / "flow.yaml"))
    assert outcome.code == 2
    assert "did you mean" not in outcome.err


def test_a_file_in_the_place_of_a_verb_gets_the_line_to_write(capsys: Any) -> None:
    assert "did you mean: magent run flow.yaml" in magent(capsys, "flow.yaml").err


@pytest.mark.parametrize("words", [["run", "--ouptut", "json"], ["run", "--ouptut=json"]])
def test_a_misspelt_option_gets_the_nearest(words: list[str], capsys: Any) -> None:
    outcome = magent(capsys, *words)
    assert outcome.code == 2
    assert "no such option '--ouptut'" in outcome.err
    assert "did you mean '--output'?" in outcome.err


def test_a_misspelt_option_before_the_verb_gets_the_nearest(capsys: Any) -> None:
    outcome = magent(capsys, "--quite", "run")
    assert outcome.code == 2
    assert "did you mean '--quiet'?" in outcome.err


def test_an_option_without_its_value_is_a_mistake(capsys: Any) -> None:
    outcome = magent(capsys, "run", "--id")
    assert outcome.code == 2
    assert "--id" in outcome.err


def test_an_argument_too_many_is_a_mistake(capsys: Any) -> None:
    outcome = magent(capsys, "run", "a.yaml", "b.yaml")
    assert outcome.code == 2
    assert "unexpected argument 'b.yaml'" in outcome.err


def test_a_mistake_shows_no_traceback_without_verbose(capsys: Any) -> None:
    assert "Traceback" not in magent(capsys, "run", "--nope").err
    assert "Traceback" in magent(capsys, "run", "--nope", "--verbose").err
    assert "Traceback" in magent(capsys, "-v", "run", "--nope").err


def test_what_stands_before_the_verb_is_moved_behind_it() -> None:
    assert split(["-q", "--store", "file:x", "run", "a.yaml", "-v"]) == (
        ["-q", "--store", "file:x"],
        ["run", "a.yaml", "-v"],
    )


def test_a_store_named_run_is_not_taken_for_the_verb() -> None:
    assert split(["--store", "run", "resume"]) == (["--store", "run"], ["resume"])


def test_runs_alone_lists_them() -> None:
    entry, rest = find(["runs", "--output", "json"])
    assert (entry.name, rest) == ("runs list", ["--output", "json"])


def test_an_unknown_first_word_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        find(["frobnicate"])


def test_a_first_word_of_two_lists_the_second_ones(capsys: Any) -> None:
    outcome = magent(capsys, "runs", "--help")
    assert "runs list" in outcome.out
    assert "runs show" in outcome.out
    assert "validate" not in outcome.out


@pytest.mark.parametrize("words", [["-h"], ["run", "-h"], ["-h", "run"]])
def test_help_has_a_short_form(words: list[str], capsys: Any) -> None:
    outcome = magent(capsys, *words)
    assert outcome.code == 0
    assert "Example" in outcome.out


def test_json_is_utf_8_whatever_the_locale(here: Path) -> None:
    here.joinpath("workflow.yaml").write_text(
        "magent: 1\nname: t\nnodes: {a: {set: {x: 1}, description: flût}}\n", encoding="utf-8"
    )
    outcome = process("graph", "--json", env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    assert json.loads(outcome.out)["nodes"][0]["description"] == "flût"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_does_no_harm(closed: str, here: Path) -> None:
    here.joinpath("workflow.yaml").write_text("magent: 1\nname: t\nnodes: {a: {set: {x: 1}}}\n", "utf-8")
    command = f"PYTHONPATH={ROOT} {sys.executable} -m magent validate {closed}; echo $? > code"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert here.joinpath("code").read_text() == "0\n"
    assert "Traceback" not in done.stderr


def test_no_file_of_a_run_takes_the_place_of_a_closed_stdout(here: Path) -> None:
    here.joinpath("workflow.yaml").write_text(
        'magent: 1\nname: w\nnodes: {a: {call: "writes:there"}}\n', encoding="utf-8"
    )
    here.joinpath("writes.py").write_text("import os\ndef there(): os.write(1, b'noise')\n", encoding="utf-8")
    command = f"{sys.executable} -m magent run -q --store file:own --id r1 >&-"
    done = subprocess.run(["sh", "-c", command], env={**os.environ, "PYTHONPATH": ROOT}, check=False)
    assert done.returncode == 0
    assert "noise" not in here.joinpath("own", "runs", "r1", "journal.jsonl").read_text("utf-8")


def test_ctrl_c_while_it_loads_leaves_no_traceback(here: Path) -> None:
    here.joinpath("difflib.py").write_text("raise KeyboardInterrupt\n")
    outcome = process("validate", env={"PYTHONPATH": f"{here}:{ROOT}"})
    assert (outcome.code, outcome.out, outcome.err) == (130, "", "")


def test_a_current_directory_that_is_gone_is_bad_usage(here: Path) -> None:
    command = f"mkdir gone; cd gone; rmdir ../gone; exec {sys.executable} -m magent runs list"
    environment = {**os.environ, "PYTHONPATH": ROOT}
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "magent: the current directory is not there any more" in done.stderr


def test_a_process_that_ends_looks_for_no_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the libraries of models leave behind takes the interpreter up to a second."""
    monkeypatch.setattr(sys, "argv", ["magent", "schema", "answers"])
    gc.unfreeze()
    with pytest.raises(SystemExit):
        door()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()
