"""A child with all that it started: the group and the session that it leads, and whoever descends from it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from typing import NamedTuple

from magent.warden import WARDEN

POLITE = 1.0  # seconds between SIGTERM and SIGKILL
HARD = 0.5  # seconds for what SIGKILL ended to be gone
_LOOK = 0.01  # seconds between looks whether it is


class _Living(NamedTuple):
    """A process, from /proc. `begun` tells it from another that gets its number later."""

    pid: int
    parent: int
    group: int
    session: int
    begun: int


def _living() -> Iterator[_Living]:
    """All processes but the dead that nobody collects, as happens in containers. None where there is no /proc."""
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):
            if name.isdecimal() and (found := _read(name)) is not None:
                yield found


def _read(pid: str) -> _Living | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, parent, group, session, *rest = file.read().rpartition(b")")[2].split()
        return None if state in b"ZX" else _Living(int(pid), int(parent), int(group), int(session), int(rest[15]))
    except (OSError, ValueError, IndexError):  # it is gone meanwhile
        return None


class Group:
    """What `leader` leads, from its start on: it is ended also where this process is killed, until `let_go`.

    Some, such as `timeout`, make a group of their own in the session, and some, such as browsers that a server drives,
    a session: those are known where they were seen below their parents. What was left by its parents on purpose, as
    daemons are, is let be.
    """

    def __init__(self, leader: int) -> None:
        self._leader = leader
        self._kin: dict[int, int] = {}  # whoever was seen to belong to it, and when each began
        self._others: list[int] = []  # those of its kin that live outside the group
        self._group_lives = True  # as far as /proc tells: the dead that nobody collects, as in containers, do not count
        WARDEN.watch(leader)

    def let_go(self) -> None:
        """Idempotent."""
        WARDEN.let_go(self._leader)

    def look(self) -> None:
        """Who belongs to it now is known to do so from now on, with the sessions that they lead."""
        living = list(_living())
        begun = {each.pid: each.begun for each in living}
        kin = {pid: since for pid, since in self._kin.items() if begun.get(pid, since) == since}
        if self._leader in begun:
            kin.setdefault(self._leader, begun[self._leader])
        grown = True
        while grown:
            sessions = kin.keys() | {self._leader}
            more = {each.pid: each.begun for each in living if each.session in sessions or each.parent in kin}
            grown = not more.keys() <= kin.keys()
            kin |= more
        self._kin = kin
        self._others = [each.pid for each in living if each.pid in kin and each.group != self._leader]
        self._group_lives = any(each.group == self._leader for each in living)

    async def end(self) -> None:
        """Politely, after a second, or when cancelled meanwhile, hard."""
        self._signal(signal.SIGTERM, signal.SIGCONT)  # one that was stopped cannot hear
        gone = False
        try:
            gone = await self.is_gone_within(POLITE)
        finally:
            if not gone:
                self._signal(signal.SIGKILL)
        if not gone:
            await self.is_gone_within(HARD)

    def _signal(self, *numbers: int) -> None:
        self.look()
        for number in numbers:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._leader, number)
            for pid in self._others:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)

    def _lives(self) -> bool:
        self.look()
        try:
            os.killpg(self._leader, 0)
        except (ProcessLookupError, PermissionError):
            return bool(self._others)
        return bool(self._others) or self._group_lives or not os.path.exists("/proc/self/stat")

    async def is_gone_within(self, seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while self._lives():
            if loop.time() >= end:
                return False
            await asyncio.sleep(_LOOK)
        return True
