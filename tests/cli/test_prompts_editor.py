"""The person's editor and pager: they own the terminal while they run, and nothing that was typed is lost."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_prompts_runs import answer, asks, journal, waits_for, workflow
from tests.terminal import CTRL_C, CTRL_Z, DOWN, ENTER, ESC, Terminal

CTRL_E = "\x05"
EDITOR = """
import os, stat, sys
path = sys.argv[-1]
print("EDITING", os.path.basename(path), oct(stat.S_IMODE(os.stat(path).st_mode)), " ".join(sys.argv[1:-1]))
print("IN FRONT", os.tcgetpgrp(0) == os.getpgrp())
print("FIRST", open(path).readline().strip())
"""
"""A program that tells about its file, and then does as the test has it."""


def editor(here: Path, does: str) -> dict[str, str]:
    """The environment in which such a program, with two words of its own, is the editor."""
    script = here / "my editor.py"
    script.write_text(EDITOR + does)
    return {"VISUAL": "", "EDITOR": f"{sys.executable} -S '{script}' --wait", "TMPDIR": str(here / "tmp")}


@pytest.fixture(autouse=True)
def tmp(here: Path) -> Path:
    (here / "tmp").mkdir()
    return here / "tmp"


def edits(content: Any) -> dict[str, Any]:
    return asks("review", content=content)


def test_content_is_edited_in_the_editor_and_the_file_is_private_and_gone_afterwards(here: Path, tmp: Path) -> None:
    env = editor(here, "open(path, 'a').write('more\\n')")
    with Terminal.magent("run", workflow(here, sign_off=edits("draft")), env=env) as terminal:
        terminal.type(("» approve", CTRL_E), ("edited: +1 −0", ""), ("» approve", ENTER))
        assert terminal.end() == 0
        assert "EDITING sign_off.md 0o600 --wait" in terminal.text
        assert "IN FRONT True" in terminal.text
    assert answer("sign_off")["content"] == "draft\nmore"
    assert list(tmp.iterdir()) == []


def test_the_editor_is_a_choice_of_a_review_too(here: Path) -> None:
    env = editor(here, "open(path, 'w').write('new')")
    with Terminal.magent("run", workflow(here, a=edits("draft")), env=env) as terminal:
        terminal.type(("» approve", DOWN * 3 + ENTER), ("edited: +1 −1", ENTER))
        assert terminal.end() == 0
    assert answer("a")["content"] == "new"


def test_what_was_typed_goes_on_in_the_editor_and_back(here: Path) -> None:
    env = editor(here, "text = open(path).read()\nopen(path, 'w').write(text.strip() + ' and more')")
    with Terminal.magent("run", workflow(here, a=asks("feedback")), env=env) as terminal:
        terminal.type(("feedback:", "begun"), ("feedback: begun", CTRL_E), ("begun and more", ENTER))
        assert terminal.end() == 0
    assert answer("a")["text"] == "begun and more"


def test_json_that_is_none_is_opened_again_with_the_fault_until_it_is_mended(here: Path) -> None:
    does = """
old = open(path).read()
open(path, "w").write(old.replace('"n": ', '"n": 2') if old.startswith("//") else '{"n": }')
"""
    with Terminal.magent("run", workflow(here, a=edits({"n": 1})), env=editor(here, does)) as terminal:
        terminal.type(
            ("» approve", CTRL_E),
            ("FIRST // this is not JSON: Expecting value: line 3 column 7", ""),
            ("edited:", ENTER),
        )
        assert terminal.end() == 0
        assert "EDITING a.json" in terminal.text
    assert answer("a")["content"] == {"n": 2}


def test_json_that_is_left_with_its_fault_stays_in_a_file(here: Path, tmp: Path) -> None:
    does = "old = open(path).read()\nopen(path, 'w').write(old if old.startswith('//') else 'oops')"
    with Terminal.magent("run", workflow(here, a=edits({"n": 1})), env=editor(here, does)) as terminal:
        terminal.type(("» approve", CTRL_E), ("what was written is in", ""), ("» approve", ENTER))
        assert terminal.end() == 0
    assert answer("a")["content"] == {"n": 1}
    (kept,) = tmp.glob("*/a.json")
    assert kept.read_text().endswith("before.\noops\n")


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("sys.exit(3)", "the editor ended with 3: the text stays as it was"),
        ("os.kill(os.getpid(), 9)", "was ended by signal 9"),
        ("open(path, 'w')", "the editor left nothing"),
        ("", "nothing was changed"),
    ],
)
def test_an_editor_that_fails_or_does_nothing_changes_nothing_and_says_so(here: Path, does: str, said: str) -> None:
    with Terminal.magent("run", workflow(here, a=edits("draft")), env=editor(here, does)) as terminal:
        terminal.type(("» approve", CTRL_E), (said, ""))
        terminal.wait(lambda it: it.lines[-1].startswith("^E editor"))
        terminal.type(ENTER)
        assert terminal.end() == 0
        assert terminal.child.getecho()
    assert answer("a")["content"] == "draft"


def test_an_editor_that_is_not_there_is_named_and_the_text_edited_here(here: Path) -> None:
    env = {"VISUAL": "no-such-editor", "EDITOR": ""}
    with Terminal.magent("run", workflow(here, a=edits("draft")), env=env) as terminal:
        terminal.type(
            ("» approve", CTRL_E), ("'no-such-editor' cannot be started", ""), ("│ draft", " two" + ESC + ENTER)
        )
        terminal.type(("» approve", ENTER))
        assert terminal.end() == 0
    assert answer("a")["content"] == "draft two"


def test_ctrl_c_in_the_editor_is_the_editors_and_other_branches_go_on(here: Path) -> None:
    go = here / "go"
    does = f"""
try:
    print("READY", flush=True)
    input()
except KeyboardInterrupt:
    open({str(go)!r}, "w")
    print("ITS OWN CTRL-C", flush=True)
    input()
open(path, "a").write("more")
"""
    file = workflow(here, all={"type": "parallel", "branches": ["a", "b"]}, a=edits("draft"), b=waits_for(go))
    with Terminal.magent("run", file, env=editor(here, does)) as terminal:
        terminal.type(("» approve", CTRL_E), ("READY", CTRL_C), ("ITS OWN CTRL-C", ""))
        terminal.wait(
            lambda _: any(
                event.get("path", "").endswith("b") and event["type"] == "visit.completed" for event in journal()
            )
        )
        terminal.type(ENTER, ("edited: +1", ""), ENTER)
        assert terminal.end() == 0
    assert answer("a")["content"] == "draft\nmore"


def test_a_deadline_that_passes_ends_the_editor_and_what_was_saved_stays(here: Path, tmp: Path) -> None:
    does = "open(path, 'a').write('saved')\nprint('READY', flush=True)\ninput()"
    node = {**edits("draft"), "timeout": "4s", "on_timeout": "default", "default": "reject"}
    with Terminal.magent("run", workflow(here, a=node), env=editor(here, does)) as terminal:
        terminal.type(("» reject", CTRL_E), ("READY", ""), ("what was saved in the editor is in", ""))
        assert terminal.end() == 0
        assert terminal.child.getecho()
    assert answer("a")["via"] == "timeout"
    (kept,) = tmp.glob("*/a.md")
    assert kept.read_text() == "draft\nsaved"


def test_a_signal_to_the_run_ends_the_editor_and_the_terminal_is_as_it_was(here: Path) -> None:
    does = "import tty; tty.setraw(0); print('READY', flush=True); sys.stdin.read()"
    with Terminal.magent("run", workflow(here, a=edits("draft")), env=editor(here, does)) as terminal:
        terminal.type(("» approve", CTRL_E), ("READY", ""))
        os.kill(terminal.child.pid, signal.SIGTERM)
        assert terminal.end() == 128 + signal.SIGTERM
        assert terminal.child.getecho()


def test_ctrl_z_in_the_editor_stops_both_and_fg_goes_on_with_both(here: Path) -> None:
    does = "print('READY', flush=True)\ninput()\nopen(path, 'a').write('more')"
    file = workflow(here, a=edits("draft"))
    env = {**editor(here, does), "PS1": "shell> "}
    with Terminal(["bash", "--norc", "--noprofile", "-i"], env=env) as terminal:
        terminal.type(("shell>", f"{sys.executable} -m magent run {file}\r"), ("» approve", CTRL_E), ("READY", CTRL_Z))
        terminal.type(("Stopped", "fg\r"), ("\n" + sys.executable, ENTER), ("edited: +1", ""), ENTER)
        terminal.type(("completed", "exit\r"))
        terminal.end()
    assert answer("a")["content"] == "draft\nmore"


def test_a_forms_data_is_edited_as_json(here: Path) -> None:
    env = editor(here, "open(path, 'w').write('{\"a\": 1}')")
    form = {"extra": {"type": "object"}}
    with Terminal.magent("run", workflow(here, a=asks(form=form)), env=env) as terminal:
        terminal.type(("Approve?", "y" + ENTER), ("extra:", "{" + CTRL_E), ('{"a": 1}', ENTER))
        assert terminal.end() == 0
        assert "EDITING a.json" in terminal.text
    assert answer("a")["form"] == {"extra": {"a": 1}}
    assert json.dumps(answer("a"))
