"""A run as one piece: written by a codec, so that a store can put all of it in its place at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from magent.ports import Kept
from magent.stores.codec import RunCodec, number_of


class Whole(NamedTuple):
    """The bytes of a run. `checkpoints` by number, `notes` by name."""

    header: bytes
    workflow: bytes
    lines: list[bytes]
    checkpoints: Mapping[int, bytes]
    result: bytes | None
    notes: Mapping[str, bytes]


def written(codec: RunCodec, kept: Kept) -> Whole:
    """Raises ValueError, TypeError (no JSON), MagentError."""
    header, workflow = codec.encode("header", kept.header), codec.encode("workflow", kept.workflow)
    lines, offsets = [b""], [0]
    for event in kept.events:
        offsets.append(offsets[-1] + len(lines[-1]))
        lines.append(codec.line(event, lines[-1]))
    points = {
        seq: codec.encode("checkpoint", {"seq": seq, "offset": offsets[seq], "fold": dict(fold)}, seq, lines[seq])
        for seq, fold in kept.checkpoints.items()
    }
    result = None if kept.result is None else codec.encode("result", kept.result, len(lines) - 1, lines[-1])
    notes = {name: codec.encode("note", note, number_of(name)) for name, note in kept.notes.items()}
    return Whole(header, workflow, lines[1:], points, result, notes)
