"""Agents of other packages: by entry point, by module, handed over by a program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import magent
from magent import entries
from magent.agents import handed, make
from magent.agents.base import Unusable
from magent.errors import InvalidWorkflow, UsageError
from magent.events import WorkFailed
from magent.ports import Agent, Meter, Prepares, Reachable, Remembers, Reply, Usage
from tests.adapters.fake_provider import environment, request, spec_of
from tests.cli.helpers import magent as run_magent
from tests.packages import install

OURS = '''
import asyncio

from magent.events import Failure, WorkFailed
from magent.ports import Reply, Usage


class House:
    closed = []

    def __init__(self, spec, settings, environment):
        self.spec, self.settings = spec, settings

    async def ask(self, request, on_text):
        on_text("well, ")
        return Reply(f"{self.settings['model']} heard {request.prompt}", usage=Usage(3, 4, 0.5, 1), model="house-1")

    async def close(self):
        self.closed.append(self.spec.name)


class Plain:
    """Needs nothing, is not async, and gives data."""

    def ask(self, request, on_text):
        on_text("from a thread")
        if request.prompt == "text":
            return "just text"
        return {"score": 7}


class Talks:
    def __init__(self, answer):
        self.answer = answer

    async def ask(self, request, on_text):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class Slow:
    async def ask(self, request, on_text):
        await asyncio.sleep(600)


class Whole(Talks):
    def __init__(self):
        super().__init__("whole")
        self.seen = []

    async def prepare(self):
        self.seen.append("prepared")

    async def reach(self, online):
        if online:
            raise ConnectionError("nobody is there")
        return "as ever"

    def recall(self, mark):
        self.seen.append(mark)


class Mute:
    pass


def refuses():
    raise RuntimeError("no licence")


def from_a_function(spec):
    return Talks(f"made for {spec.name}")


wrong = lambda: Talks(ValueError("no"))
quits = lambda: Talks(SystemExit(3))
limited = lambda: Talks(WorkFailed(Failure("rate_limit", "slowly", retry_after=9.0)))
odd = lambda: Talks({1, 2})
crooked = lambda: Talks(Reply(text=None))
unrecorded = lambda: Talks(Reply("x", mark=object()))
'''
ENTRIES = "[magent.agents]\nhouse = our_agents:House\nbroken = our_agents:Nothing\nplain = our_agents:Plain\n"
SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(tmp_path / "site", monkeypatch, {"our_agents": OURS}, ENTRIES)
    return tmp_path


def agent(model: str, **settings: Any) -> Agent:
    return make(*spec_of("model", model=model, **settings), environment())


async def refused(made: Agent, prompt: str = "hi") -> Any:
    with pytest.raises(WorkFailed) as caught:
        await made.ask(request(prompt), lambda _: None)
    return caught.value.failure


async def test_an_installed_package_offers_agents_by_name(site: Path) -> None:
    assert entries.offered(entries.AGENTS) == ["house", "broken", "plain"]
    made = agent("house:large", temperature=0.5)
    pieces: list[str] = []
    reply = await made.ask(request("hi"), pieces.append)
    assert (reply.text, reply.usage, reply.model) == ("house:large heard hi", Usage(3, 4, 0.5, 1), "house-1")
    assert pieces == ["well, "]
    await made.close()
    import our_agents  # type: ignore[import-not-found]

    assert our_agents.House.closed == ["someone"]


async def test_an_agent_need_not_be_async_nor_know_of_replies(site: Path) -> None:
    made, meter = agent("plain:"), Meter()
    reply = await made.ask(request("x", schema=SCHEMA, meter=meter), lambda _: None)
    assert (reply.data, reply.has_data) == ({"score": 7}, True)
    assert meter.read() == reply.usage == Usage(requests=1)
    assert reply.usage.cost is None
    assert (await made.ask(request("text"), lambda _: None)).text == "just text"


async def test_a_function_may_make_one_with_what_it_takes(site: Path) -> None:
    made = make(*spec_of("model", model="our_agents:from_a_function", home=str(site / "site")), environment())
    assert (await made.ask(request("x"), lambda _: None)).text == "made for someone"


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("wrong", "agent", "agent 'someone' raised ValueError: no"),
        ("quits", "agent", "agent 'someone' raised SystemExit: 3"),
        ("limited", "rate_limit", "slowly"),
        ("odd", "agent", "gave an answer of type set that is not JSON"),
        ("crooked", "agent", "gave a Reply that is none"),
        ("unrecorded", "agent", "gave `mark` of type object that is not JSON"),
    ],
)
async def test_what_an_agent_does_wrong_is_a_failure_of_the_call(site: Path, name: str, kind: str, told: str) -> None:
    made = make(*spec_of("model", model=f"our_agents:{name}", home=str(site / "site")), environment())
    found = await refused(made)
    assert found.type == kind
    assert told in found.message


async def test_its_timeout_is_kept(site: Path) -> None:
    made = make(*spec_of("model", model="our_agents:Slow", timeout="20ms", home=str(site / "site")), environment())
    found = await refused(made)
    assert (found.type, "did not answer in time" in found.message) == ("timeout", True)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("broken:x", "our_agents:Nothing: AttributeError"),
        ("our_agents:Mute", "Mute has no `ask`"),
        ("our_agents:refuses", "cannot be made: RuntimeError: no licence"),
        ("our_agents:Hous", "'our_agents' has no 'Hous'"),
        ("our_agents.deep:House", "there is no module 'our_agents.deep'"),
    ],
)
def test_one_that_cannot_be_made_says_why(site: Path, model: str, told: str) -> None:
    made = make(*spec_of("model", model=model, home=str(site / "site")), environment())
    assert isinstance(made, Unusable)
    assert told in made.why.failure.message


async def test_what_else_an_agent_can_do_is_asked_of_it(site: Path) -> None:
    import our_agents

    whole = our_agents.Whole()
    made = handed(whole, *spec_of("model"), environment())
    assert isinstance(made, Prepares)
    assert isinstance(made, Remembers)
    assert isinstance(made, Reachable)
    await made.prepare()
    made.recall(3)
    assert whole.seen == ["prepared", 3]
    assert await made.reach(False) == "as ever"
    with pytest.raises(WorkFailed, match="raised ConnectionError: nobody is there"):
        await made.reach(True)


# ---- in workflows

FLOW = """
magent: 1
name: ours
agents:
  a: {model: "MODEL"}
nodes: {ask: {prompt: hi, agent: a}}
"""


@pytest.mark.parametrize("model", ["house:large", "beside:House", "our_agents.x:House"])
def test_validate_knows_them(site: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (site / "beside.py").write_text("from our_agents import House\n", "utf-8")
    file = site / "flow.yaml"
    file.write_text(FLOW.replace("MODEL", model), "utf-8")
    magent.load(file)
    file.write_text(FLOW.replace("MODEL", "besid:House"), "utf-8")
    with pytest.raises(InvalidWorkflow) as caught:
        magent.load(file)
    assert "'besid' in 'besid:House' is no provider of models" in caught.value.problems[0].message


def test_a_module_beside_the_workflow_has_one(site: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(site)
    (site / "beside.py").write_text("import our_agents\nclass Own(our_agents.House): pass\n", "utf-8")
    (site / "workflow.yaml").write_text(FLOW.replace("MODEL", "beside:Own"), "utf-8")
    done = run_magent(capsys, "run", "-q", "--output", "json")
    result = json.loads(done.out)
    assert (result["outputs"], result["cost_usd"]) == ({"ask": "beside:Own heard hi"}, 0.5)
    assert run_magent(capsys, "agents", "ask", "a", "hi", "--agent", "a=house:x").out == "house:x heard hi\n"


async def test_a_program_hands_one_over_and_closes_it_itself(site: Path) -> None:
    import our_agents

    class Mine:
        closed = 0

        async def ask(self, request: Any, on_text: Any) -> Reply:
            return Reply("mine", usage=Usage(1, 1, 0.0, 1))

        async def close(self) -> None:
            self.closed += 1

    flow, mine = magent.load(json_of("house:large")), Mine()
    assert (await flow.run(store=None, agents={"a": mine})).outputs == {"ask": "mine"}
    assert mine.closed == 0
    failed = await flow.run(store=None, agents={"a": our_agents.wrong()})
    assert failed.error is not None
    assert (failed.status, failed.error["type"]) == ("failed", "agent")
    with pytest.raises(UsageError, match="Mute has no `ask`"):
        await flow.run(store=None, agents={"a": our_agents.Mute()})


def json_of(model: str) -> dict[str, Any]:
    nodes = {"ask": {"prompt": "x", "agent": "a"}}
    return {"magent": 1, "name": "ours", "agents": {"a": {"model": model}}, "nodes": nodes}


@pytest.mark.parametrize("verb", [["agents", "list", "--check"], ["doctor", "--offline"]])
def test_what_an_agent_prints_is_no_result(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, verb: list[str]
) -> None:
    monkeypatch.chdir(site)
    (site / "beside.py").write_text(
        "class Loud:\n"
        "    def __init__(self): print('hello')\n"
        "    async def ask(self, request, on_text): ...\n"
        "    async def close(self): print('bye')\n",
        "utf-8",
    )
    (site / "workflow.yaml").write_text(FLOW.replace("MODEL", "beside:Loud"), "utf-8")
    json.loads(run_magent(capsys, *verb, "--output", "json").out)
