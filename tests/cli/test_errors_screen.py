"""Errors and ends of runs as they stand on the screen, from narrow to wide."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.helpers import several
from tests.terminal import Golden, Terminal

ENDS = """\
magent: 1
name: ends
nodes:
  first: {set: {x: 1}, next: bad}
  bad: {type: end, status: failed, outputs: {why: no good}}
"""
LINES = [
    "run dmeo.yaml",
    "run demo.yaml -i cuont=3",
    "run demo.yaml -i topic=x --agent wirter=local",
    "run invalid.yaml",
    "rusn list",
    "run demo.yaml -i topic=x --no-input --id 20260101-000000-aaaa -q",
    "run demo.yaml -i topic=x --no-input --id 20260101-000000-bbbb -q --limit steps=2",
    "run demo.yaml -i topic=x --no-input --id 20260101-000000-cccc -q --stop-after draft --store file:else",
    "run failing.yaml --id 20260101-000000-dddd -q",
    "run ends.yaml --id 20260101-000000-eeee -q",
    "respond 20260101-000000-aaaa sign --approve",
    "runs list --status watiing",
]


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_errors_and_ends_on_the_screen(columns: int, demo: Path, golden: Golden) -> None:
    demo.joinpath("ends.yaml").write_text(ENDS, "utf-8")
    with Terminal(several(*LINES), columns=columns, rows=200, cwd=demo) as terminal:
        assert terminal.end() == 0
        golden(f"errors_{columns}", terminal.lines)
