"""A record that somebody hands over: whatever of it was changed, with sums that fit, every verb that looks at runs ends
as it should, and says what is wrong. Each change was found by `python -m tests.fuzz journal header frozen`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from magent import api
from tests.cli.helpers import magent
from tests.fuzz import targets

GONE = object()
LOOKS = (
    "runs list", "runs show r1", "runs history r1", "explain r1", "diff r1 r1", "graph r1 --text", "respond r1",
    "resume r1 --plan",
)  # fmt: skip
JOURNAL = [
    ("visit.started", "path", 1.5),
    ("visit.started", "scope", GONE),
    ("visit.started", "node", ["one"]),
    ("visit.completed", "tokens", {"input": "x"}),
    ("visit.completed", "cost", "much"),
    ("visit.failed", "error", {"type": "tool"}),
    ("visit.started", "ask", {"node": "sign"}),
    ("tool.called", "path", GONE),
    ("tool.called", "path", ["x"]),
    ("round.started", "index", "0"),
    ("run.waiting", "nodes", [["x"]]),
    ("run.started", "inputs", []),
]
HEADER = [("created", 1e300), ("created", "now"), ("created", -1), ("parent", "x"), ("workflow", 1)]
FROZEN: list[tuple[str, Any]] = [
    ("root", "elsewhere"),
    ("documents", []),
    ("documents/*/data/nodes/odd/next/0/to", "nowhere"),
    ("documents/*/data/nodes/each/for_each", "{{ x }}"),
    ("documents/*/data/nodes/inner/uses", "large"),
    ("documents/*/data/nodes/rounds/while", GONE),  # a loop that nothing ends
    ("documents/*/data/nodes/fan", "x"),
    ("documents/*/data/subgraphs", 1.5),
    ("targets", {"x": {"y": "z"}}),
]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("lived"))
        return targets.lived()


def _put(files: dict[str, bytes], **changed: bytes) -> None:
    home = Path(".magent/runs/r1")
    for name, data in {**files, **{f"{name}.json": data for name, data in changed.items()}}.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(data)


def _told(capsys: Any) -> str:
    """What the verbs say of it, one after the other; none of them may fail in a way that nobody has foreseen."""
    said = ""
    for line in LOOKS:
        outcome = magent(capsys, *line.split(), "--verbose")
        assert "internal error" not in outcome.err, f"{line}: {outcome.err}"
        assert outcome.code in (0, 2, 5), line
        said += outcome.out + outcome.err
    return said


@pytest.mark.parametrize(("kind", "member", "value"), JOURNAL)
def test_an_event_that_is_none_is_damage(
    kind: str, member: str, value: Any, lived: dict[str, bytes], here: Path, capsys: Any
) -> None:
    lines = targets.unsummed(lived["journal.jsonl"]).split(b"\n")
    place = next(at for at, line in enumerate(lines) if json.loads(line)["type"] == kind and _has(line, member))
    event = json.loads(lines[place])
    event.pop(member, None)
    lines[place] = json.dumps(event if value is GONE else {**event, member: value}).encode()
    _put({**lived, "journal.jsonl": targets.summed(b"\n".join(lines))})
    assert f"event {place + 1} " in _told(capsys)


def _has(line: bytes, member: str) -> bool:
    """An event that has the member, or could: tokens and costs are only told where there are some."""
    return member in json.loads(line) or member in ("tokens", "cost")


@pytest.mark.parametrize(("member", "value"), HEADER)
def test_a_header_that_is_none_is_damage(
    member: str, value: Any, lived: dict[str, bytes], here: Path, capsys: Any
) -> None:
    _put(lived, run=json.dumps({**json.loads(lived["run.json"]), member: value}).encode())
    assert f"run.json is damaged: `{member}` is not what it must be" in _told(capsys)


@pytest.mark.parametrize(("path", "value"), FROZEN)
def test_a_workflow_that_is_none_is_damage(
    path: str, value: Any, lived: dict[str, bytes], here: Path, capsys: Any
) -> None:
    _put(lived, workflow=_changed(lived["workflow.json"], path.split("/"), value))
    assert "the workflow kept with" in _told(capsys)


def _changed(data: bytes, path: list[str], value: Any) -> bytes:
    whole = owner = json.loads(data)
    step: Callable[[Any, str], Any] = lambda found, name: int(name) if isinstance(found, list) else name  # noqa: E731
    for name in path[:-1]:
        owner = next(iter(owner.values())) if name == "*" else owner[step(owner, name)]
    owner.pop(path[-1])
    if value is not GONE:
        owner[path[-1]] = value
    return json.dumps(whole).encode()


def test_files_are_listed_of_the_runs_own_workspace_only(lived: dict[str, bytes], here: Path, capsys: Any) -> None:
    here.joinpath("private.txt").write_text("x")
    lines = targets.unsummed(lived["journal.jsonl"]).split(b"\n")
    event = json.loads(lines[0])
    event["run"] |= {"dir": str(here), "workspace": str(here)}
    lines[0] = json.dumps(event).encode()
    _put({**lived, "journal.jsonl": targets.summed(b"\n".join(lines))})
    shown = json.loads(magent(capsys, "runs", "show", "r1", "--output", "json").out)
    assert shown["files"] == []


def test_nothing_of_a_record_is_run_by_looking_at_it(here: Path, capsys: Any) -> None:
    file = here / "w.yaml"
    file.write_text('magent: 1\nname: w\nnodes: {a: {call: "evil:boom"}}\n')
    here.joinpath("evil.py").write_text("def boom():\n    raise ValueError('first')\n")
    api.run(str(file), run_id="r1", interactive=False)
    here.joinpath("evil.py").write_text("open('sprung', 'w').close()\n")
    _told(capsys)
    assert not here.joinpath("sprung").exists()
