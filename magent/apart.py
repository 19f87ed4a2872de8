"""Functions that may take as long as they like: each in a thread of its own, which nobody waits for in the end."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any


async def apart(function: Callable[..., Any], *given: Any) -> Any:
    """What the function gives or raises. Whoever is cancelled meanwhile goes on without it, and so does a process that
    ends: `asyncio.to_thread` would wait."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(put: Callable[[Any], None], value: Any) -> None:
        if not done.done():
            put(value)

    def work() -> None:
        how: Callable[[Any], None] = done.set_result
        try:
            value = context.run(function, *given)
        except StopIteration as error:  # which no future takes
            how, value = done.set_exception, RuntimeError(f"StopIteration: {error}")
        except BaseException as error:  # noqa: BLE001
            how, value = done.set_exception, error
        with suppress(RuntimeError):  # the loop is over
            loop.call_soon_threadsafe(settle, how, value)

    threading.Thread(target=work, name="magent-apart", daemon=True).start()
    return await done
