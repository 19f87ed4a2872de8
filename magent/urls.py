"""URLs as people write them: of stores, what is a path in one, what is a password; of servers, whether it is one."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

_SLASHES = {"file": "", "sqlite": "///"}  # before a relative path
_SECRET = frozenset(("password", "passwd", "sslpassword", "secret", "token"))


def anchored(url: str, base: Path) -> str:
    """The URL of the same place as seen from anywhere, where a relative path in it counts from `base`."""
    scheme, _, path = url.partition(":")
    if scheme not in _SLASHES:
        return url
    slashes = re.match("/*", path)
    path = path[3:] if scheme == "sqlite" and slashes and len(slashes[0]) >= 3 else path
    expanded = os.path.expanduser(path)
    return url if os.path.isabs(expanded) else f"{scheme}:{_SLASHES[scheme]}{base / expanded}"


def is_address(url: str) -> bool:
    """Whether a server can be asked there: `http://host/…`, `https://…`."""
    try:
        parts = urlsplit(url.strip())
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def shown(url: str) -> str:
    """The URL without the passwords that are in it."""
    return _apart(url)[0]


def passwords(url: str) -> list[str]:
    """The passwords in it, as they are meant."""
    return _apart(url)[1]


def _apart(url: str) -> tuple[str, list[str]]:
    scheme, slashes, rest = url.partition("://")
    if not slashes or scheme in _SLASHES:
        return url, []
    before, _, query = rest.partition("?")
    head, at, place = before.rpartition("@")  # the last: a password may hold one that nobody has escaped
    user, _, password = head.partition(":")
    found, kept = [unquote(password)], []
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        if name.lower() in _SECRET:
            found.append(unquote(value))
        else:
            kept.append(pair)
    question = f"?{'&'.join(kept)}" if kept else ""
    return f"{scheme}://{user}{at}{place}{question}", [each for each in found if each]
