"""Who asks people: a handler from a program, from the environment, from an installed package."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

import magent
from magent.errors import UsageError
from magent.events import Event
from magent.ports import Question
from magent.stores import open_store
from tests.cli.helpers import magent as cli
from tests.packages import install

ASK: dict[str, Any] = {"type": "human_input", "input": "rating", "prompt": "How?"}
ASKS = {"name": "w", "nodes": {"ask": {**ASK, "next": "then"}, "then": {"set": {"y": 2}}}}
FILE = """\
magent: 1
name: w
nodes: {ask: {type: human_input, input: rating, prompt: How?}}
outputs: {by: "{{ state.ask.by }}"}
"""
OURS = """
asked = []


def rates(question):
    asked.append(question.prompt)
    return {"rating": 4, "by": "a robot", "via": "web"}


class Rates:
    async def ask(self, question):
        return rates(question)


class Broken:
    def __init__(self):
        raise RuntimeError("no licence")


mute = 3
"""


class Rater:
    """Fills `ports.Human`, not async."""

    def ask(self, question: Question) -> Any:
        assert threading.current_thread() is not threading.main_thread()  # it may take its time
        return 3 if question.prompt == "How?" else None


async def rated(question: Question) -> int:
    return len(question.prompt) - 2


def nobody(_question: Question) -> None:
    return None


@pytest.fixture(autouse=True)
def site(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    entries = "[magent.humans]\nhouse = our_people:Rates\nbroken = our_people:Broken\ngone = our_people:Nothing\n"
    install(here / "site", monkeypatch, {"our_people": OURS}, entries)
    return here


@pytest.mark.parametrize(("human", "rating"), [(Rater(), 3), (Rater, 3), (rated, 2), (lambda _: 5, 5), (nobody, None)])
async def test_a_handler_is_a_function_or_an_object_sync_or_async(human: Any, rating: int | None) -> None:
    result = await magent.load(ASKS).run(store=None, human=human)
    if rating is None:
        assert result.status == "waiting"
    else:
        answer = result.state["ask"]
        assert (result.status, answer["rating"], answer["via"]) == ("completed", rating, "api")


async def test_what_a_handler_raises_is_told_and_the_run_waits() -> None:
    def broken(_question: Question) -> None:
        raise ConnectionError("the chat is down")

    seen: list[Event] = []
    store = open_store("file:.magent")
    result = await magent.load(ASKS).run(store=store, run_id="r1", human=broken, on_event=seen.append)
    assert result.status == "waiting"
    (told,) = [event.data["why"] for event in seen if event.type == "visit.waiting"]
    assert told == "the handler raised ConnectionError: the chat is down"
    for wrong in (lambda _: 9, lambda _: object()):
        assert (await magent.resume("r1", store=store, human=wrong)).status == "waiting"
    assert (await magent.resume("r1", store=store, human=rated)).status == "completed"


async def test_what_has_no_ask_is_refused_before_anything_runs() -> None:
    with pytest.raises(UsageError, match="the handler cannot ask anybody: int has no `ask`"):
        await magent.load(ASKS).run(human=3)
    assert magent.runs is not None
    assert list(await open_store("file:.magent").list()) == []


async def test_a_handler_is_given_up_when_the_time_is_up_though_it_never_ends() -> None:
    source = {"name": "w", "nodes": {"ask": {**ASK, "timeout": 0.05, "default": 1, "on_timeout": "default"}}}
    forever = threading.Event()
    result = await asyncio.wait_for(magent.load(source).run(store=None, human=lambda _: forever.wait(60)), 30)
    assert (result.state["ask"]["rating"], result.state["ask"]["via"]) == (1, "timeout")
    forever.set()


def test_who_asks_is_named_in_the_environment_or_by_a_settings_file(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    site.joinpath("workflow.yaml").write_text(FILE)
    site.joinpath("beside.py").write_text(OURS.replace("a robot", "a neighbour"))
    monkeypatch.setenv("MAGENT_HUMAN", "beside:rates")
    assert cli(capsys, "run").out == "by: a neighbour\n"
    monkeypatch.delenv("MAGENT_HUMAN")
    for wanted, code, said in [
        ("house", 0, "by: a robot"),
        ("broken", 2, "'broken' cannot be made: RuntimeError: no licence"),
        ("gone", 2, "'gone' cannot be loaded: our_people:Nothing: AttributeError"),
        ("hause", 2, "did you mean 'house'?"),
        ("our_people:rates", 2, "say it with MAGENT_HUMAN"),
    ]:
        site.joinpath(".magent.yaml").write_text(f"human: {wanted}\n")
        outcome = cli(capsys, "run", "--id", f"r-{wanted.partition(':')[0]}")
        assert (outcome.code, said in outcome.out + outcome.err) == (code, True), outcome
    monkeypatch.setenv("MAGENT_HUMAN", "our_people:mute")
    assert "cannot ask anybody: int has no `ask`" in cli(capsys, "run").err
    assert "r-broken" not in cli(capsys, "runs", "list").out
