"""Values as people read them, which is also YAML: text as blocks, the rest on lines of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
_HIDDEN = re.compile(r"[^ -~]")
_WORDS = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"])
_OF_COMMANDS = {"exit_code", "stdout", "stderr", "data"}
_JOINERS = str.maketrans("", "", "\u200c\u200d")  # in Persian and Hindi, and in emoji of several people
DEEPEST = 20


def lean(value: Any, depth: int = 0) -> Any:
    """The value without what the results of commands in it say twice: `stdout` beside what it was parsed to, `stderr`
    where nothing was written there."""
    if isinstance(value, Mapping) and depth < DEEPEST:
        twice = set()
        if value.keys() == _OF_COMMANDS:
            twice = {
                name for name, gone in (("stdout", value["data"] is not None), ("stderr", not value["stderr"])) if gone
            }
        return {name: lean(item, depth + 1) for name, item in value.items() if name not in twice}
    if isinstance(value, list) and depth < DEEPEST:
        return [lean(item, depth + 1) for item in value]
    return value


def show(value: Any) -> str:
    """A text as it is; any other value as YAML."""
    return value if isinstance(value, str) else "\n".join(_lines(value, 0))


def _lines(value: Any, depth: int) -> Iterator[str]:
    if depth < DEEPEST and isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _entry(f"{_scalar(str(key))}:", item, depth)
    elif depth < DEEPEST and isinstance(value, list) and value:
        for item in value:
            yield from _entry("-", item, depth)
    else:
        yield _scalar(value)


def _entry(lead: str, item: Any, depth: int) -> Iterator[str]:
    if isinstance(item, str) and _is_block(item):
        yield f"{lead} |" if item.endswith("\n") else f"{lead} |-"
        yield from (f"  {line}" if line else "" for line in item.removesuffix("\n").split("\n"))
    elif isinstance(item, (Mapping, list)) and item and depth + 1 < DEEPEST:
        inner = _lines(item, depth + 1)
        if lead == "-":
            yield f"- {next(inner)}"
        else:
            yield lead
        yield from (f"  {line}" if line else "" for line in inner)
    else:
        yield f"{lead} {_scalar(item)}"


def _is_block(text: str) -> bool:
    """Whether the text is a block of lines that YAML gives back exactly as they are."""
    body = text.removesuffix("\n")
    lines = body.split("\n")
    return (
        "\n" in text
        and bool(lines[-1])
        and not lines[0].startswith(" ")
        and bool(lines[0])
        and all(_is_seen(line) and (line == "" or line.strip()) for line in lines)
    )


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return _HIDDEN.sub(_escape, json.dumps(value, ensure_ascii=False, default=str))


def _is_seen(text: str) -> bool:
    """Whether nothing in it is hidden from who reads it."""
    return text.isprintable() or text.translate(_JOINERS).isprintable()


def _escape(found: re.Match[str]) -> str:
    """YAML's escapes: JSON's are the same, but for characters beyond 16 bits."""
    code = ord(found[0])
    return found[0] if _is_seen(found[0]) else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
