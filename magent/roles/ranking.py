"""Ranks roles by the words of a task: BM25 of SQLite's full-text index (FTS5), in memory.

FTS5 comes with Python, reads every script, knows that `reviewing` and `reviewer` are one word (Porter's stems), and
weighs columns; libraries that do as much bring numpy. It loads when a text is first ranked.
BM25 adds up over the words of a query, and what a word is worth to a role does not depend on the query: so each word
of the roles is ranked once, at the beginning, and a task costs the same whatever its words are, common or never seen.
Words that some role has as they are need not be looked for; the others of a task are, all at once.
"""

from __future__ import annotations

import sys
import weakref
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import Any

from magent.errors import MagentError
from magent.roles.role import Role, Team
from magent.roles.text import words, words_of_task
from magent.roles.words import Relation, key

ONE = 2**32  # ranks are whole numbers of this many parts, so that adding them up is exact, in any order
_COMMON = 8  # a word that one role in so many has is common
_COLUMNS = {"expertise": 5.0, "skills": 4.0, "name": 2.0, "related": 1.5, "description": 1.0}
_TOKENIZE = "porter unicode61 remove_diacritics 2 tokenchars '+#'"
_MAKE = f"""
    CREATE VIRTUAL TABLE role USING fts5({", ".join(_COLUMNS)}, content='', tokenize="{_TOKENIZE}");
    CREATE VIRTUAL TABLE asked USING fts5(word, content='', columnsize=0, detail=none, tokenize="{_TOKENIZE}");
    CREATE VIRTUAL TABLE stem USING fts5vocab(asked, instance);
    CREATE VIRTUAL TABLE stems USING fts5vocab(asked, row);
"""
_FILL = f"INSERT INTO role(rowid, {', '.join(_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608 — names of our own
_FIND = f"SELECT rowid, -bm25(role, {', '.join(map(str, _COLUMNS.values()))}) FROM role WHERE role MATCH ?"  # noqa: S608


class Ranking:
    """The texts of all roles that a team knows, indexed; a role's place is that in `team.known`. Those that nobody
    chooses from take part in how common a word is, too: with a handful of roles alone, a word that half of them have
    would count for nothing."""

    def __init__(self, team: Team) -> None:
        common = Relation([team.related])
        texts = [[words(text) for text in _texts(role, common)] for role in team.known.values()]
        self._count = len(texts)
        self._known: dict[str, Sequence[str]] = {}  # the stems of words, as roles write them
        self._rare: dict[str, Sequence[tuple[int, int]]] = {}
        self._common: dict[str, int] = {}
        self._index = _open()
        weakref.finalize(self, self._index.close)
        self._fill(texts)
        self._rank(list(dict.fromkeys(word for text in texts for column in text for word in column)))

    def _fill(self, texts: Sequence[Sequence[Sequence[str]]]) -> None:
        self._index.executescript(_MAKE)
        with self._ending("COMMIT"):
            self._index.executemany(_FILL, ((at, *map(" ".join, text)) for at, text in enumerate(texts)))
        self._index.execute("INSERT INTO role(role) VALUES ('optimize')")

    def _rank(self, vocabulary: Sequence[str]) -> None:
        """What each word is worth to each role: of a rare word as pairs; of a common one as a single number in which
        each role has eight bytes, so that a thousand of them are added in a microsecond."""
        for word, stems in zip(vocabulary, self._stems(vocabulary), strict=True):
            self._known[word] = stems
            for stem in stems:
                if stem in self._rare or stem in self._common:
                    continue
                found = [(at, max(1, round(rank * ONE))) for at, rank in self._index.execute(_FIND, (f'"{word}"',))]
                if len(found) * _COMMON < self._count:
                    self._rare[stem] = found
                else:
                    self._common[stem] = self._packed(found)

    def rank(self, task: str) -> Sequence[int]:
        """By its place, the rank of each role; 0 where it has no word of the task."""
        stems = self._stems_of(words_of_task(task))
        ranks = self._unpacked(sum(map(self._common.__getitem__, stems & self._common.keys())))
        for stem in stems & self._rare.keys():
            for at, rank in self._rare[stem]:
                ranks[at] += rank
        return ranks

    def words_of(self, task: str) -> Mapping[int, Sequence[str]]:
        """By the place of each role that has any, the words of the task that it has, the weightiest first."""
        spoken = words_of_task(task)
        found: dict[int, list[tuple[int, str]]] = {}
        for word, stems in zip(spoken, self._stems(spoken), strict=True):
            for stem in stems:
                for at, rank in self._rare.get(stem) or enumerate(self._unpacked(self._common.get(stem, 0))):
                    if rank:
                        found.setdefault(at, []).append((-rank, word))
        return {at: [word for _, word in sorted(had)] for at, had in found.items()}

    def _packed(self, ranks: Iterable[tuple[int, int]]) -> int:
        each = array("Q", bytes(8 * self._count))
        for at, rank in ranks:
            each[at] = rank
        return int.from_bytes(each.tobytes(), sys.byteorder)

    def _unpacked(self, ranks: int) -> array[int]:
        return array("Q", ranks.to_bytes(8 * self._count, sys.byteorder))

    def _stems_of(self, spoken: Sequence[str]) -> Set[str]:
        """The stems of a task's words."""
        known = self._known
        stems = {stem for word in spoken if word in known for stem in known[word]}
        news = " ".join(word for word in spoken if word not in known)
        if news:
            with self._ending("ROLLBACK"):
                self._index.execute("INSERT INTO asked(rowid, word) VALUES (0, ?)", (news,))
                stems.update(stem for (stem,) in self._index.execute("SELECT term FROM stems"))
        return stems

    def _stems(self, texts: Sequence[str]) -> Sequence[Sequence[str]]:
        """The stems of the words of each text, each once."""
        found: list[list[str]] = [[] for _ in texts]
        with self._ending("ROLLBACK"):
            self._index.executemany("INSERT INTO asked(rowid, word) VALUES (?, ?)", enumerate(texts))
            for at, stem in self._index.execute("SELECT doc, term FROM stem"):
                found[at].append(stem)
        return found

    @contextmanager
    def _ending(self, how: str) -> Iterator[None]:
        self._index.execute("BEGIN")
        try:
            yield
        finally:
            self._index.execute(how)


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
