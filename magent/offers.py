"""Tools as agents are offered them, in OpenAI's form, and the check of what an agent calls them with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magent.errors import UsageError
from magent.events import Failure, WorkFailed
from magent.ports import Tool, ToolOffer
from magent.source import did_you_mean
from magent.spec.builtins import LONGEST_NAME, digested_name, of_one_server, offered_name
from magent.spec.schema import UNUSABLE, check_value

_MOST_FAULTS = 5  # that are told at a time


def definition(tool: Tool) -> dict[str, Any]:
    """The tool as OpenAI's API takes it."""
    function = {
        "name": offered_name(tool.name),
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
    return {"type": "function", "function": function}


class Offers:
    """Tools by the names they are offered under. Raises UsageError where two would have one name: but for those of one
    server, which nobody here can name."""

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        self._own = {tool.name: tool for tool in tools.values()}
        self.by_name: dict[str, Tool] = {}
        for tool in tools.values():
            name = offered_name(tool.name)
            if name in self.by_name and of_one_server(self.by_name[name].name, tool.name):
                name = digested_name(tool.name)
            other = self.by_name.setdefault(name, tool)
            if other is not tool:
                raise UsageError(
                    f"an agent could not tell the tools '{other.name}' and '{tool.name}' apart: both are offered"
                    f" as '{name}'",
                    "give one of them another name",
                )
        self.offers = tuple(ToolOffer(name, tool.description, tool.parameters) for name, tool in self.by_name.items())

    def find(self, name: str) -> Tool:
        """The tool that an agent means, by its offered or its own name. Raises WorkFailed (`tool`)."""
        tool = self._own.get(name) or self.by_name.get(name) or self.by_name.get(offered_name(name))
        if tool is None:
            near = did_you_mean(name, self.by_name)
            there = f"there are: {', '.join(self.by_name)}" if self.by_name else "there are none"
            raise WorkFailed(Failure("tool", f"there is no tool '{name[:LONGEST_NAME]}'", hint=near or there))
        return tool


def misfit(tool: Tool, arguments: Any) -> Failure | None:
    """Why the tool cannot be called with these arguments, in a sentence that who wrote them can mend; None: it can."""
    if not isinstance(arguments, Mapping):
        kind = "text that is no JSON" if isinstance(arguments, str) else "no mapping"
        return Failure("tool", f"the arguments of '{tool.name}' must be a JSON object, found {kind}", hint=_takes(tool))
    faults = check_value(tool.parameters, arguments)
    if not faults:
        return None
    if faults[0].startswith(UNUSABLE):
        return Failure("tool", f"'{tool.name}' cannot be called: {faults[0]}")
    told = "; ".join(faults[:_MOST_FAULTS])
    return Failure("tool", f"the arguments of '{tool.name}' do not fit: {told}", hint=_takes(tool))


def _takes(tool: Tool) -> str:
    """Its parameters in a line, those that must be given first."""
    properties = tool.parameters.get("properties") or {}
    required = [name for name in tool.parameters.get("required", ()) if name in properties]
    others = [name for name in properties if name not in required]
    if not properties:
        return f"'{tool.name}' takes no arguments" if tool.parameters.get("additionalProperties") is False else ""
    return f"'{tool.name}' takes " + ", ".join([*required, *(f"{name} (may be left out)" for name in others)])
