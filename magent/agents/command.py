"""An agent that is a program: any agent CLI. The prompt is one of its arguments, or its standard input."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from magent.agents.base import BaseAgent, OnText, failed, find_json
from magent.events import WorkFailed
from magent.expressions import EvaluationError, Value
from magent.ports import ProcessResult, Reply, Request, Usage

_SPENT = Usage(requests=1)  # what a program spends is not known
_TAIL = 2000  # characters of stderr that a failure shows


class CommandAgent(BaseAgent):
    async def answer(self, request: Request, on_text: OnText) -> Reply:
        command = Value(list(self.settings["command"]))
        mentioned = {access.path[0] for access in command.accesses if access.path}
        prompt = conversation(request, with_system="system" not in mentioned)
        arguments = self._arguments(command, {"prompt": prompt, "system": request.system or ""})
        parse = self.settings.get("parse", "text")
        shown = on_text if parse == "text" else _keep_quiet
        try:
            result = await self.environment.executor.run(
                arguments,
                env=self._env(request),
                cwd=os.path.join(request.cwd, self.settings.get("cwd") or ""),
                stdin=None if "prompt" in mentioned else prompt,
                on_output=lambda stream, text: shown(text) if stream == "stdout" else None,
            )
        except WorkFailed as error:
            raise WorkFailed(error.failure._replace(type="agent")) from error
        if result.exit_code != 0:
            raise _bad_exit(arguments[0], result)
        return self._reply(parse, result.stdout, request)

    def _arguments(self, command: Value, names: Mapping[str, Any]) -> list[str]:
        try:
            rendered = command.evaluate(names)
        except EvaluationError as error:
            raise failed(f"agent '{self.name}': {error.message}", error.hint) from error
        items = [item for part in rendered for item in (part if isinstance(part, list) else [part])]
        arguments = [_word(item) for item in items]
        if any("\0" in argument for argument in arguments):
            hint = "leave '{{ prompt }}' out of the command: the prompt then goes to its standard input"
            raise failed("the prompt holds a NUL character, which no argument can hold", hint)
        return arguments

    def _env(self, request: Request) -> dict[str, str]:
        own = {name: _word(value) for name, value in (self.settings.get("env") or {}).items()}
        return {**self.environment.child_environ, "MAGENT_IDEMPOTENCY_KEY": request.key, **own}

    def _reply(self, parse: str, printed: str, request: Request) -> Reply:
        text = printed.removesuffix("\n").removesuffix("\r")
        if parse == "lines":
            return Reply("", text.splitlines(), True, _SPENT, self.name)
        data, found = find_json(text) if parse == "json" or request.schema is not None else (None, False)
        if parse == "json" and not found and request.schema is None:
            raise failed(
                f"agent '{self.name}' was to print JSON and printed: {text[:200]!r}",
                "use `parse: text`, or the program's own option for JSON",
                kind="output",
            )
        shown = "" if found and request.schema is None else text
        return Reply(shown, data, found, _SPENT, self.name)


def conversation(request: Request, *, with_system: bool) -> str:
    """All in one text, for a program that remembers nothing: instructions, prompt, form, earlier answers."""
    parts = [request.system] if with_system and request.system else []
    for number, message in enumerate(request.messages):
        parts.append(message.text if message.role == "user" else f"Your answer to that was:\n\n{message.text}")
        if number == 0 and request.schema is not None:
            schema = json.dumps(request.schema, ensure_ascii=False)
            parts.append(f"Answer with nothing but a JSON object that fits this JSON Schema:\n\n{schema}")
    return "\n\n".join(parts)


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _keep_quiet(text: str) -> None:
    """What is to be parsed is not shown as it arrives."""


def _bad_exit(program: str, result: ProcessResult) -> WorkFailed:
    said = (result.stderr.strip() or result.stdout.strip())[-_TAIL:]
    ending = f": {said}" if said else ", and said nothing"
    data = {"exit_code": result.exit_code, "stdout": result.stdout[-_TAIL:], "stderr": result.stderr[-_TAIL:]}
    return failed(f"{program} ended with exit code {result.exit_code}{ending}", data=data)
