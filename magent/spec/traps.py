"""What people meant when YAML read something else, or nothing: words and the line to write, for each known trap."""

from __future__ import annotations

from magent.source import Position, Problem, dotted
from magent.spec.composer import Composed, Fault


def settle(composed: Composed) -> list[Problem]:
    """All the problems of a text: the composer's, with traps put into words, and the fault at which reading broke off."""
    problems = list(composed.problems)
    if composed.fault is not None:
        problems.append(explain(composed, composed.fault))
    return problems


def explain(composed: Composed, fault: Fault) -> Problem:
    place = Position(composed.file, fault.line, fault.column)
    return Problem("yaml", f"this is not YAML: {fault.reason}", place, dotted(fault.path))
