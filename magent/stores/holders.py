"""Who holds a run: a process, named such that others can tell people, and see on its machine whether it is there."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from magent.clock import SystemClock, iso


def me() -> dict[str, Any]:
    """This process, from now on: `{pid, host, since}`, and what tells it from another of the same number."""
    now = iso(SystemClock().now())
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": now, "born": _born(os.getpid()), "on": _here()}


def said(holder: Mapping[str, Any]) -> str:
    """`process 4711 on host since 2026-…`. Raises KeyError."""
    pid, host, since = holder["pid"], holder["host"], holder["since"]
    if pid == os.getpid() and host == socket.gethostname():
        return f"this process ({pid}) since {since}"
    return f"process {pid} on {host} since {since}"


def is_gone(holder: Mapping[str, Any]) -> bool:
    """Whether it is known to have ended; of another machine's (or container's) processes nothing is known here."""
    pid, here = holder.get("pid"), _here()
    if not here or holder.get("on") != here or not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return _is_dead(pid) or holder.get("born") != _born(pid)


@functools.cache
def _here() -> str:
    """What only processes that see the same numbers have in common: a boot, and a space of process ids."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """What the kernel tells of a process, from its state on; nothing where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []


def _is_dead(pid: int) -> bool:
    """Ended, though nobody has asked for its exit code yet."""
    return _stat(pid)[:1] in (["Z"], ["X"])


def _born(pid: int) -> str:
    return "".join(_stat(pid)[19:20])
