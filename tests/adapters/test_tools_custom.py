"""Tools of other packages: by entry point, by dotted path, handed over by a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import magent
from magent import entries
from magent.errors import UsageError
from magent.ports import ToolContext
from tests.adapters.tooling import one, refused, toolbox, used
from tests.packages import install

OURS = '''
class Dice:
    """Rolls dice."""

    name = "whatever"
    parameters = {
        "type": "object",
        "properties": {"times": {"type": "integer", "minimum": 1}},
        "required": ["times"],
        "additionalProperties": False,
    }
    external = True
    confirm = False
    closed = []

    def __init__(self, sides=6):
        self.sides = sides

    async def call(self, arguments, context):
        if arguments["times"] > 100:
            raise ValueError("too many")
        return {"sum": self.sides * arguments["times"], "path": context.path}

    async def close(self):
        self.closed.append(self.sides)


def boards(prefix="b"):
    return {"read": Plain(prefix), "write": Plain(prefix + "!")}


class Plain:
    parameters = {"type": "object"}

    def __init__(self, text):
        self.text = text

    def call(self, arguments, context):
        return self.text


ready = Plain("ready")


class Mute:
    parameters = {"type": "object"}


class Odd(Plain):
    parameters = {"type": "object", "properties": {"a": {"type": "nope"}}}


class Fields(Plain):
    parameters = {"a": {"type": "string"}}


def never():
    raise RuntimeError("no disk")
'''
ENTRIES = "[magent.tools]\ndice = our_tools:Dice\nboards = our_tools:boards\nbroken = our_tools:Nothing\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that offers tools, where Python finds packages."""
    place = tmp_path / "site"
    install(place, monkeypatch, {"our_tools": OURS}, ENTRIES)
    return place


async def test_an_installed_package_offers_tools_by_name(site: Path) -> None:
    assert entries.offered(entries.TOOLS) == ["dice", "boards", "broken"]
    box = toolbox({"d": {"uses": "dice", "settings": {"sides": 20}}, "board": {"uses": "boards"}})
    tool = await box.tool("d")
    assert (tool.name, tool.description, tool.external, tool.confirm) == ("d", "Rolls dice.", True, False)
    assert await used(tool, {"times": 2}) == {"sum": 40, "path": "draft"}
    assert "times: 0 is less than the minimum 1" in (await refused(tool, {"times": 0})).message
    told = await refused(tool, {"times": 101})
    assert (told.message, told.data) == ("'d' raised ValueError: too many", {"exception": "ValueError"})
    assert list(await box.tools(["board"])) == ["board.read", "board.write"]
    assert await used(await box.tool("board.write"), {}) == "b!"
    await box.close()
    await box.close()


async def test_a_dotted_path_works_wherever_a_name_does(site: Path) -> None:
    assert await used(await one({"uses": "our_tools:Dice"}), {"times": 2}) == {"sum": 12, "path": "draft"}
    assert await used(await one({"uses": "our_tools:ready", "description": "Mine.", "confirm": True}), {}) == "ready"


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"uses": "dices"}, "no installed package has a tool 'dices'", "did you mean 'dice'?"),
        ({"uses": "weather"}, "no installed package has a tool 'weather'", "installed: dice, boards, broken"),
        ({"uses": "broken"}, "the tool 't' cannot be loaded: our_tools:Nothing: AttributeError", "whole"),
        ({"uses": "our_tools:Dicee"}, "'our_tools' has no 'Dicee'", "did you mean 'Dice'?"),
        ({"uses": "our_tools:Mute"}, "'t' is no tool: Mute has no `call`", "magent.ports.Tool"),
        ({"uses": "our_tools:Odd", "settings": {"text": ""}}, "no JSON Schema: properties.a.type: ", ""),
        (
            {"uses": "our_tools:Fields", "settings": {"text": ""}},
            "are no JSON Schema of an object",
            "magent.ports.Tool",
        ),
        ({"uses": "our_tools:never"}, "'t' cannot be made: RuntimeError: no disk", ""),
        ({"uses": "our_tools:OURS"}, "'our_tools' has no 'OURS'", ""),
        ({"uses": "dice", "settings": {"side": 3}}, "'t' cannot be made with the settings side: ", "`settings`"),
        ({"uses": "our_tools:ready", "settings": {"a": 3}}, "'t' takes no `settings`: it is made already", "leave"),
    ],
)
async def test_what_is_no_tool_says_why(site: Path, settings: Mapping[str, Any], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as told:
        await one(settings)
    assert message in told.value.message
    assert hint in (told.value.hint or "")


WORK: dict[str, Any] = {
    "name": "work",
    "tools": {"d": {"uses": "dice", "settings": {"sides": "{{ inputs.sides }}"}}, "off": {"uses": "dice"}},
    "inputs": {"sides": {"type": "integer", "default": 10}},
    "agents": {"a": {"replies": [{"call": "d", "with": {"times": 1}}, "{{ result }}"], "tools": ["d"]}},
    "nodes": {"roll": {"tool": "d", "with": {"times": 3}, "next": "ask"}, "ask": {"prompt": "go", "agent": "a"}},
}


def test_a_run_makes_each_tool_once_and_closes_it(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = magent.run(WORK, store=None)
    assert result.state["roll"] == {"sum": 30, "path": "roll"}
    assert json.loads(result.state["ask"]) == {"sum": 10, "path": "ask"}
    assert sys.modules["our_tools"].Dice.closed == [10]
    wrong = {**WORK, "tools": {"d": {"uses": "dice", "settings": {"faces": 1}}}}
    with pytest.raises(UsageError, match="cannot be made with the settings faces"):
        magent.run(wrong, store=None)


class Handed:
    """Gives back what it is given."""

    name = "handed"
    description = "Gives back."
    parameters: Mapping[str, Any] = {"type": "object"}
    external = False
    confirm = False

    async def call(self, arguments: Mapping[str, Any], context: ToolContext, /) -> Any:
        return {**arguments, "path": context.path}


def test_a_program_hands_a_tool_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = magent.run(WORK, store=None, tools={"d": Handed()})
    assert result.state["roll"] == {"times": 3, "path": "roll"}
    with pytest.raises(UsageError, match="no tool is named 'c' in the workflow"):
        magent.run(WORK, store=None, tools={"c": Handed()})
