"""Prompts that are drawn, with arrow keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from magent import cells
from magent.human import editor
from magent.human.lists import Rows
from magent.human.prompts import Around, Check, Option, one_line, printable, say
from magent.human.stage import EDITOR, Field, Stage

_LONGEST_GAUGE = 20
_LONGEST_HINT = 60


class Drawn:
    """Fills `Prompts`."""

    draws = True

    def __init__(self, *, color: bool = True) -> None:
        self._stage = Stage(color=color)

    def begin(self, around: Around) -> None:
        self._stage.begin(around)

    def refresh(self) -> None:
        self._stage.refresh()

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
        hint = f" [{cells.cut(one_line(default), _LONGEST_HINT)}]" if default and not multiline else ""
        ends = multiline, edits is not None
        field = Field(message + hint, about, lambda typed: check(typed or default), *ends)
        text = default if multiline else ""  # what is typed should replace a short default, not lengthen it
        outcome, text = await self._stage.text(field, text)
        while outcome is EDITOR:
            text = await self._in_editor(text or default, edits or ".md")
            outcome, text = await self._stage.text(field, text)
        self._stage.told(message, text or default)
        return text or default

    async def yes_no(self, message: str, default: bool | None, *, about: str = "") -> bool:
        words = {True: "Y/n", False: "y/N", None: "y/n"}[default]
        usual = "" if default is None else "yes" if default else "no"

        def check(text: str) -> str | None:
            return None if (text.strip().lower() or usual) in ("yes", "no") else "y for yes, n for no"

        def step(_: str, by: int) -> str:
            return "no" if by > 0 else "yes"

        _, text = await self._stage.text(Field(f"{message} ({words})", about, check, step=step, replace=_yes_or_no), "")
        text = text.strip().lower() or usual
        self._stage.told(message, text)
        return text == "yes"

    async def number(self, message: str, scale: tuple[int, int], default: int | None) -> int:
        low, high = scale
        usual = "" if default is None else str(default)

        def check(text: str) -> str | None:
            return None if _on(scale, text or usual) is not None else f"a whole number from {low} to {high}"

        def step(text: str, by: int) -> str:
            now = _on(scale, text or usual)
            return str((low if by > 0 else high) if now is None else min(high, max(low, now + by)))

        def replace(text: str) -> str | None:
            """A digit after a number that it would make too large begins a new one."""
            return text[-1] if _on(scale, text) is None and _on(scale, text[:-1]) is not None else None

        def after(text: str) -> str:
            return _gauge(_on(scale, text or usual), scale)

        hint = f" [{usual}]" if usual else ""
        field = Field(f"{message} ({low} to {high}){hint}:", "", check, step=step, replace=replace, after=after)
        _, text = await self._stage.text(field, "")
        text = text.strip() or usual
        self._stage.told(f"{message}:", text)
        return int(text)

    async def choose(
        self,
        message: str,
        options: Sequence[Option],
        default: int | None,
        *,
        about: str = "",
        keys: Mapping[str, tuple[str, Any]] = {},
    ) -> Any:
        rows = Rows([label for label, _ in options], about, [] if default is None else [default])
        words = {key: word for key, (word, _) in keys.items()}
        outcome: int | str = await self._stage.list(message, rows, words)
        if isinstance(outcome, str):
            return keys[outcome][1]
        label, value = options[outcome]
        self._stage.told(message, label)
        return value

    async def choose_many(
        self,
        message: str,
        options: Sequence[Option],
        chosen: Sequence[int],
        *,
        about: str = "",
        check: Callable[[list[Any]], str | None] = lambda _: None,
    ) -> list[Any]:
        def fault(places: list[int]) -> str | None:
            return check([options[at][1] for at in places])

        rows = Rows([label for label, _ in options], about, chosen, many=True, check=fault)
        places = await self._stage.list(message, rows, {})
        self._stage.told(message, ", ".join(options[at][0] for at in places) or "none")
        return [options[at][1] for at in places]

    async def edit(self, text: str, ending: str, check: Check) -> str:
        try:
            return await self._edited(text, ending, check)
        except editor.NoProgram as none:
            say(f"  {printable(str(none))}; here instead\n")
            return await self.line("The text:", default=text, check=check, multiline=True)

    async def _in_editor(self, text: str, ending: str) -> str:
        """A text that was begun here. What is wrong with it is said when it is back."""
        try:
            return await self._edited(text, ending, lambda _: None)
        except editor.NoProgram as none:
            say(f"  {printable(str(none))}\n")
            return text

    async def _edited(self, text: str, ending: str, check: Check) -> str:
        edited = await editor.edit(text, ending, self._stage.around.name, check)
        say(f"  {printable(edited.note)}\n")
        return edited.text


def _yes_or_no(text: str) -> str | None:
    """The word that a letter typed at its end means; the letters after its first are not needed."""
    text = text.strip().lower()
    before, last = (text[:-1], text[-1:]) if text[:-1] in ("yes", "no") else ("", text)
    return {"y": "yes", "t": "yes", "n": "no", "f": "no"}.get(last, before if last in tuple("esoruals") else None)


def _on(scale: tuple[int, int], text: str) -> int | None:
    """The whole number that is written so, where it is on the scale."""
    try:
        number = int(text[:20])
    except ValueError:
        return None
    return number if scale[0] <= number <= scale[1] else None


def _gauge(number: int | None, scale: tuple[int, int]) -> str:
    low, high = scale
    if number is None or high - low > _LONGEST_GAUGE:
        return ""
    return f"  {'●' * (number - low + 1)}{'○' * (high - number)}"
