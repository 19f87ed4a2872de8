"""Real processes, really killed: finished work is done once in the record, and the outcome is that of a run
left alone."""

from __future__ import annotations

import collections
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

WORKFLOW = """
magent: 1
name: killed
state: {log: {type: array, default: [], reduce: append}}
nodes:
  fan: {type: parallel, for_each: range(12), as: i, body: work, max_concurrency: 3, next: again}
  work: {run: "echo {{ i }} >> done.txt; sleep 0.02", set: {log: "{{ i }}"}}
  again: {type: loop, for_each: range(5), body: sub, next: last}
  sub: {type: subgraph, uses: inner, with: {n: "{{ round.index }}"}}
  last: {set: {total: "{{ state.log | sum }}"}}
subgraphs:
  inner:
    inputs: {n: {type: integer}}
    nodes: {step: {run: "echo r{{ inputs.n }} >> done.txt"}}
    outputs: {n: "{{ inputs.n }}"}
outputs: {total: "{{ state.total }}", log: "{{ state.log }}", rounds: "{{ state.again }}"}
"""
EXPECTED = {"total": 66, "log": list(range(12)), "rounds": [{"n": n} for n in range(5)]}
HELD = """
magent: 1
name: held
nodes: {hold: {run: "echo x > done.txt; until [ -e go ]; do sleep 0.05; done"}}
outputs: {code: "{{ state.hold.exit_code }}"}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "workflow.yaml").write_text(WORKFLOW)
    return tmp_path


def magent(place: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "magent", *words]
    return subprocess.Popen(
        command,
        cwd=place,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "MAGENT_STORE": f"file:{place / 'store'}"},
    )


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    return dict(json.loads(out))


def lines(file: Path) -> int:
    return file.read_text().count("\n") if file.exists() else 0


def watched(process: subprocess.Popen[str], file: Path) -> Iterator[int]:
    """How many lines the file has, until the process ends."""
    while True:
        yield lines(file)
        try:
            process.wait(0.01)
        except subprocess.TimeoutExpired:
            continue
        return


def completed_visits(place: Path) -> dict[str, int]:
    journal = place / "store" / "runs" / "victim" / "journal.jsonl"
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    return collections.Counter(event["path"] for event in events if event["type"] == "visit.completed")


@pytest.mark.parametrize("seed", range(3))
def test_kill_at_random_moments_and_resume_gives_the_undisturbed_outcome(place: Path, seed: int) -> None:
    chance = random.Random(seed)
    done = place / "done.txt"
    process = magent(place, "run", "--id", "victim", "--output", "json")
    for _ in range(4):
        target = lines(done) + chance.randint(1, 4)
        for count in watched(process, done):
            if count >= target:
                process.send_signal(signal.SIGKILL)
                break
        process.communicate()
        if process.returncode == 0:
            break
        process = magent(place, "resume", "victim", "--output", "json")
    if process.returncode is None:
        assert result(process)["outputs"] == EXPECTED
    assert set(completed_visits(place).values()) == {1}
    final = result(magent(place, "resume", "victim", "--output", "json"))
    assert (final["status"], final["outputs"]) == ("completed", EXPECTED)


def test_ctrl_c_ends_in_good_order_and_can_be_resumed(place: Path) -> None:
    done = place / "done.txt"
    process = magent(place, "run", "--id", "victim", "--output", "json")
    for count in watched(process, done):
        if count >= 3:
            process.send_signal(signal.SIGINT)
            break
    out, errors = process.communicate()
    assert process.returncode == 130
    assert json.loads(out)["status"] == "interrupted"
    assert "magent resume victim" in errors
    assert result(magent(place, "resume", "victim", "--output", "json"))["outputs"] == EXPECTED


def test_sigterm_ends_with_143(place: Path) -> None:
    process = magent(place, "run", "--id", "victim")
    for count in watched(process, place / "done.txt"):
        if count >= 1:
            process.send_signal(signal.SIGTERM)
            break
    process.communicate()
    assert process.returncode == 143


def test_a_second_process_on_the_same_run_is_refused_and_told_who_holds_it(place: Path) -> None:
    (place / "workflow.yaml").write_text(HELD)
    process = magent(place, "run", "--id", "victim", "--output", "json")
    for count in watched(process, place / "done.txt"):
        if count >= 1:
            break
    second = magent(place, "resume", "victim")
    _, errors = second.communicate()
    assert second.returncode == 5
    assert str(process.pid) in errors
    (place / "go").touch()
    assert result(process)["outputs"] == {"code": 0}


def test_a_half_written_last_line_is_dropped_and_damage_elsewhere_is_refused(place: Path) -> None:
    process = magent(place, "run", "--id", "victim")
    for count in watched(process, place / "done.txt"):
        if count >= 4:
            process.send_signal(signal.SIGKILL)
            break
    process.communicate()
    journal = place / "store" / "runs" / "victim" / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-7])
    assert result(magent(place, "resume", "victim", "--output", "json"))["outputs"] == EXPECTED
    damaged = bytearray(whole)
    damaged[len(whole) // 3] ^= 1
    journal.write_bytes(damaged)
    refused = magent(place, "resume", "victim")
    _, errors = refused.communicate()
    assert refused.returncode == 5
    assert "journal.jsonl" in errors
    assert journal.read_bytes() == bytes(damaged)
