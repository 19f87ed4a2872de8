"""Which role meets which word, and how well: looked up, not searched, so that a thousand roles take a fraction of a
millisecond.

A skill is met by a skill or a field of expertise of that name (2 points), or by a related one (1); expertise by
expertise of that name (4), or by a related field or a skill of that name (2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from magent.roles.decision import Kind, Match
from magent.roles.role import Role
from magent.roles.words import Related, Relation, distinct, key

EXACT: Mapping[Kind, int] = {"skill": 2, "expertise": 4}
NEAR: Mapping[Kind, int] = {"skill": 1, "expertise": 2}


class Met(NamedTuple):
    """How a role meets a word: the points, its own word that does, which of its words are about it (a bit each)."""

    points: int
    by: str
    about: int


class Need(NamedTuple):
    """A requirement, as it was written; by the place of a role how that meets it, and those that meet it exactly."""

    kind: Kind
    word: str
    met: Mapping[int, Met]
    exact: AbstractSet[int]

    def match(self, at: int) -> Match:
        if at not in self.met:
            return Match(self.kind, self.word, "missing", None, 0)
        points, by, _ = self.met[at]
        return Match(self.kind, self.word, "exact" if points == EXACT[self.kind] else "related", by, points)


class Index:
    """The words of roles; `related` holds for all of them, what a role says of related words for itself alone."""

    def __init__(self, roles: Sequence[Role], related: Related) -> None:
        self._sizes: list[int] = []
        self._met: dict[Kind, dict[str, dict[int, Met]]] = {"skill": {}, "expertise": {}}
        self._exact: dict[Kind, dict[str, set[int]]] = {"skill": {}, "expertise": {}}
        common = Relation([related])
        for at, role in enumerate(roles):
            own = _Words(role, common)
            self._sizes.append(len(own.mine))
            for kind, word, met in own.met():
                self._met[kind].setdefault(word, {})[at] = met
                if met.points == EXACT[kind]:
                    self._exact[kind].setdefault(word, set()).add(at)

    def needs(self, kind: Kind, words: Iterable[str]) -> list[Need]:
        met, exact = self._met[kind], self._exact[kind]
        return [Need(kind, word, met.get(key(word), {}), exact.get(key(word), set())) for word in distinct(words)]

    def places(self, kind: Kind, word: str) -> AbstractSet[int]:
        """The roles that meet the word."""
        return self._met[kind].get(key(word), {}).keys()

    def best(self, needs: Sequence[Need], allowed: AbstractSet[int]) -> tuple[int | None, AbstractSet[int]]:
        """Of the roles that are allowed, the best, and all that meet every need. The first of equals is the best."""
        fit = allowed
        for need in needs:
            fit = fit & need.met.keys()
        top = fit
        for need in needs:
            top = top & need.exact  # they have all the points there are
        if not top:
            points = {at: sum(need.met[at].points for need in needs) for at in fit}
            most = max(points.values(), default=0)
            top = {at for at in points if points[at] == most}
        return self._narrowest(top, [need.met for need in needs]), fit

    def _narrowest(self, places: AbstractSet[int], tables: Sequence[Mapping[int, Met]]) -> int | None:
        """Of roles that meet every need, the first of those with least beside it: `unrelated`, for a thousand roles."""
        least, first = 0, -1
        for at in places:
            about = 0
            for met in tables:
                about |= met[at][2]
            left = self._sizes[at] - about.bit_count()
            if first < 0 or left < least or (left == least and at < first):
                least, first = left, at
        return None if first < 0 else first

    def unrelated(self, at: int, needs: Iterable[Need]) -> int:
        """How many words of a role no need is about."""
        about = 0
        for need in needs:
            if (met := need.met.get(at)) is not None:
                about |= met[2]
        return self._sizes[at] - about.bit_count()


class _Words:
    """The words of one role, by key, those of expertise first."""

    def __init__(self, role: Role, common: Relation) -> None:
        self.mine = {key(word): word for word in (*role.skills, *role.expertise)}
        self._fields = {key(word) for word in role.expertise}
        self._bits = {word: 1 << place for place, word in enumerate(self.mine)}
        self._beside: dict[str, list[str]] = {}  # a word: the role's own that are related to it, in order
        own = Relation([role.related])
        for word in self.mine:
            for other in {**dict.fromkeys(common.near(word)), **dict.fromkeys(own.near(word))}:
                self._beside.setdefault(other, []).append(word)

    def met(self) -> Iterator[tuple[Kind, str, Met]]:
        for word in {**self.mine, **self._beside}:
            beside = self._beside.get(word, [])
            about = self._bits.get(word, 0) | sum(self._bits[other] for other in beside)
            if word in self.mine:
                yield "skill", word, Met(EXACT["skill"], self.mine[word], about)
            else:
                yield "skill", word, Met(NEAR["skill"], self.mine[beside[0]], about)
            if word in self._fields:
                yield "expertise", word, Met(EXACT["expertise"], self.mine[word], about)
            elif field := next((other for other in beside if other in self._fields), None):
                yield "expertise", word, Met(NEAR["expertise"], self.mine[field], about)
            elif word in self.mine:
                yield "expertise", word, Met(NEAR["expertise"], self.mine[word], about)
