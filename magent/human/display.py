"""What a question is about, as the person sees it: prompt and context and content as Markdown, data as YAML.

All of it comes from models, users and files. It is text: nothing in it steers the terminal, and nothing is left out but
Markdown's own signs. Of what is long, the beginning is shown.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from magent import cells, plain
from magent.answers import text_of
from magent.human.prompts import one_line, printable, window
from magent.human.toolbar import until_when
from magent.ports import Question

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from rich.console import Console, RenderableType
    from rich.markdown import Markdown
    from rich.segment import Segment

_BESIDE = 9  # rows that the prompt itself may take
_LEAST = 8  # rows that each part may take, however small the window
_WIDEST_NAME = 16  # columns of a name of the context, beside a value that takes several lines
_UNBOUNDED = 1000  # rows where no key shows more


@dataclass(frozen=True, slots=True)
class Shown:
    """`text` for the terminal, with its escapes; `whole`: everything as plain text, where `text` is only a part."""

    text: str
    whole: str | None


def show(question: Question, now: float, *, color: bool, bounded: bool) -> Shown:
    """With `bounded`, what is shown leaves room for the prompt in the window."""
    console = _console(color)
    rows = max(_LEAST, window()[1] - _BESIDE) if bounded else _UNBOUNDED
    lines: list[list[Segment]] = []
    partial = False
    for part, ruled in _parts(question):
        room = max(_LEAST, rows - len(lines))
        found, cut = _lines(console, part, room)
        partial = partial or cut
        rule = [_segment("─" * min(console.width, 72), "dim")]
        lines += [rule, *(found or [[_segment("(empty)", "dim")]]), rule] if ruled else found
    with console.capture() as captured:
        console.print()
        console.print(_together([*_heading(console, question, now), *lines]), end="")
    return Shown(captured.get(), _whole(question) if partial else None)


def _console(color: bool) -> Console:
    from rich.console import Console

    return Console(
        file=sys.__stderr__,
        width=window()[0],
        highlight=False,
        markup=False,
        emoji=False,
        no_color=None if color else True,
        safe_box=True,
    )


def _segment(text: str, style: str) -> Segment:
    from rich.segment import Segment
    from rich.style import Style

    return Segment(text, Style.parse(style))


def _together(lines: list[list[Segment]]) -> RenderableType:
    from rich.segment import Segment, Segments

    return Segments([segment for line in lines for segment in (*line, Segment.line())])


def _heading(console: Console, question: Question, now: float) -> list[list[Segment]]:
    from rich.text import Text

    parts = [one_line(question.path or question.node)]
    if question.assignee:
        parts.append(f"assigned to {one_line(question.assignee)}")
    if question.deadline is not None:
        parts.append(f"until {until_when(question.deadline, now)}")
    return [_trimmed(line) for line in console.render_lines(Text(" · ".join(parts), style="bold"), pad=False)]


# The parts, each as something that rich draws


@dataclass(frozen=True, slots=True)
class _Part:
    """A text with Markdown in it, or data; `name` where it is a value of the context."""

    value: Any
    name: str = ""


def _parts(question: Question) -> Iterator[tuple[_Part, bool]]:
    """Each with whether rules stand around it."""
    if question.prompt:
        yield _Part(question.prompt), False
    if isinstance(question.context, Mapping):
        yield from ((_Part(value, str(name)), False) for name, value in question.context.items())
    elif question.context not in (None, ""):
        yield _Part(question.context), False
    if question.content is not None:
        yield _Part(question.content), True


def _lines(console: Console, part: _Part, room: int) -> tuple[list[list[Segment]], bool]:
    """At most `room` lines and one that says that there are more; and whether there are."""
    text = printable(part.value if isinstance(part.value, str) else _data_of(part, console.width))
    source = text.split("\n")
    begin = "\n".join(source[: 2 * room])[: room * console.width]
    drawn = _drawn(console, part, begin)
    if len(drawn) <= room and len(begin) == len(text):
        return drawn, False
    count = len(source) - (source[-1] == "")  # a final line end begins no line
    more = f"… {count:,} lines in all" if count > 1 else "… more"
    return [*drawn[:room], [_segment(cells.cut(more, console.width), "dim italic")]], True


def _data_of(part: _Part, columns: int) -> str:
    """As YAML; a short value of the context on one line."""
    line = text_of(part.value) if part.name else ""
    return line if line and cells.width(f"{part.name}{line}") <= columns - 4 else plain.show(part.value)


def _drawn(console: Console, part: _Part, text: str) -> list[list[Segment]]:
    name = one_line(part.name)
    body = _markdown(text) if isinstance(part.value, str) else _data(text)
    if not name:
        return _rendered(console, body, console.width)
    label = f"{cells.cut(name, console.width - 4)}: "
    fits = cells.width(label) <= _WIDEST_NAME + 2 or cells.width(f"  {label}{text}") <= console.width
    if "\n" not in text and fits:
        column = cells.width(label) + 2
        lines = _rendered(console, body, max(10, console.width - column))
        lead = [_segment(f"  {label}", "dim")]
        return [(lead if at == 0 else [_segment(" " * column, "")]) + line for at, line in enumerate(lines or [[]])]
    lines = _rendered(console, body, max(10, console.width - 4))
    return [[_segment(f"  {label.rstrip()}", "dim")], *([_segment("    ", ""), *line] for line in lines)]


def _rendered(console: Console, body: RenderableType, columns: int) -> list[list[Segment]]:
    lines = [_trimmed(line) for line in console.render_lines(body, console.options.update(width=columns), pad=False)]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _trimmed(line: list[Segment]) -> list[Segment]:
    """Without blanks at its end: a narrower window would break them into lines of their own."""
    line = list(line)
    while line and not line[-1].text.strip():
        line.pop()
    if line:
        line[-1] = type(line[-1])(line[-1].text.rstrip(), line[-1].style)
    return line


def _data(text: str) -> RenderableType:
    from rich.syntax import Syntax

    return Syntax(text, "yaml", theme="ansi_dark", background_color="default", word_wrap=True)


def _markdown(text: str) -> RenderableType:
    drawn = _quiet()("")
    drawn.parsed = _parser().parse(text)
    for token in drawn.parsed:
        for inner in token.children or ():
            if inner.type == "softbreak":  # the lines of a text are as its writer broke them
                inner.type = "hardbreak"
    return drawn


@cache
def _parser() -> MarkdownIt:
    """What Markdown would hide (HTML, targets of links) stays to be read."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
    return parser.disable(["reference", "image", "entity"])


@cache
def _quiet() -> type[Markdown]:
    """As rich draws Markdown, but calmer."""
    from rich.markdown import CodeBlock, Heading, Markdown
    from rich.padding import Padding
    from rich.syntax import Syntax
    from rich.text import Text

    class Title(Heading):
        def __rich_console__(self, *_: Any) -> Iterator[RenderableType]:
            self.text.stylize("bold")
            yield Text(f"{'#' * int(self.tag[1:])} ", style="dim") + self.text

    class Code(CodeBlock):
        def __rich_console__(self, *_: Any) -> Iterator[RenderableType]:
            code = str(self.text).rstrip()
            syntax = Syntax(code, self.lexer_name, theme="ansi_dark", background_color="default", word_wrap=True)
            yield Padding(syntax, (0, 0, 0, 2))

    class Quiet(Markdown):
        elements = {**Markdown.elements, "heading_open": Title, "fence": Code, "code_block": Code}  # noqa: RUF012

        def __init__(self, markup: str) -> None:
            self.markup, self.style, self.justify = markup, "none", None
            self.hyperlinks, self.inline_code_lexer = False, None
            self.code_theme = self.inline_code_theme = "ansi_dark"

    return Quiet


def _whole(question: Question) -> str:
    blocks = [one_line(question.path or question.node), question.prompt]
    for value in (question.context, question.content):
        blocks.append("" if value is None else plain.show(value))
    return printable("\n\n".join(block for block in blocks if block)).rstrip("\n") + "\n"


def ready() -> None:
    """Imports what drawing takes, and draws once, so that the first question need not wait for it."""
    text = "# A\n\n- *b* `c`\n\n```yaml\nd: 1\n```\n\n|e|\n|-|\n|f|\n"
    show(Question("", "", 1, "review", text, {"g": [1], "h": text}, {"i": text}), 0.0, color=True, bounded=True)
