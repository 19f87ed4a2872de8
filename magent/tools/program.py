"""A tool that is a command: its parameters are data of the command, as the names in a task's `run` are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magent import commands
from magent.events import WorkFailed
from magent.expressions import EvaluationError
from magent.model import ToolSpec
from magent.ports import ToolContext
from magent.spec.build import run_of
from magent.spec.takes import Takes, takes
from magent.tools.base import Fixed, ToolEnvironment, failed, given


class Program:
    """Gives what the command prints, as `parse` says."""

    external = False
    confirm = False

    def __init__(self, spec: ToolSpec, settings: Mapping[str, Any], environment: ToolEnvironment) -> None:
        self.name = spec.name
        self._takes = takes(settings) or Takes({})
        self.parameters: Mapping[str, Any] = self._takes.schema
        self.description = f"Runs a command: {_summary(settings['run'])}"
        self._work = run_of(settings)
        self._environment = environment

    async def call(self, arguments: Mapping[str, Any], context: ToolContext, /) -> Any:
        seen = self._environment.seen
        run = {**(seen.get("run") or {}), "key": context.key}
        names = {**seen, "run": run, "secrets": self._environment.secrets}
        filled = given(self.name, self._takes, arguments)
        names |= {name: filled.get(name) for name in self._takes.fields}  # what may be left out is null
        around = commands.Surroundings(
            self._environment.executor,
            self._environment.child_environ,
            self._environment.secrets,
            context.cwd,
            context.key,
            context.on_text,
        )
        try:
            done = await commands.perform(self._work, names, around)
        except WorkFailed as error:
            raise WorkFailed(error.failure._replace(type="tool")) from error
        except EvaluationError as error:
            raise failed(f"the command of '{self.name}' cannot be put together: {error.message}", error.hint) from error
        return done["data"]


def _summary(command: Any) -> str:
    text = command if isinstance(command, str) else " ".join(str(word) for word in command)
    first = " ".join(text.split())
    return first if len(first) <= 100 else first[:99] + "…"


def program(spec: ToolSpec, settings: Mapping[str, Any], environment: ToolEnvironment) -> Fixed:
    return Fixed({"": Program(spec, settings, environment)})
