"""`magent completion`: the lines that teach a shell to complete."""

from __future__ import annotations

from magent.cli import flags
from magent.cli.complete import SCRIPTS
from magent.cli.console import Console
from magent.errors import UsageError


def completion(console: Console, *, shell: str | None) -> int:
    """Print what teaches a shell to complete."""
    if shell is None:
        raise UsageError("completion needs the name of a shell", f"one of {', '.join(SCRIPTS)}: magent completion bash")
    flags.one_of("completion", shell, tuple(SCRIPTS))
    console.result(SCRIPTS[shell])
    return 0
