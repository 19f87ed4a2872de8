"""Other people's ways to ask a person: handed over by a program, named by an entry point of the group `magent.humans`,
or as `module:name`.

What is named is a class with the methods of `ports.Human`, made without arguments; one that is made already; or a
function of the question, which gives an answer (whole, or its short form) or None. Both may be sync or async.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from magent import entries
from magent.apart import apart
from magent.clock import Clock
from magent.errors import UsageError
from magent.events import WorkFailed
from magent.foreign import called, raised
from magent.functions import FunctionNotFound
from magent.human.chain import signed
from magent.ports import CannotAsk, Question

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
            given = await called(self._ask, question, thread=apart)
            if given is None:
                return None
            via = given.get("via") if isinstance(given, Mapping) else None
            return signed(question, given, via if isinstance(via, str) else "api", self._clock, said_by=self._name)
        except WorkFailed as error:
            raise CannotAsk(error.failure.message) from error
        except (Exception, SystemExit) as error:
            raise CannotAsk(raised(self._name, error)) from error


def handed(made: Any, clock: Clock) -> Custom:
    """One that a program hands over. Raises UsageError."""
    return Custom(made() if inspect.isclass(made) else made, "the handler", clock)


def named(wanted: str, home: str, clock: Clock, *, imports: bool = True) -> Custom:
    """One that is named; `module:name` is seen from the directory `home`, and only where `imports` allows it. Raises
    UsageError."""
    if ":" in wanted and not imports:
        raise UsageError(
            f"a settings file cannot name who asks people by its module ('{wanted}')",
            f"say it with MAGENT_HUMAN, or give its package an entry point of the group `{entries.HUMANS}`",
        )
    found = _named(wanted, home)
    try:
        made = found() if inspect.isclass(found) else found
    except Exception as error:
        raise UsageError(f"'{wanted}' cannot be made: {type(error).__name__}: {error}", _HINT) from error
    return Custom(made, f"'{wanted}'", clock)


def _named(wanted: str, home: str) -> Any:
    none = f"no installed package asks people by the name '{wanted}'"
    try:
        return entries.load_named(entries.HUMANS, wanted, home, who=f"'{wanted}'", none=none)
    except FunctionNotFound as error:
        raise UsageError(error.message, error.hint) from error
