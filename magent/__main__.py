"""The door: `python -m magent` and the command `magent`."""

from __future__ import annotations

import gc
import importlib
import sys

from magent.cli import VERSION_LINE


def main() -> None:
    """Runs the command line of this process and ends it with the exit code."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(VERSION_LINE + "\n")
        return
    try:
        sys.exit(importlib.import_module("magent.cli.main").main(sys.argv[1:]))
    except KeyboardInterrupt:  # while it was still being loaded
        sys.exit(130)
    finally:
        gc.freeze()  # all is closed: the interpreter would look through what libraries leave behind for up to a second


if __name__ == "__main__":
    main()
