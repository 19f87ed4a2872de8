"""Functions that `call` tasks of the tests name."""

from __future__ import annotations

import asyncio
from typing import Any

_shared: list[int] = []


def given(value: Any) -> Any:
    return value


def plain(n: int) -> int:
    return n * 2


async def waits(n: int) -> int:
    await asyncio.sleep(0)
    return n * 2


def coroutine_later(n: int) -> Any:
    return waits(n)


def broken() -> None:
    raise KeyError("gone")


def shared() -> list[int]:
    """The same list each time, one longer: what was returned before must not change."""
    _shared.append(1)
    return _shared


def pair() -> tuple[str, str]:
    return ("x", "y")


def odd(kind: str) -> Any:
    return {"object": object(), "nan": [float("nan")], "set": {1}, "keys": {1: 2}, "bytes": b"x"}[kind]
