import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from magent.agents.calls import named
from magent.errors import UsageError
from magent.events import Failure, WorkFailed
from magent.model import ToolSpec
from magent.offers import Offers, definition, misfit
from magent.ports import Tool, ToolContext
from magent.spec.builtins import offered_name
from magent.tools import Fixed, Toolbox
from magent.wrappers import Checked, Confirmed, Dressed, NotCalled, only
from tests.adapters.tooling import context, one, toolbox, used

TOOLS = {"calculator": {"builtin": "calculator"}, "files": {"builtin": "files"}, "sums": {"builtin": "calculator"}}


class Plain:
    """A tool that gives back what it is given."""

    description = "Gives back."
    parameters: Mapping[str, Any] = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    external = False
    confirm = False

    def __init__(self, name: str = "plain") -> None:
        self.name = name
        self.calls: list[Mapping[str, Any]] = []

    async def call(self, arguments: Mapping[str, Any], _context: ToolContext, /) -> Any:
        self.calls.append(arguments)
        if arguments["x"] < 0:
            raise ValueError("too small")
        return arguments["x"]


# ---- names


async def test_names_lead_to_tools_and_a_group_to_all_of_its_own() -> None:
    box = toolbox(TOOLS)
    assert (await box.tool("sums")).name == "sums"
    assert (await box.tool("files.read")).name == "files.read"
    assert list(await box.tools(["sums", "files"])) == [
        "sums",
        *(f"files.{name}" for name in ("read", "write", "append", "list", "search", "stat")),
    ]
    assert list(await box.tools(["files.stat", "files.stat"])) == ["files.stat"]


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("calculater", "no tool is named 'calculater'", "did you mean 'calculator'?"),
        ("files.raed", "no tool is named 'files.raed'", "did you mean 'files.read'?"),
        (
            "files",
            "'files' is several tools: name one of them",
            "there are: files.read, files.write, files.append, files.list, files.search, files.stat",
        ),
        ("calculator.x", "no tool is named 'calculator.x'", "did you mean 'calculator'?"),
        ("", "no tool is named ''", "there are: calculator, files, sums"),
    ],
)
async def test_a_name_that_is_none_is_told_with_the_nearest(name: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as told:
        await toolbox(TOOLS).tool(name)
    assert (told.value.message, told.value.hint) == (message, hint)


async def test_what_can_never_be_is_found_before_anything_is_opened() -> None:
    box = toolbox({**TOOLS, "off": {"builtin": "shell"}})
    for name in ("calculator", "files", "files.read"):
        box.check(name)
    for name in ("files.raed", "nothing", "off", "sums.x"):
        with pytest.raises(UsageError):
            box.check(name)


async def test_a_set_is_opened_once_however_many_ask() -> None:
    opened: list[str] = []

    class Slow(Fixed):
        async def open(self) -> Mapping[str, Tool]:
            opened.append("now")
            await asyncio.sleep(0)
            return self.tools

    box = Toolbox({"s": ToolSpec("s", "mcp", {"mcp": {}}, ".")}, lambda _spec: Slow({"a": Plain(), "b": Plain()}))
    found, _ = await asyncio.gather(asyncio.gather(*(box.tools(["s"]) for _ in range(5))), box.tool("s.a"))
    assert opened == ["now"]
    assert list(found[0]) == ["s.a", "s.b"]


# ---- offers


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("calculator", "calculator"),
        ("files.read", "files_read"),
        ("docs.find-all", "docs_find-all"),
        ("a.b.c/d ä", "a_b_c_d__"),
    ],
)
def test_a_name_is_offered_in_openais_form(name: str, offered: str) -> None:
    assert offered_name(name) == offered


def test_a_long_name_stays_one_of_its_own() -> None:
    names = {offered_name("server." + "x" * 80 + str(number)) for number in range(50)}
    assert len(names) == 50
    assert {len(name) for name in names} == {64}


async def test_tools_are_offered_and_found_again() -> None:
    offers = Offers(await toolbox(TOOLS).tools(["sums", "files.read"]))
    assert [offer.name for offer in offers.offers] == ["sums", "files_read"]
    assert offers.find("files_read").name == offers.find("files.read").name == "files.read"
    with pytest.raises(WorkFailed, match="there is no tool 'file_read'") as told:
        offers.find("file_read")
    assert told.value.failure.hint == "did you mean 'files_read'?"


def test_two_tools_of_one_offered_name_are_an_error() -> None:
    with pytest.raises(UsageError, match=r"'files\.read' and 'files_read' apart"):
        Offers({"files.read": Plain("files.read"), "files_read": Plain("files_read")})


def test_tools_of_one_server_are_told_apart_whatever_it_calls_them() -> None:
    offers = Offers({name: Plain(name) for name in ("odd.a.b", "odd.a_b", "odd.a/b")})
    names = [offer.name for offer in offers.offers]
    assert names[0] == "odd_a_b"
    assert len(set(names)) == 3
    assert all(re.fullmatch("[A-Za-z0-9_-]{1,64}", name) for name in names)
    assert [offers.find(name).name for name in names] == ["odd.a.b", "odd.a_b", "odd.a/b"]
    own = ["odd.a.b", "odd.a_b", "odd.a/b"]
    assert [offers.find(name).name for name in own] == own
    assert [named(name, offers.offers) for name in own] == names  # as scripts and programs write them


async def test_a_tool_is_written_as_openai_takes_it() -> None:
    tool = (await toolbox(TOOLS).tools(["files.stat"]))["files.stat"]
    written = definition(tool)
    assert written["type"] == "function"
    assert written["function"]["name"] == "files_stat"
    assert json.loads(json.dumps(written))["function"]["parameters"]["required"] == ["path"]


async def test_a_tool_in_openais_form_comes_back_as_it_was() -> None:
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    written = {"type": "function", "function": {"name": "t", "description": "Says it.", "parameters": schema}}
    assert definition(await one({"run": ["echo", "{{ text }}"], **written})) == written
    assert definition(
        await one({"call": "json:loads", **definition(await one({"call": "json:loads", **written}))})
    ) == (written)
    without = await one({"run": ["date"], "function": {"description": "Tells the day."}})
    assert definition(without)["function"]["parameters"] == {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }


# ---- arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"expression": 3}, "the arguments of 't' do not fit: expression: must be text, found 3"),
        ({}, "the arguments of 't' do not fit: expression: is missing"),
        (
            {"expresion": "1"},
            "the arguments of 't' do not fit: expression: is missing; "
            "expresion: is not a known field (did you mean 'expression'?)",
        ),
        ("{bad", "the arguments of 't' must be a JSON object, found text that is no JSON"),
        (None, "the arguments of 't' must be a JSON object, found no mapping"),
        ([1], "the arguments of 't' must be a JSON object, found no mapping"),
    ],
)
async def test_wrong_arguments_are_told_so_that_they_can_be_mended(arguments: Any, message: str) -> None:
    fault = misfit(await one({"builtin": "calculator"}), arguments)
    assert fault is not None
    assert fault.message == message
    assert fault.hint == "'t' takes expression"


async def test_what_may_be_left_out_is_said() -> None:
    tool = await one(
        {"run": ["echo"], "parameters": {"a": {"type": "string"}, "b": {"type": "string", "default": "x"}}}
    )
    fault = misfit(tool, {})
    assert fault is not None
    assert fault.hint == "'t' takes a, b (may be left out)"
    assert misfit(tool, {"a": "x"}) is None


# ---- wrappers


async def test_a_declaration_says_what_the_tool_is() -> None:
    tool = Dressed(Plain(), "t", {"description": "Mine.", "effects": "external", "confirm": True})
    assert (tool.name, tool.description, tool.external, tool.confirm) == ("t", "Mine.", True, True)
    assert await used(tool, {"x": 1}) == 1
    assert Dressed(Plain(), "t", {}).description == "Gives back."


async def test_tools_are_filtered() -> None:
    tools: dict[str, Tool] = {"a": Plain("a"), "b": Plain("b")}
    assert list(only(tools, ["b"])) == ["b"]
    with pytest.raises(UsageError, match="no tool is named 'c'") as told:
        only(tools, ["c"])
    assert told.value.hint == "there are: a, b"


async def test_wrappers_stand_around_one_another_and_keep_a_call_from_the_tool() -> None:
    async def agreed(tool: Tool, arguments: Mapping[str, Any]) -> Failure | None:
        asked.append((tool.name, arguments))
        return None if arguments["x"] < 3 else Failure("tool", "a person said no")

    asked: list[Any] = []
    plain = Plain()
    tool = Checked(Confirmed(Dressed(plain, "t", {"confirm": True}), agreed))
    assert (tool.name, tool.confirm, tool.description) == ("t", True, "Gives back.")
    assert await tool.call({"x": 1}, context()) == 1
    for arguments, why in (({"x": 3}, "a person said no"), ({"x": "1"}, "do not fit"), ("[1", "must be a JSON object")):
        with pytest.raises(NotCalled, match=why):
            await tool.call(arguments, context())
    assert (plain.calls, asked) == ([{"x": 1}], [("t", {"x": 1}), ("t", {"x": 3})])
