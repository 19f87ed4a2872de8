"""The built-in tool `shell`: programs that the workflow names, given words, never a text for a shell."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from typing import Any

from magent import durations
from magent.errors import UsageError
from magent.events import WorkFailed
from magent.ports import ToolContext
from magent.spec.builtins import BUILTINS
from magent.tools.base import ToolEnvironment, failed
from magent.tools.files_open import shown

SECONDS = 60.0
MOST = 200_000  # characters of each stream that a result holds; of more, the first and the last half
LONGEST_WORD = 100_000  # bytes


class Shell:
    """`{exit_code, stdout, stderr, truncated}`. Starts in the workspace; whatever the exit code is, it is a result."""

    name = "shell"
    description, parameters = BUILTINS["shell"][""]
    external = False
    confirm = False

    def __init__(self, settings: Mapping[str, Any], environment: ToolEnvironment) -> None:
        self._allowed = tuple(str(name) for name in settings.get("allow") or ())
        if not self._allowed:
            hint = "name the programs that it may run: `{builtin: shell, allow: [git, rg]}`"
            raise UsageError("`shell` is off: its `allow` names no program", hint)
        for name in self._allowed:
            if not name or (os.sep in name and not os.path.isabs(name)):
                hint = "write a program's name, or where it is from the root"
                raise UsageError(f"'{shown(name)}' in `allow` names no program", hint)
        self._environment = environment
        self._seconds = durations.parse(settings.get("timeout", SECONDS))
        self.description = f"{self.description} Allowed: {', '.join(self._allowed)}."

    async def call(self, arguments: Mapping[str, Any], context: ToolContext, /) -> dict[str, Any]:
        program, *words = arguments["command"]
        argv = [self._place(program), *words]
        for word in words:
            if "\0" in word or len(word.encode("utf-8", "surrogatepass")) > LONGEST_WORD:
                raise failed("a word of the command holds a NUL or is over 100 KB")
        environ = {**self._environment.child_environ, "MAGENT_IDEMPOTENCY_KEY": context.key}
        try:
            async with asyncio.timeout(self._seconds):
                result = await self._environment.executor.run(
                    argv,
                    env=environ,
                    cwd=str(context.workspace),
                    stdin=None,
                    on_output=lambda _stream, text: context.on_text(text),
                )
        except TimeoutError as error:
            raise failed(f"'{program}' was ended: it took longer than {durations.show(self._seconds)}") from error
        except WorkFailed as error:
            raise WorkFailed(error.failure._replace(type="tool")) from error
        stdout, stderr = _cut(result.stdout), _cut(result.stderr)
        truncated = (stdout, stderr) != (result.stdout, result.stderr)
        return {"exit_code": result.exit_code, "stdout": stdout, "stderr": stderr, "truncated": truncated}

    def _place(self, program: str) -> str:
        """Where the program is: by what it is called in `allow`, in the directories of PATH that begin at the root."""
        if program not in self._allowed:
            known = ", ".join(self._allowed)
            raise failed(f"the program '{shown(program)}' is not allowed", f"allowed: {known}")
        if os.path.isabs(program):
            return program
        for directory in _directories(self._environment.child_environ.get("PATH", os.defpath)):
            place = os.path.join(directory, program)
            if os.path.isfile(place) and os.access(place, os.X_OK):
                return place
        raise failed(f"'{program}' was not found", "is it installed, and on the PATH?")


def _directories(path: str) -> Iterable[str]:
    return (place for place in path.split(os.pathsep) if os.path.isabs(place))


def _cut(text: str) -> str:
    if len(text) <= MOST:
        return text
    half = MOST // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"
