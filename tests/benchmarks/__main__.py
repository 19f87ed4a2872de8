"""`python -m tests.benchmarks [ROW…] [--peers] [--repeats N] [--scale X]`: prints the table, and never fails for it."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

from tests.benchmarks import peers, table
from tests.benchmarks.measure import ROOT, Effort
from tests.benchmarks.rows import ROWS


def main() -> None:
    asked = _arguments()
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as bytecode:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
        os.environ["PYTHONPYCACHEPREFIX"] = bytecode
        measure(asked)


def measure(asked: argparse.Namespace) -> None:
    effort = Effort(asked.scale, asked.repeats)
    shown: list[tuple[str, ...]] = [table.HEAD]
    for name in asked.rows or ROWS:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        try:
            shown += [line.cells() for line in ROWS[name](effort)]
        except Exception as error:  # noqa: BLE001 — one row that cannot be measured leaves the others
            shown.append((name, *["–"] * (len(table.HEAD) - 2), f"not measured: {error}"))
    print(table.show(shown))
    if asked.peers:
        print("\n" + table.show([peers.HEAD, *peers.measured(effort)]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which rows: {', '.join(ROWS)}; else all")
    parser.add_argument("--peers", action="store_true", help="the same work with the peers that are installed")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="how often each side is run (3)")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="0.1: a tenth of every count")
    asked = parser.parse_args()
    unknown = [name for name in asked.rows if name not in ROWS]
    if unknown:
        parser.error(f"there is no row '{unknown[0]}'; there are {', '.join(ROWS)}")
    return asked


if __name__ == "__main__":
    main()
