"""`magent schema`: the JSON Schemas of the language, for editors."""

from __future__ import annotations

from typing import cast

from magent.cli import flags
from magent.cli.console import Console, dump
from magent.spec.schema import KINDS, Kind, read_schema


def schema(
    console: Console,
    *,
    kind: str,
) -> int:
    """Print a JSON Schema of the language."""
    flags.one_of("schema", kind, KINDS)
    console.result(dump(read_schema(cast(Kind, kind))))
    return 0
