"""A cursor over a shell script in which each placeholder is one NUL character, and the words read from it.

Whatever sh, dash and bash may read differently is `Unsure`: what comes before it stands, a placeholder after it is
refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

HOLE = "\0"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")

QUOTES = "leave the quotes out, magent quotes"
ELSE = "use env or stdin"
LIST = "use the list form: run: [program, argument, …]"
DIFFERENT = (
    "stands in or behind something that shells may read differently",
    "use the list form, or " + ELSE,
)


@dataclass(eq=False, slots=True)
class Placeholder:
    """A `{{ … }}` of a script. `raw`: it opted out of quoting. `one`: why it cannot be a list, where it cannot."""

    value: Any
    offset: int
    raw: bool = False
    one: str | None = None
    number: int = 0


class Refused(Exception):
    """A placeholder stands where it must not. `why` continues "a placeholder …"."""

    def __init__(self, placeholder: Placeholder, why: str, hint: str) -> None:
        super().__init__(why)
        self.placeholder = placeholder
        self.why = why
        self.hint = hint


class Unsure(Exception):
    """From here on the script may mean different things to different shells."""


@dataclass(eq=False, slots=True)
class Word:
    """A word. `text`: what it is after quotes are removed (None: not known before it runs). `prefix`: its plain start.

    `bare`: nothing in it is quoted or expanded, so that it may be a reserved word.
    """

    text: str | None = ""
    prefix: str = ""
    bare: bool = True
    brackets: bool = False
    holes: list[Placeholder] = field(default_factory=list)
    inner: list[Placeholder] = field(default_factory=list)  # those in its `$( … )`
    names: set[str] = field(default_factory=set)  # of the variables in it

    def add(self, text: str, *, bare: bool) -> None:
        if bare and self.bare:
            self.prefix += text
        self.bare = self.bare and bare
        if self.text is not None:
            self.text += text

    def open(self) -> None:
        """Something whose value is not known yet becomes part of it."""
        self.bare = False
        self.text = None

    @property
    def assigns(self) -> bool:
        return _ASSIGNMENT.match(self.prefix) is not None

    @property
    def led(self) -> bool:
        """Whether it begins with a placeholder, so that data decides what kind of word it is."""
        return bool(self.holes) and not self.prefix

    def single(self, why: str) -> None:
        """It cannot become several words."""
        for hole in self.holes:
            hole.one = hole.one or why


class Cursor:
    """A place in `script`. `within`: what encloses it and refuses placeholders, such as quotes."""

    def __init__(self, script: str, holes: list[Placeholder]) -> None:
        self.script = script
        self.holes = holes
        self.pos = 0
        self.seen = 0
        self.within: list[tuple[str, str]] = []
        self.nesting = 0
        self.computed: set[str] = set()  # the variables that arithmetic reads: bash runs `$( … )` in their values
        self.here: list[tuple[str, bool]] = []  # delimiters of here-documents that begin on the next line

    def at(self, text: str) -> bool:
        return self.script.startswith(text, self.pos)

    def char(self) -> str:
        return self.script[self.pos] if self.pos < len(self.script) else ""

    def refuse(self, placeholder: Placeholder, why: str, hint: str) -> NoReturn:
        raise Refused(placeholder, why, hint)

    def next_hole(self) -> Placeholder:
        self.pos += 1
        self.seen += 1
        return self.holes[self.seen - 1]

    def enclosed_hole(self, why: str, hint: str) -> None:
        """A placeholder inside of something that takes none: only one that opted out may pass."""
        hole = self.next_hole()
        if not hole.raw:
            self.refuse(hole, why, hint)

    def skip_to(self, end: int, why: str, hint: str) -> None:
        """Passes over text up to `end`."""
        while (found := self.script.find(HOLE, self.pos, end)) >= 0:
            self.pos = found
            self.enclosed_hole(why, hint)
        self.pos = end


def named(text: str) -> set[str]:
    """The variables that expansions or arithmetic name; `@` for the arguments."""
    names = set(_NAME.findall(text))
    return names | {"@"} if re.search(r"[1-9@*]", text) else names


def is_name(text: str | None) -> bool:
    return text is not None and _NAME.fullmatch(text) is not None
