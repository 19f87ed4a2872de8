"""Prompts as plain lines, for terminals that cannot move a cursor. The terminal itself edits and echoes."""

from __future__ import annotations

import asyncio
import os
import select
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from magent.answers import text_of
from magent.human.prompts import Around, Check, LeftOpen, Option, forget_input, one_line, printable, say

_COMMENT = "+"
_PATIENCE = 0.02  # seconds between the lines of one paste
_WORDS = {"y": True, "yes": True, "true": True, "n": False, "no": False, "false": False}


class Plain:
    """Fills `Prompts`. A line that is only `+` says that a comment follows."""

    draws = False

    def __init__(self) -> None:
        self._pending = b""
        self._around: Around | None = None

    def begin(self, around: Around) -> None:
        self._pending = b""
        self._around = around
        forget_input()
        if around.may_comment:
            say(f"  ({_COMMENT} alone: a comment is asked for too)\n")

    def refresh(self) -> None:
        """What is written stays as it is."""

    async def line(
        self,
        message: str,
        *,
        about: str = "",
        default: str = "",
        check: Check,
        multiline: bool = False,
        edits: str | None = None,
    ) -> str:
        if about:
            say(f"  {one_line(about)}\n")
        prompt = f"{one_line(message)}{f' [{one_line(default)[:60]}]' if default else ''}"
        say(f"{prompt} (end with a line that holds only a dot)\n" if multiline else f"{prompt} ")
        while True:
            text = await (self._lines() if multiline else self._pasted() if edits else self._line()) or default
            if text == _COMMENT and self._around is not None and self._around.may_comment:
                self._around.comment = not self._around.comment
                say(f"  {'a comment follows' if self._around.comment else 'no comment'}\n{prompt} ")
                continue
            fault = check(text)
            if fault is None:
                return text
            say(f"  {printable(fault)}\n{prompt} ")

    async def yes_no(self, message: str, default: bool | None, *, about: str = "") -> bool:
        def check(text: str) -> str | None:
            known = text.strip().lower() in _WORDS or (not text.strip() and default is not None)
            return None if known else "y for yes, n for no"

        keys = {True: "Y/n", False: "y/N", None: "y/n"}[default]
        word = (await self.line(f"{message} ({keys})", about=about, check=check)).strip().lower()
        return _WORDS.get(word, bool(default))

    async def number(self, message: str, scale: tuple[int, int], default: int | None) -> int:
        low, high = scale

        def check(text: str) -> str | None:
            fits = text.strip().lstrip("-").isdecimal() and low <= int(text[:20]) <= high
            return None if fits else f"a whole number from {low} to {high}"

        shown = "" if default is None else str(default)
        return int(await self.line(f"{message} ({low} to {high}):", default=shown, check=check))

    async def choose(
        self,
        message: str,
        options: Sequence[Option],
        default: int | None,
        *,
        about: str = "",
        keys: Mapping[str, tuple[str, Any]] = {},
    ) -> Any:
        del keys  # here only lines can be entered
        (index,) = await self._numbers(message, about, options, [] if default is None else [default], None)
        return options[index][1]

    async def choose_many(
        self,
        message: str,
        options: Sequence[Option],
        chosen: Sequence[int],
        *,
        about: str = "",
        check: Callable[[list[Any]], str | None] = lambda _: None,
    ) -> list[Any]:
        indexes = await self._numbers(f"{message} Several with commas; 0 is none.", about, options, chosen, check)
        return [options[index][1] for index in indexes]

    async def edit(self, text: str, ending: str, check: Check) -> str:
        del ending  # which is for editors
        return await self.line("The text:", default=text, check=check, multiline=True)

    async def _numbers(
        self,
        message: str,
        about: str,
        options: Sequence[Option],
        default: Sequence[int],
        several: Callable[[list[Any]], str | None] | None,
    ) -> list[int]:
        for number, (label, _) in enumerate(options, 1):
            say(f"  {number}. {one_line(label)}\n")

        def read(text: str) -> list[int] | None:
            words = [word.strip() for word in text.split(",")] if several else [text.strip()]
            if several and words in (["0"], [""]):
                return []
            found = [_place(word, options) for word in words]
            known = [place for place in found if place is not None]
            return sorted(set(known)) if len(known) == len(words) else None

        def check(text: str) -> str | None:
            indexes = read(text)
            if indexes is None:
                return f"enter a number from 1 to {len(options)}"
            return several([options[index][1] for index in indexes]) if several else None

        typed = await self.line(
            message, about=about, default=", ".join(str(index + 1) for index in default), check=check
        )
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

    async def _pasted(self) -> str:
        """One line, or those that came at once, as nobody types them."""
        lines = [await self._line()]
        while b"\n" in self._pending or select.select([sys.stdin.fileno()], [], [], _PATIENCE)[0]:
            lines.append(await self._line())
        return "\n".join(lines).rstrip("\n")

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
