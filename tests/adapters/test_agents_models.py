"""`provider:model` against servers on loopback that speak the protocols of OpenAI, Anthropic and Google."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from magent.agents import make
from magent.agents.base import Unusable
from magent.engine.retrying import retry_at
from magent.events import Failure, WorkFailed
from magent.model import Retry
from magent.ports import Agent, Message, Reply, Request
from tests.adapters.fake_provider import FakeProvider, Refusal, environment, request, spec_of

SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}
PROVIDERS = [("openai", "ok"), ("anthropic", "claude-ok"), ("google", "gemini-ok")]
KEY = "sk-very-secret-key-0123456789"


@pytest.fixture
def server() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


def base_url(server: FakeProvider, provider: str) -> str:
    return server.url + ("/v1" if provider == "openai" else "")


@asynccontextmanager
async def agent(model: str, environ: dict[str, str] | None = None, **settings: Any) -> AsyncIterator[Agent]:
    made = make(*spec_of("model", model=model, **settings), environment(environ=environ or {}))
    try:
        yield made
    finally:
        await made.close()


async def ask(server: FakeProvider, model: str, question: Request | None = None, **settings: Any) -> Reply:
    provider = model.partition(":")[0]
    async with agent(model, **{"base_url": base_url(server, provider), "api_key": KEY, **settings}) as made:
        return await made.ask(question or request("Hi"), lambda _: None)


async def failure(server: FakeProvider, model: str, question: Request | None = None, **settings: Any) -> Failure:
    with pytest.raises(WorkFailed) as caught:
        await ask(server, model, question, **settings)
    shown = f"{caught.value.failure.message} {caught.value.failure.hint}"
    assert KEY not in shown
    return caught.value.failure


@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
async def test_text_streams_and_comes_whole_with_its_tokens(server: FakeProvider, provider: str, model: str) -> None:
    pieces: list[str] = []
    async with agent(f"{provider}:{model}", base_url=base_url(server, provider), api_key=KEY) as made:
        reply = await made.ask(request("Hi", system="Be terse"), pieces.append)
    assert pieces == ["Hello", ", ", "world"]
    assert (reply.text, reply.has_data) == ("Hello, world", False)
    assert (reply.usage.input, reply.usage.output, reply.usage.requests) == (11, 5, 1)
    assert "Be terse" in str(server.seen[0].body)


@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
async def test_a_schema_gets_data(server: FakeProvider, provider: str, model: str) -> None:
    reply = await ask(server, f"{provider}:{model}", request("Rate it", schema=SCHEMA))
    assert (reply.data, reply.has_data) == ({"score": 7}, True)


async def test_json_inside_prose_is_found(server: FakeProvider) -> None:
    reply = await ask(server, "openai:prose", request("Rate it", schema=SCHEMA))
    assert reply.data == {"score": 7}


async def test_data_is_not_validated_here(server: FakeProvider) -> None:
    server.answer = {"score": "seven"}
    assert (await ask(server, "openai:ok", request("Rate it", schema=SCHEMA))).data == {"score": "seven"}


async def test_earlier_talk_and_settings_travel(server: FakeProvider) -> None:
    talk = (Message("user", "first"), Message("assistant", "second"), Message("user", "third"))
    settings = {"temperature": 0.3, "max_tokens": 77, "settings": {"top_p": 0.5}}
    await ask(server, "openai:ok", Request("first", talk, system="sys"), **settings)
    body = server.seen[0].body
    assert [(m["role"], m["content"]) for m in body["messages"]] == [
        ("system", "sys"), ("user", "first"), ("assistant", "second"), ("user", "third"),
    ]  # fmt: skip
    assert (body["temperature"], body["top_p"]) == (0.3, 0.5)
    assert 77 in (body.get("max_completion_tokens"), body.get("max_tokens"))
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_server_that_does_not_stream_is_asked_without(server: FakeProvider) -> None:
    pieces: list[str] = []
    async with agent("openai:plain", base_url=base_url(server, "openai"), api_key=KEY) as made:
        for _ in range(2):
            assert (await made.ask(request("Hi"), pieces.append)).text == "Hello, world"
    assert pieces == ["Hello, world"] * 2
    assert [bool(seen.body.get("stream")) for seen in server.seen] == [True, False, False]


@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
@pytest.mark.parametrize(
    ("behaviour", "kind", "said", "hint"),
    [
        ("refused", "agent", "401", "api_key"),
        ("forbidden", "agent", "403", "api_key"),
        ("missing", "agent", "404", "model's name"),
        ("wrong", "agent", "400", "settings"),
        ("limited", "rate_limit", "429", "7 seconds"),
        ("spent", "rate_limit", "429", "wait"),
        ("broken", "agent", "500", "try again"),
        ("busy", "agent", "529", "try again"),
    ],
)
async def test_a_refusal_says_what_to_do_and_is_asked_once(
    server: FakeProvider, provider: str, model: str, behaviour: str, kind: str, said: str, hint: str
) -> None:
    found = await failure(server, f"{provider}:{model.replace('ok', behaviour)}")
    assert found.type == kind
    assert said in found.message
    assert f"the server says {behaviour}" in found.message
    assert hint in (found.hint or "")
    assert len(server.seen) == 1


async def test_retry_after_is_handed_on(server: FakeProvider) -> None:
    assert (await failure(server, "openai:limited")).retry_after == 7.0
    assert (await failure(server, "openai:spent")).retry_after is None


@pytest.mark.parametrize("model", ["openai:cut", "openai:cut_clean", "anthropic:claude-cut"])
async def test_a_stream_that_breaks_off_is_no_answer(server: FakeProvider, model: str) -> None:
    found = await failure(server, model)
    assert found.type == "agent"
    assert "broke off in the middle" in found.message


async def test_a_filtered_answer_is_a_failure(server: FakeProvider) -> None:
    assert "content filter" in (await failure(server, "openai:filtered")).message


@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
async def test_a_slow_answer_times_out(server: FakeProvider, provider: str, model: str) -> None:
    found = await failure(server, f"{provider}:{model.replace('ok', 'slow')}", timeout="300ms")
    assert found.type == "timeout"
    assert "0.30s" in found.message


async def test_a_request_that_is_cancelled_hangs_up(server: FakeProvider) -> None:
    heard = asyncio.Event()
    async with agent("openai:slow", base_url=base_url(server, "openai"), api_key=KEY) as made:
        task = asyncio.ensure_future(made.ask(request("Hi"), lambda _: heard.set()))
        await heard.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.gone.wait, 5)


@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
async def test_a_server_that_is_not_there_is_named(provider: str, model: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with agent(f"{provider}:{model}", base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY) as made:
        with pytest.raises(WorkFailed) as caught:
            await made.ask(request("Hi"), lambda _: None)
    found = caught.value.failure
    assert found.type == "agent"
    assert f"127.0.0.1:{port} cannot be reached" in found.message
    assert "is it running?" in (found.hint or "")


@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("openai:gpt-5-mini", "OPENAI_API_KEY"),
        ("anthropic:claude-x", "ANTHROPIC_API_KEY"),
        ("google:gemini-x", "GOOGLE_API_KEY"),
    ],
)
async def test_a_missing_key_names_its_variable(model: str, variable: str) -> None:
    async with agent(model) as made:
        with pytest.raises(WorkFailed) as caught:
            await made.ask(request("Hi"), lambda _: None)
    assert caught.value.failure.type == "agent"
    assert f"{variable} is not set" in caught.value.failure.message
    assert f"secrets.{variable}" in (caught.value.failure.hint or "")


async def test_a_key_of_the_environment_is_not_sent_to_a_server_of_ones_own(server: FakeProvider) -> None:
    async with agent("openai:ok", {"OPENAI_API_KEY": KEY}, base_url=base_url(server, "openai")) as made:
        await made.ask(request("Hi"), lambda _: None)
    assert KEY not in server.seen[0].headers["authorization"]


async def test_an_address_of_the_environment_gets_the_key_of_the_environment(server: FakeProvider) -> None:
    environ = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": base_url(server, "openai")}
    async with agent("openai:ok", environ) as made:
        await made.ask(request("Hi"), lambda _: None)
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"


async def test_the_price_of_the_file_counts(server: FakeProvider) -> None:
    reply = await ask(server, "openai:ok", price={"input": 1_000_000, "output": 2_000_000})
    assert reply.usage.cost == 11 + 2 * 5


async def test_an_unknown_price_is_unknown(server: FakeProvider) -> None:
    assert (await ask(server, "openai:ok")).usage.cost is None


@pytest.mark.parametrize(
    ("model", "message", "hint"),
    [
        ("opnai:gpt-5", "'opnai' in 'opnai:gpt-5' is no provider", "openai"),
        ("gpt-5", "'gpt-5' names no model", "provider:model"),
        ("openai:", "'openai:' names a provider, but no model", "openai:MODEL"),
    ],
)
def test_an_unknown_provider_is_found_before_anything_is_asked(model: str, message: str, hint: str) -> None:
    made = make(*spec_of("model", model=model), environment())
    assert isinstance(made, Unusable)
    assert message in made.why.failure.message
    assert hint in (made.why.failure.hint or "")


async def test_parallel_questions_share_one_agent(server: FakeProvider) -> None:
    async with agent("openai:ok", base_url=base_url(server, "openai"), api_key=KEY) as made:
        replies = await asyncio.gather(*(made.ask(request(str(n)), lambda _: None) for n in range(5)))
    assert [reply.text for reply in replies] == ["Hello, world"] * 5


async def test_nothing_is_printed(server: FakeProvider, capfd: pytest.CaptureFixture[str]) -> None:
    await ask(server, "openai:gpt-5-ok", temperature=0.1)
    assert capfd.readouterr() == ("", "")


# ---- what is worth another attempt


LIMITED = {"error": {"message": "slow down", "type": "rate_limit_error"}}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
GOOGLE = {
    "error": {
        "code": 429,
        "status": "RESOURCE_EXHAUSTED",
        "message": "quota",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}],
    }
}


@pytest.mark.parametrize(
    ("model", "status", "headers", "body", "wait"),
    [
        ("openai:ok", 429, {"retry-after": "3"}, LIMITED, 3),
        ("openai:ok", 429, {"retry-after-ms": "1500"}, LIMITED, 1.5),
        ("openai:ok", 429, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, LIMITED, 0),
        ("openai:ok", 429, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2s"}, LIMITED, 62),
        (
            "openai:ok",
            429,
            {"x-ratelimit-remaining-requests": "9", "x-ratelimit-reset-requests": "1m2s"},
            LIMITED,
            None,
        ),
        ("openai:ok", 429, {}, {"error": {"message": "Limit reached. Please try again in 1.2s. Visit"}}, 1.2),
        ("openai:ok", 503, {"retry-after": "9"}, LIMITED, 9),
        ("anthropic:claude-ok", 429, {"retry-after": "11"}, LIMITED, 11),
        ("anthropic:claude-ok", 529, {"retry-after": "4"}, OVERLOADED, 4),
        ("google:gemini-ok", 429, {}, GOOGLE, 34.5),
        ("google:gemini-ok", 503, {"retry-after": "2"}, GOOGLE | {}, 2),
    ],
)
async def test_the_servers_own_word_on_when_counts(
    server: FakeProvider, model: str, status: int, headers: dict[str, str], body: Any, wait: float | None
) -> None:
    server.refusal = Refusal(status, headers, body)
    found = await failure(server, model)
    assert (found.type, found.final) == ("rate_limit" if status == 429 else "agent", False)
    assert found.retry_after == wait


async def test_a_date_in_the_future_is_waited_for(server: FakeProvider) -> None:
    from email.utils import formatdate

    server.refusal = Refusal(429, {"retry-after": formatdate(time.time() + 90, usegmt=True)}, LIMITED)
    assert 80 < ((await failure(server, "openai:ok")).retry_after or 0) <= 90


@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_what_would_be_refused_again_is_final(
    server: FakeProvider, provider: str, model: str, status: int
) -> None:
    server.refusal = Refusal(status, {"retry-after": "1"}, {"error": {"message": "no", "code": status}})
    found = await failure(server, f"{provider}:{model}")
    assert (found.type, found.final) == ("agent", True)


@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
@pytest.mark.parametrize("status", [408, 500, 502, 503, 529])
async def test_what_may_pass_is_not_final(server: FakeProvider, provider: str, model: str, status: int) -> None:
    server.refusal = Refusal(status, {}, {"error": {"message": "later", "code": status}})
    assert not (await failure(server, f"{provider}:{model}")).final


async def test_an_account_without_credit_is_not_asked_again(server: FakeProvider) -> None:
    body = {"error": {"message": "You exceeded your current quota", "type": "x", "code": "insufficient_quota"}}
    server.refusal = Refusal(429, {}, body)
    found = await failure(server, "openai:ok")
    assert (found.type, found.final) == ("rate_limit", True)
    assert "credit" in (found.hint or "")


async def test_a_missing_key_is_final() -> None:
    async with agent("openai:gpt-5-mini") as made:
        with pytest.raises(WorkFailed) as caught:
            await made.ask(request("Hi"), lambda _: None)
    assert caught.value.failure.final


def test_a_final_failure_is_not_tried_again() -> None:
    policy = Retry(max_attempts=5)
    assert retry_at(policy, Failure("agent", "busy"), 1, "k", 0.0) is not None
    assert retry_at(policy, Failure("agent", "wrong key", final=True), 1, "k", 0.0) is None


@pytest.mark.parametrize("environ", [{}, {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "localhost:8000/v1"}])
async def test_an_address_that_is_none_is_told_before_anything_is_asked(environ: dict[str, str]) -> None:
    own = {} if environ else {"base_url": "localhost:8000/v1"}
    async with agent("openai:ok", environ, **own) as made:
        with pytest.raises(WorkFailed, match="no address that can be asked: 'localhost:8000/v1'") as caught:
            await made.ask(asked := request("Hi"), lambda _: None)
    assert (caught.value.failure.final, asked.meter.read()) == (True, None)
    assert "begins with http:// or https://" in (caught.value.failure.hint or "")


@pytest.mark.parametrize("model", ["deepseek:deepseek-chat", "openrouter:some/model"])
async def test_a_provider_that_is_asked_nowhere_else_is_not_asked_where_nobody_said(
    server: FakeProvider, model: str
) -> None:
    found = await failure(server, model)
    assert "no other address than its own; write openai:MODEL" in found.message
    assert (found.final, server.seen) == (True, [])


async def test_litellm_is_asked_where_it_is(server: FakeProvider) -> None:
    assert (await ask(server, "litellm:ok", request("Hi"), base_url=f"{server.url}/v1")).text == "Hello, world"
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"
