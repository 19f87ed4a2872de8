"""The rows of a list: how they look in the window at hand, which of them are left by what was typed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from magent import cells
from magent.human.prompts import is_unicode, one_line, shown, window

if TYPE_CHECKING:
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

_FILTERED = 10  # of more options, typing leaves those that have what was typed
_PAGE = 10


class Rows:
    """Draws questionary's control of a list, and adds to its keys."""

    def __init__(self, labels: Sequence[str], about: str, *, many: bool) -> None:
        self.about = about
        self.filters = len(labels) > _FILTERED
        self._labels = labels
        self._many = many
        self._control: Any = None
        self._nothing = ""  # what no option has, while
        self._then: object = None  # all is as it was when that was typed

    def choices(self, chosen: Sequence[int]) -> list[Any]:
        import questionary

        return [
            questionary.Choice(label, value=index, checked=index in chosen, shortcut_key=False)
            for index, label in enumerate(self._labels)
        ]

    def take(self, control: Any) -> None:
        self._control = control
        self._add = control.add_search_character
        control.add_search_character = self._search
        control.text = self._drawn

    def told(self) -> str:
        """What stands behind the message: what was typed to find an option, and how many there are."""
        if not self.filters:
            return ""
        typed = self._control.search_filter
        left = len(self._control.filtered_choices)
        return f" {typed}▏({left} of {len(self._labels)})" if typed else f" ({len(self._labels)}; type to find)"

    def fault(self) -> str:
        if self._nothing and self._then == self._now():
            return f"none has '{self._nothing}'"
        message = self._control.error_message
        return "".join(text for _, text, *_ in message) if message else ""

    def hints(self) -> list[str]:
        return ["Space marks", "^A all" if self.filters else "a all"] if self._many else []

    def bind(self, bindings: KeyBindings) -> None:
        from prompt_toolkit.keys import Keys

        for key, place in (("home", 0), ("end", -1)):
            bindings.add(key, eager=True)(lambda _, place=place: self._go(lambda _, last: place % (last + 1)))
        for key, by in (("pageup", -_PAGE), ("pagedown", _PAGE)):
            bindings.add(key, eager=True)(lambda _, by=by: self._go(lambda now, last: min(last, max(0, now + by))))
        if self.filters:

            @bindings.add(Keys.Any, eager=True)
            @bindings.add(Keys.BracketedPaste, eager=True)
            def _(event: KeyPressEvent) -> None:
                for character in one_line(event.data):
                    self._control.add_search_character(character)

    def _go(self, to: Callable[[int, int], int]) -> None:
        self._control.pointed_at = to(self._control.pointed_at, len(self._control.filtered_choices) - 1)

    def _search(self, key: Any) -> None:
        """Takes a character that leaves something to choose."""
        erases = len(str(key)) > 1
        typed = (self._control.search_filter or "") + str(key)
        self._nothing = "" if erases or any(typed.lower() in each.lower() for each in self._labels) else typed
        if not self._nothing:
            self._add(key)
        self._then = self._now()

    def _now(self) -> object:
        return self._control.search_filter, self._control.pointed_at, list(self._control.selected_options)

    def _drawn(self) -> list[tuple[str, str]]:
        control, columns = self._control, window()[0]
        pointer, marks = ("»", "○●") if is_unicode() else (">", ("[ ]", "[x]"))
        tokens: list[tuple[str, str]] = []
        for at, choice in enumerate(control.filtered_choices):
            here, marked = at == control.pointed_at, choice.value in control.selected_options
            mark = f"{marks[marked]} " if self._many else ""
            label = cells.cut(shown(choice.title), columns - 4 - cells.width(mark), mark=shown("…"))
            tokens += [("class:pointer", f" {pointer} ")] if here else [("", "   ")]
            tokens += [("[SetCursorPosition]", "")] if here else []
            style = "class:highlighted" if here else "class:selected" if marked and self._many else ""
            tokens += [(style, f"{mark}{label}"), ("", "\n")]
        return tokens[:-1]
