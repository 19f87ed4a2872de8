"""Where reading broke off: libyaml's words in ours.

`FINDERS` are asked in order; the first that knows the fault explains it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from magent.source import Path, Position, Problem, dotted
from magent.spec.composer_result import Composed, Fault
from magent.spec.composer_scalars import quoted
from magent.spec.traps_lines import BLOCK_FIELD, TEMPLATE_STARTS, Field, block_end, field_at, flow_end, flow_path

OPERATORS = re.compile(r"\s*(?:==|!=|<|>|\||~|\+|-|\*|/|%|&&|\.|\[|(?:in|not|is|and|or|if)\b)")

SIGNS = frozenset("*&!@`%")
BANG = "'!' at the start is YAML's sign for a tag; in an expression write 'not'"


@dataclass(frozen=True, slots=True)
class Trap:
    """A problem, and the line (its number from 1, its new text) with which reading can go on."""

    problem: Problem
    mended: tuple[int, str] | None = None


class Scene:
    """A fault and the text around it."""

    def __init__(self, composed: Composed, fault: Fault) -> None:
        self.file = composed.file
        self.lines = composed.lines
        self.fault = fault
        self.line_number, self.column = fault.at
        self.flow = fault.opened is not None

    def line(self, number: int) -> str:
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    @property
    def text(self) -> str:
        return self.line(self.line_number)

    @property
    def char(self) -> str:
        return self.text[self.column - 1 : self.column]

    @property
    def field(self) -> Field | None:
        return field_at(self.text, self.column - 1, self.flow)

    def says(self, *words: str) -> bool:
        return any(word in self.fault.reason for word in words)

    def field_from(self, start: int) -> Field:
        """The field whose value begins exactly at `start`."""
        field = self.field
        key = field.key if field is not None and field.start == start else ""
        if not self.text[:start].strip(" -") and (colon := self.text.find(":", start)) > 0:
            return Field(self.text, key, start, colon)  # a key
        flow = self.flow or bool(flow_path(self.text, start))
        return Field(self.text, key, start, (flow_end if flow else block_end)(self.text, start))

    def above(self) -> tuple[int, str]:
        """The nearest line above that holds something, with its number."""
        for number in range(self.line_number - 1, 0, -1):
            if self.line(number).strip() and not self.line(number).lstrip().startswith("#"):
                return number, self.line(number)
        return 0, ""

    def trap(
        self,
        message: str,
        hint: str | None = None,
        at: tuple[int, int] | None = None,
        *,
        code: str = "yaml-trap",
        related: tuple[int, int] | None = None,
        field: Field | None = None,
        mended: str | None = None,
    ) -> Trap:
        at = at or self.fault.at
        place = Position(self.file, *at)
        other = Position(self.file, *related) if related else None
        problem = Problem(code, message, place, dotted(self.path(at, field)), hint, related=other)
        return Trap(problem, (at[0], mended) if mended is not None else None)

    def syntax(
        self,
        message: str,
        hint: str | None = None,
        at: tuple[int, int] | None = None,
        related: tuple[int, int] | None = None,
    ) -> Trap:
        return self.trap(message, hint, at, code="yaml-syntax", related=related)

    def path(self, at: tuple[int, int], field: Field | None) -> Path:
        path, step = self.fault.path, self.fault.step
        if at == self.fault.opened:
            return path
        if field is not None and field.value.startswith(TEMPLATE_STARTS) and path[-1:] == (field.key,):
            return path
        inner = () if self.flow else flow_path(self.line(at[0]), at[1] - 1)
        if inner and step is not None:
            return (*path, step, *inner)  # libyaml told nothing yet of the brackets on this line
        if field is not None and field.key:
            return (*path, field.key)
        if field is not None and isinstance(step, int) and self.fault.last_start == at:
            return (*path, step - 1)  # the item was read already
        return path if step is None else (*path, step)

    def mend(self, message: str, field: Field, at: tuple[int, int] | None = None, value: str | None = None) -> Trap:
        """The trap of a value that must be in quotes."""
        at = at or (self.line_number, field.start + 1)
        return self.trap(message, field.hint(value), at, field=field, mended=field.mended(value))


def explain(composed: Composed, fault: Fault) -> Trap:
    """The fault in words."""
    scene = Scene(composed, fault)
    for find in FINDERS:
        trap = find(scene)
        if trap is not None:
            return trap
    where = f" ({fault.context})" if fault.context else ""
    return scene.syntax(f"this is not YAML: {fault.reason}{where}")


def tab(scene: Scene) -> Trap | None:
    indent = scene.text[: len(scene.text) - len(scene.text.lstrip())]
    if "\t" not in indent or scene.flow:
        return scene.syntax("a tab cannot stand here", "use spaces") if scene.char == "\t" else None
    at = (scene.line_number, indent.index("\t") + 1)
    return scene.syntax("a tab indents this line; YAML indents with spaces only", "replace the tabs by spaces", at)


def template(scene: Scene) -> Trap | None:
    field, line = scene.field, scene.line_number
    if field is None or not field.value.startswith(TEMPLATE_STARTS):
        line, column = scene.fault.opened or (line, 1)
        field = field_at(scene.line(line), column - 1, flow=False)
    if field is None or not field.value.startswith(TEMPLATE_STARTS):
        return None
    message = f"a text that begins with '{field.value[:2]}' must be in quotes: without them YAML reads a mapping"
    return scene.mend(message, field, (line, field.start + 1))


def after_quote(scene: Scene) -> Trap | None:
    fault = scene.fault
    quote = fault.last_style
    line, end = fault.last_end
    if quote not in ("'", '"') or line != scene.line_number or scene.text[end - 1 : scene.column - 1].strip():
        return None
    if not scene.says("did not find expected") or scene.char in ("", "}", "]", ","):
        return None
    field = scene.field
    if field is None or fault.last_start != (line, field.start + 1):
        hint = "put the whole text in one pair of quotes; or is the text before it not closed where it should be?"
        return scene.trap("more text follows after the closing quote", hint, related=fault.last_start)
    rest = scene.text[end - 1 : field.end]
    if field.is_expression or OPERATORS.match(rest) or quote not in rest:
        message = "the text ends at its closing quote, but more follows: put quotes around the whole"
        return scene.mend(message, field)
    inner = field.value[1:-1] if field.value.endswith(quote) and len(field.value) > 1 else field.value
    return scene.mend(f"the {quote} inside the text ends it", field, (line, end - 1), inner)


def in_braces(scene: Scene) -> Trap | None:
    """`- {to: a, when: x in [1, 2]}`"""
    field = scene.field
    if not scene.flow or field is None or not scene.says("did not find expected ','"):
        return None
    if field.start >= scene.column - 1 or field.value[:1] in ("", '"', "'", "[", "{", "&", "*", "!"):
        return None
    if scene.char == ":":
        return scene.mend("': ' inside an unquoted text begins a new value: put the text in quotes", field)
    if scene.char == "?":
        return scene.mend("' ?' inside { } or [ ] ends an unquoted text: put it in quotes", field)
    what = "expression" if field.is_expression else "text"
    message = f"inside {{ }} and [ ] a comma or a bracket ends an unquoted {what}: put the {what} in quotes"
    return scene.mend(message, field)


def first_char(scene: Scene) -> Trap | None:
    """`prompt: @team …`, `prompt: *very* …`"""
    field = scene.field
    if scene.says("cannot start any token"):
        field = scene.field_from(scene.column - 1)
    elif field is None or field.value[:1] not in SIGNS:
        return None
    if field.is_expression and field.value.startswith("!"):
        return scene.mend(BANG, field, value=f"not {field.value[1:].lstrip()}")
    return scene.mend(f"a text cannot begin with '{field.value[:1]}': put it in quotes", field)


def after_bracket(scene: Scene) -> Trap | None:
    """`for_each: [1, 2] + state.more`"""
    block = BLOCK_FIELD.match(scene.text)
    if block is None or not block[1] or scene.flow or not scene.says("did not find expected key"):
        return None
    start, opening = block.end(), scene.text[block.end() : block.end() + 1]
    if opening not in ("[", "{") or start >= scene.column - 1:
        return None
    field = Field(scene.text, block[1].strip("'\""), start, block_end(scene.text, start))
    return scene.mend(
        f"the value that begins with '{opening}' has ended, but more follows: put quotes around all", field
    )


def block_text(scene: Scene) -> Trap | None:
    if not scene.says("expected comment or line break") or "block scalar" not in scene.fault.context:
        return None
    field = scene.field
    if field is not None and field.is_expression:
        return scene.mend(f"an expression that begins with '{field.value[:1]}' must be in quotes", field)
    return scene.syntax("the text begins on the next line", "after '|' or '>' break the line, and indent the text")


def colon(scene: Scene) -> Trap | None:
    """`prompt: Note: do it`"""
    if not scene.says("mapping values are not allowed"):
        return None
    field = scene.field
    if field is not None and field.key and field.start < scene.column - 1 and field.value[:1] not in ("'", '"'):
        return scene.mend("': ' inside an unquoted text begins a new value: put the text in quotes", field)
    number, above = scene.above()
    name = scene.text[: scene.column - 1].strip()
    if (found := re.match(r"[ \t]*(?:-[ \t]+)*([\w.-]+):(\S.*)$", above)) and _indent(above) >= _indent(scene.text):
        at = (number, found.start(2) + 1)
        return scene.syntax(f"a space is missing after '{found[1]}:'", f"write: {found[1]}: {found[2]}"[:120], at)
    if above and not re.search(r":(\s|$)", above) and scene.fault.last_start[0] <= number:
        at = (number, _indent(above) + 1)
        return scene.syntax("this line is neither 'key: value' nor '- item'", "is the ':' missing?", at)
    if not above:
        return scene.syntax("': ' cannot stand here", "put text in quotes")
    message = f"{quoted(name)} is indented deeper than the line above, which has its value already"
    hint = "align it with the key above; a text of several lines goes under 'key: |'"
    return scene.syntax(message, hint, (scene.line_number, _indent(scene.text) + 1), (number, _indent(above) + 1))


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def no_colon(scene: Scene) -> Trap | None:
    if not scene.says("could not find expected ':'"):
        return None
    at = scene.fault.context_at
    hint = "is the ':' missing? A text of several lines goes under 'key: |'"
    if " #" in scene.line(at[0] - 1):
        hint = "' #' in the line above begins a comment and ends the text: put the text in quotes, or under 'key: |'"
    return scene.syntax("this line is neither 'key: value' nor '- item'", hint, at)


def open_quote(scene: Scene) -> Trap | None:
    if "quoted scalar" not in scene.fault.context or not scene.says("end of stream", "document indicator"):
        return None
    return scene.syntax(
        "the quote that opens here is never closed", "close it, or leave both out", scene.fault.context_at
    )


def open_bracket(scene: Scene) -> Trap | None:
    opened = scene.fault.opened
    if opened is None or not scene.says("did not find expected"):
        return None
    bracket = scene.line(opened[0])[opened[1] - 1 :][:1]
    closing = {"{": "}", "[": "]"}.get(bracket)
    if closing is None:
        return None
    if scene.char == ":" and scene.text[: scene.column - 1].rstrip()[-1:] in ("{", ",", "["):
        return scene.syntax("the key is missing before ':'")
    if scene.line_number > opened[0]:
        hint = f"close it with '{closing}'; or is a comma missing before what follows?"
        return scene.syntax(f"the '{bracket}' that opens here is not closed", hint, opened, scene.fault.at)
    message = f"',' or '{closing}' is expected here, found {quoted(scene.char or 'the end of the line')}"
    return scene.syntax(message, related=opened)


def expected_key(scene: Scene) -> Trap | None:
    if not scene.says("did not find expected key", "did not find expected '-' indicator"):
        return None
    if scene.char in ("}", "]"):
        return scene.syntax(f"this '{scene.char}' closes nothing", "remove it")
    if scene.char == ":":
        return scene.syntax("the key is missing before ':'")
    if scene.says("'-' indicator"):
        message = "an item of the list ('- …') is expected here"
        return scene.syntax(message, "indent this line as what it belongs to", None, scene.fault.context_at)
    if scene.char == "-":
        message = "a key is expected here, not an item of a list"
        return scene.syntax(message, "indent this line as the list it belongs to", None, scene.fault.context_at)
    message = "this line is indented like nothing above it"
    return scene.syntax(message, "indent it as the lines it belongs to", None, scene.fault.context_at)


def nothing_there(scene: Scene) -> Trap | None:
    if not scene.says("did not find expected node content"):
        return None
    found = f"'{scene.char}'" if scene.char else "the end of the line"
    return scene.syntax(f"a value is expected here, found {found}", "put text in quotes")


def escape(scene: Scene) -> Trap | None:
    if not scene.says("unknown escape character", "escape code", "hexdecimal number"):
        return None
    start = scene.text.rfind("\\", 0, scene.column)
    written = scene.text[start : start + {"x": 4, "u": 6, "U": 10}.get(scene.text[start + 1 : start + 2], 2)]
    message = f"{quoted(written)} in a text in double quotes is no escape that YAML knows"
    return scene.syntax(message, "write the backslash twice, or put the text in single quotes")


# What needs no second look: libyaml's words, ours, and what to do.
PLAIN = (
    ("block sequence entries are not", "a list cannot begin here", "begin it on a line of its own; put text in quotes"),
    ("mapping keys are not allowed", "a text cannot begin with '? '", "put it in quotes"),
    ("found unexpected ':'", "a space is missing after ':'", "write ': '"),
    ("<document start>", "more text follows after the end of the document", "is the text before it indented too far?"),
    ("incompatible YAML", "the file asks for another version of YAML", "remove the line that begins with '%YAML'"),
    ("directive", "lines that begin with '%' are for YAML's own use", "put text in quotes"),
)


def plain(scene: Scene) -> Trap | None:
    for words, message, hint in PLAIN:
        if scene.says(words) or words in scene.fault.context:
            return scene.syntax(message, hint)
    return None


FINDERS: tuple[Callable[[Scene], Trap | None], ...] = (
    tab,
    template,
    after_quote,
    in_braces,
    first_char,
    after_bracket,
    block_text,
    colon,
    no_colon,
    open_quote,
    open_bracket,
    expected_key,
    nothing_there,
    escape,
    plain,
)
