"""The inputs of a run, from `-i` and `--inputs`: parsed by their schemas and checked before anything runs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from magent.cli import files, flags
from magent.cli.console import Console, one_line
from magent.errors import UsageError
from magent.source import did_you_mean
from magent.spec.schema import check_value

Schemas = Mapping[str, Mapping[str, Any]]
WORDS = {
    "string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "array": "a list", "object": "a mapping",
}  # fmt: skip
_EXAMPLES = {"integer": "3", "number": "1.5", "boolean": "true", "array": "'[…]'", "object": "'{…}'", "null": "null"}


def gather(declared: Schemas, words: Sequence[str] | None, file: str | None, console: Console) -> dict[str, Any]:
    """The values given, by name; `-i` wins over the file. Raises UsageError with every fault and the flag to write."""
    given: dict[str, Any] = dict(files.read_document("--inputs", file, console)) if file else {}
    faults = {name: [_unknown(name, declared)] for name in given if name not in declared}
    for name, value in pairs("input", "-i", words, "NAME=VALUE, such as -i topic=tides"):
        if name in declared:
            given[name] = parse(declared[name], content(f"-i {name}", value))
        else:
            faults[name] = [_unknown(name, declared)]
    faults |= check(declared, {name: value for name, value in given.items() if name in declared})
    if faults:
        raise _refused(declared, faults)
    return given


def pairs(what: str, flag: str, words: Sequence[str] | None, form: str) -> list[tuple[str, str]]:
    """The names and texts of `NAME=VALUE`, one of which may be read from stdin (`-`). Raises UsageError."""
    texts = flags.pairs(flag, words, form)
    from_stdin = [f"{name}=-" for name, value in texts if value == "-"]
    if len(from_stdin) > 1:
        raise UsageError(f"only one {what} can be read from stdin, not {', '.join(from_stdin)}")
    return texts


def _refused(declared: Schemas, faults: Mapping[str, Sequence[str]]) -> UsageError:
    """All faults in one go, and the flags to write."""
    told = [fault for each in faults.values() for fault in each]
    flags_to_write = [f"-i {name}={example(declared[name])}" for name in faults if name in declared]
    hint = f"write {' '.join(flags_to_write)}" if flags_to_write else None
    if len(told) == 1:
        return UsageError(told[0], hint)
    return UsageError("\n  ".join(["the inputs do not fit:", *told]), hint)


def check(declared: Schemas, given: Mapping[str, Any]) -> dict[str, list[str]]:
    """The inputs that are missing or do not fit, each with a sentence a fault."""
    faults: dict[str, list[str]] = {}
    for name, schema in declared.items():
        if name in given:
            reasons = [] if given[name] is None and _optional(schema) else check_value(schema, given[name])
            faults[name] = [_subject(name, reason) for reason in reasons]
        elif "default" not in schema:
            about = f": {one_line(str(schema['description']))}" if schema.get("description") else ""
            kinds = " or ".join(WORDS.get(kind, kind) for kind in types(schema))
            faults[name] = [f"input '{name}'{f' ({kinds})' if kinds else ''} is missing{about}"]
    return {name: reasons for name, reasons in faults.items() if reasons}


def _subject(name: str, reason: str) -> str:
    """A reason is "must be …" of the value itself, or a sentence of its own."""
    return f"input '{name}' {reason}" if reason.startswith("must ") else f"input '{name}': {reason}"


def parse(schema: Mapping[str, Any], text: str) -> Any:
    """The value that a text on the command line means for this schema: of all readings, the first that fits."""
    readings = list(_readings(types(schema), text))
    return next((value for value in readings if not check_value(schema, value)), readings[0])


def _readings(types: Sequence[str], text: str) -> Iterable[Any]:
    only_text = bool(types) and set(types) <= {"string", "null"}
    if not only_text:
        try:
            value = files.read_json("-i", text)
        except UsageError:
            pass
        else:
            yield int(value) if types == ["integer"] and isinstance(value, float) and value.is_integer() else value
    yield text


def types(schema: Mapping[str, Any]) -> list[str]:
    kind = schema.get("type", [])
    return [kind] if isinstance(kind, str) else list(kind)


def _optional(schema: Mapping[str, Any]) -> bool:
    return "default" in schema and schema["default"] is None


def content(flag: str, value: str) -> str:
    """`@file` and `-` are replaced by what they hold, to the byte; `@` alone is itself, `@@` begins a text with `@`."""
    if value == "-":
        text = files.read_text(flag, value)
    elif value.startswith("@@"):
        text = value[1:]
    elif value.startswith("@") and value != "@":
        text = _of_file(flag, value[1:])
    else:
        text = value
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"{flag}: the value is not UTF-8 text") from None
    return text


def _of_file(flag: str, path: str) -> str:
    try:
        return files.read_text(flag, path)
    except UsageError as error:
        hint = f"a text that begins with @ is written with two: {flag}=@@{one_line(path, 100)}"
        raise UsageError(error.message, error.hint or hint) from None


def _unknown(name: str, declared: Schemas) -> str:
    known = f"the workflow's inputs are {', '.join(declared)}" if declared else "the workflow has no inputs"
    return f"there is no input '{one_line(name, 100)}': {did_you_mean(name, declared) or known}"


def example(schema: Mapping[str, Any]) -> str:
    """What could stand after `name=`."""
    for key in ("examples", "enum"):
        if isinstance(schema.get(key), list) and schema[key]:
            first = schema[key][0]
            return shlex.quote(first if isinstance(first, str) else json.dumps(first, ensure_ascii=False))
    kinds = [kind for kind in types(schema) if kind != "null"] or ["null"]
    return _EXAMPLES.get(kinds[0], "…") if types(schema) else "…"
