"""What can go wrong, as a tree. Each class carries the exit code of the command line.

MagentError                     1   something failed
├── UsageError                  2   a flag, a name or an id is not usable
│   ├── InvalidWorkflow         2   a file has problems: `.problems`
│   ├── AnswerRefused           2   a person's answer does not fit the question: `.reasons`
│   └── AnsweredAlready         2   somebody else was first: `.by`, `.at`, `.via`
├── StoreError                  5   the stored record cannot be used
│   ├── RunLocked               5   another process holds the run: `.holder`
│   ├── RunDamaged              5   the record is not what was written
│   └── RunSealed               5   the record is encrypted, under a key that is not given
└── Interrupted               130   a signal ended the run, which can be resumed
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from magent.source import Problem


class MagentError(Exception):
    """Base of all errors meant for people: `message` says what happened, `hint` what to do next."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(MagentError):
    """The caller asked for something that cannot be: a flag, a name, an id, a missing terminal."""

    exit_code = 2


class InvalidWorkflow(UsageError):
    """A file does not describe a workflow. `problems` are sorted by place, errors and warnings alike; `sources` maps
    file names to lines, as far as they were read."""

    def __init__(self, problems: Sequence[Problem], sources: Mapping[str, list[str]] | None = None) -> None:
        errors = sum(1 for problem in problems if problem.severity == "error")
        super().__init__(f"{errors} problem{'s' if errors != 1 else ''} found")
        self.problems = tuple(problems)
        self.sources: dict[str, list[str]] = dict(sources or {})


class AnswerRefused(UsageError):
    """An answer does not fit its question. `reasons` holds one sentence a fault; the question stays open."""

    def __init__(self, node: str, reasons: Sequence[str], hint: str | None = None) -> None:
        super().__init__(f"the answer to '{node}' does not fit: {'; '.join(reasons)}", hint)
        self.node = node
        self.reasons = tuple(reasons)


class AnsweredAlready(UsageError):
    """Of several answers the first counts, and this was not it. `at` is ISO 8601; `by`, `at`, `via` are those of the
    first, None where it does not say."""

    def __init__(
        self, run_id: str, path: str, by: str | None, at: str | None, via: str | None, hint: str | None = None
    ) -> None:
        said = " ".join(part for part in (f"by {by}" if by else "", f"at {at}" if at else "") if part)
        how = f" ({via})" if via else ""
        message = f"'{path}' of run {run_id} is answered already{f', {said}' if said else ''}{how}"
        super().__init__(message, hint or f"magent runs show {run_id} says how it stands")
        self.by, self.at, self.via = by, at, via


class StoreError(MagentError):
    """The stored record cannot be used."""

    exit_code = 5


class RunLocked(StoreError):
    """Another process holds the run. `holder` is a short text such as "process 4711 on host"."""

    def __init__(self, run_id: str, holder: str) -> None:
        super().__init__(
            f"run {run_id} is held by {holder}", f"wait until it ends, or end it for good: magent runs cancel {run_id}"
        )
        self.holder = holder


class RunDamaged(StoreError):
    """The record is not what was written; nothing was changed."""


class RunSealed(StoreError):
    """The record is encrypted, and the key is not given."""


class Interrupted(MagentError):
    """A signal ended the run; the record is sound and the run can be resumed."""

    def __init__(self, message: str, signal_number: int, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.exit_code = 128 + signal_number
