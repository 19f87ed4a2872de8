"""A list to choose from: questionary's control of it, drawn to fit the window, with keys that find an option."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from magent import cells
from magent.human.prompts import is_unicode, one_line, printable, shown, window

if TYPE_CHECKING:
    from prompt_toolkit.formatted_text import AnyFormattedText
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

_FILTERED = 10  # of more options, typing leaves those that have what was typed
_PAGE = 10


class Rows:
    """The options of a list by their labels; their values are their places.

    With `many`, several can be marked, those in `chosen` are, and `check` says what is wrong with places. Without, the
    first of `chosen` is pointed at.
    """

    def __init__(
        self,
        labels: Sequence[str],
        about: str,
        chosen: Sequence[int],
        *,
        many: bool = False,
        check: Callable[[list[int]], str | None] = lambda _: None,
    ) -> None:
        from questionary import Choice
        from questionary.prompts.common import InquirerControl

        self.about = about
        self._labels = [one_line(label) or " " for label in labels]
        self._many, self._check = many, check
        choices = [
            Choice(label, value=at, checked=many and at in chosen, shortcut_key=False)
            for at, label in enumerate(self._labels)
        ]
        first = choices[chosen[0]] if chosen and not many else None
        self.control = InquirerControl(choices, initial_choice=first)
        self.control.text = self._drawn
        self._filters = len(labels) > _FILTERED
        self._fault = ""
        self._then: object = None  # how all was when the fault was found

    # What is seen

    def told(self) -> str:
        """What stands behind the message: what was typed to find an option, and how many there are."""
        if not self._filters:
            return ""
        typed, left = self.control.search_filter, self.control.choice_count
        marked = f", {len(self.control.selected_options)} marked" if self.control.selected_options else ""
        if typed:
            return f" {typed}▏({left} of {len(self._labels)}{marked})"
        return f" ({len(self._labels)}{marked}; type to find)"

    def fault(self) -> str:
        return self._fault if self._then == self._now() else ""

    def hints(self) -> list[str]:
        return ["Space marks", "^A all" if self._filters else "a all"] if self._many else []

    def _drawn(self) -> AnyFormattedText:
        columns = window()[0]
        pointer, marks = ("»", "○●") if is_unicode() else (">", ("[ ]", "[x]"))
        tokens: list[Any] = []
        for at, choice in enumerate(self.control.filtered_choices):
            here, marked = at == self.control.pointed_at, choice.value in self.control.selected_options
            mark = f"{marks[marked]} " if self._many else ""
            label = cells.cut(shown(str(choice.title)), columns - 4 - cells.width(mark), mark=shown("…"))
            tokens += [("class:pointer", f" {pointer} "), ("[SetCursorPosition]", "")] if here else [("", "   ")]
            style = "class:highlighted" if here else "class:selected" if marked else ""
            tokens += [(style, f"{mark}{label}"), ("", "\n")]
        return tokens[:-1]

    # What the keys do

    def bind(self, bindings: KeyBindings) -> None:
        from prompt_toolkit.keys import Keys

        for key, by in (("up", -1), ("c-p", -1), ("down", 1), ("c-n", 1)):
            bindings.add(key)(lambda _, by=by: self._go(lambda at, count: (at + by) % count))
        for key, by in (("pageup", -_PAGE), ("pagedown", _PAGE)):
            bindings.add(key)(lambda _, by=by: self._go(lambda at, count: min(count - 1, max(0, at + by))))
        bindings.add("home")(lambda _: self._go(lambda _, __: 0))
        bindings.add("end")(lambda _: self._go(lambda _, count: count - 1))
        bindings.add("enter")(self._enter)
        bindings.add("c-j")(self._enter)
        bindings.add("c-c")(lambda event: event.app.exit(exception=KeyboardInterrupt))
        if self._many:
            bindings.add("space")(lambda _: self._mark([self._here()]))
            bindings.add("c-a" if self._filters else "a")(lambda _: self._mark_all())
        if self._filters:
            bindings.add("backspace")(lambda _: self._find((self.control.search_filter or "")[:-1]))
            bindings.add(Keys.Any)(self._typed)
            bindings.add(Keys.BracketedPaste)(self._typed)
        else:
            bindings.add("k")(lambda _: self._go(lambda at, count: (at - 1) % count))
            bindings.add("j")(lambda _: self._go(lambda at, count: (at + 1) % count))

    def _go(self, to: Callable[[int, int], int]) -> None:
        self.control.pointed_at = to(self.control.pointed_at, self.control.choice_count)

    def _here(self) -> int:
        return int(self.control.get_pointed_at().value)  # type: ignore[arg-type]  # we gave it its place

    def _mark(self, places: Sequence[int]) -> None:
        for at in places:
            marked = self.control.selected_options
            (marked.remove if at in marked else marked.append)(at)

    def _mark_all(self) -> None:
        """All that are left; once they are marked, none of them."""
        left = [choice.value for choice in self.control.filtered_choices]
        missing = [at for at in left if at not in self.control.selected_options]
        self._mark(missing or left)

    def _typed(self, event: KeyPressEvent) -> None:
        if text := printable(" ".join(event.data.splitlines())):
            self._find((self.control.search_filter or "") + text)

    def _find(self, text: str) -> None:
        """Leaves the options that have the text, and where none has, all as it is."""
        if any(text.lower() in label.lower() for label in self._labels):
            self.control.search_filter = text or None
            self.control.pointed_at = 0
        else:
            self._say(f"none has '{text}'")

    def _enter(self, event: KeyPressEvent) -> None:
        if not self._many:
            event.app.exit(result=self._here())
            return
        places = sorted(self.control.selected_options)
        if fault := self._check(places):
            self._say(fault)
        else:
            event.app.exit(result=places)

    def _say(self, fault: str) -> None:
        self._fault, self._then = fault, self._now()

    def _now(self) -> object:
        return self.control.search_filter, self.control.pointed_at, list(self.control.selected_options)
