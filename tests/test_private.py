"""What magent writes of a run is its owner's alone, whatever the umask; a file asked for with -o is as others are."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from magent.cli.main import main
from magent.events import Event
from magent.human import editor
from magent.stores import open_store

WORKFLOW = """
magent: 1
name: w
checkpoints: {every: 2}
tools: {files: {builtin: files}}
nodes:
  note: {tool: files.write, with: {path: notes/a.txt, text: hi}, next: ask}
  ask: {type: human_input, input: approval, prompt: "Well?"}
"""
HEADER = {"run_id": "open", "workflow": "w", "file": "", "created": 1.0}


@pytest.fixture(params=[0o000, 0o077], ids=["umask 000", "umask 077"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def others(*places: Path) -> dict[str, str]:
    """What anybody but the owner may do anything with, below the places."""
    found = [path for place in places for path in (place, *place.rglob("*")) if not path.is_symlink()]
    modes = {str(path): path.lstat().st_mode for path in found}
    return {path: stat.filemode(mode) for path, mode in modes.items() if mode & 0o077}


async def test_the_record_of_a_run_is_private_in_every_store(umask: int, here: Path) -> None:
    here.joinpath("w.yaml").write_text(WORKFLOW)
    for url in ("file:.magent", "sqlite:///kept/runs.db"):
        store = open_store(url)
        journal = await store.create("open", HEADER, {})  # so that what is there while a run is held is seen, too
        await journal.append([Event(1, 1.0, "run.started", {"run_id": "open"})], sync=True)
        await journal.checkpoint(1, {"seq": 1})
        await store.leave("open", "cancel", {"by": "somebody"})
        names = {path.name for path in here.rglob("*")}
        assert others(here / ".magent", *here.glob("kept")) == {}
        await journal.close()
    assert {"runs.db-wal", "runs.db-shm", "runs.db-locks"} <= names


def test_what_a_run_leaves_is_private_and_what_was_asked_for_is_as_the_umask_says(umask: int, here: Path) -> None:
    here.joinpath("w.yaml").write_text(WORKFLOW)
    assert main(["run", "w.yaml", "-q", "--no-input", "--id", "r"]) == 3
    assert main(["respond", "r", "ask", "--approve", "--resume", "-q"]) == 0
    assert main(["graph", "w.yaml", "-q", "-o", "w.dot"]) == 0
    assert here.joinpath(".magent/runs/r/workspace/notes/a.txt").is_file()
    assert here.joinpath(".magent/runs/r/result.json").is_file()
    assert others(here / ".magent") == {}
    assert stat.S_IMODE(here.joinpath("w.dot").stat().st_mode) == 0o666 & ~umask


def test_what_is_edited_lies_in_a_private_file(umask: int, here: Path) -> None:
    editor._write(here / "text.md", "text")
    assert stat.filemode((here / "text.md").stat().st_mode) == "-rw-------"


def test_a_record_is_never_written_through_a_link(here: Path) -> None:
    """A `.magent` that is a link is its owner's affair; a file in it that is one is not followed."""
    here.joinpath("w.yaml").write_text(WORKFLOW)
    assert main(["run", "w.yaml", "-q", "--no-input", "--id", "r"]) == 3
    precious, journal = here / "precious", here / ".magent/runs/r/journal.jsonl"
    precious.write_bytes(journal.read_bytes())
    journal.unlink()
    journal.symlink_to(precious)
    before = precious.read_bytes()
    assert main(["respond", "r", "ask", "--approve", "--resume", "-q"]) == 5
    assert precious.read_bytes() == before
