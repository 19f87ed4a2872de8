"""YAML text → plain data that knows its places: `compose`.

The scalars are those of YAML 1.2's core schema: `012` is the integer 12, `0o17` is 15, `yes`, `on`, dates and `1:30` are text.
libyaml's events are read one by one onto a stack of our own, so that nesting, aliases and size are bounded here and nothing
recurses; ruamel's pure parser stands in where the C extension is missing. What is wrong but can be passed over (a key given
twice, a tag, a number that is too large) becomes a problem and reading goes on; what cannot becomes a `Fault`, which
`spec.traps` puts into words.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from magent.source import Map, Path, Position, Problem, Seq, Text, dotted

try:
    from _ruamel_yaml import CParser
except ImportError:
    CParser = None

MAX_BYTES = 8_000_000
MAX_DEPTH = 200
MAX_NODES = 1_000_000
MAX_ALIASED = 200_000  # how much all aliases together may add, in nodes; 100 characters of text count as one
MAX_DIGITS = 1_000
MAX_PROBLEMS = 100

# Keys that stand for values compared as text: `cases: {true: …, 1: …}` is what people write.
SCALAR_KEYS_UNDER = frozenset({"cases"})

STYLES = {"'": "single", '"': "double", "|": "literal", ">": "folded"}
WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
SPECIAL_STARTS = frozenset("0123456789+-.~nNtTfF")
DECIMAL = re.compile(r"[-+]?[0-9]+\Z")
BASED = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)\Z")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
NOT_FINITE = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")
CORE_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq"))

CONTROLS = bytes(code for code in range(0x20) if code not in b"\t\n\r") + b"\x7f"
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
LINE_BREAK = re.compile(r"\r\n|\r|\n")

# libyaml speaks YAML 1.1: it takes three more characters for line breaks, and in `{ }` and `[ ]` it ends a text at `?` and
# refuses `a:b`. Where they are text in 1.2 they are read as characters that the file does not use, one for one.
BREAKS_OF_1_1 = re.compile("[\x85\u2028\u2029]")
INNER_INDICATOR = re.compile(
    r"""(?<![\s"'}\]])(?<![\s"'}\]]\\):(?=[^\s,\[\]{}])|(?<=[^\s,\[\]{}])\?|\?(?=[^\s,\[\]{}])"""
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Where reading broke off: libyaml's words and places (lines and columns from 1), and what was read last."""

    reason: str
    context: str
    line: int
    column: int
    context_line: int
    context_column: int
    path: Path = ()
    flow: bool = False
    last_style: str = ""
    last_end: tuple[int, int] = (0, 0)


@dataclass(slots=True)
class Composed:
    """What came of a text. `data` is None where `fault` is set. `lonely` lists keys in `{ }` that have no value of their own."""

    file: str
    data: Any = None
    problems: list[Problem] = field(default_factory=list)
    fault: Fault | None = None
    lines: list[str] = field(default_factory=list)
    lonely: list[tuple[Map, str, Path]] = field(default_factory=list)


class Refused(Exception):
    """The text is not read any further; the problem says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def compose(data: bytes, file: str) -> Composed:
    """Reads one YAML document. Never raises for what stands in the file: see `problems` and `fault`."""
    composed = Composed(file)
    try:
        text = decode(data, file)
        composed.lines = LINE_BREAK.split(text) if "\r" in text else text.split("\n")
        _read(text, composed)
    except Refused as refused:
        composed.problems.append(refused.problem)
    return composed


def decode(data: bytes, file: str) -> str:
    """The text of a file: UTF-8 without byte order mark and without control characters. Raises Refused."""
    start = Position(file, 1, 1)
    if len(data) > MAX_BYTES:
        raise Refused(
            Problem("file-too-large", f"the file is larger than magent reads ({MAX_BYTES // 1_000_000} MB)", start)
        )
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:4]:
        raise Refused(Problem("encoding", "the file is not UTF-8 text", start, hint="save it as UTF-8"))
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        place = _place(file, data[: error.start].decode("utf-8"))
        raise Refused(
            Problem(
                "encoding",
                f"the file is not UTF-8 text (byte 0x{data[error.start]:02x})",
                place,
                hint="save it as UTF-8",
            )
        ) from None
    dirty = len(data.translate(None, CONTROLS)) != len(data) or not text.isascii()
    if dirty and (found := CONTROL.search(text)):
        message = f"the file holds the control character U+{ord(found[0]):04X}, which YAML does not take"
        place = _place(file, text[: found.start()])
        raise Refused(
            Problem("encoding", message, place, hint='is it a text file? In "…" such a character is written \\x1b')
        )
    return text


def _place(file: str, before: str) -> Position:
    lines = LINE_BREAK.split(before)
    return Position(file, len(lines), len(lines[-1]) + 1)


def _read(text: str, composed: Composed) -> None:
    """Composes `text`; a second time, with 1.2's rules for `:` and `?` in `{ }`, where libyaml stumbles over them."""
    stand_ins = _stand_ins(text)
    back: dict[str, str] = {}
    if BREAKS_OF_1_1.search(text):
        text, back = _replace(text, BREAKS_OF_1_1, stand_ins, {})
    composer = _Composer(composed, back)
    composer.read(text)
    if _stumbled(composer.fault, composed.lines):
        text, back = _replace(text, INNER_INDICATOR, stand_ins, back)
        composed.problems, composed.lonely = [], []
        composer = _Composer(composed, back)
        composer.read(text)
    composed.fault = composer.fault
    composed.data = None if composer.fault else composer.root


def _stumbled(fault: Fault | None, lines: list[str]) -> bool:
    if fault is None or not 0 < fault.line <= len(lines):
        return False
    return fault.reason == "found unexpected ':'" or lines[fault.line - 1][fault.column - 1 : fault.column] == "?"


def _stand_ins(text: str) -> Iterator[str]:
    """Characters of a private area that `text` does not use."""
    return (char for code in range(0xE000, 0xF8FF) if (char := chr(code)) not in text)


def _replace(
    text: str, what: re.Pattern[str], stand_ins: Iterator[str], back: dict[str, str]
) -> tuple[str, dict[str, str]]:
    there: dict[str, str] = {}

    def stand_in(match: re.Match[str]) -> str:
        if match[0] not in there:
            there[match[0]] = next(stand_ins)
        return there[match[0]]

    replaced = what.sub(stand_in, text)
    return replaced, back | {new: old for old, new in there.items()}


class _Frame:
    """A collection that is being read. `weight` is the composer's count where it began, `height` the depth found in it."""

    __slots__ = ("anchor", "flow", "height", "key", "key_place", "merged", "node", "place", "weight")

    def __init__(self, node: Map | Seq, place: Position, anchor: str | None, flow: bool, weight: int) -> None:
        self.node = node
        self.place = place
        self.anchor = anchor
        self.flow = flow
        self.weight = weight
        self.height = 1
        self.key: str | None = None
        self.key_place: Position | None = None  # None: a key comes next
        self.merged: set[str] = set()


MERGE = "<<\0"  # no key can be this text: it stands for a plain `<<` until its value is there
NO_KEY = "\0"  # a key that was refused: its value is read and dropped


class _Composer:
    """One pass over the events of one document."""

    def __init__(self, composed: Composed, back: dict[str, str]) -> None:
        self.file = composed.file
        self.composed = composed
        self.back = str.maketrans(back)
        self.stack: list[_Frame] = []
        self.anchors: dict[
            str, tuple[Any, int, int, Position] | None
        ] = {}  # value, weight, height, place; None: still open
        self.weight = 0
        self.aliased = 0
        self.documents = 0
        self.root: Any = None
        self.fault: Fault | None = None
        self.last: Any = None

    def read(self, text: str) -> None:
        handlers: dict[str, Callable[[Any], None]] = {
            "ScalarEvent": self.scalar,
            "MappingStartEvent": self.mapping,
            "SequenceStartEvent": self.sequence,
            "MappingEndEvent": self.close,
            "SequenceEndEvent": self.close,
            "AliasEvent": self.alias,
            "DocumentStartEvent": self.document,
        }
        by_type: dict[type, Callable[[Any], None] | None] = {}
        try:
            for event in _events(text):
                kind = type(event)
                if kind not in by_type:
                    by_type[kind] = handlers.get(kind.__name__)
                handle = by_type[kind]
                if handle is not None:
                    handle(event)
        except YAMLError as error:
            self.fault = self.fault_of(error)
            return
        if not self.documents or (
            self.root is None and self.last is not None and not self.last.value and not self.stack
        ):
            message = "the file is empty" if not text.strip() else "the file holds nothing but comments"
            raise Refused(Problem("empty-file", message, Position(self.file, 1, 1)))

    def path(self) -> Path:
        """The path of what is being read."""
        steps: list[str | int] = []
        for frame in self.stack:
            if isinstance(frame.node, list):
                steps.append(len(frame.node))
            elif frame.key_place is not None and frame.key is not None and "\0" not in frame.key:
                steps.append(frame.key)
        return tuple(steps)

    def problem(
        self, code: str, message: str, place: Position, hint: str | None = None, related: Position | None = None
    ) -> None:
        problems = self.composed.problems
        problems.append(Problem(code, message, place, dotted(self.path()), hint, related=related))
        if len(problems) >= MAX_PROBLEMS:
            raise Refused(
                Problem("too-many-problems", "there is more wrong in this file: mend the problems above first", place)
            )

    def place(self, event: Any) -> Position:
        mark = event.start_mark
        return Position(self.file, mark.line + 1, mark.column + 1)

    # ---- events -----------------------------------------------------------------------------------------------

    def document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            hint = "put it into a file of its own, or remove the line '---'"
            raise Refused(
                Problem(
                    "second-document", "a second document begins here; a file holds one", self.place(event), hint=hint
                )
            )

    def mapping(self, event: Any) -> None:
        place = self.place(event)
        self.open(event, Map(place), place)

    def sequence(self, event: Any) -> None:
        place = self.place(event)
        self.open(event, Seq(place), place)

    def open(self, event: Any, node: Map | Seq, place: Position) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise Refused(
                Problem("too-deep", f"this is nested deeper than {MAX_DEPTH} levels", place, dotted(self.path()[:8]))
            )
        tag, wanted = event.tag, "map" if isinstance(node, dict) else "seq"
        if tag is not None and tag != "!" and tag != f"tag:yaml.org,2002:{wanted}":
            self.bad_tag(tag, place)
        if event.anchor:
            self.anchors[event.anchor] = None
        self.count(place, 1)
        self.stack.append(_Frame(node, place, event.anchor, bool(event.flow_style), self.weight))

    def close(self, event: Any) -> None:
        frame = self.stack.pop()
        if frame.anchor:
            self.anchors[frame.anchor] = (frame.node, self.weight - frame.weight + 1, frame.height, frame.place)
        if self.stack:
            above = self.stack[-1]
            if frame.height >= above.height:
                above.height = frame.height + 1
        self.last = event
        self.put(frame.node, frame.place)

    def scalar(self, event: Any) -> None:
        mark = event.start_mark
        place = Position(self.file, mark.line + 1, mark.column + 1)
        written, style = event.value, event.style
        if self.back:
            written = written.translate(self.back)
        self.last = event
        self.weight += 1 + len(written) // 100
        if self.weight > MAX_NODES:
            self.count(place, 0)
        if event.anchor:
            self.anchors[event.anchor] = None
        top = self.stack[-1] if self.stack else None
        plain = not style
        if top is not None and top.key_place is None and isinstance(top.node, dict):
            if plain and not event.tag and (not written or written[0] in SPECIAL_STARTS or written == "<<"):
                key: Any = self.special_key(written, place)
            else:
                key = written
            if event.anchor:
                self.anchors[event.anchor] = (key, 1, 0, place)
            self.take_key(top, key, place)
            return
        value = self.value(written, style, event.tag, place)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1 + len(written) // 100, 0, place)
        if value is None and not written and plain and top is not None and top.flow and isinstance(top.node, dict):
            self.composed.lonely.append((top.node, str(top.key), self.path()))
        self.put(value, place)

    def alias(self, event: Any) -> None:
        place = self.place(event)
        name = event.anchor
        self.last = event
        if name not in self.anchors:
            near = f"an unquoted '*' at the start names an anchor: if '*{name}' is meant as text, put it in quotes"
            self.problem("alias", f"the alias '*{name}' names no anchor that stands before it", place, near)
            self.put(None, place)
            return
        known = self.anchors[name]
        if known is None:
            self.problem("alias", f"the alias '*{name}' stands inside what it names", place, "write the value out")
            self.put(None, place)
            return
        value, weight, height, anchored = known
        self.aliased += weight
        if self.aliased > MAX_ALIASED:
            message = f"the aliases of this file add more than {MAX_ALIASED:,} values"
            raise Refused(
                Problem("alias", message, place, dotted(self.path()), "write less with aliases", related=anchored)
            )
        if len(self.stack) + height > MAX_DEPTH:
            raise Refused(Problem("too-deep", f"with this alias the nesting is deeper than {MAX_DEPTH} levels", place))
        if self.stack:
            self.stack[-1].height = max(self.stack[-1].height, height + 1)
        self.put(value, place)

    def count(self, place: Position, weight: int) -> None:
        self.weight += weight
        if self.weight > MAX_NODES:
            raise Refused(Problem("file-too-large", f"the file holds more than {MAX_NODES:,} values", place))

    # ---- putting things together ----------------------------------------------------------------------------------

    def put(self, value: Any, place: Position) -> None:
        """Gives the innermost open collection its next item, or its next key, or the document its root."""
        if not self.stack:
            self.root = value
            return
        frame = self.stack[-1]
        node = frame.node
        if isinstance(node, Seq):
            node.append(value)
            node.positions.append(place)
            return
        key, key_place = frame.key, frame.key_place
        if key_place is None:
            self.take_key(frame, value, place)
            return
        if key == MERGE:
            self.merge(frame, value, place)
        elif key is not None and key != NO_KEY:
            if key in frame.merged:
                frame.merged.discard(key)
            node[key] = value
            node.key_positions[key] = key_place
            node.value_positions[key] = place
        frame.key_place = None

    def take_key(self, frame: _Frame, key: Any, place: Position) -> None:
        if not isinstance(key, str):
            self.problem(
                "bad-key", f"a key must be a text, this is a {'mapping' if isinstance(key, dict) else 'list'}", place
            )
            key = NO_KEY
        elif key in frame.node and key not in frame.merged:
            assert isinstance(frame.node, Map)
            first = frame.node.key_positions[key]
            frame.key, frame.key_place = key, place
            self.problem("duplicate-key", f"the key {quoted(key)} is given twice", place, "remove one of them", first)
            key = NO_KEY
        frame.key, frame.key_place = key, place

    def special_key(self, written: str, place: Position) -> str:
        """A plain key that could be more than text: `<<`, or what would be a number, a boolean or null as a value."""
        if written == "<<":
            return MERGE
        value = self.number(written, place) if written not in WORDS else WORDS[written]
        if isinstance(value, str):
            return written
        above = self.path()
        if above and above[-1] in SCALAR_KEYS_UNDER and written:
            return json.dumps(value)
        if not written:
            self.problem("bad-key", "the key is missing before ':'", place)
        else:
            kind = "null" if value is None else "a boolean" if isinstance(value, bool) else "a number"
            self.problem(
                "bad-key",
                f"a key must be a text, {quoted(written)} is {kind}",
                place,
                f'put it in quotes: "{written}":',
            )
        return NO_KEY

    def merge(self, frame: _Frame, value: Any, place: Position) -> None:
        """`<<`: takes over what the mapping does not say itself; of several the first wins."""
        sources = value if isinstance(value, Seq) else [value]
        node = frame.node
        assert isinstance(node, Map)
        for source in sources:
            if not isinstance(source, Map):
                self.problem("merge", "'<<' takes a mapping, or a list of mappings", place, "write: <<: *name")
                return
            for key, item in source.items():
                if key not in node:
                    node.put(key, item, source.key_positions[key], source.value_positions[key])
                    frame.merged.add(key)

    # ---- scalars ----------------------------------------------------------------------------------------------

    def value(self, written: str, style: str | None, tag: str | None, place: Position) -> Any:
        if tag is not None and tag != "!":
            return self.tagged(written, style, tag, place)
        if style or tag:
            return self.text(written, style, place)
        if not written or written[0] in SPECIAL_STARTS:
            if written in WORDS:
                return WORDS[written]
            number = self.number(written, place)
            if number is not written:
                return number
        return self.text(written, style, place)

    def text(self, written: str, style: str | None, place: Position) -> Text:
        text = Text(written)
        text.style = STYLES[style] if style else "plain"
        if style == '"' and not written.isascii():
            try:
                written.encode("utf-8")
            except UnicodeEncodeError:
                self.problem(
                    "encoding", "half of a surrogate pair is no character", place, "write the character itself"
                )
                text = Text(written.encode("utf-8", "replace").decode("utf-8"))
                text.style = "double"
        return text

    def number(self, written: str, place: Position) -> Any:
        """The number that `written` stands for, or `written` itself."""
        if DECIMAL.match(written):
            return self.integer(written, 10, place)
        if BASED.match(written):
            return self.integer(written[2:], 8 if written[1] == "o" else 16, place)
        if FLOAT.match(written):
            value = float(written)
            if math.isfinite(value):
                return value
            self.problem("number", f"the number {quoted(written)} is too large", place)
            return 0.0
        if NOT_FINITE.match(written):
            self.problem(
                "number", f"{quoted(written)} is not a number that JSON knows", place, "leave it out, or write null"
            )
            return 0.0
        return written

    def integer(self, digits: str, base: int, place: Position) -> int:
        if len(digits) <= MAX_DIGITS:
            return int(digits, base)
        self.problem(
            "number", f"the number has {len(digits):,} digits, more than {MAX_DIGITS:,}", place, "put it in quotes"
        )
        return 0

    def tagged(self, written: str, style: str | None, tag: str, place: Position) -> Any:
        if tag not in CORE_TAGS:
            self.bad_tag(tag, place)
            return self.text(written, style, place)
        name = tag.rpartition(":")[2]
        if name == "str":
            return self.text(written, style, place)
        value = WORDS[written] if written in WORDS else self.number(written, place)
        if name == "float" and type(value) is int:
            value = float(value)
        if type(value) is not {"int": int, "float": float, "bool": bool, "null": type(None)}.get(name):
            self.problem("tag", f"{quoted(written)} is not what its tag '!!{name}' says", place, "leave the tag out")
        return value

    def bad_tag(self, tag: str, place: Position) -> None:
        shown = tag.replace("tag:yaml.org,2002:", "!!")
        hint = "leave it out; a text that begins with '!' must be put in quotes"
        self.problem("tag", f"magent takes no YAML tags such as {quoted(shown)}", place, hint)

    # ---- faults -------------------------------------------------------------------------------------------------

    def fault_of(self, error: YAMLError) -> Fault:
        mark = getattr(error, "problem_mark", None)
        context = getattr(error, "context_mark", None) or mark
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "it is not YAML"
        last = self.last
        return Fault(
            reason=reason,
            context=getattr(error, "context", None) or "",
            line=mark.line + 1 if mark else 1,
            column=mark.column + 1 if mark else 1,
            context_line=context.line + 1 if context else 1,
            context_column=context.column + 1 if context else 1,
            path=self.path(),
            flow=bool(self.stack and self.stack[-1].flow),
            last_style=getattr(last, "style", None) or "",
            last_end=(last.end_mark.line + 1, last.end_mark.column + 1) if last is not None else (0, 0),
        )


def _events(text: str) -> Iterator[Any]:
    if CParser is None:
        yield from YAML(typ="safe", pure=True).parse(text)
        return
    parser = CParser(text.encode("utf-8"))
    while (event := parser.get_event()) is not None:
        yield event


def quoted(text: str, limit: int = 60) -> str:
    """`text` in quotes for a message, cut where it is long."""
    return f"'{text}'" if len(text) <= limit else f"'{text[:limit]}…'"
