"""Tools of other packages: named by an entry point of the group `magent.tools`, or as `module:name`.

What is named is a class with the methods of `ports.Tool`, made with the workflow's `settings` as its arguments; a
function that makes one, or a mapping of several by name; or one that is made already.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from magent import entries
from magent.errors import UsageError
from magent.events import WorkFailed
from magent.foreign import called, closed, raised
from magent.functions import FunctionNotFound
from magent.model import ToolSpec
from magent.ports import ToolContext
from magent.spec.schema import check_schema
from magent.tools.base import Fixed, ToolEnvironment, Toolset, failed

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
            return await called(self._tool.call, arguments, context)
        except WorkFailed as error:
            raise WorkFailed(error.failure._replace(type="tool")) from error
        except (Exception, SystemExit) as error:
            raise failed(raised(f"'{self.name}'", error), data={"exception": type(error).__name__}) from error

    async def close(self) -> None:
        await closed(self._tool)


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
    tools = _tools(_made(_named(str(settings["uses"]), spec), settings.get("settings") or {}, spec.name), spec.name)
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


def _named(wanted: str, spec: ToolSpec) -> Any:
    who, none = f"the tool '{spec.name}'", f"no installed package has a tool '{wanted}'"
    try:
        return entries.load_named(entries.TOOLS, wanted, spec.home, who=who, none=none)
    except FunctionNotFound as error:
        raise UsageError(error.message, error.hint) from error


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
