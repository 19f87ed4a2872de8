"""Other people's ways to ask a person: handed over by a program, named by an entry point of the group `magent.humans`,
or as `module:name`.

What is named is a class with the methods of `ports.Human`, made without arguments; one that is made already; or a
function of the question, which gives an answer (whole, or its short form) or None. Both may be sync or async.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from magent.apart import apart
from magent.clock import Clock
from magent.errors import UsageError
from magent.events import WorkFailed
from magent.functions import FunctionNotFound, load_object
from magent.human.chain import signed
from magent.ports import CannotAsk, Question
from magent.source import did_you_mean

GROUP = "magent.humans"
_HINT = "magent.ports.Human says what it has: `async def ask(self, question)`; a function of the question will do"


class Custom:
    """Fills `ports.Human`. What it raises, and an answer that does not fit, are told; the question stays open."""

    def __init__(self, made: Any, name: str, clock: Clock) -> None:
        self._ask: Callable[[Question], Any] = getattr(made, "ask", made)
        self._name = name
        self._clock = clock
        if not callable(self._ask):
            raise UsageError(f"{name} cannot ask anybody: {type(made).__name__} has no `ask`", _HINT)

    async def ask(self, question: Question) -> Mapping[str, Any] | None:
        try:
            given = await self._given(question)
            if given is None:
                return None
            via = given.get("via") if isinstance(given, Mapping) else None
            return signed(question, given, via if isinstance(via, str) else "api", self._clock, said_by=self._name)
        except WorkFailed as error:
            raise CannotAsk(error.failure.message) from error
        except (Exception, SystemExit) as error:
            told = f": {error}" if str(error) else ""
            raise CannotAsk(f"{self._name} raised {type(error).__name__}{told}") from error

    async def _given(self, question: Question) -> Any:
        if inspect.iscoroutinefunction(self._ask):
            return await self._ask(question)
        given = await apart(self._ask, question)
        return await given if inspect.isawaitable(given) else given


def handed(made: Any, clock: Clock) -> Custom:
    """One that a program hands over. Raises UsageError."""
    return Custom(made() if inspect.isclass(made) else made, "the handler", clock)


def named(wanted: str, home: str, clock: Clock, *, imports: bool = True) -> Custom:
    """One that is named; `module:name` is seen from the directory `home`, and only where `imports` allows it. Raises
    UsageError."""
    if ":" in wanted and not imports:
        raise UsageError(
            f"a settings file cannot name who asks people by its module ('{wanted}')",
            f"say it with MAGENT_HUMAN, or give its package an entry point of the group `{GROUP}`",
        )
    found = _member(wanted, home) if ":" in wanted else _entry_point(wanted)
    try:
        made = found() if inspect.isclass(found) else found
    except Exception as error:
        raise UsageError(f"'{wanted}' cannot be made: {type(error).__name__}: {error}", _HINT) from error
    return Custom(made, f"'{wanted}'", clock)


def _member(wanted: str, home: str) -> Any:
    try:
        return load_object(wanted, home)
    except FunctionNotFound as error:
        raise UsageError(error.message, error.hint) from error


def _entry_point(wanted: str) -> Any:
    from importlib.metadata import entry_points  # takes as long as all of this package

    for entry in entry_points(group=GROUP, name=wanted):
        try:
            return entry.load()
        except Exception as error:
            told = f"'{wanted}' cannot be loaded: {entry.value}: {type(error).__name__}: {error}"
            raise UsageError(told, "is its package whole?") from error
    known = list(installed())
    hint = did_you_mean(wanted, known) or f"installed: {', '.join(known) or 'none'}; or write `module:name`"
    raise UsageError(f"no installed package asks people by the name '{wanted}'", hint)


def installed() -> Iterator[str]:
    """The names under which packages that are installed ask people."""
    from importlib.metadata import entry_points

    yield from dict.fromkeys(entry.name for entry in entry_points(group=GROUP))
