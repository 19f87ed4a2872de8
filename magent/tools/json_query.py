"""The built-in tool `json_query`: a JMESPath expression over JSON, in bounded time and space."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cache
from typing import Any

from magent.events import WorkFailed
from magent.ports import ToolContext
from magent.spec.builtins import BUILTINS
from magent.tools.base import failed
from magent.tools.files_open import shown
from magent.tools.json_bounds import Bounds

LONGEST = 4000  # characters of an expression


class JsonQuery:
    """What the expression finds in the data; null where it finds nothing."""

    name = "json_query"
    description, parameters = BUILTINS["json_query"][""]
    external = False
    confirm = False

    async def call(self, arguments: Mapping[str, Any], _context: ToolContext, /) -> Any:
        return await asyncio.to_thread(query, arguments["expression"], arguments["data"])


def query(expression: str, data: Any) -> Any:
    """Raises WorkFailed (`tool`)."""
    from jmespath.exceptions import JMESPathError
    from jmespath.parser import Parser

    if len(expression) > LONGEST:
        raise failed(f"the expression is longer than {LONGEST} characters")
    try:
        tree = Parser().parse(expression).parsed
        found = _interpreter()(Bounds()).visit(tree, data)
    except WorkFailed:
        raise
    except RecursionError as error:
        raise failed("the expression or the data is nested too deep") from error
    except (JMESPathError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
        raise failed(f"'{shown(expression)}' cannot be worked out: {_first_line(error)}", _HINT) from error

    if not _is_json(found):
        raise failed(f"'{shown(expression)}' is an expression for a function, it has no value itself", _HINT)
    return found


def _is_json(found: Any) -> bool:
    """Whether there is no expression in it: `[&a]` gives one, and only functions take them."""
    waiting, seen = [found], set[int]()
    while waiting:
        each = waiting.pop()
        if isinstance(each, (list, dict)) and id(each) not in seen:
            seen.add(id(each))
            waiting += each.values() if isinstance(each, dict) else each
        elif type(each).__name__ == "_Expression":
            return False
    return True


_HINT = "JMESPath has `literals` in backticks, 'texts' in quotes, and filters such as items[?price > `10`]"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


@cache
def _interpreter() -> Any:
    from jmespath.functions import Functions
    from jmespath.visitor import TreeInterpreter

    class Bounded(TreeInterpreter):  # type: ignore[misc, unused-ignore]
        """Weighs all that it comes to, and what would be larger than its parts before it is made."""

        def __init__(self, bounds: Bounds) -> None:
            super().__init__()
            self._bounds = bounds
            self._functions = _BoundedFunctions(bounds)

        def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
            return self._bounds.hold(super().visit(node, *args, **kwargs))

    class _BoundedFunctions(Functions):  # type: ignore[misc, unused-ignore]
        def __init__(self, bounds: Bounds) -> None:
            self._bounds = bounds

        def call_function(self, function_name: str, resolved_args: Any) -> Any:
            if function_name == "join" and len(resolved_args) == 2 and isinstance(resolved_args[1], list):
                self._bounds.room(self._bounds.weight(resolved_args[0]) * len(resolved_args[1]))
            return super().call_function(function_name, resolved_args)

    return Bounded
