"""The power cut of the crash harness takes what was not synced, and nothing else."""

from __future__ import annotations

from pathlib import Path

from tests.recovery.power import Power


def test_what_is_written_is_lost_until_the_file_is_synced(tmp_path: Path) -> None:
    power, file = Power([str(tmp_path)]), tmp_path / "journal"
    file.write_text("one\n")
    for text, synced in (("two\n", True), ("three\n", False), ("four\n", False)):
        power.see("write", str(file))
        with file.open("a") as handle:
            handle.write(text)
        if synced:
            power.see("fdatasync", str(file))
    power.cut()
    assert file.read_text() == "one\ntwo\n"


def test_names_are_lost_until_their_directory_is_synced(tmp_path: Path) -> None:
    power, fresh, kept = Power([str(tmp_path)]), tmp_path / ".fresh", tmp_path / "result"
    kept.write_text("old")
    power.see("open", str(fresh))
    fresh.touch()
    power.see("write", str(fresh))
    fresh.write_text("new")
    power.see("rename", str(kept), str(fresh))
    fresh.rename(kept)
    power.see("mkdir", str(tmp_path / "runs"))
    (tmp_path / "runs").mkdir()
    power.cut()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"result": "old"}


def test_a_name_that_is_synced_before_what_it_names_stands_for_nothing(tmp_path: Path) -> None:
    power, fresh, kept = Power([str(tmp_path)]), tmp_path / ".fresh", tmp_path / "result"
    fresh.touch()
    power.see("write", str(fresh))
    fresh.write_text("new")
    power.see("rename", str(kept), str(fresh))
    fresh.rename(kept)
    power.see("fsync", str(tmp_path))
    power.cut()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"result": ""}


def test_what_was_moved_away_is_gone_once_the_directory_that_it_was_in_is_synced(tmp_path: Path) -> None:
    power, there, gone = Power([str(tmp_path)]), tmp_path / "runs" / "a", tmp_path / "gone" / "a"
    for directory in (there, gone.parent):
        directory.mkdir(parents=True)
    power.see("rename", str(gone), str(there))
    there.rename(gone)
    power.see("fsync", str(there.parent))
    power.see("rmdir", str(gone))
    gone.rmdir()
    power.cut()
    assert not there.exists()
