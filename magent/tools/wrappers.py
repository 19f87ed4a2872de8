"""Tools around tools: each wraps the interface that it has itself, so that they can be put around one another."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from magent.errors import UsageError
from magent.events import Failure, WorkFailed
from magent.ports import Human, Question, Tool, ToolContext
from magent.source import did_you_mean
from magent.tools.base import failed


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


class Dressed(Wrapped):
    """A tool as a workflow declares it: its name there, and what its settings say of it."""

    def __init__(self, tool: Tool, name: str, settings: Mapping[str, Any]) -> None:
        super().__init__(tool)
        self.name = name
        self.external = tool.external or settings.get("effects") == "external"
        self.confirm = tool.confirm or bool(settings.get("confirm", False))
        self._description = settings.get("description")

    @property
    def description(self) -> str:
        return self.tool.description if self._description is None else str(self._description)


class Prefixed(Wrapped):
    """A tool under `prefix.name`."""

    def __init__(self, tool: Tool, prefix: str) -> None:
        super().__init__(tool)
        self.name = f"{prefix}.{tool.name}"


def only(tools: Mapping[str, Tool], names: Iterable[str]) -> dict[str, Tool]:
    """Those of `tools` that are named. Raises UsageError for one that is not there."""
    kept: dict[str, Tool] = {}
    for name in names:
        if name not in tools:
            hint = did_you_mean(name, tools) or f"there are: {', '.join(tools) or 'none'}"
            raise UsageError(f"there is no tool '{name}'", hint)
        kept[name] = tools[name]
    return kept


class Confirmed(Wrapped):
    """A person is asked before each call. With nobody to ask, or against their will, the call is refused, and told so:
    it never waits. The answers file knows the question under the tool's name; `counted` says how often it was asked
    before in this run."""

    def __init__(self, tool: Tool, human: Human, counted: Callable[[], int] | None = None) -> None:
        super().__init__(tool)
        self._human = human
        self._counted = counted or itertools.count().__next__

    async def call(self, arguments: Mapping[str, Any], context: ToolContext, /) -> Any:
        ordinal = self._counted()
        question = Question(
            node=self.name,
            path=self.name,
            visit=ordinal + 1,
            input="approval",
            prompt=f"May {context.path or 'an agent'} call the tool {self.name}?",
            context=dict(arguments),
            ordinal=ordinal,
            address_ordinal=ordinal,
        )
        answer = await self._human.ask(question)
        if answer is None:
            raise failed(
                f"'{self.name}' was not called: a person has to agree first, and there is nobody to ask",
                f"go on without it, or answer '{self.name}' in an answers file",
            )
        if answer.get("approved") is not True:
            said = f": {answer['comment']}" if answer.get("comment") else ""
            raise failed(f"'{self.name}' was not called: a person said no{said}", "go on without it")
        return await self.tool.call(arguments, context)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call that has ended: `output`, or `failure`; `duration` in seconds."""

    tool: str
    path: str
    arguments: Mapping[str, Any]
    output: Any
    failure: Failure | None
    duration: float


class Recorded(Wrapped):
    """Every call is told with what it came to, failed ones too."""

    def __init__(self, tool: Tool, on_call: Callable[[CallRecord], None]) -> None:
        super().__init__(tool)
        self._on_call = on_call

    async def call(self, arguments: Mapping[str, Any], context: ToolContext, /) -> Any:
        began = time.perf_counter()
        output, failure = None, None
        try:
            output = await self.tool.call(arguments, context)
        except WorkFailed as error:
            failure = error.failure
            raise
        except BaseException as error:
            failure = Failure("tool", f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
            raise
        finally:
            took = time.perf_counter() - began
            self._on_call(CallRecord(self.name, context.path, arguments, output, failure, took))
        return output
