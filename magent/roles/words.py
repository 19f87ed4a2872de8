"""Skills and fields of expertise are words that people write in several ways; here they become comparable."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache

_SEPARATORS = re.compile(r"[\s_\-]+")
Related = Mapping[str, tuple[str, ...]]


@lru_cache(maxsize=20_000)
def key(word: str) -> str:
    """What makes two words the same: `Code-Review`, `code_review`, `code review` are, `c`, `c++` and `c#` are not."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    return _SEPARATORS.sub(" ", folded).strip() or word


def distinct(words: Iterable[str]) -> tuple[str, ...]:
    """Each word once, as it was first written, in order."""
    found: dict[str, str] = {}
    for word in words:
        found.setdefault(key(word), word)
    return tuple(found.values())


class Relation:
    """Which words are related: both ways, and one step far, so that what is near to something near is not itself."""

    def __init__(self, tables: Iterable[Related]) -> None:
        self._near: dict[str, dict[str, None]] = {}
        for table in tables:
            for word, others in table.items():
                for other in others:
                    self._join(key(word), key(other))

    def _join(self, one: str, other: str) -> None:
        if one != other:
            self._near.setdefault(one, {})[other] = None
            self._near.setdefault(other, {})[one] = None

    def near(self, word: str) -> Iterable[str]:
        """The keys related to a key."""
        return self._near.get(word, ())
