"""Routing a task over a thousand roles: by requirements, and by its words."""

from __future__ import annotations

import itertools
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from magent.roles import Router, Wanted
from magent.roles.ranking import Ranking
from magent.spec.catalogue import team_of
from tests.benchmarks.measure import Effort
from tests.benchmarks.table import Line, most

WORDS = tuple(f"skill_{number}" for number in range(60))
TARGET, DREAM = most(1), most(0.1)  # ms
TASK = "please review this login code for security problems, as skill 7 would"


def routing(effort: Effort) -> list[Line]:
    """Roles that are hard to tell apart: of eight skills each, drawn from sixty; then roles that all fit."""
    count = effort.count(1000)
    some, alike = (Router(team_of(_roles(count, everywhere))) for everywhere in ((), ("python", "security")))
    both = Wanted(("skill_1", "skill_2"))
    texts = itertools.cycle([text for number in range(effort.count(500)) for text in _texts(number)])
    known = _median(effort, lambda: some.route(Wanted(), TASK))
    return [
        Line(f"route over {count:,} roles", "ms", None, _median(effort, lambda: some.route(both)), TARGET, DREAM),
        Line("the same, with expertise", "ms", None, _median(effort, lambda: some.route(_EXPERT)), TARGET, DREAM),
        Line("the same, all roles fit", "ms", None, _median(effort, lambda: alike.route(_ALIKE)), TARGET, DREAM),
        Line("the same, by the task's text", "ms", None, known, TARGET),
        Line("by a text never seen", "ms", known, _median(effort, lambda: some.route(Wanted(), next(texts))), TARGET),
        Line("its index", "ms", None, _median(effort, lambda: Router(team_of(_roles(count, ()))), 1), None),
        Line("that of texts", "ms", None, _median(effort, lambda: Ranking(team_of(_roles(count, ()))), 1), None),
    ]


_EXPERT = Wanted(("skill_1",), ("skill_2",))
_ALIKE = Wanted(("python", "security"))


def _roles(count: int, everywhere: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    chance = random.Random(1)
    return {
        f"role_{at}": {
            "skills": list(dict.fromkeys((*chance.sample(WORDS, 8), *everywhere))),
            "expertise": chance.sample(WORDS, 2),
            "description": f"Reviews the code of {' and '.join(chance.sample(WORDS, 3))}.",
        }
        for at in range(count)
    }


def _texts(number: int) -> tuple[str, str]:
    """Of few words, and of more than are read; none was asked before."""
    chance = random.Random(number)
    news = [f"{chance.choice(WORDS)} word{chance.randrange(10**9)}" for _ in range(400)]
    return f"review {' '.join(news[:5])} for security", " ".join(news)


def _median(effort: Effort, ask: Callable[[], object], times: int = 100) -> float:
    """Milliseconds of one call."""
    ask()
    spent = []
    for _ in range(max(1, effort.repeats * times)):
        began = time.perf_counter()
        ask()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent) * 1e3
