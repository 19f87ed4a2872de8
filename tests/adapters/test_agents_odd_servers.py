"""Servers that do not do as the protocol says: what is told of them, and what it has cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from magent.ports import Message, Usage
from tests.adapters.fake_provider import FakeProvider, Raw, Turn, request
from tests.adapters.test_agents_models import KEY, SCHEMA, agent, ask, base_url, failure
from tests.adapters.test_agents_tools import ADD, SUM, after

PRICE = {"input": 1_000_000, "output": 2_000_000}  # a dollar a token, two dollars a token


@pytest.fixture
def server() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


def said(text: str, finish: str | None = None) -> bytes:
    delta = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return f"data: {json.dumps({**head, 'choices': [delta]})}\n\n".encode()


# ---- what is no answer


@pytest.mark.parametrize("model", ["openai:ok", "anthropic:claude-ok", "google:gemini-ok"])
@pytest.mark.parametrize(
    ("error", "kind", "final", "told"),
    [
        ({"message": "the GPU is on fire"}, "agent", False, "answered with an error: the GPU is on fire"),
        ({"message": "slow down", "code": 429}, "rate_limit", False, "(429): slow down"),
        ({"message": "no such model", "code": 404}, "agent", True, "(404): no such model"),
    ],
)
async def test_an_error_in_an_answer_with_status_200_is_that_error(
    server: FakeProvider, model: str, error: Any, kind: str, final: bool, told: str
) -> None:
    server.raw = Raw((json.dumps({"error": error}).encode(),), "application/json")
    found = await failure(server, model, asked := request("Hi"))
    assert (found.type, found.final) == (kind, final)
    assert told in found.message
    assert (len(server.seen), asked.meter.read()) == (1, None)


async def test_a_page_where_a_model_should_be_asks_for_the_address(server: FakeProvider) -> None:
    page = b"<html><head><title>x</title><script>alert(1)</script></head><body><h1>Welcome</h1> to nginx</body></html>"
    server.raw = Raw((page,), "text/html; charset=utf-8")
    found = await failure(server, "openai:ok")
    assert found.message.endswith("(404): Welcome to nginx")
    assert "base_url" in (found.hint or "")
    assert (found.final, len(server.seen)) == (True, 1)


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ((said("Hel"), b'data: {"id":"c1","obj'), "broke off"),
        ((said("Hel"), b'data: {"choices":[{"index":0,"delta":{"content":"caf\xc3'), "garbled"),
        ((said("Hel"), b'data: {"choices":[{"index":0,"delta":{"content":"\xff\xfe"}}]}\n\n'), "garbled"),
        ((said("Hel"), b'data: {"error": {"message": "out of memory"}}\n\n'), "out of memory"),
        ((said("Hel"), b"data: [DONE]\n\n"), "broke off"),
        ((b"",), "ended without"),
    ],
)
async def test_a_stream_that_is_broken_is_told_of_and_may_be_tried_again(
    server: FakeProvider, pieces: tuple[bytes, ...], told: str
) -> None:
    server.raw = Raw(pieces)
    found = await failure(server, "openai:ok")
    assert (found.type, found.final) == ("agent", False)
    assert told in found.message
    assert "http://" not in found.message


async def test_characters_that_arrive_byte_by_byte_are_whole(server: FakeProvider) -> None:
    server.raw = Raw(tuple(bytes([byte]) for byte in said("café 😀", "stop")))
    assert (await ask(server, "openai:ok")).text == "café 😀"


@pytest.mark.parametrize("model", ["openai:ok", "anthropic:claude-ok", "google:gemini-ok"])
async def test_an_empty_answer_is_none_and_is_asked_for_once(server: FakeProvider, model: str) -> None:
    server.script = [Turn(("",))]
    found = await failure(server, model, asked := request("Hi"))
    assert (found.type, found.final) == ("agent", False)
    assert "gave an empty answer" in found.message
    assert (len(server.seen), asked.meter.read()) == (1, Usage(11, 5, None, 1))


async def test_after_a_tool_there_may_be_nothing_left_to_say(server: FakeProvider) -> None:
    server.script = [Turn((), (SUM,)), Turn(("",))]
    async with agent("openai:ok", base_url=base_url(server, "openai"), api_key=KEY) as made:
        called = await made.ask(request("x", tools=(ADD,)), lambda _: None)
        talk = (Message("user", "x"), Message("assistant", "", called.calls), Message("tool", "42", call_id="call_1"))
        question = request("x", tools=(ADD,))
        done = await made.ask(type(question)("x", talk, tools=(ADD,)), lambda _: None)
    assert (done.text, done.calls) == ("", ())


@pytest.mark.parametrize(
    ("model", "word"),
    [("openai:ok", "length"), ("anthropic:claude-ok", "max_tokens"), ("google:gemini-ok", "MAX_TOKENS")],
)
async def test_an_answer_that_ends_at_max_tokens_says_so(server: FakeProvider, model: str, word: str) -> None:
    server.script = [Turn(("Hello wor",), finish=word), Turn(('{"sco',), finish=word), Turn(("",), finish=word)]
    reply = await ask(server, model)
    assert (reply.text, reply.cut) == ("Hello wor", True)
    found = await failure(server, model, request("Rate it", schema=SCHEMA))
    assert (found.type, "in the middle of its JSON" in found.message) == ("output", True)
    found = await failure(server, model)
    assert (found.type, "before it said a word" in found.message) == ("output", True)
    assert "max_tokens" in (found.hint or "")


# ---- streaming that is refused


async def test_a_server_that_refuses_to_stream_is_asked_without(server: FakeProvider) -> None:
    pieces: list[str] = []
    async with agent("openai:unwilling", base_url=base_url(server, "openai"), api_key=KEY) as made:
        for _ in range(2):
            asked = request("Hi")
            assert (await made.ask(asked, pieces.append)).text == "Hello, world"
    assert pieces == ["Hello, world"] * 2
    assert [bool(seen.body.get("stream")) for seen in server.seen] == [True, False, False]
    assert asked.meter.read() == Usage(11, 5, None, 1)


async def test_one_that_does_so_with_tools_streams_without(server: FakeProvider) -> None:
    async with agent("openai:unwilling", base_url=base_url(server, "openai"), api_key=KEY) as made:
        server.script = [Turn((), (SUM,))]
        reply = await made.ask(request("x", tools=(ADD,)), lambda _: None)
        await made.ask(request("x"), lambda _: None)
    assert reply.calls[0].arguments == {"expression": "6*7"}
    assert [bool(seen.body.get("stream")) for seen in server.seen] == [True, False, True, False]


async def test_what_an_answer_took_that_came_whole_where_a_stream_was_asked_for_counts(server: FakeProvider) -> None:
    reply = await ask(server, "openai:plain")
    assert (len(server.seen), reply.usage) == (2, Usage(22, 10, None, 2))


# ---- what it has cost


async def test_tokens_that_nobody_counts_are_reckoned_from_the_text(server: FakeProvider) -> None:
    reply = await ask(server, "openai:uncounted", request("A question of forty characters, or so ..."), price=PRICE)
    assert reply.usage == Usage(11, 3, 11 + 2 * 3, 1, estimated=True)


async def test_a_filtered_answer_has_cost_what_it_has(server: FakeProvider) -> None:
    await failure(server, "openai:filtered", asked := request("Hi"), price=PRICE)
    assert asked.meter.read() == Usage(11, 5, 11 + 2 * 5, 1)


async def test_a_stream_that_breaks_off_has_cost_what_had_come(server: FakeProvider) -> None:
    await failure(server, "openai:cut", asked := request("Hi, model"), price=PRICE)
    assert asked.meter.read() == Usage(3, 2, 3 + 2 * 2, 1, estimated=True)
    await failure(server, "anthropic:claude-cut", asked := request("Hi, model"), price=PRICE)
    used = asked.meter.read()
    assert used is not None
    assert used.input == 11  # which it tells at the start


async def test_so_has_one_that_is_cancelled(server: FakeProvider) -> None:
    asked, heard = request("Hi, model"), asyncio.Event()
    async with agent("openai:slow", base_url=base_url(server, "openai"), api_key=KEY, price=PRICE) as made:
        task = asyncio.ensure_future(made.ask(asked, lambda _: heard.set()))
        await heard.wait()
        task.cancel()
        await asyncio.wait({task})
    used = asked.meter.read()
    assert used is not None
    assert (used.input, used.output > 0, used.cost is not None, used.estimated) == (3, True, True, True)


@pytest.mark.parametrize("model", ["openai:refused", "openai:broken", "openai:limited"])
async def test_a_refusal_costs_nothing(server: FakeProvider, model: str) -> None:
    await failure(server, model, asked := request("Hi"), price=PRICE)
    assert asked.meter.read() is None


async def test_a_model_that_calls_itself_otherwise_has_the_price_of_the_one_that_was_asked(
    server: FakeProvider,
) -> None:
    server.raw = Raw((said("Hello", "stop"),))  # by a model `m`
    reply = await ask(server, "openai:gpt-5-mini", request("Hi"))
    assert reply.usage.cost == pytest.approx((1 * 0.25 + 2 * 2.0) / 1e6)


@pytest.mark.parametrize(
    ("status", "error", "hint"),
    [
        (400, {"message": "maximum context length is 8 tokens", "code": "context_length_exceeded"}, "shorten"),
        (402, {"message": "Payment required"}, "credit"),
        (400, {"message": "Your credit balance is too low"}, "credit"),
    ],
)
async def test_a_prompt_too_long_and_an_empty_account_are_told_apart(
    server: FakeProvider, status: int, error: Any, hint: str
) -> None:
    from tests.adapters.fake_provider import Refusal

    server.refusal = Refusal(status, {}, {"error": {"type": "invalid_request_error", **error}})
    found = await failure(server, "openai:ok")
    assert (found.final, hint in (found.hint or "")) == (True, True)


# ---- a schema that is refused


async def test_a_server_that_takes_no_schema_is_told_it_in_words(server: FakeProvider) -> None:
    server.script = [Turn(("It is 7, so here it is: ", '{"score": 7}')) for _ in range(3)]
    async with agent("openai:formless", base_url=base_url(server, "openai"), api_key=KEY) as made:
        for system in (None, "Be terse"):
            asked = request("Rate it", schema=SCHEMA, system=system)
            reply = await made.ask(asked, lambda _: None)
            assert (reply.data, reply.has_data, asked.meter.read()) == ({"score": 7}, True, Usage(11, 5, None, 1))
        await made.ask(request("Hi"), lambda _: None)
    refused, *told = server.bodies
    assert "response_format" in refused
    words = f"Answer with nothing but a JSON object that fits this JSON Schema:\n\n{json.dumps(SCHEMA)}"
    assert [body["messages"][:-1] for body in told] == [
        [{"role": "system", "content": words}],
        [{"role": "system", "content": f"Be terse\n\n{words}"}],
        [],
    ]
    assert all("response_format" not in body for body in told)


async def test_a_schema_that_a_library_cannot_put_is_told_in_words(server: FakeProvider) -> None:
    schema = {"type": "object", "properties": {"x": {"enum": [[1], [2]]}}, "required": ["x"]}  # Anthropic's
    reply = await ask(server, "anthropic:claude-sonnet-4-5", request("Rate it", schema=schema))
    assert (len(server.bodies), reply.text) == (1, "Hello, world")
    assert json.dumps(schema) in json.dumps(server.bodies[0]["system"]).replace('\\"', '"')


async def test_another_refusal_is_none_of_the_schema(server: FakeProvider) -> None:
    found = await failure(server, "openai:wrong", request("Rate it", schema=SCHEMA))
    assert (found.final, len(server.seen)) == (True, 1)


# ---- tools that are refused


@pytest.mark.parametrize(
    "refusal",
    [
        "registry.ollama.ai/library/gemma:2b does not support tools",
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        "Tool use is not supported with this model",
        "`tools` is unsupported",
    ],
)
async def test_a_server_that_takes_no_tools_has_its_model_told_of_them(server: FakeProvider, refusal: str) -> None:
    server.refusal_of_tools = refusal
    server.script = [Turn(('Let me see. {"call": "calcu', 'lator", "with": {"expression": "6*7"}}')), Turn(("42",))]
    asked, shown = request("6*7?", system="Be terse", tools=(ADD,)), list[str]()
    async with agent("openai:toolless", base_url=base_url(server, "openai"), api_key=KEY) as made:
        reply = await made.ask(asked, shown.append)
        assert [(call.name, call.arguments) for call in reply.calls] == [("calculator", {"expression": "6*7"})]
        assert (reply.text, asked.meter.read()) == ("Let me see.", Usage(11, 5, None, 1))
        assert (await made.ask(after(asked, reply, "42"), shown.append)).text == "42"
    refused, first, second = server.bodies
    assert ("tools" in refused, "tools" in first, "tools" in second) == (True, False, False)
    assert [message["role"] for message in second["messages"]] == ["system", "user"]
    told = second["messages"][1]["content"]
    assert all(part in told for part in ("6*7?", "- calculator: Works out an expression.", "gave:\n\n42"))


async def test_form_and_tools_may_both_be_told_in_words(server: FakeProvider) -> None:
    server.script = [Turn(('{"score": 7}',))]
    reply = await ask(server, "openai:toolless", request("Rate it", schema=SCHEMA, tools=(ADD,)))
    assert (reply.data, reply.has_data, reply.calls) == ({"score": 7}, True, ())
    assert json.dumps(SCHEMA) in server.bodies[-1]["messages"][0]["content"]


async def test_a_tool_whose_schema_is_refused_stays_an_error(server: FakeProvider) -> None:
    server.refusal_of_tools = "Invalid schema for function 'calculator': tools[0] is not valid"
    found = await failure(server, "openai:toolless", request("6*7?", tools=(ADD,)))
    assert (found.final, len(server.seen)) == (True, 1)


# ---- how long an answer may be


@pytest.mark.parametrize(
    ("model", "settings", "key"),
    [
        ("openai:qwen3", {"max_tokens": 77}, "max_tokens"),
        ("openai:gpt-oss:20b", {"max_tokens": 77}, "max_tokens"),
        ("openai:qwen3", {"settings": {"max_tokens": 77, "extra_body": {"top_k": 3}}}, "max_tokens"),
        ("ollama:qwen3", {"max_tokens": 77}, "max_tokens"),
        ("openai:gpt-5-mini", {"max_tokens": 77}, "max_completion_tokens"),
        ("openai:org/o3-mini", {"max_tokens": 77}, "max_completion_tokens"),
    ],
)
async def test_servers_of_ones_own_are_told_the_bound_by_the_name_that_all_of_them_know(
    server: FakeProvider, model: str, settings: Any, key: str
) -> None:
    await ask(server, model, replace(request("Hi"), max_tokens=77), base_url=f"{server.url}/v1", **settings)
    body = server.bodies[0]
    assert {name: body[name] for name in ("max_tokens", "max_completion_tokens") if name in body} == {key: 77}
    assert body.get("top_k") == (3 if "settings" in settings else None)


async def test_the_provider_itself_is_told_it_by_the_name_of_today(server: FakeProvider) -> None:
    environ = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{server.url}/v1"}
    async with agent("openai:gpt-4o", environ, max_tokens=77) as made:
        await made.ask(request("Hi"), lambda _: None)
    assert server.bodies[0]["max_completion_tokens"] == 77
