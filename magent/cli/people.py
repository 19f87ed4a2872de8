"""Who sits at this terminal, and whether they are sure."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterable

from magent.cli.console import Console
from magent.errors import UsageError


def login() -> str:
    """The login name, for the record of who answered and who cancelled."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have no name
        return f"user {os.getuid()}"


def sure(console: Console, verb: str, what: str, lines: Iterable[str]) -> bool:
    """Whether somebody here says that `what`, of which `lines` tell, is to be removed. Raises UsageError where there is
    nobody."""
    if not (sys.stdin.isatty() and console.terminal):
        raise UsageError(f"{verb} asks before it removes, and there is no terminal to ask in", "say --yes")
    for line in lines:
        console.hint(f"  {line}")
    console.raw(f"Remove {what}? [y/N] ")
    try:
        return input().strip().lower() in ("y", "yes")
    except EOFError:
        console.raw("\n")
        return False
