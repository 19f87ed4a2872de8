"""Roles: what agents are good at, flat, and which of them a task goes to, with reasons.

`team` makes the flat roles of a file; a `Router`, kept for as long as they are, picks one; its `Decision` says why.
"""

from __future__ import annotations

from magent.roles.decision import Candidate, Decision, Gap, Match, Wanted
from magent.roles.role import DEFAULT_MAX_SUBTASKS, Role, Team, team
from magent.roles.router import Router
from magent.roles.words import key

__all__ = [
    "DEFAULT_MAX_SUBTASKS",
    "Candidate",
    "Decision",
    "Gap",
    "Match",
    "Role",
    "Router",
    "Team",
    "Wanted",
    "key",
    "team",
]
