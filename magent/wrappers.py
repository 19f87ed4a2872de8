"""Tools around tools: each wraps the interface that it has itself, so that they can be put around one another. Who
calls a tool calls it through these: as it is declared, its arguments checked, a person asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from magent.errors import UsageError
from magent.events import Failure, WorkFailed
from magent.offers import misfit
from magent.ports import Tool, ToolContext
from magent.source import did_you_mean
from magent.spec.takes import described


class NotCalled(WorkFailed):
    """The call was refused: the tool was not reached."""


class Wrapped:
    """A tool in whose place another stands; what it does not change itself is that one's."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        self.name = tool.name
        self.external = tool.external
        self.confirm = tool.confirm

    @property
    def description(self) -> str:  # not asked for before it is wanted: a function is imported for its docstring
        return self.tool.description

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self.tool.parameters

    async def call(self, arguments: Mapping[str, Any], context: ToolContext, /) -> Any:
        return await self.tool.call(arguments, context)


def fault_of(tool: Tool) -> str:
    """Why the tool can never be called: its server lists it with a schema that does not hold; else nothing."""
    while isinstance(tool, Wrapped):
        tool = tool.tool
    return str(getattr(tool, "fault", ""))


class Dressed(Wrapped):
    """A tool as a workflow declares it: its name there, and what its settings say of it."""

    def __init__(self, tool: Tool, name: str, settings: Mapping[str, Any]) -> None:
        super().__init__(tool)
        self.name = name
        self.external = tool.external or settings.get("effects") == "external"
        self.confirm = tool.confirm or bool(settings.get("confirm", False))
        self._description = described(settings)

    @property
    def description(self) -> str:
        return self.tool.description if self._description is None else self._description


class Checked(Wrapped):
    """Arguments that do not fit its parameters are refused in a sentence that who wrote them can mend."""

    async def call(self, arguments: Any, context: ToolContext, /) -> Any:
        fault = misfit(self.tool, arguments)
        if fault is not None:
            raise NotCalled(fault)
        return await self.tool.call(arguments, context)


Agreed = Callable[[Tool, Mapping[str, Any]], Awaitable[Failure | None]]


class Confirmed(Wrapped):
    """A person is asked before each call; `agreed` gives why it may not be made, or None."""

    def __init__(self, tool: Tool, agreed: Agreed) -> None:
        super().__init__(tool)
        self._agreed = agreed

    async def call(self, arguments: Mapping[str, Any], context: ToolContext, /) -> Any:
        fault = await self._agreed(self.tool, arguments)
        if fault is not None:
            raise NotCalled(fault)
        return await self.tool.call(arguments, context)


def only(tools: Mapping[str, Tool], names: Iterable[str]) -> dict[str, Tool]:
    """Those of `tools` that are named. Raises UsageError for one that is not there."""
    kept: dict[str, Tool] = {}
    for name in names:
        if name not in tools:
            raise unknown(name, tools)
        kept[name] = tools[name]
    return kept


def unknown(name: str, known: Iterable[str]) -> UsageError:
    there = list(known)
    hint = did_you_mean(name, there) or f"there are: {', '.join(there[:20]) or 'none'}"
    return UsageError(f"no tool is named '{name}'", hint)
