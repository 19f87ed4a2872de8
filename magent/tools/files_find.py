"""What is in the workspace: directories listed, texts found, both within bounds."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magent.events import WorkFailed
from magent.expressions.problems import EvaluationError
from magent.expressions.regexes import compiled
from magent.tools.base import failed
from magent.tools.files_open import OWN, directory, opened, shown

MOST_ENTRIES = 1000
MOST_LOOKED_AT = 100_000  # names, in a listing or a search
DEEPEST = 50  # directories within one another
LARGEST_SEARCHED = 5_000_000  # bytes of a file; a larger one is passed over
LONGEST_LINE = 500  # characters of a line that is shown
SECONDS = 10.0  # for a search or a listing
_PASSED_OVER = frozenset((".git", ".hg", ".svn"))
_TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


@dataclass
class Walk:
    """A walk through the workspace, in the order of names; `truncated` says that it ended before all was seen."""

    workspace: Path
    recursive: bool
    truncated: bool = False
    seen: int = 0
    until: float = field(default_factory=lambda: time.monotonic() + SECONDS)

    def entries(self, parts: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...], os.stat_result]]:
        """The directory's handle, the path and the facts of each entry below `parts`."""
        with directory(self.workspace, parts) as handle:
            for name in self._names(handle):
                try:
                    facts = os.stat(name, dir_fd=handle, follow_symlinks=False)
                except OSError:
                    continue  # gone meanwhile
                yield handle, (*parts, name), facts
                if self.recursive and stat.S_ISDIR(facts.st_mode):
                    yield from self._below((*parts, name))

    def _names(self, handle: int) -> list[str]:
        names: list[str] = []
        with os.scandir(handle) as entries:
            for entry in entries:
                self.seen += 1
                if self.over():
                    break
                if entry.name.casefold() != OWN:
                    names.append(entry.name)
        return sorted(names)

    def _below(self, parts: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...], os.stat_result]]:
        if parts[-1] in _PASSED_OVER or self.over():
            return
        if len(parts) >= DEEPEST:
            self.truncated = True
            return
        try:
            yield from self.entries(parts)
        except WorkFailed:
            return  # it is gone, or may not be read, or is a directory no more

    def over(self) -> bool:
        if self.seen > MOST_LOOKED_AT or time.monotonic() > self.until:
            self.truncated = True
        return self.truncated


def listing(workspace: Path, parts: tuple[str, ...], *, recursive: bool) -> dict[str, Any]:
    walk = Walk(workspace, recursive)
    entries: list[dict[str, Any]] = []
    for _, path, facts in walk.entries(parts):
        if len(entries) >= MOST_ENTRIES:
            walk.truncated = True
            break
        kind = _TYPES.get(stat.S_IFMT(facts.st_mode), "other")
        entries.append({"path": text_of(path), "type": kind, "size": facts.st_size if kind == "file" else None})
    return {"entries": entries, "truncated": walk.truncated}


def text_of(path: tuple[str, ...]) -> str:
    """A path as JSON can hold it, whatever bytes its names are made of."""
    return "/".join(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def searching(text: str | None, pattern: str | None, *, ignore_case: bool) -> Callable[[str], bool]:
    """Whether a line is one that is looked for. Raises WorkFailed where it is not said what, or no pattern."""
    if (text is None) == (pattern is None):
        raise failed("say what to search for: `text` or `pattern`, one of them")
    if pattern is not None:
        return _by_pattern(pattern, ignore_case=ignore_case)
    assert text is not None
    if not text:
        raise failed("`text` is empty: every line would be found")
    if ignore_case:
        folded = text.casefold()
        return lambda line: folded in line.casefold()
    return lambda line: text in line


def _by_pattern(pattern: str, *, ignore_case: bool) -> Callable[[str], bool]:
    try:
        expression = compiled(pattern, ignore_case)
    except EvaluationError as error:
        raise failed(f"'{shown(pattern)}' is no pattern: {error.message}", error.hint) from error
    return lambda line: expression.search(line) is not None


def search(workspace: Path, parts: tuple[str, ...], wanted: Callable[[str], bool], most: int) -> dict[str, Any]:
    walk = Walk(workspace, recursive=True)
    matches: list[dict[str, Any]] = []
    searched, skipped = 0, 0
    for handle, path, facts in walk.entries(parts):
        if walk.over():
            break
        if not stat.S_ISREG(facts.st_mode):
            continue
        lines = _lines(handle, path)
        if lines is None:
            skipped += 1
            continue
        searched += 1
        for number, line in enumerate(lines, 1):
            if number % 1000 == 0 and walk.over():
                break
            if wanted(line):
                if len(matches) >= most:
                    walk.truncated = True
                    break
                matches.append({"path": text_of(path), "line": number, "text": line[:LONGEST_LINE]})
    return {"matches": matches, "searched": searched, "skipped": skipped, "truncated": walk.truncated}


def _lines(handle: int, path: tuple[str, ...]) -> list[str] | None:
    """The lines of a text; None: it is too large, no text, or cannot be read."""
    try:
        with opened(handle, path[-1], text_of(path)) as file:
            if os.fstat(file).st_size > LARGEST_SEARCHED:
                return None
            data = b""
            while len(data) <= LARGEST_SEARCHED and (chunk := os.read(file, 1 << 20)):
                data += chunk
        return None if b"\0" in data or len(data) > LARGEST_SEARCHED else _split(data.decode("utf-8"))
    except (WorkFailed, OSError, UnicodeDecodeError):
        return None


def _split(text: str) -> list[str]:
    """Lines as editors count them: other separators than the line feed do not count."""
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
