import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from magent.errors import UsageError
from magent.events import WorkFailed
from tests.adapters.tooling import context, one, refused, toolbox, used

# ---- run


async def test_a_command_gives_what_it_prints(tmp_path: Path) -> None:
    said: list[str] = []
    tool = await one({"run": ["echo", "{{ text }}"], "parameters": {"text": {"type": "string"}}})
    assert await used(tool, {"text": "a b"}, context(tmp_path, on_text=said.append)) == "a b"
    assert said == ["a b\n"]
    assert tool.description == "Runs a command: echo {{ text }}"


async def test_what_is_printed_is_read_as_it_says() -> None:
    lines = await one({"run": "printf 'a\\nb\\n'", "parse": "lines"})
    assert await used(lines, {}) == ["a", "b"]
    data = await one({"run": ["echo", '{"a": 1}'], "parse": "json"})
    assert await used(data, {}) == {"a": 1}
    wrong = await one({"run": ["echo", "no"], "parse": "json"})
    assert "not JSON" in (await refused(wrong, {})).message


HOSTILE = [
    "; touch pwned",
    "$(touch pwned)",
    "`touch pwned`",
    "' ; touch pwned '",
    '"; touch pwned',
    "-rf",
    "&& touch pwned",
    "\n touch pwned",
    "*",
    "$HOME",
    "a\\",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_parameter_never_becomes_a_command(tmp_path: Path, text: str) -> None:
    parameters = {"text": {"type": "string"}}
    for run in (["printf", "%s", "{{ text }}"], "printf %s {{ text }}", 'x={{ text }}; printf %s "$x"'):
        tool = await one({"run": run, "parameters": parameters})
        assert await used(tool, {"text": text}, context(tmp_path)) == text
    assert list(tmp_path.iterdir()) == []


async def test_an_exit_code_outside_those_that_are_well_is_a_failure() -> None:
    tool = await one(
        {"run": "echo wrong >&2; exit {{ code }}", "parameters": {"code": {"type": "integer"}}, "ok_exit_codes": [0, 1]}
    )
    assert await used(tool, {"code": 1}) == ""
    failure = await refused(tool, {"code": 2})
    assert failure.message == "the command ended with exit code 2: wrong"
    assert failure.data["exit_code"] == 2


async def test_defaults_environment_directory_and_input_are_rendered_at_each_call(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    settings = {
        "run": "cat; echo $WHO $KEY $MAGENT_IDEMPOTENCY_KEY; pwd",
        "parameters": {"who": {"type": "string", "default": "you"}, "text": {"type": "string", "default": None}},
        "env": {"WHO": "{{ who }}", "KEY": "{{ secrets.TOKEN }}"},
        "cwd": "sub",
        "stdin": "{{ text }}|{{ inputs.topic }}|",
        "parse": "lines",
    }
    tool = await one(settings, secrets={"TOKEN": "t0p"}, seen={"inputs": {"topic": "tides"}})
    assert await used(tool, {"text": "in"}, context(tmp_path)) == ["in|tides|you t0p key-1", str(tmp_path / "sub")]
    assert (await used(tool, {"who": "me"}, context(tmp_path)))[0] == "|tides|me t0p key-1"


async def test_a_program_that_is_not_there_is_told() -> None:
    failure = await refused(await one({"run": ["no-such-program"]}), {})
    assert failure.message == "'no-such-program' was not found"


async def test_a_child_does_not_see_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("TOKEN", "sk-secret")
    tool = await one({"run": ["env"]}, secrets={"TOKEN": "sk-secret"})
    assert "sk-secret" not in await used(tool, {})
    shell = await one({"builtin": "shell", "allow": ["env"]}, secrets={"TOKEN": "sk-secret"})
    assert "sk-secret" not in (await used(shell, {"command": ["env"]}))["stdout"]


# ---- shell


async def test_a_program_that_is_allowed_runs_in_the_workspace(tmp_path: Path) -> None:
    tool = await one({"builtin": "shell", "allow": ["pwd", "sh"]})
    done = {"exit_code": 0, "stdout": f"{tmp_path}\n", "stderr": "", "truncated": False}
    assert await used(tool, {"command": ["pwd"]}, context(tmp_path)) == done
    assert (await used(tool, {"command": ["sh", "-c", "exit 3"]}, context(tmp_path)))["exit_code"] == 3
    assert '"pwd"' in json.dumps(dict(tool.parameters)) or "pwd" in tool.description


@pytest.mark.parametrize(
    "words",
    [
        ["cat", "x"],
        ["./echo"],
        ["/bin/echo"],
        ["echo;ls"],
        ["ECHO"],
        [" echo"],
        ["../echo"],
        ["bin/echo"],
        [""],
        ["sh", "-c", "echo"],
    ],
)
async def test_no_other_program_runs(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "echo").write_text("#!/bin/sh\ntouch pwned\n")
    (tmp_path / "echo").chmod(0o755)
    tool = await one({"builtin": "shell", "allow": ["echo"]})
    assert "is not allowed" in (await refused(tool, {"command": words}, context(tmp_path))).message
    assert not (tmp_path / "pwned").exists()


async def test_a_program_is_never_taken_from_where_files_are_written(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("#!/bin/sh\ntouch pwned\n")
    (tmp_path / "mine").chmod(0o755)
    tool = await one({"builtin": "shell", "allow": ["mine"]}, environ={"PATH": f":.:{os.defpath}"})
    assert "was not found" in (await refused(tool, {"command": ["mine"]}, context(tmp_path))).message


async def test_words_are_words_and_not_a_shell_text(tmp_path: Path) -> None:
    tool = await one({"builtin": "shell", "allow": ["echo"]})
    result = await used(tool, {"command": ["echo", "$HOME", ";", "ls", ">", "x", "*"]}, context(tmp_path))
    assert result["stdout"] == "$HOME ; ls > x *\n"
    assert "must be" in (await refused(tool, {"command": "echo a"})).message
    assert "NUL" in (await refused(tool, {"command": ["echo", "a\0b"]})).message
    assert "100 KB" in (await refused(tool, {"command": ["echo", "a" * 100_001]})).message


async def test_a_shell_without_programs_is_off() -> None:
    for settings in ({"builtin": "shell"}, {"builtin": "shell", "allow": []}):
        with pytest.raises(UsageError, match="`shell` is off"):
            await one(settings)
    with pytest.raises(UsageError, match="names no program"):
        await one({"builtin": "shell", "allow": ["bin/x"]})


async def test_what_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    tool = await one({"builtin": "shell", "allow": ["sh"], "timeout": "300ms"})
    began = time.monotonic()
    failure = await refused(
        tool, {"command": ["sh", "-c", "trap '' TERM; sleep 30 & echo $! > pid; wait"]}, context(tmp_path)
    )
    assert failure.message == "'sh' was ended: it took longer than 0.30s"
    assert time.monotonic() - began < 10
    status = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    assert not status.exists() or ") Z " in status.read_text()  # the dead that nobody collects, as in containers


async def test_what_prints_too_much_is_cut(tmp_path: Path) -> None:
    tool = await one({"builtin": "shell", "allow": [sys.executable]})
    result = await used(tool, {"command": [sys.executable, "-c", "print('x' * 3_000_000)"]}, context(tmp_path))
    assert result["truncated"] is True
    assert 200_000 <= len(result["stdout"]) < 200_100


# ---- call

MODULE = '''
from __future__ import annotations

import asyncio
import dataclasses
import enum
from typing import Annotated, Literal, TypedDict

from pydantic import Field


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


@dataclasses.dataclass
class Place:
    """A place.

    Args:
        name: What it is called.
    """

    name: str
    size: float = 1.0


class Hit(TypedDict, total=False):
    url: str


def many(x: int, *rest: int) -> list:
    return [x, *rest]


def greet(name: str, times: int = 2, loud: bool = False) -> str:
    """Greets somebody.

    As often as wanted.

    Args:
        name: Who is
            greeted.
        times (int): How often.

    Returns:
        The greeting.
    """
    return ", ".join([f"hello {name}"] * times) + ("!" if loud else "")


async def later(level: Level, place: Place, mode: Literal["a", "b"] = "a", tags: list[str] | None = None):
    """Does it.

    :param level: How much.
    :param str mode: Which way.
    """
    await asyncio.sleep(0)
    return {"level": level.name, "place": place.name, "half": place.size / 2, "mode": mode, "tags": tags}


def numpy_style(x: float, y: float = 0.5):
    """Adds.

    Parameters
    ----------
    x : float
        The first.
    y : float, optional
        The second.

    Returns
    -------
    float
    """
    return x + y


def anything(first, second=None, **more):
    return [first, second, more]


def raises(kind: str):
    if kind == "exit":
        raise SystemExit(3)
    raise ValueError("no such kind")


def only_here(x, /):
    return x


def odd(
    value: "Unknown", when: Annotated[int, "The year"], hit: Hit, both: int | str = 3, pair: tuple[int, str] = (1, "a")
):
    return [value, when, hit, both, list(pair)]


def fielded(
    code: Annotated[str, Field(pattern="^[A-Z]+$", min_length=2, max_length=3, description="Its code")],
    free: Annotated[str | None, Field(pattern="^(?=a)", max_length=9)],
    count: Annotated[int, Field(ge=1, lt=9, multiple_of=2)],
    names: Annotated[list[str], Field(min_length=1, max_length=2)],
    by_name: Annotated[dict[str, int], Field(max_length=1)],
):
    return [code, free, count, names, by_name]


def defaulted(
    need: int = Field(description="Needed"),
    count: int = Field(3, ge=1),
    names: list[str] = Field(default_factory=list),
):
    return [need, count, names]


def not_json():
    return object()


class Caller:
    def __call__(self, x: int):
        """Doubles."""
        return 2 * x


double = Caller()
'''


@pytest.fixture
def home(tmp_path: Path) -> str:
    (tmp_path / "own_tools.py").write_text(MODULE)
    return str(tmp_path)


async def test_a_function_is_what_its_signature_and_docstring_say(home: str) -> None:
    tool = await one({"call": "own_tools:greet"}, home=home)
    assert tool.description == "Greets somebody.\n\nAs often as wanted."
    assert dict(tool.parameters) == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "Who is greeted."},
            "times": {"type": "integer", "description": "How often.", "default": 2},
            "loud": {"type": "boolean", "default": False},
        },
        "required": ["name"],
        "additionalProperties": False,
    }
    assert await used(tool, {"name": "you", "loud": True}) == "hello you, hello you!"
    assert "times: must be an integer" in (await refused(tool, {"name": "you", "times": "3"})).message


async def test_a_coroutine_gets_values_of_its_types(home: str) -> None:
    tool = await one({"call": "own_tools:later"}, home=home)
    properties = tool.parameters["properties"]
    assert properties["level"] == {"type": "string", "enum": ["low", "high"], "description": "How much."}
    assert properties["place"] == {
        "type": "object",
        "properties": {"name": {"type": "string", "description": "What it is called."}, "size": {"type": "number"}},
        "required": ["name"],
        "additionalProperties": False,
    }
    assert properties["mode"] == {"type": "string", "enum": ["a", "b"], "description": "Which way.", "default": "a"}
    result = await used(tool, {"level": "high", "place": {"name": "here", "size": 3}, "tags": ["x"]})
    assert result == {"level": "HIGH", "place": "here", "half": 1.5, "mode": "a", "tags": ["x"]}
    assert (await refused(tool, {"level": "top", "place": {"name": "x"}})).message.startswith(
        "the arguments of 't' do not fit"
    )


async def test_what_pydantics_field_says_of_a_parameter_is_of_its_schema(home: str) -> None:
    tool = await one({"call": "own_tools:fielded"}, home=home)
    assert tool.parameters["properties"] == {
        "code": {"type": "string", "pattern": "^[A-Z]+$", "minLength": 2, "maxLength": 3, "description": "Its code"},
        "free": {"type": ["string", "null"], "maxLength": 9},
        "count": {"type": "integer", "minimum": 1, "exclusiveMaximum": 9, "multipleOf": 2},
        "names": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
        "by_name": {"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 1},
    }
    fits = {"code": "ABC", "free": "x", "count": 4, "names": ["x"], "by_name": {"x": 1}}
    assert await used(tool, fits) == list(fits.values())
    assert "code" in (await refused(tool, {**fits, "code": "abc"})).message
    assert "names" in (await refused(tool, {**fits, "names": []})).message


async def test_a_default_that_is_pydantics_field_is_what_that_says(home: str) -> None:
    tool = await one({"call": "own_tools:defaulted"}, home=home)
    assert tool.parameters["properties"] == {
        "need": {"type": "integer", "description": "Needed"},
        "count": {"type": "integer", "minimum": 1, "default": 3},
        "names": {"type": "array", "items": {"type": "string"}, "default": []},
    }
    assert tool.parameters["required"] == ["need"]
    assert await used(tool, {"need": 1}) == [1, 3, []]
    assert await used(tool, {"need": 1, "count": 2, "names": ["x"]}) == [1, 2, ["x"]]
    assert "count" in (await refused(tool, {"need": 1, "count": 0})).message


async def test_other_styles_and_other_types_are_understood(home: str) -> None:
    numpy = await one({"call": "own_tools:numpy_style"}, home=home)
    assert numpy.parameters["properties"] == {
        "x": {"type": "number", "description": "The first."},
        "y": {"type": "number", "description": "The second.", "default": 0.5},
    }
    assert await used(numpy, {"x": 1}) == 1.5
    odd = await one({"call": "own_tools:odd"}, home=home)
    assert odd.parameters["properties"] == {
        "value": {},
        "when": {"type": "integer", "description": "The year"},
        "hit": {
            "type": "object",
            "properties": {"url": {"type": "string"}},
            "required": [],
            "additionalProperties": False,
        },
        "both": {"type": ["integer", "string"], "default": 3},
        "pair": {
            "type": "array",
            "items": [{"type": "integer"}, {"type": "string"}],
            "minItems": 2,
            "maxItems": 2,
            "default": [1, "a"],
        },
    }
    result = await used(odd, {"value": 1, "when": 1999, "hit": {"url": "u"}, "both": "x", "pair": [2, "b"]})
    assert result == [1, 1999, {"url": "u"}, "x", [2, "b"]]


async def test_a_value_that_none_of_a_functions_types_can_hold_does_not_reach_it(tmp_path: Path) -> None:
    (tmp_path / "own_dates.py").write_text(
        "import datetime\n"
        "def when(day: datetime.date | None = None, at: datetime.datetime | int = 0) -> str:\n"
        "    return f'{type(day).__name__} {type(at).__name__}'\n"
    )
    tool = await one({"call": "own_dates:when"}, home=str(tmp_path))
    assert await used(tool, {"day": "2026-02-03", "at": "2026-02-03T10:00:00"}) == "date datetime"
    assert await used(tool, {"day": None, "at": 3}) == "NoneType int"
    told = await refused(tool, {"day": "soon"})
    assert told.message == "the arguments of 't' do not fit: day: Invalid isoformat string: 'soon'"


async def test_a_function_without_types_takes_anything(home: str) -> None:
    tool = await one({"call": "own_tools:anything"}, home=home)
    assert tool.parameters["properties"] == {"first": {}, "second": {"default": None}}
    assert await used(tool, {"first": {"a": 1}, "other": 2}) == [{"a": 1}, None, {"other": 2}]


async def test_an_object_that_can_be_called_is_a_tool(home: str) -> None:
    tool = await one({"call": "own_tools:double"}, home=home)
    assert dict(tool.parameters["properties"]) == {"x": {"type": "integer"}}
    assert await used(tool, {"x": 4}) == 8


async def test_what_a_function_raises_is_a_failure_with_its_type(home: str) -> None:
    tool = await one({"call": "own_tools:raises"}, home=home)
    failure = await refused(tool, {"kind": "x"})
    assert (failure.message, failure.data) == (
        "own_tools:raises raised ValueError: no such kind",
        {"exception": "ValueError"},
    )
    assert "SystemExit" in (await refused(tool, {"kind": "exit"})).message


async def test_a_function_that_cannot_be_a_tool_says_why(home: str) -> None:
    tool = await one({"call": "own_tools:only_here"}, home=home)
    with pytest.raises(WorkFailed, match="cannot be given by name"):
        await used(tool, {"x": 1})
    tool = await one({"call": "own_tools:many"}, home=home)
    with pytest.raises(WorkFailed, match=r"'\*rest' cannot be given by name"):
        await used(tool, {"x": 1})
    tool = await one({"call": "own_tools:many", "parameters": {"x": {"type": "integer"}}}, home=home)
    assert await used(tool, {"x": 1}) == [1]
    missing = await one({"call": "own_tools:gret"}, home=home)
    with pytest.raises(WorkFailed, match="has no 'gret'") as told:
        await used(missing, {})
    assert told.value.failure.hint == "did you mean 'greet'?"


async def test_parameters_that_are_written_replace_those_of_the_signature(home: str) -> None:
    fields = {"name": {"type": "string", "maxLength": 3}, "times": {"type": "integer", "default": 1}}
    tool = await one({"call": "own_tools:greet", "parameters": fields, "description": "Says hello"}, home=home)
    assert tool.description == "Says hello"
    assert list(tool.parameters["properties"]) == ["name", "times"]
    assert await used(tool, {"name": "you"}) == "hello you"
    assert "longer than 3" in (await refused(tool, {"name": "everybody"})).message


async def test_a_function_may_be_told_of_in_openais_form(home: str) -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    tool = await one({"call": "own_tools:greet", "function": {"parameters": schema}}, home=home)
    assert (dict(tool.parameters), tool.description) == (schema, "Greets somebody.\n\nAs often as wanted.")
    assert await used(tool, {"name": "you"}) == "hello you, hello you"
    # a schema says that other arguments fit where it does not say otherwise; what the file knows not is not handed on
    told = await refused(tool, {"name": "you", "times": 9})
    assert (told.message, told.hint) == ("'t' takes no 'times'", "it takes name")
    times = {**schema, "properties": {**schema["properties"], "times": {"type": "integer", "default": 1}}}
    tool = await one({"call": "own_tools:greet", "description": "Mine.", "function": {"parameters": times}}, home=home)
    assert (tool.description, await used(tool, {"name": "you"})) == ("Mine.", "hello you")
    tool = await one(
        {"call": "own_tools:greet", "function": {"parameters": {**schema, "additionalProperties": True}}}, home=home
    )
    assert await used(tool, {"name": "you", "times": 1}) == "hello you"


async def test_a_command_may_be_told_of_in_openais_form() -> None:
    fields = {"text": {"type": "string"}, "mark": {"type": "string"}, "end": {"type": "string", "default": "."}}
    schema = {"type": "object", "properties": fields, "required": ["text"]}
    tool = await one(
        {"run": ["printf", "%s|", "{{ text }}", "{{ mark }}", "{{ end }}"], "function": {"parameters": schema}}
    )
    assert await used(tool, {"text": "a"}) == "a||.|"
    assert await used(tool, {"text": "a", "mark": "!", "end": ""}) == "a|!||"
    told = await refused(tool, {"text": "a", "run": {"workspace": "/"}})
    assert told.message == "'t' takes no 'run'"


async def test_a_function_that_blocks_does_not_hold_up_others(tmp_path: Path) -> None:
    lines = [
        "import threading",
        "gate = threading.Event()",
        "def wait(): return gate.wait(20)",
        "def open(): gate.set()",
    ]
    (tmp_path / "slow_tools.py").write_text("\n".join(lines))
    box = toolbox({"wait": {"call": "slow_tools:wait"}, "open": {"call": "slow_tools:open"}}, home=str(tmp_path))
    waiting, opening = await box.tool("wait"), await box.tool("open")
    results: Any = await asyncio.gather(used(waiting, {}), used(opening, {}))
    assert list(results) == [True, None]
