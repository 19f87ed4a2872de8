"""Tools as a workflow would declare them, called as it would call them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from magent.events import Failure, WorkFailed
from magent.keys import clean_environment
from magent.model import ToolSpec
from magent.ports import Tool, ToolContext
from magent.process import ProcessExecutor
from magent.tools import Toolbox, ToolEnvironment, make
from magent.wrappers import Checked

Kind = Literal["builtin", "mcp", "call", "run", "uses"]


def context(
    workspace: Path | str = ".", *, write: bool = True, on_text: Callable[[str], None] | None = None
) -> ToolContext:
    place = Path(workspace)
    return ToolContext("draft", "key-1", str(place), place, write, on_text or (lambda _text: None))


def toolbox(
    tools: Mapping[str, Mapping[str, Any]],
    home: str = ".",
    environ: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    seen: Mapping[str, Any] | None = None,
) -> Toolbox:
    child = clean_environment(os.environ, secrets or {}, {}) if environ is None else environ
    environment = ToolEnvironment(ProcessExecutor(), child, secrets or {}, seen or {})
    specs = {name: ToolSpec(name, _kind(settings), settings, home) for name, settings in tools.items()}
    return Toolbox(specs, lambda spec: make(spec, spec.settings, environment))


def _kind(settings: Mapping[str, Any]) -> Kind:
    kinds: tuple[Kind, ...] = get_args(Kind)
    return next(kind for kind in kinds if kind in settings)


async def one(settings: Mapping[str, Any], **more: Any) -> Tool:
    """The tool of these settings, declared as `t`."""
    return await toolbox({"t": settings}, **more).tool("t")


async def used(tool: Tool, arguments: Mapping[str, Any], place: ToolContext | None = None) -> Any:
    """The result of a call whose arguments are checked as they are for agents and tasks."""
    return await Checked(tool).call(arguments, place or context())


async def refused(tool: Tool, arguments: Mapping[str, Any], place: ToolContext | None = None) -> Failure:
    with pytest.raises(WorkFailed) as told:
        await used(tool, arguments, place)
    assert told.value.failure.type == "tool"
    return told.value.failure
