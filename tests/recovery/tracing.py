"""A process that dies at its n-th write: before it, in the middle of it, or right after it.

A tracer (`ptrace`) sees every system call of all its threads, so that nothing of a store is left out: what Python
writes, what SQLite does by itself, what goes to a database's server. Children that it starts are left alone.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.recovery.power import Power

HOW = ("before", "half", "after")
_ALL = 0x40000000  # waitpid: threads, too
_TRACEME, _POKEUSER, _SYSCALL, _SETOPTIONS, _INFO = 0, 6, 24, 0x4200, 0x420E
_OPTIONS = 1 | 8 | 0x100000  # mark stops at calls, follow threads, end with the tracer
_ENTRY, _EXIT = 1, 2
_CREATE = os.O_CREAT | os.O_TRUNC
_AT_CALL = signal.SIGTRAP | 0x80

# How a call says what it changes: a handle, a path at that argument, or a path with flags behind it.
_HANDLE, _SENDS, _FIRST, _SECOND, _FOURTH, _OPENS = "handle", "sends", "first", "second", "fourth", "opens"
_CALLS: dict[str, dict[int, tuple[str, str]]] = {
    "x86_64": {
        1: ("write", _HANDLE),
        18: ("pwrite", _HANDLE),
        20: ("writev", _HANDLE),
        44: ("send", _SENDS),
        74: ("fsync", _HANDLE),
        75: ("fdatasync", _HANDLE),
        76: ("truncate", _FIRST),
        77: ("ftruncate", _HANDLE),
        82: ("rename", _FIRST),
        83: ("mkdir", _FIRST),
        84: ("rmdir", _FIRST),
        86: ("link", _SECOND),
        87: ("unlink", _FIRST),
        257: ("open", _OPENS),
        258: ("mkdir", _SECOND),
        263: ("unlink", _SECOND),
        264: ("rename", _SECOND),
        265: ("link", _FOURTH),
        316: ("rename", _SECOND),
    },
    "aarch64": {
        34: ("mkdir", _SECOND),
        35: ("unlink", _SECOND),
        37: ("link", _FOURTH),
        38: ("rename", _SECOND),
        45: ("truncate", _FIRST),
        46: ("ftruncate", _HANDLE),
        56: ("open", _OPENS),
        64: ("write", _HANDLE),
        66: ("writev", _HANDLE),
        68: ("pwrite", _HANDLE),
        82: ("fsync", _HANDLE),
        83: ("fdatasync", _HANDLE),
        206: ("send", _SENDS),
        276: ("rename", _SECOND),
    },
}
_LONG = ("write", "pwrite", "send")  # their third argument is a length
_LENGTH = 96  # where the third argument is among the registers of x86_64


@dataclass(frozen=True, slots=True)
class Death:
    """At the `at`-th write (0: never), which is to one of the `places` (directories and what is in them; the start of
    a file's name will do), or goes through a socket where those count; of those to paths with `of` in them, where it is
    given. With `power`, what is not synced then is lost."""

    at: int
    how: str
    places: Sequence[str]
    sockets: bool = False
    power: bool = False
    of: str = ""


class Traced(NamedTuple):
    """How it ended, as `subprocess` says it; how many writes there were; which one it died of."""

    code: int
    writes: int
    last: str


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    return libc


def be_traced() -> None:
    """In the child: whoever forked it is its tracer, and lets it go on. Raises OSError where that is not allowed."""
    if _libc().ptrace(_TRACEME, 0, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace is not allowed here")
    os.kill(os.getpid(), signal.SIGSTOP)


class Tracer:
    """Follows one child to its end. One process does nothing else."""

    def __init__(self, child: int, death: Death) -> None:
        self.child = child
        self.death = death
        self.calls = _CALLS[platform.machine()]
        self.writes = 0
        self.last = ""
        self.dying: int | None = None  # the thread whose call is to be the last
        self.seen: set[int] = set()
        self.power = Power(death.places) if death.power else None
        self.libc = _libc()
        self.info = ctypes.create_string_buffer(88)

    def follow(self) -> Traced:
        os.waitpid(self.child, 0)
        self.seen.add(self.child)
        self._do(_SETOPTIONS, self.child, _OPTIONS)
        self._do(_SYSCALL, self.child, 0)
        while True:
            pid, status = os.waitpid(-1, _ALL)
            if not os.WIFSTOPPED(status):
                if pid == self.child:
                    if self.power is not None:
                        self.power.cut()
                    return Traced(os.waitstatus_to_exitcode(status), self.writes, self.last)
                continue
            self._do(_SYSCALL, pid, self._stopped(pid, os.WSTOPSIG(status), status >> 16))

    def _do(self, request: int, pid: int, data: int) -> None:
        self.libc.ptrace(request, pid, None, data)  # a thread may be gone: nothing to do then

    def _stopped(self, pid: int, number: int, event: int) -> int:
        """What happened to a thread. Gives the signal that it is to get."""
        if number == _AT_CALL:
            self._at_call(pid)
            return 0
        if event:
            return 0
        if pid not in self.seen:  # it has just begun
            self.seen.add(pid)
            if number == signal.SIGSTOP:
                return 0
        return number

    def _at_call(self, pid: int) -> None:
        if self.libc.ptrace(_INFO, pid, ctypes.c_void_p(len(self.info)), self.info) <= 0:
            return
        kind = self.info.raw[0]
        if kind == _EXIT and pid == self.dying:
            os.kill(self.child, signal.SIGKILL)
        elif kind == _ENTRY:
            number, *arguments = struct.unpack_from("<7Q", self.info.raw, 24)
            if number in self.calls and (what := self._writes(pid, number, arguments)):
                self._count(pid, what, arguments)
                if self.power is not None and (self.writes != self.death.at or self.death.how != "before"):
                    self.power.see(*self._change(pid, what, number, arguments))

    def _change(self, pid: int, what: str, number: int, arguments: Sequence[int]) -> tuple[str, str, str]:
        """The call, the path that it changes, and where a file is moved from."""
        name, _, path = what.partition(" ")
        if name != "rename":
            return name, path, ""
        return name, self._text(pid, arguments[1 if self.calls[number][1] == _FIRST else 3]), path

    def _count(self, pid: int, what: str, arguments: Sequence[int]) -> None:
        if self.death.of not in what:
            return
        self.writes += 1
        if self.writes != self.death.at:
            return
        self.last = f"{self.death.how} {what}"
        if self.death.how == "before":
            os.kill(self.child, signal.SIGKILL)
            return
        self.dying = pid
        if (
            self.death.how == "half"
            and platform.machine() == "x86_64"
            and what.split()[0] in ("write", "pwrite", "send")
        ):
            self.libc.ptrace(_POKEUSER, pid, ctypes.c_void_p(_LENGTH), arguments[2] // 2)

    def _writes(self, pid: int, number: int, arguments: Sequence[int]) -> str:
        """What the call does, where it counts."""
        name, kind = self.calls[number]
        if kind == _SENDS:  # one byte: an event loop wakes itself
            return "send" if self.death.sockets and arguments[2] > 1 else ""
        if kind == _HANDLE:
            path = self._handle(pid, arguments[0])
        elif kind == _OPENS and not arguments[2] & _CREATE:
            return ""
        else:
            path = self._text(pid, arguments[{_FIRST: 0, _FOURTH: 3}.get(kind, 1)])
        return f"{name} {path}" if path.startswith(tuple(self.death.places)) else ""

    @staticmethod
    def _handle(pid: int, handle: int) -> str:
        try:
            return os.readlink(f"/proc/{pid}/fd/{handle}")
        except OSError:
            return ""

    @staticmethod
    def _text(pid: int, address: int) -> str:
        try:
            with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
                memory.seek(address)
                data = memory.read(4096 - address % 4096)
                if b"\0" not in data:
                    data += memory.read(4096)
        except OSError:
            return ""
        return data.partition(b"\0")[0].decode("utf-8", "replace")
