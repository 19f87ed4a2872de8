"""An agent that is a program: any agent CLI. The prompt is one of its arguments, or its standard input. What it prints
is the answer, or an envelope with the answer in it; one that prints more than `ANSWER` bytes is ended."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Mapping
from typing import Any

from magent.agents.base import AgentEnvironment, BaseAgent, OnText, failed, find_json
from magent.agents.envelope import Envelope, Opened, envelope_of
from magent.agents.spoken import calls_in, conversation, held
from magent.events import Failure, WorkFailed
from magent.expressions import EvaluationError, Value
from magent.keys import GUARD
from magent.model import AgentSpec
from magent.ports import ProcessResult, Reply, Request, Usage
from magent.spans import here

ANSWER = 8_000_000  # bytes that a program may print
_SPENT = Usage(requests=1)  # what a program spends is not known, unless it says so
_TAIL = 2000  # characters of stderr that a failure shows
_PASSES = frozenset((408, 409, 425, 429))


class CommandAgent(BaseAgent):
    def __init__(self, spec: AgentSpec, settings: Mapping[str, Any], environment: AgentEnvironment) -> None:
        super().__init__(spec, settings, environment)
        self.envelope = envelope_of(settings)

    async def answer(self, request: Request, on_text: OnText) -> Reply:
        command = Value(list(self.settings["command"]))
        mentioned = {access.path[0] for access in command.accesses if access.path}
        prompt = conversation(request, with_system="system" not in mentioned)
        seen = self.environment.seen()
        run = {**(seen.get("run") or {}), "key": request.key}
        told = {**seen, "run": run, "prompt": prompt, "system": request.system or ""}
        arguments = self._arguments(command, told)
        request.meter.read = lambda: _SPENT
        try:
            result = await self._run(arguments, request, None if "prompt" in mentioned else prompt, on_text)
        except WorkFailed as error:
            if error.failure.type == "exit":
                request.meter.read = lambda: None  # it was not started
            raise WorkFailed(error.failure._replace(type="agent", final=True)) from error
        return self._read(arguments[0], request, result)

    def _read(self, program: str, request: Request, result: ProcessResult) -> Reply:
        """What it answered. Raises WorkFailed where it printed no answer, or that it failed."""
        opened = self._opened(result)
        usage = _SPENT if opened is None else self._usage(opened)
        request.meter.read = lambda: usage
        if opened is not None and opened.error is not None:
            raise WorkFailed(self._refused(program, opened, result))
        if result.exit_code != 0:
            raise _bad_exit(program, result)
        if self.envelope is None:
            return self._reply(result.stdout, request, usage, self.name)
        if opened is None or not opened.answers:
            raise self._unopened(program, self.envelope, result)
        model = opened.model or self.name
        if opened.data is not None and request.schema is not None:
            return Reply(opened.text or "", opened.data, True, usage, model)
        return self._reply(opened.text or "", request, usage, model)

    async def _run(self, arguments: list[str], request: Request, stdin: str | None, on_text: OnText) -> ProcessResult:
        """Runs it to its end, or to the bound of what it may print."""
        shown = self._shown(held(on_text) if request.tools else on_text)
        printed = 0

        def take(stream: str, text: str) -> None:
            nonlocal printed
            if stream == "stdout":
                printed += len(text.encode("utf-8", "replace"))
                shown(text) if printed <= ANSWER else run.cancel()

        run = asyncio.ensure_future(
            self.environment.executor.run(
                arguments,
                env=self._env(request),
                cwd=os.path.join(request.cwd, self.settings.get("cwd") or ""),
                stdin=stdin,
                on_output=take,
            )
        )
        try:
            result = await run
        except asyncio.CancelledError:
            run.cancel()
            if printed <= ANSWER:
                raise
            raise self._too_long(arguments[0]) from None
        if printed > ANSWER:
            raise self._too_long(arguments[0])
        return result

    def _too_long(self, program: str) -> WorkFailed:
        most = f"{ANSWER // 1_000_000} MB"
        return failed(
            f"{program} printed more than {most}, the most that an answer may be (agent '{self.name}')",
            "let it write large results to a file, and print where that is",
        )

    def _shown(self, on_text: OnText) -> Callable[[str], None]:
        """Who sees the output as it comes: not where it is still to be parsed."""
        if self.settings.get("parse", "text") != "text":
            return _keep_quiet
        if self.envelope is None:
            return on_text
        return self.envelope.stream(on_text) or _keep_quiet

    # ---- envelopes

    def _opened(self, result: ProcessResult) -> Opened | None:
        """What it printed, unwrapped; after a bad end also what stands on stderr, where some put their errors."""
        if self.envelope is None:
            return None
        opened = self.envelope.open(result.stdout)
        if opened is None and result.exit_code != 0:
            opened = self.envelope.open(result.stderr)
        return opened

    def _usage(self, opened: Opened) -> Usage:
        tokens, price = (opened.input or 0, opened.output or 0), self.settings.get("price")
        cost = opened.cost
        if cost is None and isinstance(price, Mapping) and opened.output is not None:
            cost = (tokens[0] * float(price.get("input", 0)) + tokens[1] * float(price.get("output", 0))) / 1e6
        return Usage(*tokens, cost, 1)

    def _refused(self, program: str, opened: Opened, result: ProcessResult) -> Failure:
        status = opened.status
        ended = f" (exit code {result.exit_code})" if result.exit_code else ""
        message = f"{program} failed{ended}: {GUARD.hide(opened.error or '')[:_TAIL]}"
        if result.exit_code and not opened.answers and self.envelope and not self.envelope.open(result.stderr):
            message += _told_on_stderr(result)
        data = {"exit_code": result.exit_code, "stdout": _tail(result.stdout), "stderr": _tail(result.stderr)}
        kind = "rate_limit" if status == 429 else "timeout" if status in (408, 504) else "agent"
        final = status is not None and 400 <= status < 500 and status not in _PASSES
        return Failure(kind, message, data=data, retry_after=opened.retry_after, final=final)

    def _unopened(self, program: str, envelope: Envelope, result: ProcessResult) -> WorkFailed:
        hint = "see the options of the command and `envelope` of the agent; `envelope: none` takes the output as it is"
        if result.stdout.strip():
            message = f"{program} printed no answer in the form of envelope '{envelope.name}': {_start(result.stdout)}"
        else:
            message = f"{program} printed nothing{_told_on_stderr(result)}"
        return failed(message, hint)

    # ---- the call

    async def reach(self, online: bool) -> str:  # noqa: ARG002
        """Whether the program is there; it is not started."""
        program = str(self.settings["command"][0])
        if "{{" in program:
            return "the program is known when it is asked"
        environ = {**self.environment.child_environ, **(self.settings.get("env") or {})}
        found = shutil.which(os.path.expanduser(program), path=str(environ.get("PATH", os.defpath)))
        if found is None:
            raise failed(f"'{program}' was not found", "is it installed, and on the PATH?", final=True)
        return f"{found}, opened as {self.envelope.name}" if self.envelope else found

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
        told = {"MAGENT_IDEMPOTENCY_KEY": request.key, **here.environment()}
        return {**self.environment.child_environ, **told, **own}

    def _reply(self, printed: str, request: Request, usage: Usage, model: str) -> Reply:
        parse = self.settings.get("parse", "text")
        text = printed.removesuffix("\n").removesuffix("\r")
        if found := calls_in(text, request):
            calls, said = found
            return Reply(said, usage=usage, model=model, calls=calls)
        if parse == "lines":
            return Reply("", text.splitlines(), True, usage, model)
        data, is_json = find_json(text) if parse == "json" or request.schema is not None else (None, False)
        if parse == "json" and not is_json and request.schema is None:
            raise failed(
                f"agent '{self.name}' was to print JSON and printed: {_start(text)}",
                "use `parse: text`, or the program's own option for JSON",
                kind="output",
            )
        shown = "" if is_json and request.schema is None else text
        return Reply(shown, data, is_json, usage, model)


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _keep_quiet(text: str) -> None:
    """What is to be parsed is not shown as it arrives."""


def _bad_exit(program: str, result: ProcessResult) -> WorkFailed:
    said = _tail(result.stderr.strip() or result.stdout.strip())
    ending = f": {said}" if said else ", and said nothing"
    data = {"exit_code": result.exit_code, "stdout": _tail(result.stdout), "stderr": _tail(result.stderr)}
    return failed(f"{program} ended with exit code {result.exit_code}{ending}", data=data)


def _told_on_stderr(result: ProcessResult) -> str:
    said = _tail(result.stderr.strip())
    return f"; on stderr: {said}" if said else ""


def _start(text: str) -> str:
    """How it begins, in which no piece of a secret stays."""
    return repr(GUARD.hide(text)[:200])


def _tail(text: str) -> str:
    """The end of it, in which no piece of a secret stays."""
    return GUARD.hide(text)[-_TAIL:]
