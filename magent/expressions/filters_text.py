# ruff: noqa: ARG001  # all filters share one signature; not each needs the evaluation
"""The filters that make or take apart text."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from magent.expressions.operators import formatted
from magent.expressions.problems import EvaluationError, Mismatch
from magent.expressions.registry import FILTERS, whole
from magent.expressions.values import ITEM, MAX_SIZE, Evaluation, as_json, as_text, finite, items, kind

_TITLE = re.compile(r"([-\s({\[<]+)")
_WORDS = re.compile(r"\s+|\S+")
_HYPHENS = re.compile(r"(?<=[^\W\d_]-)(?=[^\W\d_])")
_HALF = re.compile("[\ud800-\udfff]")
_PIECE = 50  # what a short text weighs in a list, in characters


def read(evaluation: Evaluation, value: Any) -> str:
    """`value` as text, paid for."""
    text = as_text(value, evaluation)
    evaluation.make(len(text))
    return text


@FILTERS.add("upper")
def upper(evaluation: Evaluation, value: Any) -> str:
    """The text in capitals."""
    return read(evaluation, value).upper()


@FILTERS.add("lower")
def lower(evaluation: Evaluation, value: Any) -> str:
    """The text in small letters."""
    return read(evaluation, value).lower()


@FILTERS.add("capitalize")
def capitalize(evaluation: Evaluation, value: Any) -> str:
    """The first letter a capital, the others small."""
    return read(evaluation, value).capitalize()


@FILTERS.add("title")
def title(evaluation: Evaluation, value: Any) -> str:
    """Each word with a capital letter."""
    words = _TITLE.split(read(evaluation, value))
    return "".join([word[0].upper() + word[1:].lower() for word in words if word])


@FILTERS.add("trim")
def trim(evaluation: Evaluation, value: Any, chars: str | None = None) -> str:
    """The text without white space, or `chars`, at both ends."""
    text = read(evaluation, value)
    if chars is None:
        return text.strip()
    chars = as_text(chars, evaluation)
    if len(chars) > 100:
        raise EvaluationError("`trim` takes at most 100 characters")
    return text.strip(chars)


@FILTERS.add("string")
def string(evaluation: Evaluation, value: Any) -> str:
    """The value as a template writes it: null as nothing, data as JSON."""
    return read(evaluation, value)


@FILTERS.add("center")
def center(evaluation: Evaluation, value: Any, width: int = 80) -> str:
    """The text in the middle of `width` characters."""
    width = whole(width, "the width of `center`")
    evaluation.make(max(0, width))
    return read(evaluation, value).center(width)


@FILTERS.add("format")
def format_(evaluation: Evaluation, value: Any, *values: Any, **names: Any) -> str:
    """Fills the fields of a format: `"%s: %d" | format(name, count)`."""
    if values and names:
        raise EvaluationError("`format` takes values or names, not both")
    return formatted(as_text(value, evaluation), names or values, evaluation)


@FILTERS.add("replace")
def replace(evaluation: Evaluation, value: Any, old: str, new: str, count: int | None = None) -> str:
    """Every (or the first `count`) `old` replaced by `new`."""
    text, old, new = read(evaluation, value), as_text(old, evaluation), as_text(new, evaluation)
    limit = -1 if count is None else whole(count, "the count of `replace`")
    found = len(text) + 1 if not old else text.count(old)
    evaluation.make(max(0, (found if limit < 0 else min(found, limit)) * (len(new) - len(old))))
    return text.replace(old, new, limit)


@FILTERS.add("indent")
def indent(evaluation: Evaluation, value: Any, width: Any = 4, first: bool = False, blank: bool = False) -> str:
    """Each line moved in by `width` spaces (or that text); not the first, nor blank ones, unless asked."""
    prefix = width if isinstance(width, str) else ""
    size = len(prefix) or max(0, whole(width if not isinstance(width, str) else 0, "the width of `indent`"))
    text = read(evaluation, value)
    evaluation.make(size * (text.count("\n") + 1))
    prefix = prefix or " " * size
    lines = text.split("\n")
    moved = [prefix + line if line.strip() or blank else line for line in lines]
    if not first:
        moved[0] = lines[0]
    return "\n".join(moved)


@FILTERS.add("truncate")
def truncate(
    evaluation: Evaluation, value: Any, length: int = 255, killwords: bool = False, end: str = "...", leeway: int = 5
) -> str:
    """At most `length` characters, cut at a word unless `killwords`, with `end` where something was cut."""
    text, end = read(evaluation, value), as_text(end, evaluation)
    length, leeway = whole(length, "the length of `truncate`", 0), whole(leeway, "the leeway of `truncate`", 0)
    if length < len(end):
        raise EvaluationError(f"the length of `truncate` must be at least {len(end)}, which its end takes")
    if len(text) <= length + leeway:
        return text
    kept = text[: length - len(end)]
    return (kept if killwords else kept.rsplit(" ", 1)[0]) + end


@FILTERS.add("wordwrap")
def wordwrap(
    evaluation: Evaluation,
    value: Any,
    width: int = 79,
    break_long_words: bool = True,
    wrapstring: str = "\n",
    break_on_hyphens: bool = True,
) -> str:
    """Lines broken between words so that none is wider than `width`."""
    width = whole(width, "the width of `wordwrap`", 1)
    text = read(evaluation, value)
    lines: list[str] = []
    for line in text.split("\n"):
        lines += _wrapped(evaluation, line, width, break_long_words, break_on_hyphens) or [""]
    evaluation.make(len(lines) * len(wrapstring))
    return wrapstring.join(lines)


def _wrapped(evaluation: Evaluation, line: str, width: int, break_words: bool, hyphens: bool) -> list[str]:
    lines: list[str] = []
    current: list[str] = []
    room = width
    for piece in _pieces(evaluation, line, width, break_words, hyphens):
        if len(piece) > room and current:
            lines.append("".join(current).rstrip())
            current, room = [], width
        if current or not piece.isspace() or not lines:
            current.append(piece)
            room -= len(piece)
    if "".join(current).strip():
        lines.append("".join(current).rstrip())
    evaluation.make(_PIECE * len(lines))
    return lines


def _pieces(evaluation: Evaluation, line: str, width: int, break_words: bool, hyphens: bool) -> list[str]:
    """The words and gaps of a line; a word that is too long comes in parts."""
    evaluation.make(_PIECE * (len(line) // width + line.count(" ") + line.count("\t") + line.count("-")))
    pieces: list[str] = []
    for word in _WORDS.findall(line):
        parts = _HYPHENS.split(word) if hyphens and "-" in word else [word]
        for part in parts:
            if break_words and len(part) > width:
                pieces += [part[at : at + width] for at in range(0, len(part), width)]
            else:
                pieces.append(part)
    return pieces


@FILTERS.add("wordcount")
def wordcount(evaluation: Evaluation, value: Any) -> int:
    """How many words the text has."""
    return sum(1 for _ in re.finditer(r"\w+", read(evaluation, value)))


@FILTERS.add("split")
def split(evaluation: Evaluation, value: Any, separator: str | None = None, maxsplit: int = -1) -> list[str]:
    """The parts between `separator`s (without one: between white space), as a list."""
    text = _needs_text(evaluation, value)
    if separator is not None and not as_text(separator, evaluation):
        raise EvaluationError("the separator of `split` is a text that is not empty")
    limit = whole(maxsplit, "the maxsplit of `split`")
    if separator is None:
        most = (MAX_SIZE - evaluation.made) // _PIECE + 1  # gaps of any width cannot be counted cheaply beforehand
        parts = text.split(None, most if limit < 0 else min(limit, most))
        evaluation.make(_PIECE * len(parts))
        return parts
    separator = as_text(separator, evaluation)
    found = text.count(separator)
    evaluation.make(_PIECE * (1 + (found if limit < 0 else min(found, limit))))
    return text.split(separator, limit)


def _needs_text(evaluation: Evaluation, value: Any) -> str:
    if not isinstance(value, str):
        raise Mismatch(f"needs text, not {kind(value)}")
    evaluation.make(len(value))
    return str(value)


@FILTERS.add("lines")
def lines(evaluation: Evaluation, value: Any) -> list[str]:
    """The lines of a text, as a list; one final line end is dropped."""
    text = _needs_text(evaluation, value).replace("\r\n", "\n")
    evaluation.make(_PIECE * text.count("\n"))
    return text.removesuffix("\n").split("\n") if text else []


@FILTERS.add("urlencode")
def urlencode(evaluation: Evaluation, value: Any) -> str:
    """The text made fit for a URL; a mapping, or a list of pairs, becomes a query."""
    if isinstance(value, Mapping):
        pairs = [(key, value[key]) for key in items(value, evaluation)]
    elif isinstance(value, (list, tuple)):
        pairs = [tuple(pair) for pair in items(value, evaluation)]
    else:
        return _quoted(evaluation, value, safe="/")
    return "&".join(f"{_quoted(evaluation, key)}={_quoted(evaluation, each)}" for key, each in pairs)


def _quoted(evaluation: Evaluation, value: Any, safe: str = "") -> str:
    text = read(evaluation, value)
    evaluation.make(12 * len(text))
    return urllib.parse.quote(text, safe=safe) if safe else urllib.parse.quote_plus(text)


@FILTERS.add("filesizeformat")
def filesizeformat(evaluation: Evaluation, value: Any, binary: bool = False) -> str:
    """A number of bytes for people: `13.0 kB`, with `binary` `12.7 KiB`."""
    if not isinstance(value, (int, float, str)):
        raise Mismatch(f"needs a number, not {kind(value)}")
    size, base = finite(float(value)), 1024 if binary else 1000
    if size == 1:
        return "1 Byte"
    if size < base:
        return f"{int(size)} Bytes"
    power, letters = 0, "kMGTPEZY"
    while power < len(letters) and size >= base:
        size, power = size / base, power + 1
    prefix = letters[power - 1]
    return f"{size:.1f} {prefix.upper() + 'i' if binary else prefix}B"


@FILTERS.add("tojson")
def tojson(evaluation: Evaluation, value: Any, indent: int | None = None) -> str:
    """The value as JSON, characters as they are; `indent` spreads it over lines."""
    if indent is not None and not 0 <= whole(indent, "the indent of `tojson`") <= 16:
        raise EvaluationError("the indent of `tojson` is a whole number from 0 to 16")
    text = as_json(value, evaluation, indent)
    evaluation.make(len(text))
    return text


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


@FILTERS.add("fromjson")
def fromjson(evaluation: Evaluation, value: Any) -> Any:
    """The data that a JSON text describes."""
    text = _needs_text(evaluation, value)
    evaluation.make(2 * ITEM * sum(map(text.count, ",[{")))
    try:
        data = json.loads(text, parse_constant=_constant)
    except RecursionError:
        raise EvaluationError("`fromjson`: the text is nested too deeply") from None
    except ValueError as error:
        raise EvaluationError(f"`fromjson`: the text is not JSON: {error}") from None
    if "\\u" in text and _HALF.search(json.dumps(data, ensure_ascii=False)):
        raise EvaluationError("`fromjson`: the text holds an escape that is no character")
    return data


@FILTERS.add("unquoted")
def unquoted(evaluation: Evaluation, value: Any) -> Any:
    """In a `run` text: inserts the value as shell text, unquoted; elsewhere it changes nothing."""
    return value
