"""The few kinds of prompt: drawn by questionary, or as plain lines where the terminal cannot draw."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import termios
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from magent.answers import text_of

Check = Callable[[str], str | None]
"""Says what is wrong with a text that was typed, or None."""
Option = tuple[str, Any]
"""(label, value)"""

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class LeftOpen(Exception):
    """End of input (Ctrl-D): the question stays unanswered."""


class Stopped(Exception):
    """Ctrl-C: the person stops the run."""


class Prompts(Protocol):
    """Each returns what was entered, or raises LeftOpen or Stopped."""

    async def line(self, message: str, *, default: str = "", check: Check, multiline: bool = False) -> str:
        """Nothing entered means `default`."""
        ...

    async def choose(self, message: str, options: Sequence[Option], default: int | None) -> Any: ...

    async def choose_many(self, message: str, options: Sequence[Option], chosen: Sequence[int]) -> list[Any]: ...

    def forget_typed(self) -> None:
        """Drops what was typed before a question was there to be read."""
        ...


def printable(text: str) -> str:
    """The text without what would steer a terminal or reorder what is read."""
    return _UNPRINTABLE.sub("�", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    return " ".join(printable(text).split())


def is_terminal() -> bool:
    """Whether somebody can be asked: stdin and stderr are terminals, and this process is in the foreground."""
    try:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return False
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):  # closed, replaced or missing streams; no controlling terminal
        return False


def for_this_terminal(*, color: bool = True) -> Prompts:
    if os.environ.get("TERM", "").lower() in ("", "dumb", "unknown"):
        return Plain()
    return Drawn(color=color)


class Drawn:
    """Prompts with arrow keys, drawn on stderr."""

    def __init__(self, *, color: bool = True) -> None:
        from prompt_toolkit.input import create_input
        from prompt_toolkit.output import ColorDepth, create_output

        output = create_output(stdout=sys.stderr)
        output.enable_cpr = False  # type: ignore[attr-defined]  # few need the answer, and some terminals give none
        self._input = create_input(sys.stdin)
        self._io: dict[str, Any] = {"input": self._input, "output": output}
        if not color:
            self._io["color_depth"] = ColorDepth.DEPTH_1_BIT

    async def line(self, message: str, *, default: str = "", check: Check, multiline: bool = False) -> str:
        import questionary

        asked = questionary.text(
            one_line(message) + (f" [{one_line(default)[:60]}]" if default and not multiline else ""),
            default=default if multiline else "",  # what is typed should replace a short default, not lengthen it
            multiline=multiline,
            instruction="(Esc, then Enter to finish)" if multiline else None,
            validate=lambda text: check(text or default) or True,
            **self._io,
        )
        return str(await _run(asked.application)) or default

    async def choose(self, message: str, options: Sequence[Option], default: int | None) -> Any:
        import questionary

        choices = [questionary.Choice(one_line(label) or " ", value=index) for index, (label, _) in enumerate(options)]
        asked = questionary.select(
            one_line(message), choices, default=choices[default] if default is not None else None, **self._io
        )
        return options[await _run(asked.application)][1]

    async def choose_many(self, message: str, options: Sequence[Option], chosen: Sequence[int]) -> list[Any]:
        import questionary

        choices = [
            questionary.Choice(one_line(label) or " ", value=index, checked=index in chosen)
            for index, (label, _) in enumerate(options)
        ]
        asked = questionary.checkbox(one_line(message), choices, **self._io)
        return [options[index][1] for index in await _run(asked.application)]

    def forget_typed(self) -> None:
        from prompt_toolkit.input.typeahead import clear_typeahead

        clear_typeahead(self._input)
        _flush_input()


async def _run(application: Any) -> Any:
    from prompt_toolkit.key_binding import merge_key_bindings

    application.key_bindings = merge_key_bindings([application.key_bindings, _keys_of_a_shell()])
    try:
        return await application.run_async(handle_sigint=False, set_exception_handler=False)
    except EOFError as error:
        raise LeftOpen from error
    except KeyboardInterrupt as error:
        raise Stopped from error


def _keys_of_a_shell() -> Any:
    from prompt_toolkit.key_binding import KeyBindings

    bindings = KeyBindings()

    @bindings.add("c-d", eager=True)
    def _(event: Any) -> None:
        if event.current_buffer.text and event.current_buffer.multiline():
            event.current_buffer.validate_and_handle()
        else:
            event.app.exit(exception=EOFError)

    @bindings.add("c-z", eager=True)
    def _(event: Any) -> None:
        event.app.suspend_to_background()

    return bindings


def _flush_input() -> None:
    try:
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    except (OSError, termios.error):
        return  # not a terminal after all: there is nothing to drop


class Plain:
    """Prompts as lines, for terminals that cannot move a cursor. The terminal itself edits and echoes."""

    def __init__(self) -> None:
        self._pending = b""

    async def line(self, message: str, *, default: str = "", check: Check, multiline: bool = False) -> str:
        shown = f"{one_line(message)}{f' [{one_line(default)[:60]}]' if default else ''}"
        _say(f"{shown} (end with a line that holds only a dot)\n" if multiline else f"{shown} ")
        while True:
            text = await (self._lines() if multiline else self._line()) or default
            fault = check(text)
            if fault is None:
                return text
            _say(f"  {printable(fault)}\n{shown} ")

    async def choose(self, message: str, options: Sequence[Option], default: int | None) -> Any:
        (index,) = await self._numbers(message, options, [] if default is None else [default], many=False)
        return options[index][1]

    async def choose_many(self, message: str, options: Sequence[Option], chosen: Sequence[int]) -> list[Any]:
        indexes = await self._numbers(f"{message} Several with commas; 0 is none.", options, chosen, many=True)
        return [options[index][1] for index in indexes]

    def forget_typed(self) -> None:
        self._pending = b""
        _flush_input()

    async def _numbers(self, message: str, options: Sequence[Option], default: Sequence[int], many: bool) -> list[int]:
        for number, (label, _) in enumerate(options, 1):
            _say(f"  {number}. {one_line(label)}\n")

        def read(text: str) -> list[int] | None:
            words = [word.strip() for word in text.split(",")] if many else [text.strip()]
            if many and words in (["0"], [""]):
                return []
            found = [_place(word, options) for word in words]
            known = [place for place in found if place is not None]
            return sorted(set(known)) if len(known) == len(words) else None

        def check(text: str) -> str | None:
            return None if read(text) is not None else f"enter a number from 1 to {len(options)}"

        typed = await self.line(message, default=", ".join(str(index + 1) for index in default), check=check)
        return read(typed) or []

    async def _lines(self) -> str:
        lines: list[str] = []
        try:
            while (line := await self._line()) != ".":
                lines.append(line)
        except LeftOpen:
            if not lines:
                raise
        return "\n".join(lines)

    async def _line(self) -> str:
        while b"\n" not in self._pending:
            more = await _read(sys.stdin.fileno())
            if not more:
                raise LeftOpen
            self._pending += more
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode("utf-8", "replace").rstrip("\r")


def _place(word: str, options: Sequence[Option]) -> int | None:
    if word.isdecimal() and 1 <= int(word[:9]) <= len(options):
        return int(word[:9]) - 1
    return next((index for index, (_, value) in enumerate(options) if text_of(value) == word), None)


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


async def _read(descriptor: int) -> bytes:
    """The next bytes of a terminal, without holding up the loop; empty at the end of input."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def arrived() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, arrived)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""  # the terminal went away
