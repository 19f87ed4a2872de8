"""The built-in tool `files`: what an agent may do with the files of the workspace, one function each. See `files_open`
for how they are kept inside."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from magent.clock import iso
from magent.events import WorkFailed
from magent.ports import Tool, ToolContext
from magent.spec.builtins import BUILTINS, Builtin
from magent.tools.base import Fixed, failed, size
from magent.tools.files_find import listing, search, searching, text_of
from magent.tools.files_open import directory, facts_of, opened, parts_of, plain, replace, shown, write_all

LARGEST_READ = 1_000_000  # bytes that one call gives
LARGEST_SCANNED = 64_000_000  # bytes that are passed over to come to a line
LARGEST_WRITTEN = 10_000_000  # bytes of one call
LARGEST_FILE = 50_000_000  # bytes that a file may grow to
_BLOCK = 1 << 16

Work = Callable[[Mapping[str, Any], tuple[str, ...], Path], Any]


class FileTool:
    """One function of `files`. `writes`: it is refused where the workspace may only be read."""

    external = False
    confirm = False

    def __init__(self, name: str, told: Builtin, work: Work, writes: bool) -> None:
        self.name = name
        self.description, self.parameters = told
        self._work = work
        self._writes = writes

    async def call(self, arguments: Mapping[str, Any], context: ToolContext, /) -> Any:
        if self._writes and not context.write:
            hint = "the workflow allows it with `workspace: {path: …, write: true}`"
            raise failed("nothing was written: the workspace may only be read", hint)
        parts = parts_of(arguments.get("path", "."), context.workspace)
        return await asyncio.to_thread(self._work, arguments, parts, context.workspace)


def read(arguments: Mapping[str, Any], parts: tuple[str, ...], workspace: Path) -> dict[str, Any]:
    """`{path, text, size, truncated}`: from line `first_line` on, `lines` lines or 1 MB at most."""
    path = text_of(parts)
    with directory(workspace, _parent(parts)) as handle, opened(handle, parts[-1], path) as file:
        facts = os.fstat(file)
        data, more = _from_line(file, arguments.get("first_line", 1), path)
    text = _decoded(data, path, cut=more)
    shorter = "".join(line + "\n" for line in text.split("\n")[: arguments["lines"]]) if "lines" in arguments else text
    shorter = shorter[: len(text)]  # the last line of a file may end without a line feed
    return {"path": path, "text": shorter, "size": facts.st_size, "truncated": more or len(shorter) < len(text)}


def _from_line(file: int, first: int, path: str) -> tuple[bytes, bool]:
    """What stands in the file from that line on, and whether there is more than is given."""
    data, missing, passed = b"", first - 1, 0
    while len(data) <= LARGEST_READ:
        chunk = os.read(file, _BLOCK)
        if not chunk:
            return data, False
        passed += len(chunk)
        if passed > LARGEST_SCANNED:
            raise failed(f"'{shown(path)}' is too large: line {first} is beyond its first {size(LARGEST_SCANNED)}")
        while missing and chunk:
            _, line_feed, chunk = chunk.partition(b"\n")
            missing -= bool(line_feed)
        data += chunk
    return data[:LARGEST_READ], True


def _decoded(data: bytes, path: str, *, cut: bool) -> str:
    """The text; of one that was cut, without the last character where that is not whole."""
    try:
        if b"\0" in data:
            raise failed(f"'{shown(path)}' is no text: it holds NUL bytes", "only UTF-8 text can be read")
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if cut and error.start >= len(data) - 3 and error.reason == "unexpected end of data":
            return data[: error.start].decode("utf-8")
        message = f"'{shown(path)}' is no UTF-8 text: byte 0x{data[error.start]:02x} at {error.start}"
        raise failed(message, "only UTF-8 text can be read") from error


def write(arguments: Mapping[str, Any], parts: tuple[str, ...], workspace: Path) -> dict[str, Any]:
    """`{path, size}`: the file holds just the text, directories that lack are made."""
    data = _encoded(arguments["text"])
    with directory(workspace, _parent(parts), make=True) as handle:
        replace(handle, parts[-1], text_of(parts), data)
    return {"path": text_of(parts), "size": len(data)}


def append(arguments: Mapping[str, Any], parts: tuple[str, ...], workspace: Path) -> dict[str, Any]:
    """`{path, size}`: the text stands at the end of the file, which is made where it lacks."""
    data, path = _encoded(arguments["text"]), text_of(parts)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    with directory(workspace, _parent(parts), make=True) as handle, opened(handle, parts[-1], path, flags) as file:
        before = os.fstat(file).st_size
        if before + len(data) > LARGEST_FILE:
            raise failed(f"'{shown(path)}' would grow beyond {size(LARGEST_FILE)}", "write to another file")
        write_all(file, data)
        return {"path": path, "size": os.fstat(file).st_size}


def _encoded(text: str) -> bytes:
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise failed(f"the text cannot be written as UTF-8: half a character at {error.start}") from error
    if len(data) > LARGEST_WRITTEN:
        raise failed(f"the text has {size(len(data))}, more than the {size(LARGEST_WRITTEN)} of one call", "append")
    return data


def _parent(parts: tuple[str, ...]) -> tuple[str, ...]:
    if not parts:
        raise failed("the workspace itself is a directory: name a file in it")
    return parts[:-1]


def stat_of(_arguments: Mapping[str, Any], parts: tuple[str, ...], workspace: Path) -> dict[str, Any]:
    """`{path, exists, type, size, modified}`."""
    path = text_of(parts) or "."
    missing = {"path": path, "exists": False, "type": None, "size": None, "modified": None}
    if not parts:
        with directory(workspace, ()) as handle:
            facts: os.stat_result | None = os.fstat(handle)
    else:
        facts = _facts(workspace, parts)
    if facts is None:
        return missing
    if stat.S_ISDIR(facts.st_mode):
        return {**missing, "exists": True, "type": "directory", "modified": iso(facts.st_mtime)}
    plain(facts, path)
    return {**missing, "exists": True, "type": "file", "size": facts.st_size, "modified": iso(facts.st_mtime)}


def _facts(workspace: Path, parts: tuple[str, ...]) -> os.stat_result | None:
    """What lies there; None: nothing, perhaps not even its directory."""
    try:
        with directory(workspace, parts[:-1]) as handle:
            return facts_of(handle, parts[-1])
    except WorkFailed as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
        with directory(workspace, ()):  # it is there itself
            return None


def _list(arguments: Mapping[str, Any], parts: tuple[str, ...], workspace: Path) -> dict[str, Any]:
    return listing(workspace, parts, recursive=arguments.get("recursive", False))


def _search(arguments: Mapping[str, Any], parts: tuple[str, ...], workspace: Path) -> dict[str, Any]:
    given = (arguments.get("text"), arguments.get("pattern"))
    wanted = searching(*given, ignore_case=arguments.get("ignore_case", False))
    return search(workspace, parts, wanted, arguments.get("max_results", 100))


_FUNCTIONS: Mapping[str, tuple[Work, bool]] = {
    "read": (read, False),
    "write": (write, True),
    "append": (append, True),
    "list": (_list, False),
    "search": (_search, False),
    "stat": (stat_of, False),
}


def files(*_: Any) -> Fixed:
    """The whole set, each tool under its name."""
    tools: dict[str, Tool] = {name: FileTool(name, told, *_FUNCTIONS[name]) for name, told in BUILTINS["files"].items()}
    return Fixed(tools)
