"""Tools that models call: what a server really gets, and what comes back, in each of three protocols."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from magent.agents import make
from magent.agents.parts import messages_of, opaque, parameters_of
from magent.events import WorkFailed
from magent.ports import Message, Reply, Request, ToolCall, ToolOffer, Usage
from tests.adapters.fake_provider import SIGNATURE, FakeProvider, Turn, environment, request, spec_of
from tests.adapters.test_agents_models import KEY, PROVIDERS, SCHEMA, agent, ask, base_url

ADD = ToolOffer(
    "calculator",
    "Works out an expression.",
    {
        "type": "object",
        "properties": {"expression": {"type": "string"}},
        "required": ["expression"],
        "additionalProperties": False,
    },
)
LOOK = ToolOffer("docs_search", "Searches the documentation.", {"type": "object", "properties": {"query": {}}})
SUM = ("call_a", "calculator", '{"expression": "6*7"}')


@pytest.fixture
def server() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


def after(question: Request, reply: Reply, *results: str) -> Request:
    """The question once more, with what was called and what came of it, as a tool loop puts it."""
    said = Message("assistant", reply.text, reply.calls, opaque=reply.opaque)
    given = [
        Message("tool", text, call_id=call.id, name=call.name) for call, text in zip(reply.calls, results, strict=True)
    ]
    return replace(question, messages=(*question.messages, said, *given))


def no_secrets(server: FakeProvider) -> None:
    assert KEY not in json.dumps(server.bodies)


# ---- calls come out


@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
async def test_a_call_comes_with_its_arguments_and_the_text_beside_it(
    server: FakeProvider, provider: str, model: str
) -> None:
    server.script = [Turn(("Let me ", "see"), (SUM,))]
    pieces: list[str] = []
    async with agent(f"{provider}:{model}", base_url=base_url(server, provider), api_key=KEY) as made:
        reply = await made.ask(request("6*7?", tools=(ADD,)), pieces.append)
    assert [(call.name, call.arguments) for call in reply.calls] == [("calculator", {"expression": "6*7"})]
    assert (reply.text, pieces) == ("Let me see", ["Let me ", "see"])
    assert (reply.usage.input, reply.usage.output, reply.usage.requests) == (11, 5, 1)
    assert reply.has_data is False


@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
async def test_several_calls_come_at_once_in_their_order(server: FakeProvider, provider: str, model: str) -> None:
    server.script = [Turn((), (SUM, ("call_b", "docs_search", '{"query": "x"}')))]
    reply = await ask(server, f"{provider}:{model}", request("both", tools=(ADD, LOOK)))
    assert [call.name for call in reply.calls] == ["calculator", "docs_search"]
    assert len({call.id for call in reply.calls}) == 2


async def test_arguments_that_are_no_json_stay_text(server: FakeProvider) -> None:
    server.script = [Turn((), (("a", "calculator", '{"expression": '), ("b", "calculator", "")))]
    reply = await ask(server, "openai:ok", request("x", tools=(ADD,)))
    assert [call.arguments for call in reply.calls] == ['{"expression": ', {}]


@pytest.mark.parametrize("written", ["docs.search", "functions.docs_search", "functions.docs.search", "docs_search"])
async def test_names_that_models_bend_are_mapped_back(server: FakeProvider, written: str) -> None:
    server.script = [Turn((), (("a", written, "{}"),))]
    reply = await ask(server, "openai:ok", request("x", tools=(ADD, LOOK)))
    assert reply.calls[0].name == "docs_search"


async def test_an_unknown_name_is_handed_on_as_it_is(server: FakeProvider) -> None:
    server.script = [Turn((), (("a", "teleport", "{}"),))]
    assert (await ask(server, "openai:ok", request("x", tools=(ADD,)))).calls[0].name == "teleport"


async def test_a_call_that_is_cut_off_is_not_made(server: FakeProvider) -> None:
    server.script = [Turn((), (("a", "calculator", '{"expr'),), finish="length")]
    with pytest.raises(WorkFailed) as caught:
        await ask(server, "openai:ok", asked := request("x", tools=(ADD,)))
    assert caught.value.failure.type == "output"
    assert "in the middle of the call of a tool" in caught.value.failure.message
    assert asked.meter.read() == Usage(11, 5, None, 1)


async def test_a_server_that_does_not_stream_can_call_tools(server: FakeProvider) -> None:
    async with agent("openai:plain", base_url=base_url(server, "openai"), api_key=KEY) as made:
        await made.ask(request("Hi"), lambda _: None)
        server.script = [Turn((), (SUM,))]
        reply = await made.ask(request("x", tools=(ADD,)), lambda _: None)
    assert reply.calls[0].arguments == {"expression": "6*7"}


async def test_a_request_with_tools_that_is_cancelled_hangs_up(server: FakeProvider) -> None:
    server.script = [Turn(("one", "two", "three", "four"), (SUM,))]
    heard = asyncio.Event()
    async with agent("openai:slow", base_url=base_url(server, "openai"), api_key=KEY) as made:
        task = asyncio.ensure_future(made.ask(request("Hi", tools=(ADD,)), lambda _: heard.set()))
        await heard.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.gone.wait, 5)


# ---- what a server really gets


async def test_what_an_openai_server_gets(server: FakeProvider) -> None:
    server.script = [Turn(("Let me see",), (SUM,)), Turn(("42",))]
    question = request("6*7?", system="Be terse", tools=(ADD,), max_tokens=50)
    async with agent("openai:ok", base_url=base_url(server, "openai"), api_key=KEY, temperature=0.1) as made:
        reply = await made.ask(question, lambda _: None)
        assert (await made.ask(after(question, reply, "42"), lambda _: None)).text == "42"
    first, second = server.bodies
    function = {"name": "calculator", "description": "Works out an expression.", "parameters": dict(ADD.parameters)}
    assert first == {
        "model": "ok",
        "messages": [{"role": "system", "content": "Be terse"}, {"role": "user", "content": "6*7?"}],
        "tools": [{"type": "function", "function": function}],
        "tool_choice": "auto",
        "temperature": 0.1,
        "max_tokens": 50,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    called = {
        "id": "call_a",
        "type": "function",
        "function": {"name": "calculator", "arguments": '{"expression":"6*7"}'},
    }
    assert [dict(message) for message in second["messages"][2:]] == [
        {"role": "assistant", "content": "Let me see", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "call_a", "content": "42"},
    ]
    assert second["tools"] == first["tools"]
    no_secrets(server)


async def test_what_anthropic_gets(server: FakeProvider) -> None:
    server.script = [Turn(("Let me see",), (SUM, ("call_b", "docs_search", "{}"))), Turn(("42",))]
    question = request("6*7?", system="Be terse", tools=(ADD, LOOK), max_tokens=50)
    async with agent("anthropic:claude-ok", base_url=server.url, api_key=KEY) as made:
        reply = await made.ask(question, lambda _: None)
        await made.ask(after(question, reply, "42", "nothing"), lambda _: None)
    first, second = server.bodies
    assert set(first) == {"model", "messages", "system", "tools", "tool_choice", "max_tokens", "stream"}
    assert (first["max_tokens"], first["tool_choice"]["type"]) == (50, "auto")
    assert [tool["name"] for tool in first["tools"]] == ["calculator", "docs_search"]
    assert first["tools"][0]["input_schema"] == dict(ADD.parameters)
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "user"]
    assert second["messages"][1]["content"] == [
        {"type": "text", "text": "Let me see"},
        {"type": "tool_use", "id": "call_a", "name": "calculator", "input": {"expression": "6*7"}},
        {"type": "tool_use", "id": "call_b", "name": "docs_search", "input": {}},
    ]
    results = [(part["type"], part["tool_use_id"]) for part in second["messages"][2]["content"]]
    assert results == [("tool_result", "call_a"), ("tool_result", "call_b")]
    no_secrets(server)


async def test_what_google_gets(server: FakeProvider) -> None:
    server.script = [Turn(("Let me see",), (SUM,)), Turn(("42",))]
    question = request("6*7?", system="Be terse", tools=(ADD,), max_tokens=50)
    async with agent("google:gemini-ok", base_url=server.url, api_key=KEY) as made:
        reply = await made.ask(question, lambda _: None)
        await made.ask(after(question, reply, "42"), lambda _: None)
    first, second = server.bodies
    assert first["systemInstruction"]["parts"][0]["text"] == "Be terse"
    assert first["generationConfig"]["maxOutputTokens"] == 50
    declared = first["tools"][0]["functionDeclarations"][0]
    assert (declared["name"], declared["description"]) == ("calculator", "Works out an expression.")
    parts = [part for content in second["contents"] for part in content["parts"]]
    assert [next(iter(part)) for part in parts] == ["text", "text", "functionCall", "functionResponse"]
    assert parts[2]["functionCall"]["args"] == {"expression": "6*7"}
    assert parts[3]["functionResponse"]["name"] == "calculator"
    assert "42" in json.dumps(parts[3]["functionResponse"]["response"])
    no_secrets(server)


@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
async def test_talk_of_another_agent_can_be_gone_on_with(server: FakeProvider, provider: str, model: str) -> None:
    """A session passes from one kind of agent to another; what is not JSON, or has an odd id, is no hindrance."""
    talk = (
        Message("user", "first"),
        Message("assistant", "", (ToolCall("a.b:c", "calculator", "not json"), ToolCall("2", "calculator", [1]))),
        Message("tool", "wrong", call_id="a.b:c", name="calculator"),
        Message("tool", "worse", call_id="2", name="calculator"),
        Message("assistant", "I give up", opaque={"model": "other:model", "response": {"of": "theirs"}}),
        Message("user", "again"),
    )
    await ask(server, f"{provider}:{model}", Request("again", talk, tools=(ADD,)))
    sent = json.dumps(server.bodies[0])
    assert all(text in sent for text in ("first", "wrong", "worse", "I give up", "again"))
    assert "theirs" not in sent
    assert "a.b:c" not in sent


# ---- thoughts that are wanted back


@pytest.mark.parametrize(
    ("provider", "model", "name"),
    [("anthropic", "claude-ok", "signature"), ("google", "gemini-ok", "thoughtSignature")],
)
async def test_signed_thoughts_go_back_as_they_came(server: FakeProvider, provider: str, model: str, name: str) -> None:
    server.script = [Turn((), (SUM,), thought="six by seven"), Turn(("42",))]
    question = request("6*7?", tools=(ADD,))
    async with agent(f"{provider}:{model}", base_url=base_url(server, provider), api_key=KEY) as made:
        reply = await made.ask(question, lambda _: None)
        kept = json.loads(json.dumps(reply.opaque))  # it survives the record of a run
        await made.ask(after(question, replace(reply, opaque=kept), "42"), lambda _: None)
    assert f'"{name}": "{SIGNATURE}"' in json.dumps(
        server.bodies[1]["messages" if provider == "anthropic" else "contents"]
    )


async def test_where_text_and_calls_say_all_nothing_is_kept_beside_them(server: FakeProvider) -> None:
    server.script = [Turn(("so",), (SUM,))]
    assert (await ask(server, "openai:ok", request("x", tools=(ADD,)))).opaque is None


# ---- tools and structured output


@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
async def test_tools_and_a_schema_go_together(server: FakeProvider, provider: str, model: str) -> None:
    question = request("rate", schema=SCHEMA, tools=(ADD,))
    async with agent(f"{provider}:{model}", base_url=base_url(server, provider), api_key=KEY) as made:
        server.script = [Turn((), (SUM,))]
        reply = await made.ask(question, lambda _: None)
        assert (reply.calls[0].name, reply.has_data) == ("calculator", False)
        server.script = [Turn((), (("z", "answer", '{"score": 9}'),))]
        final = await made.ask(after(question, reply, "42"), lambda _: None)
        assert (final.data, final.has_data, final.calls) == ({"score": 9}, True, ())
        server.script = [Turn(('{"score": 8}',))]
        assert (await made.ask(after(question, reply, "42"), lambda _: None)).data == {"score": 8}


async def test_a_call_of_a_tool_goes_before_an_answer_beside_it(server: FakeProvider) -> None:
    server.script = [Turn((), (("z", "answer", '{"score": 9}'), SUM))]
    reply = await ask(server, "openai:ok", request("rate", schema=SCHEMA, tools=(ADD,)))
    assert [call.name for call in reply.calls] == ["calculator"]
    assert not reply.has_data


async def test_a_tool_may_be_called_answer(server: FakeProvider) -> None:
    mine = ToolOffer("answer", "Answers the phone.", {"type": "object", "properties": {}})
    server.script = [Turn((), (("a", "answer", "{}"),)), Turn((), (("b", "answer_1", '{"score": 3}'),))]
    question = request("rate", schema=SCHEMA, tools=(mine,))
    async with agent("openai:ok", base_url=base_url(server, "openai"), api_key=KEY) as made:
        reply = await made.ask(question, lambda _: None)
        assert [call.name for call in reply.calls] == ["answer"]
        assert (await made.ask(after(question, reply, "hello?"), lambda _: None)).data == {"score": 3}
    assert [tool["function"]["name"] for tool in server.bodies[0]["tools"]] == ["answer", "answer_1"]


FIELDS = {
    "said": {"type": "string", "maxLength": 9},
    "note": {"type": ["string", "null"], "default": None, "description": "If any"},
    "kind": {"enum": ["a", 1, None]},
    "either": {"type": ["integer", "string"], "minimum": 3},
    "list": {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 2},
    "deep": {"type": "object", "properties": {"type": {"type": ["string", "null"]}}, "required": ["type"]},
}


def of(fields: Any) -> Any:
    return {"type": "object", "properties": fields, "required": [*fields], "additionalProperties": False}


@pytest.mark.parametrize("model", ["openai:gpt-5", "anthropic:claude-sonnet-4-5", "google:gemini-ok"])
async def test_an_answer_may_have_fields_of_several_types(server: FakeProvider, model: str) -> None:
    server.answer = {"said": "x"}
    reply = await ask(server, model, request("Rate", schema=of(FIELDS)))
    assert (reply.data, len(server.bodies)) == ({"said": "x"}, 1)


async def test_what_anthropic_gets_of_fields_of_several_types(server: FakeProvider) -> None:
    await ask(server, "anthropic:claude-sonnet-4-5", request("Rate", schema=of(FIELDS)))
    properties = server.bodies[0]["output_config"]["format"]["schema"]["properties"]
    assert [each["type"] for each in properties["note"]["anyOf"]] == ["string", "null"]
    assert properties["note"]["description"].startswith("If any")
    assert [each["type"] for each in properties["either"]["anyOf"]] == ["integer", "string"]
    assert [each["type"] for each in properties["list"]["items"]["anyOf"]] == ["number", "null"]
    assert [each["type"] for each in properties["deep"]["properties"]["type"]["anyOf"]] == ["string", "null"]
    assert properties["kind"]["enum"] == ["a", 1, None]


@pytest.mark.parametrize(
    "field",
    [
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"x": {"type": "string"}}, "additionalProperties": True},
        {"type": "array", "items": {}},
        {"type": "array", "items": [{"type": "string"}]},
        {"description": "Anything"},
        {"$ref": "#/properties/other"},
        {"anyOf": [{"type": "string"}, {"type": ["object", "null"]}]},
    ],
)
async def test_what_anthropics_form_cannot_say_is_the_matter_of_a_tool(server: FakeProvider, field: Any) -> None:
    """There an object has no keys but those that are named: one of any keys would always come empty."""
    schema = of({"free": field, "other": {"type": "string"}})
    await ask(server, "anthropic:claude-sonnet-4-5", request("Rate", schema=schema))
    body = server.bodies[0]
    assert "output_config" not in body
    assert [tool["input_schema"]["properties"]["free"] for tool in body["tools"]] == [field]


@pytest.mark.parametrize(("own_server", "mode"), [(False, "native"), (True, "tool")])
def test_a_schema_stands_beside_tools_where_the_server_is_openais(own_server: bool, mode: str) -> None:
    """Its own models hold an answer to a schema and call tools at once; other servers often do but the one."""
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel("gpt-5-mini", provider=OpenAIProvider(api_key=KEY))
    both = parameters_of(request("rate", schema=SCHEMA, tools=(ADD,)), model, own_server=own_server)
    assert both.output_mode == mode
    assert parameters_of(request("rate", schema=SCHEMA), model, own_server=own_server).output_mode == "native"


# ---- scripts and functions


def scripted(*entries: Any) -> Any:
    return make(*spec_of("replies", replies=list(entries)), environment())


async def test_a_script_calls_tools_and_goes_on_with_what_they_gave() -> None:
    made = scripted(
        {"match": "times", "reply": "let me see", "call": "calculator", "with": {"expression": "{{ prompt | upper }}"}},
        {"calls": [{"call": "docs.search", "with": {"query": "{{ result }}"}}, {"call": "calculator"}]},
        "it is {{ result }}, before that {{ results | first }}",
    )
    question = request("6 times 7", tools=(ADD, LOOK))
    first = await made.ask(question, lambda _: None)
    assert (first.text, first.calls) == (
        "let me see",
        (ToolCall("call_1", "calculator", {"expression": "6 TIMES 7"}),),
    )
    question = after(question, first, "42")
    second = await made.ask(question, lambda _: None)
    assert [(call.id, call.name, call.arguments) for call in second.calls] == [
        ("call_2", "docs_search", {"query": "42"}),
        ("call_3", "calculator", {}),
    ]
    third = await made.ask(after(question, second, "found", "none"), lambda _: None)
    assert (third.text, third.calls, third.mark) == ("it is none, before that 42", (), 2)


async def test_a_script_may_call_with_arguments_that_are_no_json() -> None:
    reply = await scripted({"call": "calculator", "with": "not json"}).ask(request("x", tools=(ADD,)), lambda _: None)
    assert reply.calls[0].arguments == "not json"


async def test_a_function_calls_tools(tmp_path: Path) -> None:
    (tmp_path / "callers.py").write_text(
        "def one(prompt, context):\n"
        "    if context['results']: return 'it is ' + context['results'][-1]\n"
        "    return {'call': context['tools'][0]['name'], 'with': {'expression': prompt}}\n"
        "def two(prompt, context):\n"
        "    return {'text': 'both', 'calls': [{'call': 'calculator', 'with': {}}, {'call': 'docs.search'}]}\n"
        "def bad(prompt, context): return {'calls': ['x']}\n"
    )

    def made(name: str) -> Any:
        return make(*spec_of("call", call=f"callers:{name}", home=str(tmp_path)), environment())

    question = request("6*7", tools=(ADD, LOOK))
    reply = await made("one").ask(question, lambda _: None)
    assert reply.calls == (ToolCall("call_1", "calculator", {"expression": "6*7"}),)
    assert (await made("one").ask(after(question, reply, "42"), lambda _: None)).text == "it is 42"
    both = await made("two").ask(question, lambda _: None)
    assert (both.text, [call.name for call in both.calls]) == ("both", ["calculator", "docs_search"])
    with pytest.raises(WorkFailed, match="is none: a call names its tool"):
        await made("bad").ask(question, lambda _: None)
    plain = await made("two").ask(request("x"), lambda _: None)
    assert (plain.calls, json.loads(plain.text)["text"]) == ((), "both")  # without tools a mapping is an answer


def test_items_of_openais_responses_go_back_with_their_ids() -> None:
    """Its reasoning and its calls have ids that may hold signs which other providers do not take."""
    from pydantic_ai.messages import ModelResponse, ThinkingPart, ToolCallPart

    model, id = "openai-responses:gpt-5", "call_1|fc_1"
    thought = ThinkingPart("six", id="rs_1", signature="sealed", provider_name="openai")
    called = ToolCallPart("calculator", '{"expression": "6*7"}', id, id="fc_1", provider_name="openai")
    calls = (ToolCall(id, "calculator", {"expression": "6*7"}),)
    kept = json.loads(json.dumps(opaque(ModelResponse([thought, called], provider_name="openai"), model, calls)))
    said = Message("assistant", "", calls, opaque=kept)
    talk = Request("q", (Message("user", "q"), said, Message("tool", "42", call_id=id, name="calculator")))
    _, back, results = messages_of(talk, model)
    assert (back.parts[0].signature, back.parts[1].id, results.parts[0].tool_call_id) == ("sealed", "fc_1", id)
    _, rebuilt, results = messages_of(talk, "anthropic:claude")
    assert [part.part_kind for part in rebuilt.parts] == ["tool-call"]
    assert rebuilt.parts[0].tool_call_id == results.parts[0].tool_call_id == "call_1_fc_1"


@pytest.mark.parametrize("way", ["cut", "cut_clean"])
@pytest.mark.parametrize(("provider", "prefix"), [("openai", ""), ("anthropic", "claude-"), ("google", "gemini-")])
async def test_a_stream_that_breaks_off_calls_nothing(
    server: FakeProvider, provider: str, prefix: str, way: str
) -> None:
    """Half a call is no call, however the connection ends; another attempt may do better."""
    server.script = [Turn(("a", "b", "c", "d") if provider == "google" else (), (SUM, SUM))]
    with pytest.raises(WorkFailed) as caught:
        await ask(server, f"{provider}:{prefix}{way}", request("x", tools=(ADD,)))
    assert (caught.value.failure.type, caught.value.failure.final) == ("agent", False)
    assert "broke off" in caught.value.failure.message
