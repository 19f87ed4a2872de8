"""The person's own editor and pager, on a file that nobody else can read and that is gone afterwards."""

from __future__ import annotations

import asyncio
import difflib
import os
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from magent.human import child
from magent.human.prompts import Check, printable, say

_EDITORS = ("editor", "nano", "vim", "vi")
_PAGERS = ("less", "more")
_NEEDS_SHELL = re.compile(r"[|&;<>()$`*?\[~#]")
_REMARK = "// "
_AT_ONCE = 0.5  # seconds; who is back so soon has edited nothing


@dataclass(frozen=True, slots=True)
class Edited:
    """The text afterwards, the same object where it stays as it was; and a sentence on what came of it."""

    text: str
    note: str


class NoProgram(Exception):
    """No editor or pager can be started; says why."""


async def edit(text: str, ending: str, name: str, check: Check) -> Edited:
    """Lets the person edit `text` in a file `name` + `ending`. Raises NoProgram.

    What `check` refuses is opened again, with the fault said in its first lines, until it is mended or left as it is;
    then it stays in a file, whose name is said. Cancelled, what was saved so far stays likewise.
    """
    argv = _program(("VISUAL", "EDITOR"), _EDITORS, "VISUAL or EDITOR")
    directory = Path(tempfile.mkdtemp(prefix="magent-"))  # for its owner alone, as backups beside the file must be
    file = directory / f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', name)[-60:] or 'text'}{ending}"
    kept = False
    try:
        edited, kept = await _rounds(argv, file, text, check)
        return edited
    except asyncio.CancelledError:
        if kept := (_read(file) or "").strip() not in ("", text.strip()):
            say(f"  what was saved in the editor is in {file}\n")
        raise
    finally:
        if not kept:
            shutil.rmtree(directory, ignore_errors=True)


async def _rounds(argv: Sequence[str], file: Path, text: str, check: Check) -> tuple[Edited, bool]:
    """What came of it, and whether the file is to stay."""
    before, remark = text, ""
    while True:
        _write(file, remark + before)
        began = time.monotonic()
        code = await _start(argv, file)
        after = _read(file)
        if code != 0:
            saved = after is not None and _without(after, remark, text) != text
            where = f"; what was saved is in {file}" if saved else ""
            return Edited(text, f"the editor {_ending(code)}: the text stays as it was{where}"), saved
        after = _without(after or "", remark, text)
        if after == before:
            return _unchanged(file, text, remark, began), bool(remark)
        if not after.strip():
            return Edited(text, "the editor left nothing: the text stays as it was"), False
        if (fault := check(after)) is None:
            return Edited(after, _difference(text, after)), False
        fault = check("\n\n" + after) or fault  # with the lines counted as they will be
        lines = (fault, "Mend it and save; saved as it is, the text stays as it was before.")
        before, remark = after, "".join(f"{_REMARK}{line}\n" for line in lines)


def _unchanged(file: Path, text: str, remark: str, began: float) -> Edited:
    if remark:
        return Edited(text, f"the text stays as it was; what was written is in {file}")
    quick = time.monotonic() - began < _AT_ONCE
    hint = " (an editor with a window of its own must wait: EDITOR='code --wait')" if quick else ""
    return Edited(text, f"nothing was changed{hint}")


def _difference(before: str, after: str) -> str:
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0))[2:]
    added, gone = (sum(line.startswith(sign) for line in lines) for sign in "+-")
    return f"edited: +{added} −{gone} lines"


def _ending(code: int) -> str:
    return f"ended with {code}" if code > 0 else f"was ended by signal {-code}"


def _write(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="replace", newline="") as stream:
        stream.write(text if text.endswith("\n") or not text else text + "\n")


def _read(file: Path) -> str | None:
    """None where it is gone."""
    try:
        return file.read_bytes().decode("utf-8-sig", "replace")
    except OSError:
        return None


def _without(after: str, remark: str, original: str) -> str:
    """The text alone: without our remarks, and without the line end that editors add."""
    if remark:
        lines = after.splitlines(keepends=True)
        while lines and lines[0].startswith(_REMARK.strip()):
            lines.pop(0)
        after = "".join(lines)
    return after if original.endswith("\n") else after.removesuffix("\n").removesuffix("\r")


async def page(text: str) -> None:
    """Shows a long text in the pager. Raises NoProgram."""
    argv = _program(("PAGER",), _PAGERS, "PAGER")
    directory = Path(tempfile.mkdtemp(prefix="magent-"))
    try:
        file = directory / "whole.txt"
        _write(file, printable(text))
        await _start(argv, file)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _program(variables: Sequence[str], usual: Sequence[str], names: str) -> list[str]:
    """The words of the command. One that only a shell understands is left to a shell."""
    command = next((found for name in variables if (found := os.environ.get(name, "").strip())), "")
    if not command:
        command = next((name for name in usual if shutil.which(name)), "")
        if not command:
            raise NoProgram(f"there is no {' or '.join(usual)} here: set {names}")
        return [command]
    if _NEEDS_SHELL.search(command):
        return ["sh", "-c", f'{command} "$@"', "sh"]
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words:
        raise NoProgram(f"'{command}' is no command: set {names}")
    return words


async def _start(argv: Sequence[str], file: Path) -> int:
    try:
        return await child.run([*argv, str(file)])
    except OSError as error:
        raise NoProgram(f"'{argv[0]}' cannot be started ({error.strerror}): set VISUAL or EDITOR") from error
