"""Files that a command line names: read whole, with problems shown at their place."""

from __future__ import annotations

import json
import sys
from typing import Any, Literal

from magent.cli.console import Console
from magent.errors import UsageError
from magent.source import sort_key
from magent.spec.loader import load_yaml
from magent.spec.loader_files import similar
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
        raise UsageError(f"{flag}: {path} cannot be read: {_reason(error)}", _beside(path, error)) from None
    if len(content) > LARGEST:
        raise UsageError(f"{flag}: {path} is larger than {LARGEST // 1_000_000} MB")
    return content


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a directory"
    return str(getattr(error, "strerror", None) or error).lower()


def _beside(path: str, error: OSError | ValueError) -> str | None:
    """The file with a like name that was probably meant."""
    near = similar(path) if isinstance(error, FileNotFoundError) else None
    return f"did you mean '{near}'?" if near else None


def read_text(flag: str, path: str) -> str:
    try:
        return read_bytes(flag, path).decode("utf-8")
    except UnicodeDecodeError as error:
        place = f"byte {error.start + 1}"
        raise UsageError(f"{flag}: {'stdin' if path == '-' else path} is not UTF-8 text ({place})") from None


def read_json(flag: str, text: str) -> Any:
    """JSON, strictly; `flag` is what the error begins with, such as a flag or a file. Raises UsageError."""
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once)
    except RecursionError:
        raise UsageError(f"{flag}: the JSON is nested too deeply") from None
    except json.JSONDecodeError as error:
        said = error.msg[:1].lower() + error.msg[1:]
        raise UsageError(f"{flag}:{error.lineno}:{error.colno}: this is no JSON: {said}") from None
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
        data = read_json(path, read_text(flag, path))
    else:
        data = _read_yaml(flag, path, console, kind)
    if not isinstance(data, dict):
        found = "nothing" if data is None else "a list" if isinstance(data, list) else "a single value"
        raise UsageError(f"{flag}: {path} must hold a mapping of names to values, found {found}", "write NAME: VALUE")
    return data


def _read_yaml(flag: str, path: str, console: Console, kind: Literal["answers"] | None) -> Any:
    data, problems, lines = load_yaml(read_bytes(flag, path), path)
    if kind and not problems and not isinstance(data, dict):
        problems = validate(data, kind)  # what a mapping holds is checked against the workflow, all in one go
    console.problems(sorted(problems, key=sort_key), {path: lines})
    errors = sum(1 for problem in problems if problem.severity == "error")
    if errors:
        raise UsageError(f"{flag}: {errors} problem{'' if errors == 1 else 's'} found in {path}")
    return data
