"""Every verb does with a store of somebody's own what it does with the built-in ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import own_store
from tests.cli.helpers import magent

ASKS = """
magent: 1
name: asks
checkpoints: {every: 1}
nodes:
  a: {run: "echo hello > {{ run.workspace }}/made.txt", next: sign}
  sign: {type: human_input, input: approval, prompt: well?, next: b}
  b: {run: "cat {{ run.workspace }}/made.txt"}
outputs: {said: "{{ state.b.stdout | trim }}"}
"""


@pytest.fixture(params=["", "sealed"])
def verb(request: Any, here: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(own_store.distribution(here / "site"))
    monkeypatch.setenv("MAGENT_STORE", f"shelf:{here}/shelf")
    if request.param:
        monkeypatch.setenv("MAGENT_ENCRYPTION_KEY_ENV", "VAULT_KEY")
        monkeypatch.setenv("VAULT_KEY", bytes(range(100, 132)).hex())
    here.joinpath("workflow.yaml").write_text(ASKS)

    def call(code: int, *words: str) -> str:
        outcome = magent(capsys, *words)
        assert outcome.code == code, (words, outcome.err)
        return outcome.out

    return call


def test_all_verbs_work(verb: Any, here: Path) -> None:
    for run_id in ("r1", "r2", "r3"):
        verb(3, "run", "--no-input", "--id", run_id)
    kept = (here / "shelf/r1/run.json").read_text()
    assert ("well?" in kept) == ("magent-sealed" not in kept)
    assert [run["run_id"] for run in json.loads(verb(0, "runs", "list", "--output", "json"))] == ["r3", "r2", "r1"]
    assert json.loads(verb(0, "runs", "show", "r1", "--output", "json"))["status"] == "waiting"
    assert "made.txt" in verb(0, "runs", "show", "r1")
    assert verb(0, "runs", "history", "r1")
    assert "r2" in verb(0, "respond", "--list")
    points = json.loads(verb(0, "checkpoints", "list", "r1", "--output", "json"))
    assert verb(0, "checkpoints", "show", "r1", str(points[-1]["seq"]))
    verb(0, "checkpoints", "clean", "r1")
    assert json.loads(verb(0, "checkpoints", "list", "r1", "--output", "json")) == []
    assert "r1" in verb(0, "graph", "r1", "--text")
    verb(0, "runs", "copy", "r1", "--to", "sqlite:///there.db")
    verb(2, "runs", "copy", "r1", "--to", f"shelf:{here}/shelf")
    verb(0, "--store", "sqlite:///there.db", "runs", "copy", "r1", "--to", f"shelf:{here}/back")
    verb(0, "respond", "r1", "--approve")
    for store in (f"shelf:{here}/shelf", f"shelf:{here}/back"):
        answers = [] if store.endswith("shelf") else ["--answers", "answers.yaml"]
        here.joinpath("answers.yaml").write_text("sign: {approved: true}\n")
        done = json.loads(verb(0, "resume", "r1", "--store", store, "--output", "json", *answers))
        assert done["outputs"] == {"said": "hello"}
    assert json.loads(verb(0, "resume", "r1", "--from", "b", "--output", "json"))["outputs"] == {"said": "hello"}
    verb(0, "runs", "cancel", "r2")
    verb(0, "runs", "clean", "--status", "cancelled", "--yes")
    verb(0, "runs", "rm", "r3", "--yes")
    assert {run["status"] for run in json.loads(verb(0, "runs", "list", "--output", "json"))} == {"completed"}
    assert verb(0, "trace", "r1")
    verb(0, "sweep")
    assert "shelf:" in verb(0, "doctor", "--offline")
