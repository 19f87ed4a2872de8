"""What prompts are drawn with: the lines above and below what is typed, their style, and keys of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from magent.human.prompts import shown, window, wrapped

if TYPE_CHECKING:
    from prompt_toolkit.formatted_text import AnyFormattedText
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.layout import AnyContainer

Step = Callable[[str, int], str]
"""The text after an arrow key: forward is 1, back is -1."""
_STYLE = {
    "qmark": "fg:ansiblue bold",
    "question": "bold",
    "answer": "",
    "instruction": "dim",
    "pointer": "fg:ansicyan bold",
    "highlighted": "fg:ansicyan bold",
    "selected": "fg:ansigreen",
    "toolbar": "dim",
    "fault": "fg:ansiyellow",
    "validation-toolbar": "fg:ansiyellow",
}


def style() -> Any:
    from prompt_toolkit.styles import Style

    return Style.from_dict(_STYLE)


def above(lines: Callable[[], list[str]]) -> AnyContainer:
    """The message, on lines of its own where there are any."""
    from prompt_toolkit.filters import Condition
    from prompt_toolkit.layout import ConditionalContainer, FormattedTextControl, Window

    def text() -> AnyFormattedText:
        return [("class:qmark", "? "), ("class:question", shown("\n  ".join(lines())))]

    frame = Window(FormattedTextControl(text), dont_extend_height=True)
    return ConditionalContainer(frame, Condition(lambda: bool(lines())))


def below(about: str, fault: Callable[[], str]) -> AnyContainer:
    """What is wrong with what was entered; as long as nothing is, what one should know."""
    from prompt_toolkit.filters import Condition
    from prompt_toolkit.layout import ConditionalContainer, FormattedTextControl, Window

    def text() -> AnyFormattedText:
        told = fault() or about
        style = "class:fault" if fault() else "class:instruction"
        return [(style, "\n".join(f"  {shown(line)}" for line in wrapped(told, window()[0] - 3)))]

    return ConditionalContainer(
        Window(FormattedTextControl(text), dont_extend_height=True), Condition(lambda: bool(fault() or about))
    )


def foot(text: Callable[[], str]) -> AnyContainer:
    from prompt_toolkit.layout import FormattedTextControl, Window

    return Window(FormattedTextControl(lambda: [("class:toolbar", shown(text()))]), height=1, dont_extend_height=True)


def typing(bindings: KeyBindings, step: Step | None, replace: Callable[[str], str | None] | None) -> None:
    """Keys of a text that is one of few."""
    from prompt_toolkit.document import Document
    from prompt_toolkit.keys import Keys

    def put(event: KeyPressEvent, text: str) -> None:
        event.current_buffer.document = Document(text)

    if step is not None:
        for key, by in (("right", 1), ("down", 1), ("left", -1), ("up", -1)):
            bindings.add(key, eager=True)(lambda event, by=by: put(event, step(event.current_buffer.text, by)))
    if replace is not None:

        @bindings.add(Keys.Any)
        def _(event: KeyPressEvent) -> None:
            typed = event.current_buffer.text + event.data
            put(event, replace(typed) or typed)
