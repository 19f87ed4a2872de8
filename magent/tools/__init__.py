"""Tools: what an agent or a task can use. Each fills `ports.Tool`; tables name the kinds and the built-in
ones, which are imported on use.

    calculator     arithmetic                           files       the workspace (files_open, files_find)
    http_request   hosts that are allowed (http_hosts,  web_search  a search service
                   http_connect)                        json_query  JMESPath (json_bounds)
    shell          programs that are allowed            program     `run`: a command
    function       `call`: a Python function (signatures, docstrings)
    custom         `uses`: of another package
    mcp            `mcp`: a server (mcp_words, mcp_child, mcp_values, and with the SDK mcp_http, mcp_link)

`Toolbox` holds those of a graph, each as the workflow declares it.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from magent.errors import UsageError
from magent.model import ToolSpec
from magent.ports import Tool
from magent.source import did_you_mean
from magent.tools.base import Fixed, ToolEnvironment, Toolset
from magent.wrappers import Dressed, only, unknown

__all__ = ["BUILTINS", "Fixed", "ToolEnvironment", "Toolbox", "Toolset", "make"]

Maker = Callable[[ToolSpec, Mapping[str, Any], ToolEnvironment], Toolset]

BUILTINS = {
    "calculator": "magent.tools.calculator:Calculator",
    "files": "magent.tools.files:files",
    "http_request": "magent.tools.http_request:HttpRequest",
    "json_query": "magent.tools.json_query:JsonQuery",
    "shell": "magent.tools.shell:Shell",
    "web_search": "magent.tools.web_search:WebSearch",
}
_KINDS = {
    "call": "magent.tools.function:function",
    "run": "magent.tools.program:program",
    "mcp": "magent.tools.mcp:server",
    "uses": "magent.tools.custom:custom",
}
RAW = ("run", "env", "cwd", "stdin")  # of a `run` tool: rendered at each call, with its arguments


def make(spec: ToolSpec, settings: Mapping[str, Any], environment: ToolEnvironment) -> Toolset:
    """The tools that `spec` describes; `settings` are its own, templates rendered (but those of `RAW`). Raises
    UsageError."""
    if spec.kind == "builtin":
        return _builtin(spec, settings, environment)
    return cast("Maker", _load(_KINDS[spec.kind]))(spec, settings, environment)


def _builtin(spec: ToolSpec, settings: Mapping[str, Any], environment: ToolEnvironment) -> Toolset:
    name = str(settings.get("builtin", spec.name))
    if name not in BUILTINS:
        hint = did_you_mean(name, BUILTINS) or f"there are: {', '.join(BUILTINS)}"
        raise UsageError(f"the tool '{spec.name}' names no built-in tool: '{name}'", hint)
    made = _load(BUILTINS[name])
    try:
        if name == "files":
            return cast("Toolset", made())
        if name == "calculator" or name == "json_query":
            return Fixed({"": made()})
        return Fixed({"": made(settings, environment) if name == "shell" else made(settings)})
    except UsageError as error:
        raise UsageError(f"tool '{spec.name}': {error.message}", error.hint) from error


def _load(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


class Toolbox:
    """The tools of one file, by the names that a workflow gives them: `calculator`, `files.read`, `docs.search`; opened
    when first asked for, and then kept."""

    def __init__(self, specs: Mapping[str, ToolSpec], make_set: Callable[[ToolSpec], Toolset]) -> None:
        self._specs = specs
        self._make = make_set
        self._sets: dict[str, Toolset] = {}
        self._open: dict[str, Mapping[str, Tool]] = {}
        self._opening: dict[str, asyncio.Lock] = {}

    def check(self, name: str) -> None:
        """Raises UsageError for a name that can never be a tool or several, as far as that is known without asking a
        server."""
        entry, _, inner = name.partition(".")
        made = self._set(entry)
        if isinstance(made, Fixed) and inner not in made.tools and (inner or not made.tools):
            raise unknown(name, [_dotted(entry, each) for each in made.tools])

    async def tool(self, name: str) -> Tool:
        """One tool. Raises UsageError, WorkFailed (`tool`)."""
        entry = name.partition(".")[0]
        tools = await self._opened(entry)
        if name == entry and name not in tools:
            raise UsageError(f"'{name}' is several tools: name one of them", f"there are: {', '.join(tools)}")
        return only(tools, [name])[name]

    async def tools(self, names: Iterable[str]) -> dict[str, Tool]:
        """All that the names mean, by their own names, in order: a group's or a server's name means all of its tools.
        Raises UsageError, WorkFailed (`tool`)."""
        found: dict[str, Tool] = {}
        for name in names:
            if "." in name:
                found[name] = await self.tool(name)
            else:
                found.update(await self._opened(name))
        return found

    async def _opened(self, entry: str) -> dict[str, Tool]:
        """What a server has may change. Its description in the workflow is not that of each of its tools."""
        made = self._set(entry)
        async with self._opening.setdefault(entry, asyncio.Lock()):
            if entry not in self._open:
                self._open[entry] = await made.open()
        inner = self._open[entry]
        settings = self._specs[entry].settings
        several = {key: value for key, value in settings.items() if key != "description"}
        names = {_dotted(entry, name): tool for name, tool in inner.items()}
        return {name: Dressed(tool, name, settings if name == entry else several) for name, tool in names.items()}

    def _set(self, entry: str) -> Toolset:
        if entry not in self._sets:
            if entry not in self._specs:
                raise unknown(entry, self._specs)
            self._sets[entry] = self._make(self._specs[entry])
        return self._sets[entry]

    def renew(self) -> None:
        """What was made before the run had begun is made anew, but for what lasts. None of it has been opened."""
        self._sets = {name: made for name, made in self._sets.items() if isinstance(made, Fixed) and made.lasts}

    async def close(self) -> None:
        """Idempotent; all at once, as a server takes a moment to end."""
        sets = list(self._sets.values())
        self._sets.clear()
        self._open.clear()
        await asyncio.gather(*(made.close() for made in sets))


def _dotted(entry: str, inner: str) -> str:
    return f"{entry}.{inner}" if inner else entry
