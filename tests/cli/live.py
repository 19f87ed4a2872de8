"""Boards, windows and screens for the tests of the live view."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from magent.cli.board import Board, Spot
from magent.cli.paint import Window, paint
from magent.events import Event
from magent.model import Workflow
from tests.build import workflow

Told = tuple[float, str, dict[str, Any]]
"""(time, type, data) of an event"""

HARBOUR = workflow("""
    magent: 1
    name: harbour
    agents: {writer: {replies: [a]}}
    nodes:
      intro: {prompt: x, agent: writer, next: sign}
      sign: {type: human_input, input: approval, next: rest}
      rest: {wait: 30s, next: each}
      each: {type: parallel, for_each: "inputs.files", body: read, next: fan}
      read: {prompt: x, agent: writer, next: check}
      check: {run: x, next: notes}
      notes: {type: subgraph, uses: tail}
      fan: {type: parallel, branches: [draft, ask, nap], next: refine}
      draft: {prompt: x, agent: writer, next: polish}
      polish: {run: x}
      ask: {type: human_input, input: approval, prompt: "Ship it?"}
      nap: {wait: 30s}
      refine: {type: loop, until: round.number >= 3, max_iterations: 5, body: again}
      again: {run: x, next: rate}
      rate: {set: {score: 1}}
    inputs: {files: {type: array}}
    subgraphs:
      tail:
        nodes:
          a: {run: x, next: pair}
          pair: {type: parallel, branches: [l, r]}
          l: {run: x}
          r: {run: x}
""")


def board(*told: Told, of: Workflow | None = HARBOUR) -> Board:
    made = Board(of)
    follow(made, *told)
    return made


def follow(made: Board, *told: Told) -> Spot | None:
    spot = None
    for time, kind, data in told:
        spot = made(Event(1, time, kind, data))
    return spot


def started(path: str, time: float = 0.0, **data: Any) -> Told:
    return time, "visit.started", {"path": path, "node": path.rpartition("/")[2], **data}


def completed(path: str, time: float = 0.0, **data: Any) -> Told:
    return time, "visit.completed", {"path": path, "node": path.rpartition("/")[2], **data}


def failed(path: str, time: float = 0.0, **data: Any) -> Told:
    error = {"type": "exit", "message": "it ended with 1", "node": path.rpartition("/")[2]}
    return time, "visit.failed", {"path": path, "node": path.rpartition("/")[2], "error": error, **data}


def says(path: str, text: str, time: float = 0.0) -> Told:
    return time, "text", {"path": path, "text": text}


def painted(made: Board, columns: int = 80, rows: int = 24, now: float = 0.0, **window: Any) -> list[str]:
    """Without colour, unless the window is said to have it."""
    return paint(made, Window(columns, rows, **{"color": False, **window}), now)


def still(lines: Sequence[str]) -> list[str]:
    """A screen without what time does to it: how long things took at the ends of lines, and in the line of sums."""
    found = []
    for line in lines:
        line = re.sub(r" +(\d+h )?(\d+m )?[\d.]+s$", "", line)
        line = re.sub(r"\b(\d+h )?(\d+m )?[\d.]+s\b", "0s", line)
        found.append(re.sub(r" [─-]+$", "", line))
    return found
