"""`magent tools`: which there are, what one takes, and a call by hand."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from magent import cells
from magent.cli import flags, inputs, shapes
from magent.cli.beside import guarded
from magent.cli.console import Console, dump
from magent.cli.tables import GAP, Cell, Column, Part, Sheet, wrap
from magent.errors import MagentError, UsageError
from magent.events import WorkFailed
from magent.offers import definition
from magent.ports import Tool
from magent.source import did_you_mean
from magent.toolkit import Kept, Source, Toolkit

OUTPUTS = ("text", "json")
_NARROW = 70  # columns: in a narrower window what a tool does stands below its name
_LISTED = (
    Column("TOOL", least=12),
    Column("KIND", rank=2),
    Column("FROM", rank=3),
    Column("NOTES", rank=1),
    Column("WHAT IT DOES", least=40),
)
_SENTENCE = re.compile(r"(?<=[a-z)][.!?])\s")
T = TypeVar("T")


def list_tools(console: Console, *, file: str | None, check: bool | None, output: str | None) -> int:
    """List the tools of a file, then those that come with magent. Functions are imported for it, and servers
    started, unless `check` is False."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    entries = _with(console, file, lambda kit: kit.kept(check=check is not False))
    if form == "json":
        console.result(dump([row for entry in entries for row in _rows(entry)]))
        return 0
    sheet = Sheet(console)
    rows = [(name, *rest) for entry in entries for name, *rest in _cells(entry)]
    if sheet.width is not None and sheet.width < _NARROW:
        _stacked(sheet, rows)
    else:
        sheet.table(_LISTED, rows)
    sheet.print()
    return 0


def show_tool(console: Console, *, name: str | None, file: str | None, openai: bool, output: str | None) -> int:
    """Show one tool: what it does, and what it takes."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    if not name:
        raise UsageError("which tool?", "magent tools list shows them; magent tools show files.read one of them")

    async def shown(kit: Toolkit) -> tuple[Tool, dict[str, Any]]:
        tool = await kit.tool(name)
        return tool, _as_json(tool, *kit.kind(name))

    tool, facts = _with(console, file, shown)
    if openai:
        console.result(dump(definition(tool)))
    elif form == "json":
        console.result(dump(facts))
    else:
        _tell(Sheet(console), facts)
    return 0


def call_tool(
    console: Console, *, name: str | None, arguments: list[str] | None, file: str | None, output: str | None
) -> int:
    """Call a tool by hand; its result goes to stdout."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    if not name:
        raise UsageError("which tool?", 'such as: magent tools call calculator expression="2 * 3"')

    async def called(kit: Toolkit) -> Any:
        tool = await kit.tool(name)
        given = _arguments(tool, arguments or (), file)
        try:
            result = await kit.call(tool, given)
        except UsageError as error:
            raise UsageError(
                error.message, _usage(tool, file) if "do not fit" in error.message else error.hint
            ) from error
        return kit.mask(result) if kit.mask else result

    result = _with(console, file, called)
    console.result(result if isinstance(result, str) and form == "text" else dump(result))
    return 0


def _with(console: Console, file: str | None, work: Callable[[Toolkit], Awaitable[T]]) -> T:
    """What `work` gives, all ended behind it; what tools print themselves is no result. A tool that fails is an error
    with exit code 1."""
    kit = Toolkit(file, os.getcwd())

    async def done() -> T:
        try:
            return await work(kit)
        finally:
            await kit.close()

    try:
        with guarded(console.stream), console.results_apart(2):
            return asyncio.run(done())
    except WorkFailed as error:
        told = kit.mask(error.failure.message) if kit.mask else error.failure.message
        raise MagentError(told, error.failure.hint) from error


# ---- arguments


def _arguments(tool: Tool, words: Sequence[str], file: str | None) -> dict[str, Any]:
    """`K=V` by what the tool takes; a value that is no text is JSON. Raises UsageError."""
    known = {field.name: field for field in shapes.fields(tool.parameters)}
    given: dict[str, Any] = {}
    for name, text in inputs.pairs("argument", "an argument", words, "K=V, such as path=notes.txt"):
        if name not in known and tool.parameters.get("additionalProperties") is False:
            raise UsageError(
                f"'{tool.name}' has no parameter '{name}'", did_you_mean(name, known) or _usage(tool, file)
            )
        schema = shapes.for_value(known[name], tool.parameters) if name in known else {}
        given[name] = inputs.parse(schema, inputs.content(name, text))
    return given


def _usage(tool: Tool, file: str | None) -> str:
    """A call of the tool, as it is typed."""
    root = tool.parameters
    typed = [(f"{field.name}={inputs.example(shapes.for_value(field, root))}", field) for field in shapes.fields(root)]
    words = [word for word, field in typed if field.required]
    words += [f"[{word}]" for word, field in typed if not field.required]
    return " ".join(["magent tools call", tool.name, *words, *([f"-f {shlex.quote(file)}"] if file else [])])


# ---- what is shown


def _rows(entry: Kept) -> Iterator[dict[str, Any]]:
    for tool in entry.tools:
        yield _as_json(tool, entry.kind, entry.source)
    if entry.why:
        facts = {"name": entry.name, "kind": entry.kind, "from": entry.source, "description": None}
        yield {**facts, "external": False, "confirm": False, "parameters": None, "error": entry.why}


def _as_json(tool: Tool, kind: str, source: Source) -> dict[str, Any]:
    takes = cast("Mapping[str, Any] | None", tool.parameters)  # not known of what was not opened
    return {
        "name": tool.name,
        "kind": kind,
        "from": source,
        "description": tool.description,
        "external": tool.external,
        "confirm": tool.confirm,
        "parameters": None if takes is None else dict(takes),
        "error": None,
    }


def _cells(entry: Kept) -> Iterator[tuple[Cell, ...]]:
    for tool in entry.tools:
        notes = _notes(tool.external, tool.confirm)
        yield tool.name, entry.kind, _ORIGINS[entry.source], notes, _gist(tool.description)
    if entry.why:
        yield entry.name, entry.kind, _ORIGINS[entry.source], "", Part(_line(entry.why), "red")


def _gist(description: str) -> str:
    """Its first sentence."""
    return _SENTENCE.split(_line(description), maxsplit=1)[0]


def _line(text: str) -> str:
    return " ".join(text.split())


_ORIGINS: Mapping[Source, str] = {"file": "file", "magent": "", "package": "package"}


def _notes(external: bool, confirm: bool) -> str:
    return ", ".join(word for word, there in (("external", external), ("asks first", confirm)) if there)


def _stacked(sheet: Sheet, rows: Sequence[Sequence[Cell]]) -> None:
    """A tool a paragraph, for a window where a table has no room."""
    for name, _, _, notes, what in rows:
        sheet.line(Part(str(name), "bold"), *((GAP, Part(str(notes), "yellow")) if notes else ()))
        text, style = (what.text, what.style) if isinstance(what, Part) else (str(what), "dim")
        sheet.text(text, most=2, style=style)


def _tell(sheet: Sheet, facts: Mapping[str, Any]) -> None:
    notes = _notes(facts["external"], facts["confirm"])
    known = {
        "magent": "comes with magent",
        "package": "of an installed package",
        "file": f"{facts['kind']}, of the file",
    }
    shown = known[facts["from"]]
    sheet.line(Part(facts["name"], "bold"), GAP, Part(shown, "dim"), *((GAP, Part(notes, "yellow")) if notes else ()))
    if facts["description"]:
        sheet.text(facts["description"], indent=0)
    taken = shapes.fields(facts["parameters"])
    sheet.blank()
    if not taken:
        sheet.line(Part("It takes no arguments.", "dim"))
    indent = min(20, max(map(_reach, taken), default=0)) + len(GAP)
    for field in taken:
        _parameter(sheet, field, facts["parameters"], indent)
    sheet.print()


def _reach(field: shapes.Field) -> int:
    """How wide its name is, and those of its parts below it."""
    return max(cells.width(field.name), *(len(GAP) + _reach(part) for part in field.parts), 0)


def _parameter(sheet: Sheet, field: shapes.Field, root: Mapping[str, Any], indent: int, depth: int = 0) -> None:
    """Its name, and beside it what it must be and what it is for; its parts below it."""
    about = [shapes.words(field.schema, root), *([] if field.required else [_unless(field.schema)])]
    text = "; ".join(part for part in (", ".join(about), _line(str(field.schema.get("description", "")))) if part)
    lines = [text] if sheet.width is None else list(wrap(text, max(20, sheet.width - indent)))
    name = GAP * depth + field.name
    head = cells.pad(name, indent) if cells.width(name) < indent else name + GAP
    sheet.line(Part(head, "bold"), *lines[:1])
    for line in lines[1:]:
        sheet.line(" " * indent, line)
    for part in field.parts:
        _parameter(sheet, part, root, indent, depth + 1)


def _unless(schema: Mapping[str, Any]) -> str:
    return f"default {dump(schema['default'], indent=None)}" if "default" in schema else "may be left out"
