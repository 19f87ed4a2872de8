"""How an attempt ended: recorded as a visit that is over, or as one that is tried again later."""

from __future__ import annotations

from typing import Any

from magent.engine import conclude
from magent.engine.attempt import Outcome
from magent.engine.driver import Driver, Stop
from magent.engine.retrying import retry_at
from magent.engine.scopes import Scope, Visit
from magent.engine.work import ASKED, SPENT
from magent.events import Failure
from magent.model import Task


def finished(driver: Driver, scope: Scope, visit: Visit, outcome: Outcome, *, final: bool = False) -> None:
    """`final`: a person said so, no further attempt follows."""
    if not driver.at_work(scope, visit):
        return
    driver.attempts.pop(scope.id, None)
    now, node = driver.now(), visit.node
    if outcome.failure is None:
        kind, data = conclude.completed(driver.run, scope, node, now, outcome.output, outcome.used)
    elif outcome.failure.type == "limit":
        used: dict[str, Any] = {name: outcome.used[name] for name in (*SPENT, ASKED) if name in outcome.used}
        if "tokens" in used:
            driver.record("visit.spent", {"scope": scope.id, "path": visit.path, **used}, now)
        driver.halt(Stop("limit", outcome.failure._replace(node=node.name), drain=True))
        return
    elif not final and (at := _retry_at(visit, outcome.failure, now)) is not None:
        failure = outcome.failure._replace(node=node.name, attempts=visit.attempt)
        data = {"scope": scope.id, "path": visit.path, "attempt": visit.attempt, "at": at}
        driver.record("visit.retry", {**data, "error": failure.as_json(), **outcome.used}, now)
        try_again(driver, scope, visit)
        return
    else:
        kind, data = conclude.failed(driver.run, scope, node, outcome.failure, now, outcome.used)
    driver.record(kind, data, now)


def _retry_at(visit: Visit, failure: Failure, now: float) -> float | None:
    if not isinstance(visit.node, Task) or (visit.touched and not visit.node.consents):
        return None
    key = f"{visit.path}#{visit.number}"
    return retry_at(visit.node.retry, failure, visit.attempt, key, now)


def try_again(driver: Driver, scope: Scope, visit: Visit) -> None:
    """Once the time for it has come."""
    driver.at(scope, "retry", driver.due(visit), lambda: driver.waiting_for_place.append(scope))
