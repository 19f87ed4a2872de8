"""The pages that `--help` prints, fitted to the window. Nothing that a verb needs for its work is imported for them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from magent.cli.declared import DECLARED, GLOBALS, Argument, Example, Option
from magent.cli.verbs import DEFAULTS, ENTRIES, VERBS, VerbEntry

WIDEST = 100  # columns: longer lines are hard to read
_TWO_COLUMNS = 60  # narrower, a text stands below what it is about
FIRST_EXAMPLE = Example("magent run workflow.yaml -i topic=tides", "Runs a workflow with an input.")
_ABOUT = "Multi-agent workflows in YAML: run them, stop them, resume them, see them."


class Line(NamedTuple):
    """A line of a page: its beginning in a style of its own, and the rest."""

    head: str
    rest: str = ""
    style: str = ""


def overview(columns: int, first: str = "") -> list[Line]:
    """What `magent --help` prints; with a first word such as `runs`, what is known of the verbs that begin with it."""
    page = _Page(columns)
    page.usage(f"magent {first} VERB [ARGUMENTS] [OPTIONS]".replace("  ", " "))
    if first:
        page.text(f"`magent {first}` alone is `magent {DEFAULTS[first]}`.")
        page.rows("Verbs", [(entry.name, entry.help) for entry in VERBS if entry.name.startswith(f"{first} ")])
        page.examples([example for name, each in DECLARED.items() if name.startswith(f"{first} ")
                       for example in each.examples[:1]])  # fmt: skip
        page.text(f"`magent {DEFAULTS[first]} --help` says more about one verb.")
        return page.lines
    page.text(_ABOUT)
    width = page.width([entry.name for entry in VERBS] + [_term(option) for option in GLOBALS])
    for group in dict.fromkeys(entry.group for entry in VERBS):
        page.rows(group, [(entry.name, entry.help) for entry in VERBS if entry.group == group], width)
    page.rows("Everywhere, before or after the verb", [(_term(option), option.help) for option in GLOBALS], width)
    page.examples((FIRST_EXAMPLE,))
    page.text("`magent VERB --help` says more about one verb.")
    return page.lines


def of_verb(entry: VerbEntry, columns: int) -> list[Line]:
    """What `magent VERB --help` prints."""
    declared = DECLARED[entry.name]
    page = _Page(columns)
    page.usage(" ".join(("magent", entry.name, *(each.value for each in declared.arguments), "[OPTIONS]")))
    page.text(entry.help)
    for paragraph in declared.more:
        page.text(paragraph)
    width = page.width([*map(_term, declared.arguments), *map(_term, declared.options)])
    page.rows("Arguments", [(_term(each), each.help) for each in declared.arguments], width)
    for title, options in {**declared.groups, "Everywhere": GLOBALS}.items():
        page.rows(title, [(_term(each), each.help) for each in options], width)
    page.rows("Exits with", declared.exits)
    page.examples(declared.examples)
    return page.lines


def of_words(words: Sequence[str], columns: int) -> list[Line] | None:
    """The page that `magent help WORDS` means; None where the words are no verb."""
    name = " ".join(words)
    if name in ENTRIES:
        return of_verb(ENTRIES[name], columns)
    return overview(columns, name) if not name or name in DEFAULTS else None


def _term(each: Option | Argument) -> str:
    """`-i, --input NAME=VALUE`; what has no short flag is set in as far as if it had."""
    if isinstance(each, Argument):
        return each.value
    flags = each.flags if len(each.words[0]) == 2 else f"    {each.flags}"
    return f"{flags} {each.value}".rstrip()


class _Page:
    """Lines, gathered block by block with an empty line between."""

    def __init__(self, columns: int) -> None:
        self.lines: list[Line] = []
        self._columns = max(20, min(columns, WIDEST))

    def _block(self, lines: Iterable[Line]) -> None:
        if self.lines:
            self.lines.append(Line(""))
        self.lines.extend(lines)

    def _wrap(self, text: str, indent: int = 0) -> list[str]:
        return textwrap.wrap(text, self._columns - indent, break_long_words=False, break_on_hyphens=False)

    def usage(self, line: str) -> None:
        head = "Usage: "
        first, *others = self._wrap(line, len(head))
        self._block([Line(head, first, "bold"), *(Line("", " " * len(head) + other) for other in others)])

    def text(self, text: str) -> None:
        self._block(Line("", line) for line in self._wrap(text))

    def width(self, terms: Sequence[str]) -> int:
        """The columns of what stands left: as wide as the longest that leaves more than half of the page."""
        most = self._columns // 2 - 12
        return max((len(term) for term in terms if len(term) <= most), default=0)

    def rows(self, title: str, rows: Sequence[tuple[str, str]], width: int | None = None) -> None:
        if rows:
            most = max(len(term) for term, _ in rows)
            left = most if width is None or self._columns < _TWO_COLUMNS else width
            body = (line for term, text in rows for line in self._row(term, text, left))
            self._block([Line(f"{title}:", "", "bold"), *body])

    def _row(self, term: str, text: str, left: int) -> Iterator[Line]:
        if self._columns < _TWO_COLUMNS and left > self._columns * 2 // 5:
            first, *others = self._wrap(term.lstrip(), 2)
            yield Line(f"  {first}", "", "cyan")
            yield from (Line(f"      {other}", "", "cyan") for other in others)
            yield from (Line("", f"      {line}") for line in self._wrap(text, 6))
            return
        margin = left + 5
        lines = self._wrap(text, margin)
        beside = lines.pop(0) if len(term) <= left and lines else ""
        yield Line(f"  {term}", f"{' ' * (margin - 2 - len(term))}{beside}" if beside else "", "cyan")
        yield from (Line("", " " * margin + line) for line in lines)

    def examples(self, examples: Sequence[Example]) -> None:
        body = (line for each in examples for line in self._example(each))
        self._block([Line("Example:" if len(examples) == 1 else "Examples:", "", "bold"), *body])

    def _example(self, each: Example) -> Iterator[Line]:
        yield Line("", f"  {each.line}")  # whole, however narrow the window: it is to be copied
        yield from (Line(f"      {line}", "", "dim") for line in self._wrap(each.help, 6))
