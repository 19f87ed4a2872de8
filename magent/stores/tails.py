"""The newest lines of a journal, kept once more in each checkpoint and in the result that were written after them, so
that a journal whose end is missing is completed from what stands beside it: a copy made while the run was at work takes
the files one after the other, and may have its journal as it was before its checkpoints.

    "tail": {"at": the byte of the journal where the first of these lines begins, "lines": "…"}

A tail begins with the last line of the checkpoint before, or earlier. It is put on where it has the same bytes as the
journal as far as that goes, at least a line of it, and where its lines pass as lines of the journal do.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from magent.events import BadLine
from magent.stores.codec import RunCodec

NAME = "tail"
OF_CHECKPOINT = 1 << 16  # bytes that it has at least, where there are as many, however close the checkpoints are
OF_RESULT = 1 << 20  # it is written once a life, and may be copied long after the checkpoints
_MOST = 1 << 22


class Piece(NamedTuple):
    """Whole lines, and the byte of the journal where they begin."""

    at: int
    lines: bytes


def taken(journal: int, point: int, end: int, least: int) -> Piece | None:
    """What goes up to byte `end` of the journal, an open file: from byte `point` on, where a line begins, but `least`
    bytes at least and 4 MiB at most. None where that is no line, or cannot be read: then there is none."""
    start = max(min(point, end - least), end - _MOST, 0)
    before = max(start - 1, 0)
    try:
        data = os.pread(journal, end - before, before)
    except OSError:
        return None
    skipped = data.find(b"\n") + 1 if start else 0
    lines = data[skipped:]
    return Piece(before + skipped, lines) if len(data) == end - before and lines else None


def packed(document: Mapping[str, Any], piece: Piece | None) -> dict[str, Any]:
    """The document with the piece in it."""
    if piece is None:
        return dict(document)
    return {**document, NAME: {"at": piece.at, "lines": piece.lines.decode("utf-8", "surrogateescape")}}


def unpacked(document: dict[str, Any]) -> Piece | None:
    """Takes it out again; None where there is none, or one that `packed` has not made."""
    match document.pop(NAME, None):
        case {"at": int(at), "lines": str(text)} if at >= 0 and text.endswith("\n"):
            with contextlib.suppress(UnicodeEncodeError):
                return Piece(at, text.encode("utf-8", "surrogateescape"))
    return None


def joined(codec: RunCodec, there: bytes, pieces: Iterable[Piece]) -> bytes:
    """The whole lines that are there, from the first one on, and those which follow in the pieces."""
    for piece in sorted(pieces):
        known = there[piece.at :]
        if piece.lines.startswith(known) and (known or not piece.at):
            more = piece.lines[len(known) :]
            there += more if _follow(codec, there, more) else b""
    return there


def _follow(codec: RunCodec, there: bytes, more: bytes) -> bool:
    """Whether these are lines that come next."""
    before = there[there.rfind(b"\n", 0, -1) + 1 : -1]
    try:
        seq = codec.event(before).seq if before else 0
        for number, line in enumerate(more.split(b"\n")[:-1], seq + 1):
            if codec.event(line, before).seq != number:
                return False
            before = line
    except BadLine:
        return False
    return True
