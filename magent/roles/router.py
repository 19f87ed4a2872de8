"""Picks the best of a team's roles for a task: by what the task requires, else by its words. The same call always picks
the same role.

By requirements, a role fits that meets each of them (`index` says how). Its score is the points of its matches plus its
focus, which the words that it has beside all that take away from. The focus is below 1 point: it decides between roles
that match equally well, so that a specialist goes before a generalist, but never before a better match. A role that is
preferred goes first among those that fit; else ties go to the role declared first. Adding a role never changes how
others score.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property, partial
from typing import Any

from magent.roles.decision import Candidate, Decision, Gap, Kind, Wanted
from magent.roles.index import Index, Need
from magent.roles.ranking import ONE, Ranking
from magent.roles.role import Role, Team
from magent.roles.words import distinct, key
from magent.source import nearest

_HOMES: Mapping[Kind, str] = {"skill": "skills", "expertise": "expertise"}
Places = AbstractSet[int]  # of roles, in the order of the team
Looked = tuple[tuple[Candidate, ...], tuple[Gap, ...]]


class Router:
    """An index over the roles that a team knows, made once; `route` asks it."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._roles: Sequence[Role] = tuple(team.known.values())
        self._places = {role.name: at for at, role in enumerate(self._roles)}
        self._index = Index(self._roles, team.related)
        self._candidates = frozenset(self._places[role.name] for role in team.candidates)
        self._in_order = sorted(self._candidates)
        self._types: dict[str, set[int]] = {}
        for at, role in enumerate(self._roles):
            self._types.setdefault(key(role.role_type or ""), set()).add(at)

    def route(self, wanted: Wanted, text: str = "", among: Iterable[str] | None = None) -> Decision:
        """Who is to do a task, of the team's candidates or the roles that are named. Without skills and expertise, the
        task's `text` is matched instead: those fit then that have a word of it; where a role type is asked for, all of
        that type; and the preferred one. Raises MagentError where texts cannot be ranked on this machine."""
        pool = self._candidates if among is None else {self._places[name] for name in among}
        able = pool & self._types.get(key(wanted.role_type), set()) if wanted.role_type else pool
        needs = [*self._index.needs("skill", wanted.skills), *self._index.needs("expertise", wanted.expertise)]
        if needs:
            chosen, fit = self._index.best(needs, able)
            chosen = self._preferred(wanted, fit, chosen)
            look = partial(self._by_needs, needs, wanted, pool, able, chosen)
        else:
            ranks = self._ranking.rank(text) if text.strip() else [0] * len(self._roles)
            most, best = self._first_of_most(ranks, able)
            chosen = self._preferred(wanted, able, best if most or wanted.role_type else None)
            look = partial(self._by_text, text, ranks, wanted, pool, able, chosen)
        name = None if chosen is None else self._roles[chosen].name
        ignored = wanted.prefer if wanted.prefer and self._places.get(wanted.prefer) not in pool else None
        return Decision(wanted, "requirements" if needs else "text", name, look, ignored)

    @cached_property
    def _ranking(self) -> Ranking:
        return Ranking(self._team)

    def _first_of_most(self, ranks: Sequence[int], able: Places) -> tuple[int, int | None]:
        """The highest rank of those who are able, and the first who has it; all the team's candidates, mostly."""
        places = self._in_order if able is self._candidates else sorted(able)
        if not places:
            return 0, None
        found = [ranks[at] for at in places]
        most = max(found)
        return most, places[found.index(most)]

    def _preferred(self, wanted: Wanted, fit: Places, best: int | None) -> int | None:
        place = self._places.get(wanted.prefer or "")
        return place if place is not None and place in fit else best

    # ---- saying why

    def _by_needs(
        self, needs: Sequence[Need], wanted: Wanted, pool: Places, able: Places, chosen: int | None
    ) -> Looked:
        found = []
        for at in pool:
            role = self._roles[at]
            matches = tuple(need.match(at) for need in needs)
            points = sum(match.points for match in matches)
            unrelated = self._index.unrelated(at, needs)
            focus = 1 / (2 + unrelated)
            fits = at in able and all(match.how != "missing" for match in matches)
            each = Candidate(
                role.name,
                role.role_type,
                fits,
                round(points + focus, 4) if points else 0.0,
                matches,
                unrelated,
                round(focus, 4),
                preferred=fits and wanted.prefer == role.name,
                asked_type=None if at in able else wanted.role_type,
            )
            found.append(((at != chosen, len(each.missing), -points, unrelated, at), each))
        return _ordered(found), (*self._word_gaps(needs, pool), *self._type_gaps(wanted, pool, able))

    def _by_text(
        self, text: str, ranks: Sequence[int], wanted: Wanted, pool: Places, able: Places, chosen: int | None
    ) -> Looked:
        words = self._ranking.words_of(text) if any(ranks) else {}
        found = []
        for at in pool:
            role = self._roles[at]
            preferred = at in able and wanted.prefer == role.name
            fits = at in able and (ranks[at] > 0 or wanted.role_type is not None or preferred)
            each = Candidate(
                role.name,
                role.role_type,
                fits,
                float(f"{ranks[at] / ONE:.4g}"),
                words=tuple(words.get(at, ())),
                preferred=preferred,
                asked_type=None if at in able else wanted.role_type,
            )
            found.append(((at != chosen, not fits, -ranks[at], at), each))
        return _ordered(found), tuple(self._type_gaps(wanted, pool, able))

    def _word_gaps(self, needs: Sequence[Need], pool: Places) -> Iterator[Gap]:
        roles = [self._roles[at] for at in sorted(pool)]
        tables = [self._team.related, *(role.related for role in roles)]
        for need in needs:
            if not need.met.keys() & pool:
                own = distinct(word for role in roles for word in getattr(role, _HOMES[need.kind]))
                related = distinct(word for table in tables for one, others in table.items() for word in (one, *others))
                met = (word for word in related if self._index.places(need.kind, word) & pool)
                yield Gap(need.kind, need.word, nearest(need.word, [*own, *met]), own)

    def _type_gaps(self, wanted: Wanted, pool: Places, able: Places) -> Iterator[Gap]:
        if wanted.role_type and not able:
            types = distinct(kind for at in sorted(pool) if (kind := self._roles[at].role_type))
            yield Gap("role type", wanted.role_type, nearest(wanted.role_type, types), types)


def _ordered(found: list[tuple[tuple[Any, ...], Candidate]]) -> tuple[Candidate, ...]:
    """Sorted by what stands before each: whether it is chosen, its merits, its place. The chosen one says who ties."""
    found.sort(key=lambda entry: entry[0])
    if len(found) > 1 and not found[0][0][0] and found[0][0][1:-1] == found[1][0][1:-1]:
        place, first = found[0]
        found[0] = (place, first.tied(found[1][1].role))
    return tuple(each for _, each in found)
