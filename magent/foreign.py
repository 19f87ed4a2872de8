"""Code of others, which may be sync or async and may raise what it likes."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any


async def called(
    function: Callable[..., Any], *given: Any, thread: Callable[..., Awaitable[Any]] = asyncio.to_thread
) -> Any:
    """What the function gives, or raises. One that is not async runs in a thread, as `thread` starts it."""
    if is_async(function):
        return await function(*given)
    value = await thread(function, *given)
    return await value if inspect.isawaitable(value) else value


def is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def raised(who: str, error: BaseException) -> str:
    """`who raised ValueError: too many`."""
    return f"{who} raised {type(error).__name__}" + (f": {error}" if str(error) else "")


async def closed(made: Any) -> None:
    """Closes what has a `close`, sync or async."""
    close = getattr(made, "close", None)
    done = close() if callable(close) else None
    if inspect.isawaitable(done):
        await done
