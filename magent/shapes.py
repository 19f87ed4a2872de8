"""What the members of a recorded event or header must be: a record may have come from elsewhere, and its readers take
what they find for what it says it is. What is not listed may be anything, or is not read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from magent.events import Event

Check = Callable[[Any], bool]
LATEST = 253_402_300_000.0  # the last second of the year 9999
_LONGEST = 100_000  # of a number that is counted up to


def text(value: Any) -> bool:
    return isinstance(value, str)


def whole(value: Any) -> bool:
    return type(value) is int and -_LONGEST <= value <= 2**53


def number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) <= 1e18


def moment(value: Any) -> bool:
    return number(value) and 0 <= value <= LATEST


def mapping(value: Any) -> bool:
    return isinstance(value, dict)


def array(value: Any) -> bool:
    return isinstance(value, list)


def texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(text, value))


def counted(value: Any) -> bool:
    """Tokens."""
    return isinstance(value, dict) and all(whole(value.get(name)) and value[name] >= 0 for name in ("input", "output"))


def failure(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and text(value.get("type"))
        and text(value.get("message"))
        and text(value.get("node", ""))
        and whole(value.get("attempts", 1))
        and text(value.get("hint", ""))
    )


def told(value: Any) -> bool:
    """A failure of a call, which may be told elsewhere in full."""
    return isinstance(value, dict) and text(value.get("type", "")) and text(value.get("message", ""))


def question(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and all(text(value.get(name)) for name in ("node", "path", "input"))
        and text(value.get("prompt", ""))
        and whole(value.get("visit"))
        and isinstance(options := value.get("options"), list)
        and all(isinstance(each, dict) and "value" in each and text(each.get("label", "")) for each in options)
        and isinstance(scale := value.get("scale"), list)
        and len(scale) == 2
        and all(map(whole, scale))
        and mapping(value.get("form", {}))
        and (value.get("deadline") is None or moment(value["deadline"]))
        and (value.get("assignee") is None or text(value["assignee"]))
        and all(whole(value.get(name, 0)) for name in ("ordinal", "address_ordinal"))
    )


def called(value: Any) -> bool:
    """The call of a model that an event tells the end of."""
    return (
        isinstance(value, dict)
        and text(value.get("agent", ""))
        and (value.get("at") is None or moment(value["at"]))
        and all(number(value.get(name, 0)) for name in ("took", "first"))
    )


def happened(value: Any) -> bool:
    """What happened within a span of the workflow's own code."""
    return isinstance(value, list) and all(
        isinstance(each, dict) and text(each.get("name")) and moment(each.get("at")) and mapping(each.get("values", {}))
        for each in value
    )


_VISIT: Mapping[str, Check] = {
    "scope!": whole, "path!": text, "node": text, "visit": whole, "attempt": whole, "next": text, "items": array,
    "deadline": moment, "at": moment, "tokens": counted, "cost": number, "error": failure, "ask": question,
    "agent": text, "role": text, "model_call": called,
}  # fmt: skip
_CALL: Mapping[str, Check] = {
    "scope!": whole, "path!": text, "agent": text, "role": text, "tool": text, "delegation": text, "to": text,
    "tokens": counted, "cost": number, "error": told, "duration": number, "faults": array,
    "model_call": called, "agreed": mapping,
}  # fmt: skip
_LIFE: Mapping[str, Check] = {
    "run_id": text, "workflow": text, "limits": mapping, "agents": mapping, "nodes": texts, "error": failure,
    "trace": mapping, "run": mapping,
}  # fmt: skip
_STARTED: Mapping[str, Check] = {"run_id!": text, "inputs!": mapping, "env!": mapping, "run!": mapping}

_KINDS: Mapping[str, Mapping[str, Check]] = {
    "run": _LIFE, "visit": _VISIT, "agent": _CALL, "tool": {**_CALL, "tool!": text}, "delegation": _CALL,
}  # fmt: skip
_TYPES: Mapping[str, Mapping[str, Check]] = {
    "run.started": {**_LIFE, **_STARTED},
    "visit.started": {**_VISIT, "node!": text, "visit!": whole},
    "visit.completed": {**_VISIT, "node!": text},
    "visit.failed": {**_VISIT, "node!": text, "error!": failure},
    "visit.skipped": {**_VISIT, "node!": text},
    "visit.answered": {**_VISIT, "answer!": mapping},
    "round.started": {"scope!": whole, "path!": text, "index!": whole},
    "role.routed": {**_CALL, "role!": text, "agent!": text, "decision": mapping},
    "delegation.started": {**_CALL, "delegation!": text},
    "delegation.ended": {**_CALL, "delegation!": text},
    "span.ended": {
        "scope!": whole,
        "path!": text,
        "span!": text,
        "name!": text,
        "within": text,
        "at!": moment,
        "duration": number,
        "values": mapping,
        "events": happened,
        "error": told,
    },
    "checkpoint.kept": {"upto!": whole},
}
HEADER: Mapping[str, Check] = {
    "run_id": text, "workflow": text, "file": text, "digest": text, "inputs": mapping, "created": moment,
    "versions": mapping, "parent": mapping, "cwd": text, "host": text,
}  # fmt: skip


def fault(event: Event, *, whole: bool = True) -> str | None:
    """What is wrong with the members of an event, in a few words; without `whole`, some may be missing. Takes a few
    microseconds: a resume asks of each."""
    shape = _SHAPES.get(event.type) or _SHAPES.get(event.type.partition(".")[0])
    if shape is None:
        return None
    needed, checks = shape
    return _misfit(event.data, needed if whole else (), checks)


def misfit(data: Mapping[str, Any], shape: Mapping[str, Check]) -> str | None:
    """The first member that is not what it must be. A name that ends with `!` must be there; null is as good as
    nothing."""
    return _misfit(data, *_split(shape))


def _misfit(data: Mapping[str, Any], needed: Sequence[str], checks: Mapping[str, Check]) -> str | None:
    for name in needed:
        if data.get(name) is None:
            return f"`{name}` is missing"
    for name, value in data.items():
        if value is not None and name in checks and not checks[name](value):
            return f"`{name}` is not what it must be"
    return None


def _split(shape: Mapping[str, Check]) -> tuple[Sequence[str], Mapping[str, Check]]:
    needed = tuple(name[:-1] for name in shape if name[-1] == "!")
    return needed, {name.rstrip("!"): check for name, check in shape.items()}


_SHAPES = {name: _split(shape) for name, shape in {**_KINDS, **_TYPES}.items()}
