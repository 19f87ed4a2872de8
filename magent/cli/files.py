"""Files that a command line names: read whole, with problems shown at their place."""

from __future__ import annotations

import json
import sys
from typing import Any, Literal

from magent.cli.console import Console
from magent.errors import UsageError
from magent.source import sort_key
from magent.spec.loader import load_yaml
from magent.spec.schema import validate

LARGEST = 100_000_000  # bytes


def read_bytes(flag: str, path: str) -> bytes:
    """The content of a file, or of stdin for `-`. Raises UsageError."""
    try:
        if path == "-":
            content = sys.stdin.buffer.read(LARGEST + 1) if sys.stdin else b""  # a process may be started without it
        else:
            with open(path, "rb") as stream:
                content = stream.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else getattr(error, "strerror", None) or error
        raise UsageError(f"{flag}: {path}: {str(reason).lower()}") from None
    if len(content) > LARGEST:
        raise UsageError(f"{flag}: {path} is larger than {LARGEST // 1_000_000} MB")
    return content


def read_text(flag: str, path: str) -> str:
    try:
        return read_bytes(flag, path).decode("utf-8")
    except UnicodeDecodeError as error:
        place = f"byte {error.start + 1}"
        raise UsageError(f"{flag}: {'stdin' if path == '-' else path} is not UTF-8 text ({place})") from None


def read_json(flag: str, text: str) -> Any:
    """JSON, strictly. Raises UsageError."""
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once)
    except RecursionError:
        raise UsageError(f"{flag}: the JSON is nested too deeply") from None
    except ValueError as error:
        raise UsageError(f"{flag}: this is no JSON: {error}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key '{key}' is given twice")
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def read_document(flag: str, path: str, console: Console, kind: Literal["answers"] | None = None) -> dict[str, Any]:
    """A mapping from a .json or YAML file. With `kind` it knows its places. Problems are told. Raises UsageError."""
    if path.endswith(".json") and kind is None:
        data = read_json(f"{flag}: {path}", read_text(flag, path))
    else:
        data = _read_yaml(path, read_bytes(flag, path), console, kind)
    if not isinstance(data, dict):
        raise UsageError(f"{flag}: {path} must hold a mapping of names to values")
    return data


def _read_yaml(path: str, raw: bytes, console: Console, kind: Literal["answers"] | None) -> Any:
    data, problems, lines = load_yaml(raw, path)
    if kind and not problems and not isinstance(data, dict):
        problems = validate(data, kind)  # what a mapping holds is checked against the workflow, all in one go
    console.problems(sorted(problems, key=sort_key), {path: lines})
    errors = sum(1 for problem in problems if problem.severity == "error")
    if errors:
        raise UsageError(f"{path}: {errors} problem{'' if errors == 1 else 's'} found")
    return data
