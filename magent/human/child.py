"""A program that owns the terminal while it runs, such as an editor, as a shell runs one in the foreground.

It is a process group of its own: its Ctrl-C is its own. It stops (Ctrl-Z) together with us, and goes on when we do.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import signal
import termios
from collections.abc import Sequence

from magent.keys import GUARD

_STDIN, _STDERR, _GATE = 0, 2, 9
_POLITE = 1.0  # seconds between SIGTERM and SIGKILL
_DEFAULT = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGPIPE)
_KEEP = "\x1b7"  # the cursor's place, for what `_CLEAN` goes back to
_CLEAN = "\x1b[?1049l\x1b[?1l\x1b>\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?25h\x1b[0m\r\x1b[J"


async def run(argv: Sequence[str]) -> int:
    """Its exit code, or minus the signal that ended it. Raises OSError where it cannot be started.

    Cancelled, it ends the program. Whatever happens, the terminal is ours again afterwards, in the modes it had.
    """
    if shutil.which(argv[0]) is None:
        raise FileNotFoundError(errno.ENOENT, "no such program", argv[0])
    modes = termios.tcgetattr(_STDIN)
    os.write(_STDERR, _KEEP.encode())
    pid, gate = _spawn(argv)
    code = -signal.SIGKILL
    try:
        _hand_over(pid)
        os.write(gate, b"\n")
        code = await _to_its_end(pid, modes)
    finally:
        os.close(gate)
        _to_us(modes)
        if code < 0:
            os.write(_STDERR, _CLEAN.encode())
    return code


def _spawn(argv: Sequence[str]) -> tuple[int, int]:
    """Its process id, and a pipe: it begins once a line is written there, so that the terminal is its own by then."""
    begins, gate = os.pipe()
    try:
        return os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", f'read -r line <&{_GATE} && exec {_GATE}<&- && exec "$@"', "sh", *argv],
            GUARD.environment(),
            file_actions=[
                (os.POSIX_SPAWN_DUP2, begins, _GATE),
                (os.POSIX_SPAWN_DUP2, _STDERR, 1),  # stdout may be a pipe
            ],
            setpgroup=0,
            setsigmask=[],
            setsigdef=_DEFAULT,
        ), gate
    except OSError:
        os.close(gate)
        raise
    finally:
        os.close(begins)


async def _to_its_end(pid: int, modes: list[int | list[bytes | int]]) -> int:
    while True:
        waiting = asyncio.get_running_loop().run_in_executor(None, os.waitpid, pid, os.WUNTRACED)
        try:
            _, status = await asyncio.shield(waiting)
        except asyncio.CancelledError:
            await _end(pid, waiting)
            raise
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        _to_us(modes)
        os.kill(0, signal.SIGTSTP)  # here we stop, where a shell can make us go on
        _hand_over(pid)


async def _end(pid: int, waiting: asyncio.Future[tuple[int, int]]) -> None:
    for number, patience in ((signal.SIGTERM, _POLITE), (signal.SIGKILL, None)):
        with contextlib.suppress(OSError):
            os.killpg(pid, number)
            os.killpg(pid, signal.SIGCONT)
        done, _ = await asyncio.wait([waiting], timeout=patience)
        if done:
            return


def _hand_over(pid: int) -> None:
    """The terminal is its own; if it was stopped, it goes on."""
    with contextlib.suppress(OSError):
        os.tcsetpgrp(_STDIN, pid)
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGCONT)


def _to_us(modes: list[int | list[bytes | int]]) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])  # what the background gets for trying
    try:
        with contextlib.suppress(OSError, termios.error):
            os.tcsetpgrp(_STDIN, os.getpgrp())
            termios.tcsetattr(_STDIN, termios.TCSADRAIN, modes)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
