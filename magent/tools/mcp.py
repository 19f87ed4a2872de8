"""MCP servers: each is started when first needed, once a run, and ended with it. Its tools are `server.tool`.

A server that dies is an error of the calls that were under way; the next call starts it again.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from magent.errors import UsageError
from magent.events import WorkFailed
from magent.model import ToolSpec
from magent.ports import ToolContext
from magent.source import did_you_mean
from magent.tools.base import ToolEnvironment, failed
from magent.tools.mcp_child import Child
from magent.tools.mcp_values import Listed, value_of
from magent.tools.mcp_words import SessionGone, read_spec

if TYPE_CHECKING:
    from magent.tools.mcp_link import Link


_INSTALL = "pip install 'magent-cli[mcp]'"


class McpTool:
    """A tool of a server, as it was listed last."""

    external = False
    confirm = False

    def __init__(self, server: McpServer, listed: Listed) -> None:
        self._server = server
        self.listed = listed
        self.gone = False

    @property
    def name(self) -> str:
        return self.listed.name

    @property
    def description(self) -> str:
        return self.listed.description

    @property
    def fault(self) -> str:
        return self.listed.fault

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self.listed.parameters

    async def call(self, arguments: Mapping[str, Any], context: ToolContext, /) -> Any:
        return await self._server.call(self, arguments, context)


class McpServer:
    """A toolset. `settings` are what stands under `mcp`, rendered; `environ` is what children see, `cwd` where they
    start, unless the settings say otherwise."""

    def __init__(self, name: str, settings: Mapping[str, Any], environ: Mapping[str, str], cwd: str) -> None:
        cwd = os.path.join(cwd, str(settings.get("cwd") or "."))
        self.name = name
        self.spec = read_spec(name, settings, environ, cwd)
        self.tools: dict[str, McpTool] = {}
        self._taken: list[Listed] | None = None
        self._link: Link | None = None
        self._closed = False

    async def open(self) -> Mapping[str, McpTool]:
        """Its tools; the mapping changes when the server says that they do. Raises WorkFailed (`tool`)."""
        if self._taken is None:
            await self._linked()
        return self.tools

    async def close(self) -> None:
        self._closed = True
        link, self._link = self._link, None
        if link:
            await link.close()

    async def call(self, tool: McpTool, arguments: Mapping[str, Any], context: ToolContext) -> Any:
        """A JSON value. Raises WorkFailed (`tool`)."""
        name = f"{self.name}.{tool.name}"
        for _ in range(2):
            link = await self._linked()
            self._check(name, tool)
            try:
                result = await link.call(tool.name, arguments, context.on_text)
            except SessionGone:
                continue
            return value_of(name, result, tool.listed.output)
        raise failed(f"'{name}' got no answer: {self.spec} forgets its sessions at once", "ask whoever maintains it")

    def _check(self, name: str, tool: McpTool) -> None:
        if tool.gone:
            near = did_you_mean(tool.name, self.tools)
            raise failed(f"there is no '{name}' any more: the server has taken it back", near)
        if tool.listed.fault:
            hint = "that is a fault of the server: ask whoever maintains it"
            raise failed(f"'{name}' cannot be called: {tool.listed.fault}", hint, final=True)

    async def _linked(self) -> Link:
        """The connection, made where there is none, or where it has ended; a start that failed is tried again when it
        is needed again."""
        if self._closed:
            raise failed(f"{self.spec} has been ended with its run")
        link = self._link
        if link is None or link.ended():
            link = self._link = self._begun()
        await link.ready()
        self._take(link.tools)
        return link

    def _begun(self) -> Link:
        """A program starts up while the SDK is imported."""
        child = Child(self.spec.command, self.spec.environ, self.spec.cwd) if self.spec.command else None
        if child:
            child.begin(str(self.spec))
        try:
            made: type[Link] = importlib.import_module("magent.tools.mcp_link").Link
        except ImportError as error:
            if child:
                child.abandon()
            raise failed("MCP servers need the library 'mcp', which is not installed", _INSTALL) from error
        return made(self.spec, child, self._take)

    def _take(self, listed: list[Listed]) -> None:
        """What the server lists now; tools that are in somebody's hands change with it."""
        if listed is self._taken:
            return
        self._taken = listed
        for name in self.tools.keys() - {each.name for each in listed}:
            self.tools.pop(name).gone = True
        for each in listed:
            if each.name in self.tools:
                self.tools[each.name].listed = each
            else:
                self.tools[each.name] = McpTool(self, each)


def server(spec: ToolSpec, settings: Mapping[str, Any], environment: ToolEnvironment) -> McpServer:
    """The server that a workflow declares. Nothing is started. Raises UsageError."""
    try:
        return McpServer(spec.name, settings["mcp"], environment.child_environ, environment.cwd)
    except WorkFailed as error:
        raise UsageError(error.failure.message, error.failure.hint) from error
