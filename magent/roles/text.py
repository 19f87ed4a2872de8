"""The words of a text as they are indexed and looked for: one spelling for what people spell in several ways, signs of
languages that are written without spaces in overlapping pairs, and none of the words that say nothing."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 1_600  # characters of a task that are read; of a longer one its two ends, where it says what is to be done
MOST = 120  # different words
_WORD = re.compile(r"[^\W_]+[+#]*")  # `_` separates, as it does in the index; `c++` and `c#` are words
_BRITISH = re.compile(r"(?<=[a-z][abd-uw-z])([iy])s(?=(?:e(?:[drs]|rs|ment)?|ing|ations?)\b)")  # organise; not revise
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")  # kana and Han
_EMPTY = frozenset(
    _WORD.findall(
        "a about above after again all also am an and any are as at be because been before being below between both "
        "but by can could did do does doing done down during each every few for from further get give had has have "
        "having he her here him his how i if in into is it its just let like make me more most my need no nor not now "
        "of off on once one only or other our out over own please said say says shall she should so some such than "
        "that the their them then there these they this those through to too under until up us use very want was we "
        "were what when where which while who whom why will with would you your"
    )
)  # they say nothing of what a task is about, and would only fill the reasons


def words(text: str) -> list[str]:
    """The words of a text, as they are indexed: `Organising` is `organizing`, `コード審査` is `コー ード ド審 審査`."""
    return _WORD.findall(_spelled(text))


def words_of_task(text: str) -> list[str]:
    """The words of a task that are looked for, each once, in order."""
    half = LONGEST // 2
    read = text if len(text) <= LONGEST else f"{text[:half]} {text[-half:]}"
    return [word for word in dict.fromkeys(words(read)) if word not in _EMPTY][:MOST]


def _spelled(text: str) -> str:
    if not text.isascii():
        text = _UNSPACED.sub(_pairs, unicodedata.normalize("NFKC", text))
    return _BRITISH.sub(r"\1z", text.casefold())


def _pairs(found: re.Match[str]) -> str:
    signs = found[0]
    pairs = (signs[at : at + 2] for at in range(max(1, len(signs) - 1)))
    return f" {' '.join(pairs)} "
