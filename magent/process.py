"""Child processes: each in a session of its own, read while it prints, ended with all it started, also where magent
itself is killed."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import errno
import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from magent.events import Failure, WorkFailed
from magent.groups import HARD, Group
from magent.hiding import MaskedText
from magent.keys import GUARD
from magent.ports import ProcessResult

KEPT = 8 * 1024 * 1024  # bytes of each stream that a result holds; of more, the first and the last half
_LINGER = 0.2  # seconds in which others that have the child's streams may still print when it has ended
_BLOCK = 256 * 1024
_HINTS = {
    errno.E2BIG: "the arguments and the environment are too long: hand large data over with stdin",
    errno.ENOEXEC: "a script begins with a line such as #!/bin/sh",
}

OnOutput = Callable[[str, str], None]


class _Stream:
    """One stream of a child, read when the loop says so: handed on as text at once, kept within bounds."""

    def __init__(self, name: str, handle: int, on_output: OnOutput) -> None:
        self._name = name
        self._handle = handle
        self._on_output: OnOutput | None = on_output
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._masked = MaskedText(GUARD.words())  # whoever hears of both streams cannot tell a secret that parts them
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0
        self.ended = asyncio.Event()
        os.set_blocking(handle, False)
        asyncio.get_running_loop().add_reader(handle, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._handle, _BLOCK)
        except (BlockingIOError, InterruptedError):
            return
        if data:
            self._keep(data)
            self._hand_on(data)
        else:
            self.end()

    def _keep(self, data: bytes) -> None:
        room = KEPT // 2 - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > KEPT:  # not with every block: it moves what stays
            self._trim()

    def _trim(self) -> None:
        beyond = max(0, len(self._tail) - KEPT // 2)
        del self._tail[:beyond]
        self._left_out += beyond

    def _hand_on(self, data: bytes, final: bool = False) -> None:
        text = self._masked.add(self._decoder.decode(data, final)) + (self._masked.end() if final else "")
        if text and self._on_output:
            self._on_output(self._name, text)

    def mute(self) -> None:
        self._on_output = None

    def end(self) -> None:
        """No more is read. Idempotent."""
        if not self.ended.is_set():
            self.ended.set()
            asyncio.get_running_loop().remove_reader(self._handle)
            self._hand_on(b"", final=True)

    def text(self) -> str:
        self._trim()
        mark = f"\n[… {self._left_out} bytes left out …]\n".encode() if self._left_out else b""
        return (self._head + mark + self._tail).decode("utf-8", "replace")


class _Child:
    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes, on_output: OnOutput) -> None:
        assert process.stdout
        assert process.stderr
        self._loop = asyncio.get_running_loop()
        self._process = process
        self._group = Group(process.pid)
        self._unwritten = memoryview(stdin)
        self.exited = asyncio.Event()
        self.stdout = _Stream("stdout", process.stdout.fileno(), on_output)
        self.stderr = _Stream("stderr", process.stderr.fileno(), on_output)
        self._watched = self._watch()
        if process.stdin:
            os.set_blocking(process.stdin.fileno(), False)
            self._loop.add_writer(process.stdin.fileno(), self._write)

    def _watch(self) -> int | None:
        try:
            handle = os.pidfd_open(self._process.pid)
        except (AttributeError, OSError):  # no Linux, or an old one
            threading.Thread(target=self._wait, daemon=True).start()
            return None
        self._loop.add_reader(handle, self._has_ended)
        return handle

    def _wait(self) -> None:
        self._process.wait()
        with contextlib.suppress(RuntimeError):  # the loop has ended before the child
            self._loop.call_soon_threadsafe(self.exited.set)

    def _has_ended(self) -> None:
        if self._process.poll() is not None:
            self._unwatch()
            self.exited.set()

    def _unwatch(self) -> None:
        if self._watched is not None:
            self._loop.remove_reader(self._watched)
            os.close(self._watched)
            self._watched = None

    def _write(self) -> None:
        assert self._process.stdin
        try:
            self._unwritten = self._unwritten[os.write(self._process.stdin.fileno(), self._unwritten) :]
        except (BlockingIOError, InterruptedError):
            return
        except BrokenPipeError:  # the child does not care to read more, which is its right
            self._unwritten = self._unwritten[:0]
        if not self._unwritten:
            self._end_stdin()

    def _end_stdin(self) -> None:
        if self._process.stdin and not self._process.stdin.closed:
            self._loop.remove_writer(self._process.stdin.fileno())
            self._process.stdin.close()

    async def output(self) -> None:
        """Waits for the end of both streams, but not for long where somebody else keeps them open."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                await self.stdout.ended.wait()
                await self.stderr.ended.wait()

    def result(self) -> ProcessResult:
        code = self._process.returncode
        return ProcessResult(code if code >= 0 else 128 - code, self.stdout.text(), self.stderr.text())

    async def stop(self) -> None:
        """Ends the group: politely, after a second, or when cancelled meanwhile, hard."""
        self.stdout.mute()
        self.stderr.mute()
        await self._group.end()

    def close(self) -> None:
        self._group.let_go()
        if self._process.returncode is None:  # it was killed a moment ago, and must not stay behind as a zombie
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(HARD)
        self.stdout.end()
        self.stderr.end()
        self._end_stdin()
        self._unwatch()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()


class ProcessExecutor:
    """Fills `ports.Executor`."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        stdin: str | None,
        on_output: OnOutput,
    ) -> ProcessResult:
        process = start(argv, env, cwd, subprocess.DEVNULL if stdin is None else subprocess.PIPE)
        child = _Child(process, (stdin or "").encode("utf-8", "replace"), on_output)
        try:
            await child.exited.wait()
            await child.output()
        except BaseException:
            await child.stop()
            raise
        finally:
            child.close()
        return child.result()


def start(argv: Sequence[str], env: Mapping[str, str], cwd: str, stdin: int) -> subprocess.Popen[bytes]:
    """A child in a session of its own, its streams piped. Raises WorkFailed (`exit`) where it cannot be started.

    Not with asyncio: that hands the process over after a while, and cancelled meanwhile leaves a group behind.
    """
    if not argv:
        _refuse(127, "the command is an empty list", "name a program")
    try:
        return subprocess.Popen(
            list(argv),
            bufsize=0,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=env,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        _refuse(*_reason(argv[0], cwd, error))


def _reason(program: str, cwd: str, error: OSError | ValueError) -> tuple[int, str, str | None]:
    """Exit code as a shell would give it, message and hint."""
    if isinstance(error, ValueError):
        return 126, f"{program!r} cannot be started: {error}", "hand such data over with stdin"
    if not os.path.isdir(cwd):
        return 127, f"{program!r} cannot be started: there is no directory {cwd!r} to start it in", "mend `cwd`"
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return 127, f"{program!r} was not found", "is it installed, and on the PATH?"
    if isinstance(error, PermissionError):
        return 126, f"{program!r} may not be executed", "is it a program, and executable (chmod +x)?"
    return 126, f"{program!r} cannot be started: {error.strerror}", _HINTS.get(error.errno or 0)


def _refuse(code: int, message: str, hint: str | None) -> NoReturn:
    data = {"exit_code": code, "stdout": "", "stderr": message, "data": None}
    raise WorkFailed(Failure("exit", message, data=data, hint=hint))
