"""What an MCP server is, as its settings say, and how it is spoken of."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from magent.durations import parse
from magent.keys import GUARD
from magent.tools.base import failed
from magent.urls import is_address

CALL_TIMEOUT = 120.0  # seconds
START_TIMEOUT = 30.0  # seconds
_STEERING = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?")


class SessionGone(Exception):
    """The server does not know the session any more: what it was asked was not done, and may be asked again."""


def one_line(text: str, most: int) -> str:
    """The text on one line of at most so many characters, without what would steer a terminal; secrets are hidden
    before it is cut, so that no piece of one stays."""
    plain = " ".join(_STEERING.sub("", GUARD.hide(text)).split())
    plain = "".join(char if char.isprintable() else "�" for char in plain)
    return plain if len(plain) <= most else plain[: most - 1] + "…"


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """A server named `name`: a program, or an address. `environ` is all that the program sees. Seconds."""

    name: str
    command: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "."
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = CALL_TIMEOUT
    start_timeout: float = START_TIMEOUT

    def __str__(self) -> str:
        return f"the MCP server '{self.name}' ({one_line(self.place, 80)})"

    @property
    def place(self) -> str:
        """The command as a shell takes it, or the address without what may be secret in it."""
        if self.command:
            return shlex.join(self.command)
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def read_spec(name: str, settings: Mapping[str, Any], environ: Mapping[str, str], cwd: str) -> ServerSpec:
    """From the rendered `mcp` of a tool. Raises WorkFailed (`tool`) for what is no command, address or duration."""
    env = {key: _text(value) for key, value in (settings.get("env") or {}).items()}
    spec = ServerSpec(
        name=name,
        command=tuple(_words(settings.get("command", ()))),
        environ={**environ, **env},
        cwd=cwd,
        url=_text(settings.get("url")).strip(),
        headers={key: _text(value) for key, value in (settings.get("headers") or {}).items()},
        timeout=_duration(name, settings, "timeout", CALL_TIMEOUT),
        start_timeout=_duration(name, settings, "start_timeout", START_TIMEOUT),
    )
    if "command" in settings and not (spec.command and spec.command[0]):
        raise failed(f"the MCP server '{name}' has an empty `command`", "name the program that is the server")
    if "command" not in settings:
        _check_url(spec)
    return spec


def _words(items: Any) -> list[str]:
    """One that gives a list is spliced, as in the `run` of a task."""
    return [_text(word) for item in items for word in (item if isinstance(item, list) else [item])]


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _duration(name: str, settings: Mapping[str, Any], key: str, otherwise: float) -> float:
    try:
        return parse(settings[key]) if settings.get(key) is not None else otherwise
    except ValueError as error:
        raise failed(f"`{key}` of the MCP server '{name}': {error}") from error


def _check_url(spec: ServerSpec) -> None:
    if not is_address(spec.url):
        raise failed(f"the MCP server '{spec.name}' has no address that can be asked", "write {url: http://host/mcp}")
    for key, value in spec.headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", key) or re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
            raise failed(f"the header '{one_line(key, 40)}' of the MCP server '{spec.name}' is none that can be sent")
        if not value.isascii():
            raise failed(f"the header '{key}' of the MCP server '{spec.name}' holds characters beyond ASCII")
