"""Tools of other packages: named by an entry point of the group `magent.tools`, or as `module:name`.

What is named is a class with the methods of `ports.Tool`, made with the workflow's `settings` as its arguments; a
function that makes one, or a mapping of several by name; or one that is made already.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from magent.errors import UsageError
from magent.events import WorkFailed
from magent.functions import FunctionNotFound, load_object
from magent.model import ToolSpec
from magent.ports import ToolContext
from magent.source import did_you_mean
from magent.spec.schema import check_schema
from magent.tools.base import Fixed, ToolEnvironment, Toolset, failed

GROUP = "magent.tools"
_HINT = "magent.ports.Tool says what a tool has"


class Custom:
    """Somebody else's tool, in the place of one of magent's own: what it leaves out is as usual, what it raises is a
    failure of the call. Raises UsageError where it is none."""

    def __init__(self, tool: Any, name: str) -> None:
        self.name = name
        self._tool = tool
        if not callable(getattr(tool, "call", None)):
            raise UsageError(f"'{name}' is no tool: {type(tool).__name__} has no `call`", _HINT)
        self.parameters = _parameters(tool, name)
        self.description = str(getattr(tool, "description", None) or inspect.getdoc(type(tool)) or "")
        self.external = bool(getattr(tool, "external", False))
        self.confirm = bool(getattr(tool, "confirm", False))

    async def call(self, arguments: Mapping[str, Any], context: ToolContext, /) -> Any:
        try:
            call = self._tool.call
            if inspect.iscoroutinefunction(call):
                return await call(arguments, context)
            value = await asyncio.to_thread(call, arguments, context)
            return await value if inspect.isawaitable(value) else value
        except WorkFailed as error:
            raise WorkFailed(error.failure._replace(type="tool")) from error
        except (Exception, SystemExit) as error:
            kind = type(error).__name__
            message = f"'{self.name}' raised {kind}" + (f": {error}" if str(error) else "")
            raise failed(message, data={"exception": kind}) from error

    async def close(self) -> None:
        close = getattr(self._tool, "close", None)
        done = close() if callable(close) else None
        if inspect.isawaitable(done):
            await done


def _parameters(tool: Any, name: str) -> Mapping[str, Any]:
    found = getattr(tool, "parameters", None)
    if not isinstance(found, Mapping) or found.get("type") != "object":
        raise UsageError(f"'{name}' is no tool: its `parameters` are no JSON Schema of an object", _HINT)
    if faults := check_schema(found):
        raise UsageError(f"'{name}' cannot be used: its `parameters` are no JSON Schema: {faults[0]}")
    return found


@dataclass(frozen=True, slots=True)
class Customs(Fixed):
    """The tools of one entry, which were made for it, and are closed with it."""

    made: Sequence[Custom] = ()
    lasts: ClassVar[bool] = True

    async def close(self) -> None:
        for tool in self.made:
            await tool.close()


def custom(spec: ToolSpec, settings: Mapping[str, Any], _environment: ToolEnvironment) -> Toolset:
    """Raises UsageError where it is not there, cannot be made, or is no tool."""
    wanted = str(settings["uses"])
    named = _module_member(wanted, spec) if ":" in wanted else _entry_point(wanted, spec)
    tools = _tools(_made(named, settings.get("settings") or {}, spec.name), spec.name)
    return Customs(tools, tuple(tools.values()))


def handed(made: Any, name: str) -> Toolset:
    """A tool that a program hands over, or a mapping of several: they are the program's to close. Raises UsageError."""
    return Fixed(_tools(made, name))


def _tools(made: Any, name: str) -> dict[str, Custom]:
    try:
        if isinstance(made, Mapping):
            return {str(inner): Custom(tool, f"{name}.{inner}") for inner, tool in made.items()}
        return {"": Custom(made, name)}
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"'{name}' cannot be used: {type(error).__name__}: {error}") from error


def _made(named: Any, settings: Mapping[str, Any], name: str) -> Any:
    if not inspect.isclass(named) and (isinstance(named, Mapping) or not callable(named) or hasattr(named, "call")):
        if settings:
            raise UsageError(f"'{name}' takes no `settings`: it is made already", "leave them out")
        return named
    try:
        return named(**settings)
    except UsageError:
        raise
    except TypeError as error:
        given = f" with the settings {', '.join(settings)}" if settings else " without settings"
        raise UsageError(f"'{name}' cannot be made{given}: {error}", "do its `settings` name what it takes?") from error
    except Exception as error:
        raise UsageError(f"'{name}' cannot be made: {type(error).__name__}: {error}") from error


def _module_member(target: str, spec: ToolSpec) -> Any:
    try:
        return load_object(target, spec.home)
    except FunctionNotFound as error:
        raise UsageError(error.message, error.hint) from error


def _entry_point(wanted: str, spec: ToolSpec) -> Any:
    from importlib.metadata import entry_points  # takes as long as all of this package

    for entry in entry_points(group=GROUP, name=wanted):
        try:
            return entry.load()
        except Exception as error:
            told = f"the tool '{spec.name}' cannot be loaded: {entry.value}: {type(error).__name__}: {error}"
            raise UsageError(told, "is its package whole?") from error
    known = list(installed())
    hint = did_you_mean(wanted, known) or f"installed: {', '.join(known) or 'none'}; or write `module:name`"
    raise UsageError(f"no installed package has a tool '{wanted}'", hint)


def installed() -> Iterator[str]:
    """The names under which packages that are installed offer tools."""
    from importlib.metadata import entry_points

    yield from dict.fromkeys(entry.name for entry in entry_points(group=GROUP))
