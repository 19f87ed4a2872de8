"""Ranks roles by the words of a task: BM25 of SQLite's full-text index (FTS5), in memory.

FTS5 comes with Python, reads every script, knows that `reviewing` and `reviewer` are one word (Porter's stems), and
weighs columns; libraries that do as much bring numpy. It loads when a text is first ranked.
BM25 adds up over the words of a query, so each word is looked up once and kept.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from magent.errors import MagentError
from magent.roles.role import Role, Team
from magent.roles.words import Relation, key

LONGEST = 20_000  # characters of a task that are read; what it is about stands at its beginning
MOST = 500  # different words of it
MOST_KEPT = 10_000  # looked up
_WORD = re.compile(r"[^\W_]+[+#]*")  # `_` separates, as it does in the index; `c++` and `c#` are words
_COLUMNS = {"expertise": 5.0, "skills": 4.0, "name": 2.0, "related": 1.5, "description": 1.0}
_TOKENIZE = "porter unicode61 remove_diacritics 2 tokenchars '+#'"
_MAKE = f"""CREATE VIRTUAL TABLE role USING fts5({", ".join(_COLUMNS)}, content='', tokenize="{_TOKENIZE}")"""
_FILL = f"INSERT INTO role(rowid, {', '.join(_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608 — names of our own
_FIND = f"SELECT rowid, -bm25(role, {', '.join(map(str, _COLUMNS.values()))}) FROM role WHERE role MATCH ?"  # noqa: S608
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


class Ranking:
    """The texts of a team's roles, indexed. The predefined roles take part in how common a word is even where they are
    not to be found: with a handful of roles alone, a word that half of them have would count for nothing."""

    def __init__(self, team: Team) -> None:
        roles = team.candidates
        background = [role for role in team.known.values() if team.declared and role.name not in team.declared]
        common = Relation([team.related])
        self._count = len(roles)
        self._kept: dict[str, Mapping[int, float]] = {}
        self._index = _open()
        weakref.finalize(self, self._index.close)
        self._index.execute(_MAKE)
        self._index.executemany(_FILL, ((at, *_texts(role, common)) for at, role in enumerate((*roles, *background))))

    def rank(self, text: str) -> dict[int, float]:
        """By the place of each role that has words of the text, its rank, above 0."""
        hits = [found for word in words(text) if (found := self._find(word))]
        ranks = dict(hits[0]) if hits else {}
        for found in hits[1:]:
            for at, score in found.items():
                ranks[at] = ranks.get(at, 0.0) + score
        return ranks

    def words_of(self, text: str) -> dict[int, list[str]]:
        """By the place of each role, the words of the text that it has, the weightiest first."""
        found: dict[int, list[tuple[float, str]]] = {}
        for word in words(text):
            for at, score in self._find(word).items():
                found.setdefault(at, []).append((-score, word))
        return {at: [word for _, word in sorted(had)] for at, had in found.items()}

    def _find(self, word: str) -> Mapping[int, float]:
        if word not in self._kept:
            rows = self._index.execute(_FIND, (f'"{word}"',))
            hits = {at: score for at, score in rows if at < self._count}
            if not hits and len(self._kept) > MOST_KEPT:
                return hits  # words that no role has are without number
            self._kept[word] = hits
        return self._kept[word]


def words(text: str) -> Iterator[str]:
    """The words of a task that are looked for, each once, in order."""
    seen: set[str] = set()
    for found in _WORD.finditer(text[:LONGEST]):
        word = found[0].casefold()
        if word not in seen and word not in _EMPTY:
            seen.add(word)
            yield word
            if len(seen) == MOST:
                return


def _texts(role: Role, common: Relation) -> Iterator[str]:
    own = Relation([role.related])
    mine = [key(word) for word in (*role.expertise, *role.skills)]
    near = {other: None for word in mine for table in (common, own) for other in table.near(word) if other not in mine}
    yield from (" , ".join(words) for words in (role.expertise, role.skills, [role.name], near, [role.description]))


def _open() -> Any:
    import sqlite3

    index = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    if "ENABLE_FTS5" not in {option for (option,) in index.execute("PRAGMA compile_options")}:
        index.close()
        hint = "name the skills that the task needs, or use a Python whose SQLite has FTS5, as most have"
        raise MagentError("roles cannot be ranked by the task's text: this Python's SQLite has no FTS5", hint)
    return index
