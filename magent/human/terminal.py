"""Asks the person at the terminal: one question at a time, on stderr, while the rest of the run goes on."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from magent.answers import DECISIONS, check_literal, check_value, normalise, text_of
from magent.clock import Clock, iso
from magent.errors import AnswerRefused
from magent.human.prompts import LeftOpen, Prompts, Stopped, for_this_terminal, one_line, printable
from magent.ports import Question

MOST_LINES = 1000
Answer = dict[str, Any]


class Terminal:
    """A person at the terminal.

    Ctrl-C at a prompt calls `on_interrupt` and leaves this and all later questions unanswered; Ctrl-D leaves only this
    one. While a question is on the screen `busy` is true; nobody else may write to the terminal then. `on_busy` is
    called with True before a question is drawn, with False once it is gone and the cursor begins a clean line.
    """

    def __init__(self, clock: Clock, on_interrupt: Callable[[], None], *, color: bool = True) -> None:
        self.busy = False
        self.on_busy: Callable[[bool], None] = lambda _: None
        self._clock = clock
        self._on_interrupt = on_interrupt
        self._color = color
        self._prompts: Prompts | None = None
        self._turn = asyncio.Lock()
        self._stopped = False

    async def ask(self, question: Question) -> Mapping[str, Any] | None:
        async with self._turn:
            if self._stopped:
                return None
            self._busy(True)
            try:
                return await self._ask(question)
            finally:
                self._busy(False)

    def _busy(self, busy: bool) -> None:
        self.busy = busy
        self.on_busy(busy)

    async def _ask(self, question: Question) -> Answer | None:
        self._prompts = self._prompts or for_this_terminal(color=self._color)
        self._prompts.forget_typed()
        self._show(question)
        try:
            answer = await _until_it_fits(self._prompts, question)
        except (LeftOpen, OSError):  # end of input, or the terminal went away
            return None
        except Stopped:
            self._stopped = True
            self._on_interrupt()
            return None
        except asyncio.CancelledError:
            sys.stderr.write(f"  '{question.path or question.node}' is no longer asked\n")
            raise
        return answer | {"via": "terminal", "by": _login(), "at": iso(self._clock.now())}

    def _show(self, question: Question) -> None:
        """What the question is about. Everything that comes from a model or a user is text, never markup or control."""
        from rich.console import Console
        from rich.text import Text

        console = Console(
            stderr=True, highlight=False, markup=False, emoji=False, no_color=None if self._color else True
        )
        console.print()
        console.print(Text(_heading(question), style="bold"))
        for text in (question.prompt, _context(question.context)):
            if text:
                console.print(Text(_bounded(text)))
        if question.content is not None:
            console.rule(style="dim")
            console.print(Text(_bounded(_as_text(question.content))))
            console.rule(style="dim")


def _login() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user id without a name
        return None


# What is shown


def _heading(question: Question) -> str:
    parts = [one_line(question.path or question.node)]
    if question.assignee:
        parts.append(f"for {one_line(question.assignee)}")
    if question.deadline is not None:
        parts.append(f"until {iso(question.deadline)}")
    return " · ".join(parts)


def _context(context: Any) -> str:
    if not isinstance(context, Mapping):
        return "" if context is None else _as_text(context)
    return "\n".join(f"  {one_line(str(key))}:{_beside(text_of(value))}" for key, value in context.items())


def _beside(text: str) -> str:
    """On the line of its name, or, where it has several, as a block below it."""
    return f" {text}" if "\n" not in text else "".join(f"\n    {line}" for line in text.splitlines())


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _bounded(text: str) -> str:
    lines = printable(text[: MOST_LINES * 200]).split("\n")
    cut = len(lines) > MOST_LINES or len(text) > MOST_LINES * 200
    return "\n".join([*lines[:MOST_LINES], *(["… (the rest is in the run's record)"] if cut else [])])


# What is asked, kind by kind


async def _until_it_fits(prompts: Prompts, question: Question) -> Answer:
    default = _default(question)
    while True:
        given = await _KINDS[question.input](prompts, question, default)
        if question.form:
            given["form"] = await _form(prompts, question, default.get("form") or {})
        try:
            return normalise(question, given)
        except AnswerRefused as refused:  # each field was checked; this is for what only the whole shows
            sys.stderr.write("".join(f"  {printable(reason)}\n" for reason in refused.reasons))


def _default(question: Question) -> Answer:
    """The default as a whole answer, to be offered; nothing where there is none or it would be refused."""
    try:
        return normalise(question, question.default) if question.has_default else {}
    except AnswerRefused:
        return {}


async def _approval(prompts: Prompts, _: Question, default: Answer) -> Answer:
    return {"approved": await _yes_no(prompts, "Approve?", default.get("approved"))}


async def _feedback(prompts: Prompts, question: Question, default: Answer) -> Answer:
    text = default.get("text") or ""
    return {"text": await prompts.line("Your feedback:", default=text, check=_anything, multiline=question.multiline)}


async def _choice(prompts: Prompts, question: Question, default: Answer) -> Answer:
    options = [(option["label"], option["value"]) for option in question.options]
    values = [text_of(value) for _, value in options]
    chosen = default.get("choice")
    if question.multiple:
        places = [values.index(text_of(value)) for value in chosen or []]
        return {"choice": await prompts.choose_many("Choose any:", options, places)}
    place = None if chosen is None else values.index(text_of(chosen))
    return {"choice": await prompts.choose("Choose one:", options, place)}


async def _rating(prompts: Prompts, question: Question, default: Answer) -> Answer:
    low, high = question.scale

    def check(text: str) -> str | None:
        return None if _fits_scale(text, question.scale) else f"a whole number from {low} to {high}"

    text = text_of(default["rating"]) if "rating" in default else ""
    return {"rating": int(await prompts.line(f"Rating ({low} to {high}):", default=text, check=check))}


def _fits_scale(text: str, scale: tuple[int, int]) -> bool:
    try:
        return check_literal("rating", int(text[:20]), scale=scale) == []
    except ValueError:
        return False


async def _review(prompts: Prompts, question: Question, default: Answer) -> Answer:
    answer: Answer = {"content": default.get("content", question.content)}
    options = [*((decision.replace("_", " "), decision) for decision in DECISIONS), ("edit the content", None)]
    place = DECISIONS.index(default["decision"]) if default else None
    while (decision := await prompts.choose("Your decision:", options, place)) is None:
        answer["content"] = await _edited(prompts, answer["content"])
    answer["decision"] = decision
    if decision != "approve":
        remarks = default.get("comments") or ""
        answer["comments"] = await prompts.line("Comments (Enter for none):", default=remarks, check=_anything) or None
    return answer


async def _edited(prompts: Prompts, content: Any) -> Any:
    if isinstance(content, str) or content is None:
        return await prompts.line("The content:", default=content or "", check=_anything, multiline=True)
    written = await prompts.line("The content (JSON):", default=_as_text(content), check=_json_fault, multiline=True)
    return json.loads(written)


async def _validation(prompts: Prompts, _: Question, default: Answer) -> Answer:
    if await _yes_no(prompts, "Is it valid?", default.get("valid")):
        return {"valid": True}
    expected = list(default.get("errors") or [])
    errors: list[str] = []
    while error := await prompts.line(
        "What is wrong? (Enter alone ends)", default=expected.pop(0) if expected else "", check=_anything
    ):
        errors.append(error)
    return {"valid": False, "errors": errors}


_KINDS: dict[str, Callable[[Prompts, Question, Answer], Awaitable[Answer]]] = {
    "approval": _approval,
    "feedback": _feedback,
    "choice": _choice,
    "rating": _rating,
    "review": _review,
    "validation": _validation,
}


# A form, field by field


async def _form(prompts: Prompts, question: Question, defaults: Mapping[str, Any]) -> dict[str, Any]:
    form: dict[str, Any] = {}
    for name, schema in question.form.items():
        schema = schema if isinstance(schema, Mapping) else {}
        has_default = name in defaults or "default" in schema
        form[name] = await _field(prompts, name, schema, has_default, defaults.get(name, schema.get("default")))
    return form


async def _field(prompts: Prompts, name: str, schema: Mapping[str, Any], has_default: bool, default: Any) -> Any:
    about = schema.get("title") or schema.get("description")
    message = f"{name} ({one_line(str(about))}):" if about else f"{name}:"
    if schema.get("enum"):
        return await _one_of(prompts, message, list(schema["enum"]), has_default, default)
    if schema.get("type") == "boolean" and not (has_default and default is None):
        return await _yes_no(prompts, message, default)
    as_text = _takes_text(schema)
    shown = "" if default is None else default if as_text and isinstance(default, str) else json.dumps(default)

    def read(text: str) -> Any:
        if has_default and text == shown:
            return default
        return text if as_text else _json_or_text(text)

    def check(text: str) -> str | None:
        return None if has_default and text == shown else next(iter(check_value(schema, read(text))), None)

    return read(await prompts.line(message, default=shown, check=check))


async def _one_of(prompts: Prompts, message: str, values: list[Any], has_default: bool, default: Any) -> Any:
    options = [(text_of(value), value) for value in values]
    if has_default and default not in values:
        options.append(("(none)" if default is None else text_of(default), default))
    place = next((index for index, (_, value) in enumerate(options) if value == default), None) if has_default else None
    return await prompts.choose(message, options, place)


def _takes_text(schema: Mapping[str, Any]) -> bool:
    kinds = schema.get("type")
    return kinds == "string" or (isinstance(kinds, list) and "string" in kinds)


def _json_or_text(text: str) -> Any:
    return text if _json_fault(text) else json.loads(text)


def _json_fault(text: str) -> str | None:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"this is not JSON: {error}"
    return None


def _anything(_: str) -> str | None:
    return None


_WORDS = {"y": True, "yes": True, "true": True, "n": False, "no": False, "false": False}


async def _yes_no(prompts: Prompts, message: str, default: bool | None) -> bool:
    """Yes or no; without a default Enter alone is no answer, as nobody should approve by accident."""
    keys = {True: "Y/n", False: "y/N", None: "y/n"}[default]

    def check(text: str) -> str | None:
        known = text.strip().lower() in _WORDS or (not text.strip() and default is not None)
        return None if known else "y for yes, n for no"

    word = (await prompts.line(f"{message} ({keys})", check=check)).strip().lower()
    return _WORDS.get(word, bool(default))
