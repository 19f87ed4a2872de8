"""The events of a run: the only record there is. One JSON object a line; state, checkpoints, listings and
traces are readings of them.

Every event has `seq` (from 1, without gaps), `time` (seconds since 1970) and `type`; the rest is in `data`. Paths are
addresses such as `each[2]/draft`; `scope` numbers a scope in the order of opening, the run's own is 0.

    type             data
    run.started      run_id, workflow, inputs, env, limits, agents, run, cwd, pid: the first event of every run
    run.resumed      run_id, workflow, limits, agents, pid: a new life of the run begins; `forked`, of a new run's first
    run.forked       parent, reopens, repeats: what stands before was taken over from another run, and this one begins
    run.waiting      nodes (addresses): this life ends, people must answer
    run.interrupted  reason, error, signal: this life ends by a signal, a limit, --stop-after; or nothing is due yet
    run.completed    outputs: final
    run.failed       error, outputs: `resume` tries again, unless the error is of type `end`
    run.cancelled    reason, error: somebody asked for it; final
    visit.started    scope, node, path, visit, attempt; and items, branches, ask, deadline … by the node's type
    visit.retry      scope, path, attempt, error, at: an attempt failed, another follows at that time
    visit.spent      scope, path, agent, model, tokens, cost: what an attempt had used that was called off, by a limit,
                     a signal, or the end of its branch
    visit.waiting    scope, path: nobody to ask here and now (`why`: who should have asked could not; `ask`: what became
                     of work with effects outside; `repeats`: whether to do again what was done before the fork)
    visit.answered   scope, path, answer, digest (of what was shown); `note`, where it came by one
    visit.completed  scope, node, path, output, set, next, loop, tokens, cost …
    visit.skipped    scope, node, path, next
    visit.failed     scope, node, path, error; caught and next where `on_error` took it; output and set, as far as they
                     were worked out, where the work was done and it failed after that, at `set` or `next`
    visit.cancelled  scope, path
    round.started    scope, path, index
    role.routed      scope, path, role, agent, decision: whom a `route` led to, with every candidate; once a visit
    agent.asked      scope, path, agent, span: a call of an agent that has a `requests_per_minute` begins; it counts
                     among them for `span` seconds
    agent.replied    scope, path, agent, role, round, calls, text, model, tokens, cost: it wants tools; or `faults`: its
                     answer does not fit, and it is asked for a better one
    agent.fallback   scope, path, agent, role, to, error, tokens, cost: it could not answer, so the next is asked
    tool.called      scope, path, call, tool, arguments, agent, role; `external`; `asked`: a person was asked first, and
                     `agreed` is what they said: approved, by, via, at, comment; nothing where there was nobody
    tool.returned    scope, path, call, tool, output or error, duration; what a task's own call came to, the visit says
    tool.skipped     scope, path, tool, chain, step: the `when` of the step did not hold
    tool.passed      scope, path, tool, chain, step, error: the step failed, and its chain goes on
    tool.unusable    scope, path, tool, agent, role, error: an agent is not offered it, as its schema does not hold
    delegation.started  scope, path, delegation, role, agent, by, depth, task, skills, decision
    delegation.ended    scope, path, delegation, role, agent, by, depth, duration, model, tokens, cost; error
    notified         on (the status), how: command or webhook; questions, by name; error: nobody was told, and why
    checkpoint.kept  upto: the fold of the events up to that number was kept
    span.ended       scope, path, span, within (ids in the run's trace), name, at, duration, values, events, error: of
                     the workflow's own code, `magent.span`
    text             path, text, structured: a chunk of streamed text; never in the journal (seq 0)
    agent.waits      path, agent, role: it may not be asked yet (`max_concurrency`, `requests_per_minute`); likewise
    text.withdrawn   path, agent, role, structured: what of this agent's last answer has streamed is none: it broke off,
                     or did not fit; likewise never in the journal

A step of a chain is a call of a tool with `chain`, `step` (from 0), `as`, and `attempt` from the second on. What is
done by delegation has `delegation`: the path of the visit with `>role` for each that it was handed to. A call with
`external` is on the disk before it begins, in every durability. `cut`, of arguments or an output: there were so many
characters, of which the first million are kept.

`trace` of the first event of a life: what it was begun in, `{parent, state}`, as W3C Trace Context has it; and the
`sampler` (with its `ratio`) that OpenTelemetry's variables named.

`model_call`, beside what it used or in the end of its visit: {agent, at, took, first: seconds to the first text,
failed}, of the call of a model that the event tells the end of.

`estimated` beside `tokens`: the provider did not count them, or not to the end, so they were reckoned from the text.
`cut` of a visit: the answer ended at `max_tokens`.

Of a `human_input`, `visit.completed` has `digest` (the SHA-256 of what was shown, see `answers.digest`) and `took`, the
seconds from the question to its answer.

`waited`, in the last event of a life, is how many of its seconds were spent on nothing but waiting for people.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from magent.clock import from_iso, iso
from magent.errors import MagentError


class Event(NamedTuple):
    seq: int
    time: float
    type: str
    data: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """As users see it: `{"seq": …, "time": "2026-…Z", "type": …, …data}`."""
        return {"seq": self.seq, "time": iso(self.time), "type": self.type, **self.data}


class BadLine(ValueError):
    """A line is not an event as it was written."""


_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False).encode


def encode(event: Event) -> bytes:
    """One line with its line feed. The last member, `sum`, is the CRC-32 of all before it. Raises MagentError."""
    try:
        body = _dumps(event.as_json())[:-1].encode("utf-8", "surrogatepass")
    except RecursionError as error:
        message = (
            f"the data of {event.type} at '{event.data.get('path', 'the run')}' is nested too deeply to be written"
        )
        raise MagentError(message, "give the workflow `outputs` that are less deep") from error
    return b'%b,"sum":"%08x"}\n' % (body, zlib.crc32(body))


def checked(line: bytes) -> bytes:
    """A line without its end, which is its checksum. Raises BadLine where that does not fit."""
    body, found, tail = line.rstrip(b"\n").rpartition(b',"sum":"')
    if not found or len(tail) != 10 or not tail.endswith(b'"}'):
        raise BadLine("the line does not end with its checksum")
    if b"%08x" % zlib.crc32(body) != tail[:8]:
        raise BadLine("the checksum does not fit")
    return body


def decode(line: bytes) -> Event:
    """The inverse of `encode`. Raises BadLine."""
    body = checked(line)
    try:
        data = json.loads(body.decode("utf-8", "surrogatepass") + "}")
        event = Event(data.pop("seq"), from_iso(data.pop("time")), data.pop("type"), data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadLine(f"the line is not an event: {error}") from error
    if type(event.seq) is not int or not isinstance(event.type, str):
        raise BadLine("the line is not an event: its number or its type is none")
    return event


class Failure(NamedTuple):
    """A node's failure as a value: `type` is one of the language's error types; `data` what the failed work
    left behind. `final`: the same again would fail again (a wrong key), so that it is not tried; others may be."""

    type: str
    message: str
    node: str = ""
    attempts: int = 1
    data: Any = None
    hint: str | None = None
    retry_after: float | None = None
    final: bool = False

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "type": self.type,
            "message": self.message,
            "node": self.node,
            "attempts": self.attempts,
        }
        if self.data is not None:
            shown["data"] = self.data
        if self.hint:
            shown["hint"] = self.hint
        return shown

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Failure:
        return cls(
            data["type"],
            data["message"],
            data.get("node", ""),
            data.get("attempts", 1),
            data.get("data"),
            data.get("hint"),
        )


class WorkFailed(Exception):
    """Raised by agents, tools and tasks: the attempt failed, and why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
