"""What a docstring says of a function and its parameters, in the styles of Google, NumPy and Sphinx."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_GOOGLE = re.compile(
    r"(Args|Arguments|Parameters|Params|Keyword Args|Keyword Arguments|Other Parameters)\s*:\s*$", re.I
)
_GOOGLE_END = re.compile(
    r"(Returns?|Yields?|Raises|Examples?|Notes?|Attributes|See Also|Todo|Warnings?|References)\s*:\s*$", re.I
)
_NUMPY = re.compile(r"(Parameters|Other Parameters|Keyword Arguments)\s*$", re.I)
_RULE = re.compile(r"[-=]{3,}\s*$")
_ENTRY = re.compile(r"\*{0,2}(?P<name>\w+)\s*(?:\([^)]*\))?\s*:(?:\s+(?P<text>.*))?$")
_NUMPY_ENTRY = re.compile(r"(?P<names>\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?$")
_SPHINX = re.compile(
    r":(?:param|parameter|arg|argument|key|keyword)\s+(?:[^:]*\s)?\*{0,2}(?P<name>\w+)\s*:\s*(?P<text>.*)$"
)
_FIELD = re.compile(r":\w+[^:]*:")


@dataclass(frozen=True, slots=True)
class Doc:
    """`summary`: all before the first section, as one text; `parameters`: name → what is said of it."""

    summary: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


def read(docstring: str | None) -> Doc:
    lines = inspect.cleandoc(docstring or "").splitlines()
    start = next((at for at in range(len(lines)) if _is_section(lines, at)), len(lines))
    summary = "\n".join(lines[:start]).strip()
    summary = "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", summary) if part.strip())
    return Doc(summary, dict(_parameters(lines)))


def _is_section(lines: Sequence[str], at: int) -> bool:
    line = lines[at]
    if _GOOGLE.match(line) or _GOOGLE_END.match(line) or _FIELD.match(line):
        return True
    return bool(line.strip()) and at + 1 < len(lines) and bool(_RULE.match(lines[at + 1]))


def _parameters(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if _GOOGLE.match(line):
            block = _indented(lines, at + 1)
            yield from _google(block)
            at += len(block) + 1
        elif _NUMPY.match(line) and at + 1 < len(lines) and _RULE.match(lines[at + 1]):
            end = next((more for more in range(at + 2, len(lines)) if _is_section(lines, more)), len(lines))
            yield from _numpy(lines[at + 2 : end])
            at = end
        elif found := _SPHINX.match(line):
            more = _indented(lines, at + 1)
            yield found["name"], _joined([found["text"], *more])
            at += len(more) + 1
        else:
            at += 1


def _indented(lines: Sequence[str], start: int) -> list[str]:
    """The lines from there on that are indented or empty."""
    end = start
    while end < len(lines) and (not lines[end].strip() or lines[end][0].isspace()):
        end += 1
    return list(lines[start:end])


def _google(block: Sequence[str]) -> Iterator[tuple[str, str]]:
    depth = min((len(line) - len(line.lstrip()) for line in block if line.strip()), default=0)
    yield from _entries(block, depth, _ENTRY)


def _numpy(block: Sequence[str]) -> Iterator[tuple[str, str]]:
    for names, text in _entries(block, 0, _NUMPY_ENTRY):
        for name in names.split(","):
            yield name.strip().lstrip("*"), text


def _entries(block: Sequence[str], depth: int, entry: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Entries that begin at `depth`, with what is indented deeper."""
    name, texts = "", list[str]()
    for line in block:
        found = entry.match(line[depth:]) if line.strip() and not line[depth : depth + 1].isspace() else None
        if found:
            if name:
                yield name, _joined(texts)
            groups = found.groupdict()
            name, texts = groups.get("name") or groups.get("names") or "", [groups.get("text") or ""]
        else:
            texts.append(line)
    if name:
        yield name, _joined(texts)


def _joined(texts: Sequence[str]) -> str:
    return " ".join(" ".join(texts).split())
