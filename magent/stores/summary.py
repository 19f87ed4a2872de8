"""A run in one line, read from its header and its last events alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from magent.errors import RunDamaged, RunSealed
from magent.events import Event
from magent.ports import RunInfo
from magent.shapes import fault, moment

ENDS = {
    "run.waiting": "waiting",
    "run.interrupted": "interrupted",
    "run.completed": "completed",
    "run.failed": "failed",
    "run.cancelled": "cancelled",
    "run.forked": "interrupted",
}
BESIDE = ("visit.answered", "notified")  # what may be told after a life has ended


def unreadable(error: Exception) -> str:
    """The status of a run whose record cannot be read, as a listing has it."""
    return "sealed" if isinstance(error, RunSealed) else "damaged"


def created(header: Mapping[str, Any]) -> float:
    """Seconds since 1970. Raises RunDamaged."""
    when = header.get("created")
    if not isinstance(when, (int, float)) or not moment(when):
        raise RunDamaged("the run's header does not say when it was created")
    return when


def summarise(run_id: str, header: Mapping[str, Any], latest: Iterable[Event], held: Callable[[], bool]) -> RunInfo:
    """`latest` are the events from the newest back, read only as far as needed. Raises RunDamaged."""
    since = updated = created(header)
    status, waiting, answered = "running", [], set()
    for event in latest:
        if wrong := fault(event, whole=False):  # what is kept is the store's affair, not what it is good for
            raise RunDamaged(f"event {event.seq} is none: {wrong}")
        updated = max(updated, event.time)
        if event.type == "visit.answered":  # somebody answered after the life had ended
            answered.add(event.data.get("path"))
            continue
        if event.type == "notified":
            continue
        status = ENDS.get(event.type, "running")
        waiting = [path for path in event.data.get("nodes", ()) if path not in answered] if status == "waiting" else []
        break
    if (status == "waiting" and not waiting) or (status == "running" and not held()):
        status = "interrupted"  # `resume` goes on at once
    name, file = str(header.get("workflow", "")), str(header.get("file", ""))
    return RunInfo(run_id, name, status, since, updated, file, tuple(waiting))
