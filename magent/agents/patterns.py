"""Regular expressions made fit for a grammar: anchored, without an end that never comes, in what grammars know.

The result matches a part of what the given pattern finds. Where that cannot be said surely there is none: the text is
then bounded by its length alone, and the caller's validation finds what does not fit.
"""

from __future__ import annotations

MOST = 20  # how often `*`, `+` and `{n,}` may repeat
_CLASSES = {"d": "[0-9]", "w": "[A-Za-z0-9_]", "s": "[ ]"}
_INSIDE = {"d": "0-9", "w": "A-Za-z0-9_", "s": " "}
_PUNCTUATION = frozenset(".^$|()[]{}*+?-/")
_UNSAFE = frozenset('"\n\r\t')


class _Unknown(Exception):
    """The pattern has something that grammars do not."""


def bound_pattern(pattern: str) -> str | None:
    """`^…$` with every repetition bounded, or None."""
    body = pattern.removeprefix("^")
    if body.endswith("$") and not body.endswith("\\$"):
        body = body[:-1]
    try:
        parts = _parts(body)
    except (_Unknown, ValueError, IndexError):
        return None
    if not parts:
        return None
    anchored = body != pattern
    depth = 0
    for part in parts:
        depth += (part == "(") - (part == ")")
        if part == "|" and depth == 0 and anchored:
            return None  # `^a|b$` anchors each side on its own
    return "^(" + "".join(parts) + ")$" if "|" in parts else "^" + "".join(parts) + "$"


def _parts(body: str) -> list[str]:
    """The pattern's atoms and repetitions, each translated."""
    found: list[str] = []
    at = 0
    while at < len(body):
        part, at = _part(body, at)
        found.append(part)
    return found


def _part(body: str, at: int) -> tuple[str, int]:
    char = body[at]
    if char == "\\":
        return _escaped(body[at + 1], _CLASSES), at + 2
    if char == "[":
        return _set(body, at + 1)
    if char == "(":
        if body.startswith("(?", at):
            if not body.startswith("(?:", at):
                raise _Unknown
            return "(", at + 3
        return "(", at + 1
    if char in "*+{?":
        return _repetition(body, at)
    if char == ".":
        return "[A-Za-z0-9 ]", at + 1
    if char in "^$" or char in _UNSAFE:
        raise _Unknown
    return char, at + 1


def _escaped(char: str, classes: dict[str, str]) -> str:
    if char in classes:
        return classes[char]
    if char not in _PUNCTUATION:
        raise _Unknown
    return char if char in "-/" else "\\" + char


def _set(body: str, at: int) -> tuple[str, int]:
    """`[a-z]`; one that says what is not in it could let a quote in."""
    if body[at] in "^]" or body.startswith("[:", at):
        raise _Unknown
    inside = ""
    while body[at] != "]":
        if body[at] in _UNSAFE or body[at] == "[":
            raise _Unknown
        if body[at] == "\\":
            inside, at = inside + _escaped(body[at + 1], _INSIDE), at + 2
        else:
            inside, at = inside + body[at], at + 1
    return f"[{inside}]", at + 1


def _repetition(body: str, at: int) -> tuple[str, int]:
    char, end = body[at], at + 1
    bounded = {"*": f"{{0,{MOST}}}", "+": f"{{1,{MOST}}}", "?": "?"}.get(char)
    if bounded is None:
        end = body.index("}", at) + 1
        least, comma, most = body[at + 1 : end - 1].partition(",")
        bounded = f"{{{int(least)},{int(most) if most else int(least) + MOST}}}" if comma else f"{{{int(least)}}}"
    if end < len(body) and body[end] in "?*+{":
        raise _Unknown
    return bounded, end
