"""What many runs came to: counted, timed and priced by workflow, node and agent, as their traces have it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import magent
from magent import figures
from magent.asking import spread
from magent.cli.main import main
from magent.explained import explain
from magent.stores import open_store
from tests.cli.helpers import magent as cli

FLOW = """\
magent: 1
name: tides
inputs: {code: {type: integer, default: 0}}
agents:
  shy: {replies: [{match: "never", reply: x}], fallback: [bold]}
  bold: {replies: ["It rises."]}
nodes:
  draft: {prompt: tides, agent: shy, next: try}
  try: {run: "exit {{ inputs.code }}", retry: {max_attempts: 2, delay: 0s}, next: ask}
  ask: {type: human_input, input: approval, default: true}
"""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a run that is done, one that failed, one that waits and is forked, and one that is damaged."""
    place = tmp_path_factory.mktemp("tides")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        place.joinpath("workflow.yaml").write_text(FLOW, "utf-8")
        assert main(["-q", "run", "--use-defaults", "--id", "done"]) == 0
        assert main(["-q", "run", "-i", "code=3", "--id", "failed"]) == 1
        assert main(["-q", "run", "--no-input", "--id", "waits"]) == 3
        assert main(["-q", "resume", "waits", "--from", "ask", "--use-defaults"]) == 0
        assert main(["-q", "run", "--use-defaults", "--id", "broken"]) == 0
        place.joinpath(".magent/runs/broken/run.json").write_text("{}")
    return place


@pytest.fixture
def there(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(shelf)
    return shelf


def test_runs_visits_and_calls_are_counted_once_whatever_became_of_them(there: Path) -> None:
    unread: list[str] = []
    found = asyncio.run(figures.figures(open_store("file:.magent"), told=unread.append))
    (of,) = found.workflows
    assert (of.runs, of.statuses) == (4, {"completed": 2, "failed": 1, "waiting": 1})
    assert (of.success_rate, len(of.times)) == (2 / 3, 3)
    nodes = {each.node: each for each in found.nodes}
    assert list(nodes) == ["draft", "try", "ask"]
    assert (nodes["try"].visits, nodes["try"].failures, nodes["try"].retries) == (3, 1, 1)
    assert (nodes["draft"].visits, nodes["ask"].visits) == (3, 2)  # a fork counts what it did itself
    agents = {each.agent: each for each in found.agents}
    assert (agents["bold"].calls, agents["bold"].failures) == (3, 0)
    assert (agents["shy"].failures, agents["shy"].fallbacks) == (3, 3)
    assert unread == ["run broken is damaged: not counted"]


def test_the_verb_tells_them_in_tables_and_as_json(there: Path, capsys: Any) -> None:
    told = cli(capsys, "stats")
    assert told.code == 0
    assert [line for line in told.out.splitlines() if line.istitle()] == ["Runs", "Nodes", "Agents"]
    assert next(line for line in told.out.splitlines() if line.startswith("tides")).split()[:3] == ["tides", "4", "67%"]
    assert told.err.count("broken") == 1
    shown = json.loads(cli(capsys, "stats", "--workflow", "tides", "--output", "json").out)
    assert list(shown) == ["workflows", "nodes", "agents", "human_input"]
    assert shown["workflows"][0]["success_rate"] == 0.6667
    assert json.loads(cli(capsys, "stats", "--since", "2999-01-01", "--output", "json").out)["workflows"] == []


def test_ninety_five_of_a_hundred_do_not_exceed_it() -> None:
    assert spread([*range(100, 0, -1)]) == (50.5, 95)
    assert spread([]) == (None, None)


async def test_every_store_gives_the_same_figures_and_the_same_reasons(here: Path, postgres: Any) -> None:
    here.joinpath("workflow.yaml").write_text(FLOW, "utf-8")
    found = []
    for url in (f"file:{here}/.magent", "sqlite:///runs.db", postgres.url(), "memory:"):
        store = open_store(url)
        loaded = magent.load("workflow.yaml")
        await loaded.run({"code": 3}, store=store, run_id="r1", use_defaults=True)
        told = (await figures.figures(store)).as_json()
        record = await store.read("r1", checkpoint=False)
        visits = [each.as_json() for each in explain(loaded.workflow, record.events, "r1")]
        found.append(json.dumps(timeless([told, visits])))
    assert len(set(found)) == 1
    assert '"failures": 1' in found[0]


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: timeless(each) for name, each in value.items() if name not in ("time", "median", "p95")}
    return [timeless(each) for each in value] if isinstance(value, list) else value
