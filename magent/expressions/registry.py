"""How filters and tests are declared, found and called. Their docstrings' first lines are the reference."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from magent.expressions.problems import EvaluationError, Mismatch
from magent.expressions.values import Evaluation, defined


@dataclass(frozen=True, slots=True)
class Function:
    """A filter or test: `act(evaluation, value, *args, **kwargs)`. `lenient`: it may be given something undefined."""

    name: str
    act: Callable[..., Any]
    lenient: bool
    description: str

    def call(self, evaluation: Evaluation, value: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """The result. Raises EvaluationError, and Mismatch where the value is of the wrong kind."""
        if not self.lenient:
            defined(value)
        for argument in args:
            defined(argument)
        for argument in kwargs.values():
            defined(argument)
        try:
            return self.act(evaluation, value, *args, **kwargs)
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
            raise EvaluationError(f"`{self.name}` cannot be computed: {error}") from error

    def misused(self, count: int, names: Iterable[str]) -> str | None:
        """Why a call with so many arguments and these named ones is wrong, or None."""
        return _misused(self.act, count, tuple(names))

    def parameters(self) -> str:
        """Its arguments as they are written, for messages."""
        shown = [str(each) for each in _signature(self.act).parameters.values()]
        return f"{self.name}({', '.join(text.partition(':')[0] + _default(text) for text in shown[2:])})"


def _default(text: str) -> str:
    _, equals, value = text.partition("=")
    return f"={value.strip()}" if equals else ""


@functools.lru_cache(maxsize=1024)
def _misused(act: Callable[..., Any], count: int, names: tuple[str, ...]) -> str | None:
    try:
        _signature(act).bind(None, None, *[None] * count, **dict.fromkeys(names))
    except TypeError as error:
        return str(error)
    return None


@functools.lru_cache(maxsize=256)
def _signature(act: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(act)


class Registry(dict[str, Function]):
    """Name → function; `kind` is what messages call them ("filter", "test")."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def add(self, *names: str, lenient: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def register(act: Callable[..., Any]) -> Callable[..., Any]:
            description = (act.__doc__ or "").strip().partition("\n")[0]
            for name in names:
                self[name] = Function(name, act, lenient, description)
            return act

        return register

    def unknown(self, name: str) -> tuple[str, str]:
        """The message and the hint for a name that is not here."""
        near = difflib.get_close_matches(name[:100], list(self), n=1)
        return f"there is no {self.kind} `{name}`", f"did you mean `{near[0]}`?" if near else (
            f"the {self.kind}s are: {', '.join(sorted(each for each in self if each.isidentifier()))}"
        )

    def find(self, name: Any) -> Function:
        """The function of that name, asked for during an evaluation. Raises EvaluationError."""
        if not isinstance(name, str):
            raise EvaluationError(f"the name of a {self.kind} is text")
        if name not in self:
            raise EvaluationError(*self.unknown(name))
        return self[name]


def whole(value: Any, what: str, least: int | None = None) -> int:
    """`value` as a whole number of at least `least`. Raises EvaluationError naming `what`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or (least is not None and value < least):
        raise EvaluationError(f"{what} must be a whole number{f' of at least {least}' if least is not None else ''}")
    return value


FILTERS = Registry("filter")
TESTS = Registry("test")

__all__ = ["FILTERS", "TESTS", "Function", "Mismatch", "Registry", "whole"]
