"""One prompt on the screen: a text that is typed, or a list. Questionary's applications, in a layout of ours.

From top to bottom: the message, what is typed or chosen, what is wrong with it, the toolbar. The loop's signal handlers
stay as they are. When a prompt is over it is erased, and one line says what was entered.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magent import cells
from magent.human import editor, frame, toolbar
from magent.human.keyboard import Reader
from magent.human.lists import Rows
from magent.human.prompts import (
    Around,
    Check,
    LeftOpen,
    Stopped,
    forget_input,
    is_unicode,
    one_line,
    printable,
    say,
    shown,
    window,
    wrapped,
)

if TYPE_CHECKING:
    from prompt_toolkit.application import Application
    from prompt_toolkit.formatted_text import AnyFormattedText
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.layout import AnyContainer

EDITOR = object()  # what a prompt gives back where its key asks for the editor
_WHOLE = object()
_BESIDE_LIST = 5  # rows of the window that a list leaves free
_ROOM = 14  # columns to type in beside a message; with fewer, the message stands above


@dataclass(frozen=True, slots=True)
class Field:
    """A text to be typed. `step` and `replace`: see `frame.typing`; `after` gives what stands behind the text."""

    message: str
    about: str
    check: Check
    multiline: bool = False
    editor: bool = False
    step: frame.Step | None = None
    replace: Callable[[str], str | None] | None = None
    after: Callable[[str], str] | None = None

    def above(self) -> list[str]:
        """The message on lines of its own, where it leaves no room to type beside it."""
        columns = window()[0]
        lines = wrapped(self.message, columns - 3)
        return lines if self.multiline or len(lines) > 1 or cells.width(lines[0]) > columns - _ROOM else []

    def before(self, line: int, wrap: int) -> AnyFormattedText:
        """What stands before each line of the text."""
        if self.multiline:
            return [("class:instruction", shown("│ "))]
        if line or wrap:
            return []
        if self.above():
            return [("class:qmark", "> ")]
        return [("class:qmark", "? "), ("class:question", shown(one_line(self.message))), ("", " ")]

    def behind(self, text: str) -> AnyFormattedText:
        return [("class:instruction", shown(self.after(text) if self.after else ""))]

    def hints(self) -> list[str]:
        steps = ["←→" if is_unicode() else "arrows"] if self.step else []
        return [*(["Esc Enter ends"] if self.multiline else []), *(["^E editor"] if self.editor else []), *steps]


class Stage:
    """Where prompts are drawn, one after the other. `around` is what stands beside them."""

    def __init__(self, *, color: bool) -> None:
        from prompt_toolkit.input.vt100 import Vt100Input
        from prompt_toolkit.output import ColorDepth
        from prompt_toolkit.output.vt100 import Vt100_Output

        assert sys.__stderr__ is not None
        output = Vt100_Output.from_pty(sys.__stderr__, enable_bell=False)
        output.enable_cpr = False  # few need the answer, and some terminals give none
        self._input = Vt100Input(sys.stdin)
        self._input.stdin_reader = Reader(sys.stdin.fileno())  # type: ignore[assignment]
        self.io: dict[str, Any] = {"input": self._input, "output": output, "erase_when_done": True}
        if not color:
            self.io["color_depth"] = ColorDepth.DEPTH_1_BIT
        self._color = color
        self._application: Application[Any] | None = None
        self._new = True  # no prompt of the question was drawn yet
        self.around = Around(now=lambda: 0.0)

    def begin(self, around: Around) -> None:
        self.around = around
        self._new = True

    def refresh(self) -> None:
        if self._application is not None:
            self._application.invalidate()

    def told(self, message: str, answer: str) -> None:
        """Leaves one line on what was entered."""
        columns = window()[0] - 1
        first, *others = printable(answer).split("\n")
        more = f" (+{len(others)} line{'s' if len(others) > 1 else ''})" if others else ""
        lead = cells.cut(f"? {one_line(message)}", max(columns // 2, columns - cells.width(first + more) - 1))
        self._quietly(lead, cells.cut(first, columns - cells.width(lead + more) - 1) + more)

    def _quietly(self, lead: str, text: str) -> None:
        say(f"\x1b[2m{lead}\x1b[0m {text}\n" if self._color else f"{lead} {text}\n")

    # The two forms

    async def text(self, field: Field, text: str) -> tuple[Any, str]:
        """What the prompt gave back (EDITOR, where the person wants it), and the text as it is."""
        import questionary
        from prompt_toolkit.application.current import get_app
        from prompt_toolkit.layout.processors import AfterInput

        while True:
            asked = questionary.text(
                "",
                default=text,
                multiline=field.multiline,
                validate=lambda typed: printable(field.check(typed) or "") or True,
                validate_while_typing=True,
                style=frame.style(),
                input_processors=[AfterInput(lambda: field.behind(get_app().current_buffer.text))],
                **self.io,
            )
            outcome, text = await self._typed(field, asked.application)
            if outcome is not _WHOLE:
                return outcome, text

    async def _typed(self, field: Field, application: Any) -> tuple[Any, str]:
        from prompt_toolkit.filters import Always

        buffer, area = application.current_buffer, application.layout.current_window
        area.dont_extend_height = Always()
        area.get_line_prefix = field.before
        below = frame.below(field.about, lambda: buffer.validation_error.message if buffer.validation_error else "")
        bindings = self._bindings({"c-e": EDITOR} if field.editor else {})
        frame.typing(bindings, field.step, field.replace)
        try:
            outcome = await self._run(application, [frame.above(field.above), area, below], field.hints(), bindings)
        except BaseException:
            if buffer.text.strip():  # it is no answer, but its writer may want to copy it
                self._quietly(f"? {one_line(field.message)}", printable(buffer.text))
            raise
        return outcome, buffer.text

    async def list(self, message: str, rows: Rows, keys: Mapping[str, str]) -> Any:
        """The place of the option, or the places; for one of `keys` (key → its word in the toolbar), the key."""
        from prompt_toolkit.application import Application
        from prompt_toolkit.filters import to_filter
        from prompt_toolkit.layout import Layout, Window
        from prompt_toolkit.layout.dimension import Dimension

        rows.control.focusable = to_filter(True)
        area = Window(
            rows.control,
            height=lambda: Dimension(max=max(3, window()[1] - _BESIDE_LIST)),
            dont_extend_height=True,
            always_hide_cursor=True,
        )
        body = [
            frame.above(lambda: wrapped(message + rows.told(), window()[0] - 3)),
            area,
            frame.below(rows.about, rows.fault),
        ]
        hints = [*(f"^{key[-1].upper()} {word}" for key, word in keys.items()), *rows.hints()]
        bindings = self._bindings({key: key for key in keys})
        rows.bind(bindings)
        application: Application[Any] = Application(layout=Layout(area), style=frame.style(), **self.io)
        while (outcome := await self._run(application, body, hints, bindings)) is _WHOLE:
            pass
        return outcome

    # What both share

    def _bindings(self, leading_away: Mapping[str, Any]) -> KeyBindings:
        from prompt_toolkit.key_binding import KeyBindings

        bindings = KeyBindings()
        away = {**leading_away, **({"c-o": _WHOLE} if self.around.whole else {})}
        for key, value in away.items():
            bindings.add(key, eager=True)(lambda event, value=value: event.app.exit(result=value))
        bindings.add("tab", eager=True)(self._comment)
        bindings.add("c-d")(_leave)
        bindings.add("c-z", eager=True)(lambda event: event.app.suspend_to_background())
        for key in ("c-r", "c-s", "c-q", "escape"):  # they lead to what is not drawn here
            bindings.add(key, eager=key != "escape")(lambda _: None)
        return bindings

    def _comment(self, _: KeyPressEvent) -> None:
        self.around.comment = self.around.may_comment and not self.around.comment

    async def _run(
        self,
        application: Any,
        body: Sequence[AnyContainer],
        hints: Sequence[str],
        bindings: KeyBindings,
    ) -> Any:
        from prompt_toolkit.input.typeahead import clear_typeahead
        from prompt_toolkit.key_binding import merge_key_bindings
        from prompt_toolkit.layout import HSplit, Layout, VerticalAlign

        around = self.around
        focus = application.layout.current_window
        foot = frame.foot(lambda: toolbar.line(around, hints, window()[0]))
        application.layout = Layout(HSplit([*body, foot], align=VerticalAlign.TOP), focused_element=focus)
        application.key_bindings = merge_key_bindings(
            [*([application.key_bindings] if application.key_bindings else []), bindings]
        )
        application.refresh_interval = None if around.deadline is None else 1.0
        application.before_render += self._forget_typed
        self._application = application
        if self._new:
            clear_typeahead(self._input)
        try:
            outcome = await application.run_async(handle_sigint=False, set_exception_handler=False)
        except EOFError as error:
            raise LeftOpen from error
        except KeyboardInterrupt as error:
            raise Stopped from error
        finally:
            self._application = None
        if outcome is _WHOLE:
            await self._page()
        return outcome

    def _forget_typed(self, _: Any) -> None:
        """Before a question is drawn, nothing that was typed can be meant for it."""
        if self._new:
            self._new = False
            forget_input()

    async def _page(self) -> None:
        whole = self.around.whole or ""
        try:
            await editor.page(whole)
        except editor.NoProgram:
            say(whole)


def _leave(event: KeyPressEvent) -> None:
    """Ctrl-D: ends a text of several lines, deletes in one that was begun, and else leaves the question open."""
    buffer = event.current_buffer
    if buffer.text and buffer.multiline():
        buffer.validate_and_handle()
    elif buffer.text:
        buffer.delete()
    else:
        event.app.exit(exception=EOFError)


def ready() -> None:
    """Imports what prompts take, and makes one, so that the first need not wait for it."""
    import questionary
    from prompt_toolkit.input import DummyInput
    from prompt_toolkit.output import DummyOutput

    for name in ("input.vt100", "output.vt100", "layout.processors", "input.typeahead"):
        importlib.import_module(f"prompt_toolkit.{name}")
    Rows(["a", "é"], "", [])
    questionary.text("", style=frame.style(), input=DummyInput(), output=DummyOutput())
