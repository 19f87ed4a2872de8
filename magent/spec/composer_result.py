"""What comes of reading a YAML text, and what its readers share: where they are, and how they say what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from magent.source import Map, Path, Position, Problem, dotted
from magent.spec.composer_text import Refused

MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """Where reading broke off: libyaml's words and places (from 1), and what was read last.

    `path` leads to the innermost collection that is open, `step` to what comes next in it (a key without its value yet,
    an index); `opened` is where the innermost `{` or `[` stands that is not closed yet, if there is one.
    """

    reason: str
    context: str
    at: tuple[int, int]
    context_at: tuple[int, int]
    path: Path
    step: str | int | None
    opened: tuple[int, int] | None
    last_style: str
    last_start: tuple[int, int]
    last_end: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Braces:
    """An unquoted `{{ … }}`, which YAML reads as mappings: it stands in `parent[key]`, from `place` to `end`."""

    parent: Any
    key: Any
    place: Position
    end: tuple[int, int]
    path: Path


@dataclass(slots=True)
class Composed:
    """What came of a text. `data` is None where reading broke off (`fault`) or was refused (the last problem).

    `lonely` are the keys in `{ }` that have no value of their own, `braces` the templates without quotes,
    `empty_anchors` anchors on nothing that no alias names.
    """

    file: str
    lines: list[str]
    data: Any = None
    problems: list[Problem] = field(default_factory=list)
    fault: Fault | None = None
    lonely: list[tuple[Map, str, Path]] = field(default_factory=list)
    braces: list[Braces] = field(default_factory=list)
    empty_anchors: dict[str, tuple[Position, Path]] = field(default_factory=dict)


class Frame:
    """A collection being read. `start` is the count of values where it began, `height` the depth found in it."""

    __slots__ = ("anchor", "braces", "flow", "height", "is_map", "key", "key_place", "merged", "node", "place", "start")

    def __init__(self, node: Any, place: Position, anchor: str | None, flow: bool, start: int) -> None:
        self.node = node  # a Map or a Seq
        self.is_map = isinstance(node, Map)
        self.place = place
        self.anchor = anchor
        self.flow = flow
        self.start = start
        self.height = 1
        self.key = ""
        self.key_place: Position | None = None  # None: a key comes next
        self.merged: set[str] | None = None  # keys that came in by `<<`
        self.braces = False  # begins with `{{`


# Two keys, told from a file's own by identity.
MERGE = "<<\0"  # a plain `<<`: its value is merged in
NO_KEY = "\0"  # a key that was refused: its value is read and dropped


class Reader:
    """Knows the collections that are open."""

    def __init__(self, composed: Composed) -> None:
        self.file = composed.file
        self.composed = composed
        self.stack: list[Frame] = []
        self.frame: Frame | None = None  # the innermost

    def path(self) -> Path:
        """The path of what is being read."""
        steps: list[str | int] = []
        for frame in self.stack:
            if not frame.is_map:
                steps.append(len(frame.node))
            elif frame.key_place is not None and frame.key is not NO_KEY:
                steps.append("<<" if frame.key is MERGE else frame.key)
        return tuple(steps)

    def problem(
        self, code: str, message: str, place: Position, hint: str | None = None, related: Position | None = None
    ) -> None:
        problems = self.composed.problems
        problems.append(Problem(code, message, place, dotted(self.path()), hint, related=related))
        if len(problems) >= MAX_PROBLEMS:
            message = "there is more wrong in this file: mend the problems above first"
            raise Refused(Problem("too-many-problems", message, place))

    def refuse(self, code: str, message: str, place: Position, hint: str | None = None) -> Refused:
        return Refused(Problem(code, message, place, dotted(self.path()[:8]), hint))
