"""A tool is called: on the record before and after, and in the words that an agent gets back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from magent.engine.values import NotJson, plain
from magent.engine.work import Attempt
from magent.events import Failure, WorkFailed
from magent.expressions import EvaluationError
from magent.ports import Question, Tool, ToolCall, ToolContext
from magent.spans import here
from magent.wrappers import Checked, Confirmed, NotCalled, Wrapped

SHOWN = 100_000  # characters of a result that an agent gets
_TOLD = ("approved", "by", "via", "at", "comment")  # of what a person said who was asked first
KEPT = 1_000_000  # of arguments, and of a result that an agent got, in the record

Facts = Mapping[str, Any]  # who calls, as the record says it: agent, role, delegation, chain, step; a task: nothing


async def use(
    attempt: Attempt, tool: Tool, arguments: Any, facts: Facts, *, by_agent: bool = False, external: bool | None = None
) -> Any:
    """The result, as JSON: the arguments are checked, a person is asked where the tool wants it and an agent calls, the
    call is on the record, and so is one that is refused. `external`: whether it is recorded as having effects outside,
    where it is not as the tool says. Raises WorkFailed."""
    book = Book(attempt, facts)
    recorded = Recorded(tool, book)
    recorded.external = tool.external if external is None else external
    ready = Checked(Confirmed(recorded, book.agreed) if by_agent and tool.confirm else recorded)
    try:
        return await ready.call(arguments, attempt.tool_context())
    except NotCalled as error:
        await book.refused(tool.name, arguments, error.failure)
        raise


class Recorded(Wrapped):
    """Each call is on the record before and after; an external one is on the disk before it begins. Who called goes on
    with what the record says, in this life as in a later one: without secrets."""

    def __init__(self, tool: Tool, book: Book) -> None:
        super().__init__(tool)
        self._book = book

    async def call(self, arguments: Mapping[str, Any], context: ToolContext, /) -> Any:
        call = await self._book.begun(self.name, arguments, external=self.external)
        try:
            with here.within(call.event):
                output = await self._result(arguments, context)
        except WorkFailed as error:
            if error.failure.type != "limit":  # that one ends the life: the call is made anew in the next
                await self._book.returned(call, error=error.failure)
            raise
        await self._book.returned(call, output=output)
        return output

    async def _result(self, arguments: Mapping[str, Any], context: ToolContext) -> Any:
        try:
            return self._book.hide(plain(await self.tool.call(arguments, context)))
        except WorkFailed as error:
            raise WorkFailed(self._book.hidden(error.failure)) from error
        except EvaluationError as error:
            raise WorkFailed(Failure("tool", error.message, hint=error.hint)) from error
        except NotJson as error:
            raise WorkFailed(Failure("tool", f"the result of '{self.name}' is no JSON value: {error}")) from error


class Book:
    """What one attempt does with tools, on the record; `facts` say who calls."""

    def __init__(self, attempt: Attempt, facts: Facts) -> None:
        self._attempt = attempt
        self._facts = facts
        self._agreed: Facts = {}

    def hide(self, value: Any) -> Any:
        """What a task's own call comes to is first held against its `output`, and hidden as it is recorded."""
        return self._attempt.services.mask(value) if self._facts else value

    def hidden(self, failure: Failure) -> Failure:
        message, hint, data = (self.hide(each) for each in (failure.message, failure.hint, failure.data))
        return failure._replace(message=message, hint=hint, data=data)

    async def begun(self, name: str, arguments: Any, *, external: bool = False) -> Begun:
        """Numbered among the calls of the attempt."""
        attempt = self._attempt
        attempt.calls += 1
        number = attempt.calls
        data = {"call": number, "tool": name, **_bounded("arguments", arguments), **self._facts, **self._agreed}
        event = await attempt.note("tool.called", data | ({"external": True} if external else {}), sync=external)
        return Begun(number, name, attempt.desk.now(), event)

    async def returned(self, call: Begun, *, output: Any = None, error: Failure | None = None) -> None:
        data: dict[str, Any] = {"call": call.number, "tool": call.name, **self._facts}
        data["duration"] = round(max(0.0, self._attempt.desk.now() - call.time), 3)
        if error is not None:
            data["error"] = {"type": error.type} | ({"message": error.message} if self._facts else {})
        elif "step" in self._facts:
            data["output"] = output  # whole: a resume goes on with it
        elif self._facts:
            data |= _bounded("output", output)
        if self._facts:
            await self._attempt.note("tool.returned", data)
        else:  # of a task's own call the visit says at once what it came to
            self._attempt.desk.note_soon("tool.returned", data)

    async def refused(self, name: str, arguments: Any, why: Failure) -> None:
        """A call that was wanted, and not made."""
        await self.returned(await self.begun(name, arguments), error=why)

    async def left_out(self, name: str, why: Failure) -> None:
        """A tool that an agent would have been offered; once an attempt."""
        if name not in self._attempt.left_out:
            self._attempt.left_out.add(name)
            error = {"type": why.type, "message": why.message}
            await self._attempt.note("tool.unusable", {"tool": name, **self._facts, "error": error})

    async def agreed(self, tool: Tool, arguments: Mapping[str, Any]) -> Failure | None:
        """Why a tool that asks first may not be called; None: it may. It never waits for somebody to come."""
        self._facts = {**self._facts, "asked": True}
        answer = await self._attempt.ask_person(self._question(tool.name, arguments))
        if answer is not None:
            self._agreed = {"agreed": {name: answer[name] for name in _TOLD if answer.get(name) is not None}}
        if answer is None:
            message = f"'{tool.name}' was not called: a person has to agree first, and there is nobody to ask"
            return Failure("tool", message, hint="go on without it")
        if answer.get("approved") is not True:
            said = f": {answer['comment']}" if answer.get("comment") else ""
            return Failure("tool", f"'{tool.name}' was not called: a person said no{said}", hint="go on without it")
        return None

    def _question(self, name: str, arguments: Mapping[str, Any]) -> Question:
        """Under the tool's own name, and that of the server or group that it is of."""
        entry = name.partition(".")[0]
        ordinal, own = self._attempt.desk.asked(entry), self._attempt.desk.asked(name)
        prompt = f"May '{self._attempt.path}' call the tool {name}?"
        shown = dict(arguments)
        return Question(entry, name, own + 1, "approval", prompt, context=shown, ordinal=ordinal, address_ordinal=own)


class Begun(NamedTuple):
    """A call on the record: its number in the attempt, the tool's name, when it began, the number of the event."""

    number: int
    name: str
    time: float
    event: int


def _bounded(name: str, value: Any) -> dict[str, Any]:
    text = as_text(value)
    return {name: value} if len(text) <= KEPT else {name: text[:KEPT], "cut": len(text)}


# ---- what an agent writes


def heard(calls: Iterable[ToolCall]) -> tuple[ToolCall, ...]:
    """The calls of one reply: each has an id of its own, as servers want them back, and text that can be written."""
    found: dict[str, ToolCall] = {}
    for call in calls:
        number, id = 1, call.id
        while id in found:
            number += 1
            id = f"{call.id}_{number}"
        found[id] = ToolCall(id, sound(call.name), sound(call.arguments))
    return tuple(found.values())


def sound(value: Any) -> Any:
    """JSON without halves of characters, which no file, server or child process takes: `\\ud83d` alone is one."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {sound(key): sound(item) for key, item in value.items()}
    return [sound(item) for item in value] if isinstance(value, list) else value


# ---- as an agent reads it


def as_text(output: Any) -> str:
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)


def shown(output: Any) -> str:
    """A result as an agent gets it."""
    text = as_text(output)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}\n… (cut here: {SHOWN:,} of {len(text):,} characters)"


def told(failure: Failure) -> str:
    """A failure as an agent gets it."""
    hint = f" ({failure.hint})" if failure.hint else ""
    return f"error: {failure.message}{hint}"[:SHOWN]
