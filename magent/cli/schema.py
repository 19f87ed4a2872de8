"""`magent schema`: the JSON Schemas of the language, for editors."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from magent.cli import flags
from magent.cli.console import Console, dump
from magent.spec.schema import KINDS, Kind, read_schema


def schema(
    ctx: typer.Context,
    kind: Annotated[
        str, typer.Argument(metavar="[KIND]", help="workflow, library, answers, test or settings.")
    ] = "workflow",
) -> int:
    """Print a JSON Schema of the language.

    Example: magent schema workflow > workflow.schema.json
    """
    console: Console = ctx.obj
    flags.one_of("schema", kind, KINDS)
    console.result(dump(read_schema(cast(Kind, kind))))
    return 0
