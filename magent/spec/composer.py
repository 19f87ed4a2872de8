"""YAML text → plain data that knows its places: `compose`.

libyaml's events are read one by one onto a stack of our own, so that nesting, aliases and size are bounded here and
nothing recurses; ruamel's pure parser stands in where the C extension is missing. What is wrong but can be passed over
(a key given twice, a tag, a number that is too large) becomes a problem and reading goes on; what cannot becomes a
`Fault`, which `spec.traps` puts into words.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from magent.source import Map, Position, Problem, Seq
from magent.spec.composer_result import MERGE, NO_KEY, Braces, Composed, Fault, Frame
from magent.spec.composer_scalars import CORE, NUMBER_STARTS, WORDS, Scalars, quoted
from magent.spec.composer_text import BREAKS_OF_1_1, INNER_INDICATOR, Refused, StandIns, split_lines

try:
    from _ruamel_yaml import CParser
except ImportError:
    CParser = None

MAX_DEPTH = 200
MAX_VALUES = 500_000  # keys and values of a file; collections and 128 characters of text count as one more
MAX_ALIASED = 200_000  # values that all aliases together may add


def compose(text: str, file: str) -> Composed:
    """Reads one YAML document. Never raises for what stands in it: see `problems` and `fault`."""
    composed = Composed(file, split_lines(text))
    stand_ins = StandIns(text)
    collecting = gc.isenabled()
    gc.disable()  # nothing here forms a cycle, and the collector would look at every value again and again
    try:
        if BREAKS_OF_1_1.search(text):
            text = stand_ins.replace(BREAKS_OF_1_1, text)
        _Composer(composed, stand_ins.back).read(text)
        if _stumbled(composed):
            again = Composed(file, composed.lines)
            composed = again
            _Composer(composed, stand_ins.back).read(stand_ins.replace(INNER_INDICATOR, text))
    except Refused as refused:
        composed.problems.append(refused.problem)
        composed.data = None
    finally:
        if collecting:
            gc.enable()
    return composed


def _stumbled(composed: Composed) -> bool:
    """Whether libyaml broke off where YAML 1.2 may go on: at a `:` or a `?` in a text inside `{ }` or `[ ]`."""
    fault = composed.fault
    if fault is None or fault.at[0] > len(composed.lines):
        return False
    return fault.reason == "found unexpected ':'" or composed.lines[fault.at[0] - 1][fault.at[1] - 1 :][:1] == "?"


_new = tuple.__new__  # a Position without the detour over its keyword arguments: there is one for every key and value


KEY_STARTS = NUMBER_STARTS | {"<"}  # plain keys that need a closer look


class _Composer(Scalars):
    """One pass over the events of a document."""

    def __init__(self, composed: Composed, back: dict[int, str]) -> None:
        super().__init__(composed)
        self.back = back
        self.anchors: dict[str, tuple[Any, int, int] | None] = {}  # value, count, height; None: still being read
        self.count = 0
        self.aliased = 0
        self.documents = 0
        self.last: Any = None  # the last event that ended something

    def read(self, text: str) -> None:
        try:
            self.follow(
                iter(CParser(text.encode("utf-8")).get_event, None)
                if CParser is not None
                else YAML(typ="safe", pure=True).parse(text)
            )
        except YAMLError as error:
            self.composed.fault = self.fault(error)
            self.composed.data = None

    def follow(self, events: Iterable[Any]) -> None:
        handlers: dict[str, Callable[[Any], None]] = {
            "ScalarEvent": self.scalar,
            "MappingStartEvent": self.mapping,
            "SequenceStartEvent": self.sequence,
            "MappingEndEvent": self.close,
            "SequenceEndEvent": self.close,
            "AliasEvent": self.alias,
            "DocumentStartEvent": self.document,
            "DocumentEndEvent": self.ignore,
            "StreamStartEvent": self.ignore,
            "StreamEndEvent": self.end,
        }
        by_type: dict[type, Callable[[Any], None]] = {}
        for event in events:
            handle = by_type.get(type(event))
            if handle is None:
                handle = by_type[type(event)] = handlers[type(event).__name__]
            handle(event)

    def fault(self, error: YAMLError) -> Fault:
        at = getattr(error, "problem_mark", None)
        context_at = getattr(error, "context_mark", None) or at
        frame, last, path = self.frame, self.last, self.path()
        begun = frame is not None and (not frame.is_map or (frame.key_place is not None and frame.key is not NO_KEY))
        return Fault(
            reason=getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read",
            context=getattr(error, "context", None) or "",
            at=_line_and_column(at),
            context_at=_line_and_column(context_at),
            path=path[:-1] if begun else path,
            step=path[-1] if begun else None,
            opened=(frame.place.line, frame.place.column) if frame and frame.flow else None,
            last_style=getattr(last, "style", None) or "",
            last_start=_line_and_column(last and last.start_mark),
            last_end=_line_and_column(last and last.end_mark),
        )

    def place(self, event: Any) -> Position:
        mark = event.start_mark
        return _new(Position, (self.file, mark.line + 1, mark.column + 1))

    # ---- events -------------------------------------------------------------------------------------------------

    def ignore(self, _: Any) -> None:
        """Nothing is done about where streams begin and documents end."""

    def document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            message, hint = (
                "a second document begins here; a file holds one",
                "remove the line '---', or split the file",
            )
            raise self.refuse("second-document", message, self.place(event), hint)

    def end(self, _: Any) -> None:
        empty = self.last is None or (self.composed.data is None and getattr(self.last, "value", None) == "")
        if empty:
            message = (
                "the file is empty" if not any(map(str.strip, self.composed.lines)) else "the file holds no values"
            )
            raise Refused(Problem("empty-file", message, Position(self.file, 1, 1)))

    def mapping(self, event: Any) -> None:
        place = self.place(event)
        self.open(event, Map(place), place, "map")

    def sequence(self, event: Any) -> None:
        place = self.place(event)
        self.open(event, Seq(place), place, "seq")

    def open(self, event: Any, node: Any, place: Position, kind: str) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise self.refuse("too-deep", f"this is nested deeper than {MAX_DEPTH} levels", place)
        if event.tag and event.tag != CORE + kind:
            self.bad_tag(event.tag, place)
        if event.anchor:
            self.anchors[event.anchor] = None
        self.add(2, place)
        self.frame = Frame(node, place, event.anchor, bool(event.flow_style), self.count + self.aliased)
        self.stack.append(self.frame)

    def close(self, event: Any) -> None:
        frame = self.stack.pop()
        if frame.anchor:
            self.anchors[frame.anchor] = (frame.node, self.count + self.aliased - frame.start + 2, frame.height)
        self.last = event
        self.frame = above = self.stack[-1] if self.stack else None
        if above is not None:
            above.height = max(above.height, frame.height + 1)
            if frame.braces and (not above.is_map or above.key_place is not None):
                key = above.key if above.is_map else len(above.node)
                end = _line_and_column(event.end_mark)
                self.composed.braces.append(Braces(above.node, key, frame.place, end, self.path()))
        self.put(frame.node, frame.place)

    def scalar(self, event: Any) -> None:
        """Most of a file is keys and texts in mappings: they take the short way, which is written out for speed."""
        mark = event.start_mark
        place = _new(Position, (self.file, mark.line + 1, mark.column + 1))
        written, style = event.value, event.style
        self.last = event
        self.count = count = self.count + 1 + (len(written) >> 7)
        frame = self.frame
        if frame is None or event.anchor or event.tag or self.back or count > MAX_VALUES:
            self.odd_scalar(event, written.translate(self.back), place)
        elif not frame.is_map:
            self.put(self.value(written, style, place), place)
        elif frame.key_place is not None:
            node, key, value = frame.node, frame.key, self.value(written, style, place)
            if key in node or key is MERGE or key is NO_KEY:
                self.put(value, place)
                return
            node[key] = value
            node.key_positions[key] = frame.key_place
            node.value_positions[key] = place
            frame.key_place = None
        elif written not in frame.node and (style or (written not in WORDS and written[0] not in KEY_STARTS)):
            frame.key, frame.key_place = written, place
        else:
            self.take_key(frame, self.key(written, style, place), place)

    def odd_scalar(self, event: Any, written: str, place: Position) -> None:
        """A scalar with an anchor or a tag, or outside any collection, or in a text with stand-ins."""
        frame, style, tag = self.frame, event.style, event.tag
        is_key = frame is not None and frame.is_map and frame.key_place is None
        self.add(0, place)
        if event.anchor:
            self.anchors[event.anchor] = None
        if is_key:
            value = self.key(written, style or tag, place)
        elif tag:
            value = self.tagged(written, style, tag, place)
        else:
            value = self.value(written, style, place)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1 + (len(written) >> 7), 0)
            if not written and not style and not tag and not is_key:
                self.composed.empty_anchors[event.anchor] = (place, self.path())
        self.put(value, place)

    def alias(self, event: Any) -> None:
        place, name = self.place(event), event.anchor
        self.last = event
        known = self.anchors.get(name)
        self.composed.empty_anchors.pop(name, None)
        if known is None:
            if name in self.anchors:
                message, hint = f"the alias {quoted('*' + name)} stands inside what it names", "write the value out"
            else:
                message = f"the alias {quoted('*' + name)} names no anchor that stands before it"
                hint = "a text that begins with '*' must be in quotes"
            self.problem("alias", message, place, hint)
            known = (self.text("*" + name), 1, 0)
        value, count, height = known
        self.aliased += count
        if self.aliased > MAX_ALIASED:
            message = f"the aliases of this file add more than {MAX_ALIASED:,} values"
            raise self.refuse("alias", message, place, "write less with aliases")
        if len(self.stack) + height > MAX_DEPTH:
            raise self.refuse("too-deep", f"with this alias the nesting is deeper than {MAX_DEPTH} levels", place)
        if self.frame is not None:
            self.frame.height = max(self.frame.height, height + 1)
        self.put(value, place)

    def add(self, count: int, place: Position) -> None:
        self.count += count
        if self.count > MAX_VALUES:
            raise self.refuse("file-too-large", f"the file holds more than {MAX_VALUES:,} values", place)

    # ---- putting things together --------------------------------------------------------------------------------

    def put(self, value: Any, place: Position) -> None:
        """Gives the innermost open collection its next item, or its next key, or the document its root."""
        frame = self.frame
        if frame is None:
            self.composed.data = value
            return
        node, key, key_place = frame.node, frame.key, frame.key_place
        if not frame.is_map:
            node.append(value)
            node.positions.append(place)
            return
        if key_place is None:
            self.take_key(frame, value, place)
            return
        if key is MERGE:
            self.merge(frame, value, place)
        elif key is not NO_KEY:
            node.put(key, value, key_place, place)
            if frame.merged:
                frame.merged.discard(key)
        frame.key_place = None

    def take_key(self, frame: Frame, key: Any, place: Position) -> None:
        if not isinstance(key, str):
            if frame.flow and place == frame.place._replace(column=frame.place.column + 1):
                frame.braces = True
            else:
                kind = "mapping" if isinstance(key, dict) else "list"
                self.problem("bad-key", f"a key must be a text, this is a {kind}", place)
            key = NO_KEY
        elif key is MERGE and frame.merged is not None:
            self.problem("duplicate-key", "'<<' is given twice", place, "merge several at once: <<: [*first, *second]")
            key = NO_KEY
        elif key in frame.node and key not in (frame.merged or ()):
            frame.key, frame.key_place = key, place
            first = frame.node.key_positions[key]
            self.problem("duplicate-key", f"the key {quoted(key)} is given twice", place, "remove one of them", first)
            key = NO_KEY
        frame.key, frame.key_place = key, place

    def merge(self, frame: Frame, value: Any, place: Position) -> None:
        """`<<`: takes over what the mapping does not say itself; of several the first wins."""
        node, merged = frame.node, set()
        for source in value if isinstance(value, Seq) else [value]:
            if isinstance(source, str) and source.startswith("*"):
                break  # an alias that names nothing, which was said
            if not isinstance(source, Map):
                self.problem("merge", "'<<' takes a mapping, or a list of mappings", place, "write: <<: *name")
                break
            for key, item in source.items():
                if key not in node:
                    node.put(key, item, source.key_positions[key], source.value_positions[key])
                    merged.add(key)
        frame.merged = merged


def _line_and_column(mark: Any) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
