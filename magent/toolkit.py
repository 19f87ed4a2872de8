"""The tools of a file, workflow or library, with those that come with magent: listed, shown, called by hand."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal

from magent import entries
from magent.engine.values import NotJson, plain
from magent.errors import InvalidWorkflow, UsageError
from magent.events import Failure, WorkFailed
from magent.functions import FunctionNotFound
from magent.glance import glance
from magent.model import Graph, ToolSpec, Workflow
from magent.outfit import Outfit
from magent.ports import Tool, ToolContext
from magent.source import did_you_mean
from magent.spec.build import tool_specs
from magent.spec.builtins import BUILTINS, dotted_name
from magent.spec.checks import check
from magent.spec.loader import Bundle, load
from magent.spec.takes import takes
from magent.tools.docstrings import read
from magent.wrappers import Checked, Dressed, NotCalled

Source = Literal["file", "magent", "package"]


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry of `tools`, or one that stands for a built-in tool or that of a package: what kind it is, where it is
    from, and its tools; `why` says why there are none."""

    name: str
    kind: str
    source: Source
    tools: Sequence[Tool]
    why: str = ""


class Toolkit:
    """Made of a file, or of none: then it holds the built-in tools alone. Raises InvalidWorkflow. `close` ends it."""

    def __init__(self, file: str | None, cwd: str) -> None:
        bundle = None if file is None else _sound(load(file))
        declared = {} if bundle is None else tool_specs(bundle)
        builtin = {name: ToolSpec(name, "builtin", {"builtin": name}, cwd) for name in BUILTINS}
        installed = filter(_NAME.fullmatch, entries.offered(entries.TOOLS))
        others = {name: ToolSpec(name, "uses", {"uses": name}, cwd) for name in installed}
        self._specs = declared | {name: each for name, each in (others | builtin).items() if name not in declared}
        self._declared = frozenset(declared)
        self._chains = frozenset(bundle.definitions(bundle.root, "chains")) if bundle is not None else frozenset()
        workflow = _workflow(bundle, self._specs, cwd)
        self._graph = workflow.graph
        names = {"id": "", "name": workflow.name, "dir": "", "home": workflow.home, "key": ""}
        workspace = _workspace(workflow, cwd)
        seen = {
            "inputs": {name: field.get("default") for name, field in self._graph.inputs.items()},
            "env": {name: os.environ.get(name) for name in workflow.env},
            "run": {**names, "workspace": str(workspace)},
        }
        self._outfit = Outfit(workflow, {}, seen, cwd)
        write = workflow.workspace is None or self._outfit.writes
        self.context = ToolContext("", f"call-{token_hex(8)}", cwd, workspace, write)

    @property
    def mask(self) -> Any:
        """A function that hides secrets in JSON data, or None."""
        return self._outfit.mask

    async def kept(self, *, check: bool) -> list[Kept]:
        """Every entry, the file's first. One that cannot be had says why. Unless there is a `check`, nothing that the
        file names is imported, made or started."""
        return list(await asyncio.gather(*(self._entry(name, check) for name in self._specs)))

    async def _entry(self, name: str, check: bool) -> Kept:
        kind, source = self.kind(name)
        if kind in UNOPENED and source == "file" and not check:
            return self._seen(name, kind)
        if source == "magent":
            told = [Shown(f"{name}.{inner}" if inner else name, *BUILTINS[name][inner]) for inner in BUILTINS[name]]
            return Kept(name, kind, source, told)
        try:
            tools = list((await self._outfit.tools(self._outfit.home(self._graph), [name])).values())
            for tool in tools:
                tool.parameters  # noqa: B018 - a function is imported for it
        except WorkFailed as error:
            return Kept(name, kind, source, (), error.failure.message)
        return Kept(name, kind, source, tools)

    def _seen(self, name: str, kind: str) -> Kept:
        """An entry of the file as far as it is known without opening it."""
        spec = self._specs[name]
        target = str(spec.settings.get(kind))
        about = UNOPENED[kind]
        if ":" in target and kind != "mcp":
            try:
                found = glance(target, spec.home)
            except FunctionNotFound as error:
                return Kept(name, kind, "file", (), error.message)
            about = read(found.doc).summary if found.sure else about
        taken = takes(spec.settings)
        tool = Shown(name, about, None if taken is None else taken.schema)
        return Kept(name, kind, "file", [Dressed(tool, name, spec.settings)])

    def kind(self, name: str) -> tuple[str, Source]:
        """What kind of tool it is, and where it is from."""
        entry = name.partition(".")[0]
        kind = self._specs[entry].kind
        return kind, "file" if entry in self._declared else "magent" if kind == "builtin" else "package"

    async def tool(self, name: str) -> Tool:
        """Raises UsageError for a name that is none, WorkFailed where it cannot be had."""
        entry = name.partition(".")[0]
        if entry not in self._specs:
            if entry in self._chains:
                raise UsageError(f"'{name[:100]}' is a chain, not a tool", "a task does it: `chain: NAME`; or an agent")
            meant = dotted_name(name, {each: spec.settings for each, spec in self._specs.items()})
            near = f"did you mean '{meant}'?" if meant else did_you_mean(name, self._specs)
            hint = near or "magent tools list shows them; with -f FILE those of a file, too"
            raise UsageError(f"no tool is named '{name[:100]}'", hint)
        told = BUILTINS.get(entry, {}).get(name.partition(".")[2])
        if told is not None and entry not in self._declared and entry in NEED_SETTINGS:
            return Shown(name, *told)
        return await self._outfit.toolbox(self._outfit.home(self._graph), name).tool(name)

    async def call(self, tool: Tool, arguments: Mapping[str, Any]) -> Any:
        """Raises UsageError for arguments that do not fit, WorkFailed where the tool fails."""
        try:
            return plain(await Checked(tool).call(arguments, self.context))
        except NotCalled as error:
            raise UsageError(error.failure.message, error.failure.hint) from error
        except NotJson as error:
            raise WorkFailed(Failure("tool", f"the result of '{tool.name}' is no JSON value: {error}")) from error

    async def close(self) -> None:
        await self._outfit.close()


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # as files name tools
UNOPENED = {
    "call": "A function, not imported.",
    "mcp": "A server, not started: its tools are not known.",
    "uses": "Of a package, not made.",
}
"""The kinds that run somebody's code to say what they are, and what is said of them before."""
NEED_SETTINGS = {
    "http_request": "tools: {%s: {builtin: http_request, allow_hosts: [api.example.org]}}",
    "shell": "tools: {%s: {builtin: shell, allow: [git, rg]}}",
}
"""Built-in tools that do nothing before a file says what they may, and how one says it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A tool that is told of, and cannot be called as it is. `parameters` None: they are not known."""

    name: str
    description: str
    parameters: Any
    external: bool = False
    confirm: bool = False

    async def call(self, _arguments: Mapping[str, Any], _context: ToolContext, /) -> Any:
        entry = self.name.partition(".")[0]
        hint = f"give a file with -f that declares it: {NEED_SETTINGS[entry] % entry}"
        raise UsageError(f"'{self.name}' does nothing before a file says what it may", hint)


def _sound(bundle: Bundle) -> Bundle:
    """What is wrong elsewhere in the file does not matter here. Raises InvalidWorkflow."""
    found = [problem for problem in check(bundle) if problem.severity == "error"]
    wrong = [problem for problem in found if problem in bundle.problems or problem.path.startswith("tools")]
    if wrong:
        raise InvalidWorkflow(wrong, bundle.sources)
    return bundle


def _workflow(bundle: Bundle | None, specs: Mapping[str, ToolSpec], cwd: str) -> Workflow:
    """A workflow of these tools and no nodes."""
    document = None if bundle is None else bundle.documents[bundle.root]
    data = {} if document is None else document.data
    home = cwd if document is None else document.home
    graph = Graph("tools", home, {}, "", {}, inputs=data.get("inputs") or {}, tools=specs)
    return Workflow(
        name=str(data.get("name", "")),
        file="" if document is None else document.file,
        home=home,
        root="tools",
        graphs={"tools": graph},
        frozen={},
        secrets=tuple(data.get("secrets") or ()),
        env=tuple(data.get("env") or ()),
        workspace=data.get("workspace"),
    )


def _workspace(workflow: Workflow, cwd: str) -> Path:
    """Where file tools may go: where the workflow says, else here."""
    path = (workflow.workspace or {}).get("path")
    return Path(os.path.normpath(os.path.join(workflow.home, path))) if path else Path(cwd)
