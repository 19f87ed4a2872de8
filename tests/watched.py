"""Command lines done in a process that reports what it tries beyond reading: processes, connections, files written,
code of a directory run. `python tests/watched.py DIRECTORY LINE…` prints, as JSON, each line's exit code, output and
what was tried."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import sys
from types import CodeType
from typing import Any

ACTS = (
    "subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn",
    "os.kill", "os.killpg", "socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind", "socket.getaddrinfo",
    "socket.gethostbyname", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate",
    "os.chmod", "os.chown", "os.putenv", "os.utime", "shutil.rmtree", "shutil.copyfile", "sqlite3.connect",
    "tempfile.mkstemp", "tempfile.mkdtemp",
)  # fmt: skip
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


class Watch:
    """What was tried while it is `on`; `place` is the directory whose code must not be run, `scratch` one where files
    may be written all the same."""

    def __init__(self, place: str, scratch: str | None = None) -> None:
        self._place = os.path.join(os.path.realpath(place), "")
        self._scratch = os.path.join(os.path.realpath(scratch), "") if scratch else None
        self.tried: list[str] = []
        self.on = False
        sys.addaudithook(self._heard)

    def _heard(self, event: str, given: tuple[Any, ...]) -> None:
        if self.on and (told := self._judged(event, given)):
            self.tried.append(told)

    def _judged(self, event: str, given: tuple[Any, ...]) -> str | None:
        if event in ACTS:
            return None if self._may(given[0] if given else None, event) else f"{event} {given!r:.200}"
        if event == "open":
            path, _, flags = given
            return f"open to write {path!r}" if flags & WRITES and not self._may(path, event) else None
        if event == "exec" and isinstance(given[0], CodeType):
            file = given[0].co_filename  # relative, it is none: `<string>`
            return f"code of {file}" if os.path.realpath(file).startswith(self._place) and file[0] == "/" else None
        return None

    def _may(self, path: Any, event: str) -> bool:
        """Whether it is a file of the scratch directory that is made, changed or removed."""
        if isinstance(path, int) and event == "open":
            return True  # what was opened before, and judged then
        if isinstance(path, int) and event == "os.truncate":
            path = os.readlink(f"/proc/self/fd/{path}")
        if not isinstance(path, (str, bytes, os.PathLike)) or event.startswith(("subprocess", "socket")):
            return False
        whole = os.fsdecode(path)
        if "__pycache__" in whole:
            return True  # Python's own
        inside = self._scratch is not None and os.path.realpath(whole).startswith(self._scratch)
        return whole == os.devnull or inside


def main(place: str, lines: list[str]) -> None:
    sys.dont_write_bytecode = True
    from magent.cli.main import main as magent

    os.chdir(place)
    watch, done = Watch(place), []
    for line in lines:
        out, err = io.StringIO(), io.StringIO()
        watch.tried, watch.on = [], True
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = magent(shlex.split(line))
        watch.on = False
        done.append({"code": code, "out": out.getvalue(), "err": err.getvalue(), "tried": watch.tried})
    json.dump(done, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
