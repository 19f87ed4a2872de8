"""Names of traces and spans, as W3C Trace Context has them. They follow from the run: its id, when it began, and the
numbers of its events, so that the same run always gives the same trace, whoever reads it and however often."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

SAMPLED = 1
_BY_PARENT = "parentbased_"
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_STATE = re.compile(r"[\x21-\x7e \t]{1,512}", re.ASCII)


class Context(NamedTuple):
    """A place in a trace: 32 and 16 hexadecimal digits. `state` is handed on as it came."""

    trace: str
    span: str
    sampled: bool = True
    state: str = ""

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace}-{self.span}-{SAMPLED if self.sampled else 0:02x}"

    def environment(self) -> dict[str, str]:
        """As a child process finds it."""
        return {"TRACEPARENT": self.traceparent} | ({"TRACESTATE": self.state} if self.state else {})

    def headers(self) -> dict[str, str]:
        """As a server finds it."""
        return {"traceparent": self.traceparent} | ({"tracestate": self.state} if self.state else {})


def read(traceparent: str | None, tracestate: str | None = None) -> Context | None:
    """What a caller handed over; None where that is nothing that counts."""
    found = _PARENT.fullmatch((traceparent or "").strip())
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not trace.strip("0") or not span.strip("0"):
        return None
    state = (tracestate or "").strip()
    return Context(trace, span, bool(int(flags, 16) & SAMPLED), state if _STATE.fullmatch(state) else "")


def incoming(environ: Mapping[str, str]) -> dict[str, Any]:
    """The trace that this process was started in, as a run's record keeps it: `{parent, state}`, and `{sampler, ratio}`
    where OpenTelemetry's variables name one; empty without either."""
    found = read(environ.get("TRACEPARENT"), environ.get("TRACESTATE"))
    sampler = _sampler(environ)
    if found is None:
        return sampler
    return {"parent": found.traceparent} | ({"state": found.state} if found.state else {}) | sampler


def _sampler(environ: Mapping[str, str]) -> dict[str, Any]:
    """What is no name of a sampler, or no ratio, counts as OpenTelemetry's library has it: as if it were not said."""
    name = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    if name.removeprefix(_BY_PARENT) not in ("always_on", "always_off", "traceidratio"):
        return {}
    try:
        ratio = float(environ.get("OTEL_TRACES_SAMPLER_ARG", ""))
    except ValueError:
        ratio = 1.0
    return {"sampler": name} | ({"ratio": ratio} if 0 <= ratio <= 1 else {})


def _sampled(trace: str, around: Context | None, kept: Mapping[str, Any]) -> bool:
    """Whether a trace is to be seen, decided as OpenTelemetry's samplers do: by the trace's id, so always alike."""
    name = str(kept.get("sampler", f"{_BY_PARENT}always_on"))
    if name.startswith(_BY_PARENT) and around is not None:
        return around.sampled
    kind = name.removeprefix(_BY_PARENT)
    if kind == "traceidratio":
        return int(trace[16:], 16) < round(float(kept.get("ratio", 1.0)) * 2**64)
    return kind == "always_on"


class Trace(NamedTuple):
    """The trace that a run is in, and `seed`, which its spans are named by. `parent`: what it was begun in."""

    id: str
    seed: str
    sampled: bool = True
    state: str = ""
    parent: str | None = None

    @classmethod
    def of(cls, run_id: str, begun: float, kept: Mapping[str, Any]) -> Trace:
        """Of the run that began at that second; `kept` is what its record has of the trace that it was begun in."""
        seed = f"{run_id}@{round(begun * 1000)}"
        around = context_of(kept)
        if around is None:
            id = _hex(seed, 32)
            return cls(id, seed, _sampled(id, None, kept))
        return cls(around.trace, seed, _sampled(around.trace, around, kept), around.state, around.span)

    @property
    def run_id(self) -> str:
        return self.seed.rpartition("@")[0]

    def span(self, *place: object) -> str:
        """The id of the span that begins with that event (its number), or is at that place in another."""
        return _hex("/".join((self.seed, *map(str, place))), 16)

    def at(self, span: str) -> Context:
        return Context(self.id, span, self.sampled, self.state)


def context_of(kept: Mapping[str, Any] | None) -> Context | None:
    """What `incoming` gave, read again from a record."""
    return read(kept.get("parent"), kept.get("state")) if kept else None


def _hex(text: str, digits: int) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
