"""Agents that are scripts, functions and programs; and what all agents share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magent.agents import make
from magent.agents.base import Unusable, find_json
from magent.agents.replies import Replies
from magent.events import Failure, WorkFailed
from magent.ports import Agent, Message, Reply, Request
from tests.adapters.fake_provider import environment, request, spec_of

SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}


def agent(kind: Any, **settings: Any) -> Agent:
    return make(*spec_of(kind, **settings), environment(child_environ={"PATH": "/usr/bin:/bin", "SEEN": "yes"}))


async def ask(made: Agent, prompt: str = "Hi", **more: Any) -> Reply:
    return await made.ask(request(prompt, **more), lambda _: None)


async def failure(made: Agent, prompt: str = "Hi", **more: Any) -> Failure:
    with pytest.raises(WorkFailed) as caught:
        await ask(made, prompt, **more)
    return caught.value.failure


# ---- replies


async def test_replies_are_given_in_order_and_used_up() -> None:
    made = agent("replies", replies=["first", "second"])
    assert [(await ask(made)).text, (await ask(made)).text] == ["first", "second"]
    found = await failure(made)
    assert (found.type, "no scripted reply left" in found.message) == ("agent", True)


async def test_the_first_unused_reply_that_matches_answers() -> None:
    made = agent(
        "replies", replies=[{"match": "(?i)SCORE", "reply": "nine"}, {"match": "x", "reply": "no"}, "any", "rest"]
    )
    assert [(await ask(made, prompt)).text for prompt in ("hello", "the score?", "score")] == ["any", "nine", "rest"]


async def test_only_the_tasks_own_prompt_is_searched() -> None:
    made = agent("replies", replies=[{"match": "repair", "reply": "wrong"}, "right"])
    talk = (Message("user", "Hi"), Message("assistant", "repair"), Message("user", "repair it"))
    assert (await made.ask(Request("Hi", talk, system="repair"), lambda _: None)).text == "right"


async def test_a_mapping_is_data_with_a_schema_and_json_without() -> None:
    made = agent("replies", replies=[{"reply": {"score": 9}}, {"reply": {"score": 9}}, '{"score": 8}'])
    reply = await ask(made, schema=SCHEMA)
    assert (reply.data, reply.has_data) == ({"score": 9}, True)
    assert (await ask(made)).text == '{"score": 9}'
    assert (await ask(made, schema=SCHEMA)).data == {"score": 8}


async def test_replies_stream_in_pieces_and_cost_nothing() -> None:
    pieces: list[str] = []
    reply = await agent("replies", replies=["one two three"]).ask(request("Hi"), pieces.append)
    assert "".join(pieces) == reply.text
    assert len(pieces) > 1
    assert (reply.usage.cost, reply.usage.input) == (0.0, 0)


async def test_replies_that_an_earlier_life_used_are_not_given_again() -> None:
    first = agent("replies", replies=["a", {"match": "x", "reply": "b"}, "c"])
    marks = [(await ask(first, "x")).mark, (await ask(first, "x")).mark]
    second = agent("replies", replies=["a", {"match": "x", "reply": "b"}, "c"])
    for mark in marks:
        second.recall(mark)  # type: ignore[attr-defined]
    assert (await ask(second, "x")).text == "c"


async def test_replies_see_the_prompt() -> None:
    assert (await ask(agent("replies", replies=["You said {{ prompt }}"]), "hey")).text == "You said hey"


def test_a_reply_is_found_by_re2_alone() -> None:
    assert Replies([{"match": "(a+)+$", "reply": "x"}]).take("a" * 5000 + "b") is None


# ---- call


@pytest.fixture
def home(tmp_path: Path) -> str:
    (tmp_path / "agent_functions.py").write_text(
        "def echo(prompt, context): return f\"{prompt}/{context['prompt']}/{context['system']}\"\n"
        "async def rate(prompt, context): return {'score': len(prompt)}\n"
        "def broken(prompt, context): raise ValueError('too hot')\n"
        "def odd(prompt, context): return object()\n"
        "def late(prompt, context): raise TimeoutError('me')\n"
        "class Kept:\n"
        "    async def __call__(self, prompt, context): return 'kept'\n"
        "kept = Kept()\n"
    )
    return str(tmp_path)


async def test_a_function_gets_prompt_and_context(home: str) -> None:
    assert (await ask(agent("call", call="agent_functions:echo", home=home), "a", system="s")).text == "a/a/s"


async def test_an_async_function_gives_data(home: str) -> None:
    reply = await ask(agent("call", call="agent_functions:rate", home=home), "four", schema=SCHEMA)
    assert (reply.data, reply.has_data, reply.text) == ({"score": 4}, True, '{"score": 4}')


async def test_an_object_with_an_async_call_is_a_function(home: str) -> None:
    assert (await ask(agent("call", call="agent_functions:kept", home=home))).text == "kept"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken", "agent_functions:broken failed: ValueError: too hot"),
        ("late", "agent_functions:late failed: TimeoutError: me"),
        ("odd", "returned a object that is not JSON"),
        ("absent", "'agent_functions' has no 'absent'"),
    ],
)
async def test_a_function_that_fails_is_named(home: str, name: str, message: str) -> None:
    found = await failure(agent("call", call=f"agent_functions:{name}", home=home))
    assert found.type == "agent"
    assert message in found.message


# ---- command


async def test_the_prompt_is_an_argument_where_the_command_says_so() -> None:
    reply = await ask(
        agent("command", command=["printf", "<%s>", "{{ prompt }}", "{{ system }}"]), "a b; $(x)", system="sys"
    )
    assert reply.text == "<a b; $(x)><sys>"


async def test_the_prompt_goes_to_stdin_else_with_the_system_text_before_it() -> None:
    assert (await ask(agent("command", command=["cat"]), "what?", system="Be terse")).text == "Be terse\n\nwhat?"


async def test_output_streams_and_one_final_newline_is_dropped() -> None:
    pieces: list[str] = []
    reply = await agent("command", command=["printf", "a\n\n"]).ask(request("x"), pieces.append)
    assert (reply.text, "".join(pieces)) == ("a\n", "a\n\n")
    assert reply.usage.cost is None


async def test_a_schema_is_asked_for_in_words_and_found_in_the_output() -> None:
    script = "import sys; p = sys.stdin.read(); print('Well:', '{\"score\": %d}' % ('\"score\"' in p), 'ok')"
    reply = await ask(agent("command", command=[sys.executable, "-c", script]), schema=SCHEMA)
    assert (reply.data, reply.has_data) == ({"score": 1}, True)


async def test_earlier_talk_is_in_the_text() -> None:
    talk = (Message("user", "one"), Message("assistant", "two"), Message("user", "three"))
    reply = await agent("command", command=["cat"]).ask(Request("one", talk), lambda _: None)
    assert reply.text == "one\n\nYour answer to that was:\n\ntwo\n\nthree"


@pytest.mark.parametrize(
    ("parse", "printed", "data"), [("json", '{"a": [1]}', {"a": [1]}), ("lines", "a\nb\n", ["a", "b"])]
)
async def test_output_is_parsed(parse: str, printed: str, data: Any) -> None:
    reply = await ask(agent("command", command=["printf", "%s", printed], parse=parse))
    assert (reply.data, reply.has_data, reply.text) == (data, True, "")


async def test_output_that_is_no_json_is_a_failure_of_type_output() -> None:
    found = await failure(agent("command", command=["echo", "no"], parse="json"))
    assert found.type == "output"


async def test_a_bad_exit_code_shows_the_end_of_stderr() -> None:
    found = await failure(agent("command", command=["sh", "-c", "echo first >&2; echo last words >&2; exit 7"]))
    assert found.type == "agent"
    assert "sh ended with exit code 7" in found.message
    assert "last words" in found.message
    assert found.data["exit_code"] == 7


async def test_a_program_that_is_not_there_is_a_failure_of_the_agent() -> None:
    found = await failure(agent("command", command=["no-such-program-anywhere"]))
    assert found.type == "agent"
    assert "no-such-program-anywhere" in found.message


async def test_env_and_cwd_reach_the_program(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    made = agent(
        "command", command=["sh", "-c", 'echo "$SEEN $MINE $MAGENT_IDEMPOTENCY_KEY"; pwd'], env={"MINE": 3}, cwd="sub"
    )
    reply = await ask(made, cwd=str(tmp_path), key="k1")
    assert reply.text == f"yes 3 k1\n{tmp_path}/sub"


async def test_a_nul_in_an_argument_names_stdin() -> None:
    found = await failure(agent("command", command=["echo", "{{ prompt }}"]), "a\0b")
    assert "standard input" in (found.hint or "")


# ---- all


@pytest.mark.parametrize(("kind", "settings"), [("command", {"command": ["sleep", "30"]})])
async def test_the_agents_own_timeout_ends_it(kind: str, settings: dict[str, Any]) -> None:
    found = await failure(agent(kind, timeout="200ms", **settings))
    assert (found.type, found.message) == ("timeout", "agent 'someone' did not answer in time after 0.20s")


async def test_the_shorter_timeout_counts() -> None:
    found = await failure(agent("command", command=["sleep", "30"], timeout="1h"), timeout=0.2)
    assert found.type == "timeout"


async def test_an_agent_of_ones_own_is_named_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "own.py").write_text(
        "from magent.ports import Reply\n"
        "class Own:\n"
        "    def __init__(self, spec, settings, environment): self.name = spec.name\n"
        "    async def ask(self, request, on_text): return Reply('own ' + self.name)\n"
        "    async def close(self): pass\n"
    )
    made = agent("model", model="house.own:Own", home=str(tmp_path))
    assert (await ask(made)).text == "own someone"


def test_an_agent_of_ones_own_that_is_not_there_is_unusable() -> None:
    assert isinstance(agent("model", model="nowhere.at:All"), Unusable)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('{"a": 1}', {"a": 1}),
        ('```json\n{"a": {"b": [1]}}\n```', {"a": {"b": [1]}}),
        ('Sure: {not json} but {"a": 1} and {"b": 2}', {"a": 1}),
        ("the list [1, 2]", [1, 2]),
        ("7", 7),
    ],
)
def test_json_is_found_in_text(text: str, data: Any) -> None:
    assert find_json(text) == (data, True)


@pytest.mark.parametrize("text", ["", "no", "{", '{"a": NaN}', "{" * 100_000, "[" * 100_000])
def test_what_is_no_json_is_not_found(text: str) -> None:
    assert find_json(text) == (None, False)


@given(
    st.dictionaries(st.text(), st.integers() | st.text() | st.none()),
    st.text(alphabet=st.characters(exclude_characters="{[")),
)
def test_any_object_is_found_behind_any_prose(value: dict[str, Any], prose: str) -> None:
    import json

    found, there = find_json(prose.strip() + "x " + json.dumps(value))
    assert (found, there) == (value, True)
