"""A command line, run in this process or in one of its own."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magent.cli.console import Console, Globals
from magent.cli.main import main

ROOT = __file__.rsplit("/tests/", 1)[0]


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


def magent(capsys: Any, *words: str) -> Outcome:
    """`magent WORDS…` in this process."""
    capsys.readouterr()
    code = main(words)
    out, err = capsys.readouterr()
    return Outcome(code, out, err)


def waiting(place: Path, flow: str) -> Path:
    """The directory, with a workflow `tides.yaml` in it and a run of that which waits, `r1`."""
    place.joinpath("tides.yaml").write_text(flow, "utf-8")
    with contextlib.chdir(place):
        assert main(["run", "tides.yaml", "--no-input", "--id", "r1", "-q"]) == 3
    return place


def process(*words: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Outcome:
    """`python -m magent WORDS…` in a process of its own, in the current directory."""
    import os

    command = [sys.executable, "-m", "magent", *words]
    environment = {**os.environ, "PYTHONPATH": ROOT, **(env or {})}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, input=stdin, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


SEVERAL = """\
import shlex, sys
from magent.cli.main import main
for line in sys.argv[1:]:
    print("$ magent", line if line.isprintable() else ascii(line), flush=True)
    print(f"[{main(shlex.split(line))}]", flush=True)
"""


def several(*lines: str) -> list[str]:
    """A program that does several command lines one after the other, each told before it and its code after it."""
    return [sys.executable, "-c", SEVERAL, *lines]


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def console(*, quiet: bool = False, terminal: bool = False) -> tuple[Console, io.StringIO, io.StringIO]:
    """A Console with its stdout and stderr."""
    kind = Screen if terminal else io.StringIO
    out, err = kind(), kind()
    return Console(Globals(quiet=quiet), out, err), out, err
