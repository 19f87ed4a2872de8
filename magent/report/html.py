"""Tags, with all text escaped, and without secrets: what is not `Raw` is text."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from magent.keys import GUARD


class Raw(str):
    """Markup that was made here."""

    __slots__ = ()


# What a browser takes for no text at all, and what turns the direction of the text around it.
_NOT_SHOWN = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(127, 160), *range(0x202A, 0x202F)), "�")
_NOT_SHOWN |= dict.fromkeys((*range(0x2066, 0x206A), *range(0xD800, 0xE000)), "�")
_EMPTY = frozenset(["meta", "input", "rect", "col", "br"])


def text(value: object) -> Raw:
    return Raw(escape(GUARD.hide(str(value)).translate(_NOT_SHOWN)))


def tag(name: str, /, *children: object, **attributes: object) -> Raw:
    """`class_` is `class`, `data_x` is `data-x`; an attribute that is None or False is left out, True has no value."""
    said = "".join(_attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    if name in _EMPTY:
        return Raw(f"<{name}{said}>" if name != "rect" else f"<{name}{said}/>")
    return Raw(f"<{name}{said}>{''.join(_child(child) for child in children)}</{name}>")


def _attribute(name: str, value: object) -> str:
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{text(value)}"'


def _child(child: object) -> str:
    if child is None:
        return ""
    if isinstance(child, Raw):
        return child
    if isinstance(child, str) or not isinstance(child, Iterable):
        return text(child)
    return "".join(_child(each) for each in child)


def join(parts: Iterable[object]) -> Raw:
    """Markup and text one after another."""
    return Raw("".join(_child(part) for part in parts))
