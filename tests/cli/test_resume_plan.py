"""`magent resume --plan` as it is read: what is kept, what is done again and why, where a new run begins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.helpers import magent

WORKFLOW = """
magent: 1
name: w
nodes:
  a: {set: {x: "{{ 1 }}"}, next: b}
  b: {set: {y: "{{ 2 }}"}, next: c}
  c: {set: {z: "{{ 3 }}"}}
"""


@pytest.fixture
def ran(here: Path, capsys: Any) -> Path:
    here.joinpath("w.yaml").write_text(WORKFLOW)
    assert magent(capsys, "run", "w.yaml", "-q", "--id", "r").code == 0
    return here


def sections(text: str) -> dict[str, str]:
    """Title → what stands under it."""
    parts = [part.split("\n", 1) for part in text.split("\n\n")[1:]]
    return {title: " ".join(body.split()) for title, body in parts}


def test_from_a_node_it_says_what_is_kept_done_again_and_void(ran: Path, capsys: Any) -> None:
    told = magent(capsys, "resume", "r", "--from", "b", "--plan")
    assert told.code == 0
    assert sections(told.out) == {
        "Kept": "a",
        "Done again": "b the new run begins here",
        "Invalidated": "c comes after b",
        "Next": "magent resume r --from b does it",
    }


def test_from_an_event_it_says_where_the_new_run_begins(ran: Path, capsys: Any) -> None:
    told = magent(capsys, "resume", "r", "--from", "2", "--plan")
    assert sections(told.out)["Begins"] == "b"
    assert sections(told.out)["Invalidated"] == "b came after event 2 c came after event 2"
    assert json.loads(magent(capsys, "resume", "r", "--from", "2", "--plan", "--output", "json").out)["next"] == ["b"]


def test_where_a_node_was_taken_out_it_says_where_the_new_run_begins(ran: Path, capsys: Any) -> None:
    edited = WORKFLOW.replace("next: b", "next: c").replace('  b: {set: {y: "{{ 2 }}"}, next: c}\n', "")
    ran.joinpath("e.yaml").write_text(edited)
    told = magent(capsys, "resume", "r", "--workflow", "e.yaml", "--plan")
    assert (sections(told.out)["Begins"], sections(told.out)["Kept"][0]) == ("c", "a")


def test_of_a_run_that_a_limit_stopped_it_names_the_flag_that_raises_it(ran: Path, capsys: Any) -> None:
    assert magent(capsys, "run", "w.yaml", "-q", "--id", "l", "--limit", "steps=2").code == 4
    assert sections(magent(capsys, "resume", "l", "--plan").out)["Next"] == "magent resume l --limit steps=4 does it"
    told = magent(capsys, "resume", "l", "--limit", "steps=9", "--plan")
    assert sections(told.out)["Next"] == "magent resume l --limit steps=9 does it"


def test_a_run_whose_process_was_killed_is_interrupted(ran: Path, capsys: Any) -> None:
    journal = ran / ".magent/runs/r/journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:2]))
    for kept in (ran / ".magent/runs/r/result.json", *ran.glob(".magent/runs/r/checkpoints/*")):
        kept.unlink()
    assert magent(capsys, "resume", "r", "--plan").out.startswith("interrupted  w  r")
    assert json.loads(magent(capsys, "resume", "r", "--plan", "--output", "json").out)["status"] == "interrupted"
