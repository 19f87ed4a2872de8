"""Picks the best of a team's roles for a task: by what the task requires, else by its words. The same call always picks
the same role.

By requirements, a role fits that meets each of them (`index` says how). Its score is the points of its matches plus its
focus, which the words that it has beside all that take away from. The focus is below 1 point: it decides between roles
that match equally well, so that a specialist goes before a generalist, but never before a better match. A role that is
preferred goes first among those that fit; else ties go to the role declared first. Adding a role never changes how
others score.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from magent.roles.decision import Candidate, Decision, Gap, Kind, Wanted
from magent.roles.index import Index, Need
from magent.roles.ranking import Ranking
from magent.roles.role import Role, Team
from magent.roles.words import distinct, key
from magent.source import nearest

_HOMES: Mapping[Kind, str] = {"skill": "skills", "expertise": "expertise"}
Looked = tuple[tuple[Candidate, ...], tuple[Gap, ...]]


class Router:
    """An index over the roles of a team, made once; `route` asks it."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._roles: Sequence[Role] = team.candidates
        self._places = {role.name: at for at, role in enumerate(self._roles)}
        self._index = Index(self._roles, team.related)
        self._types: dict[str, dict[int, None]] = {}
        for at, role in enumerate(self._roles):
            self._types.setdefault(key(role.role_type or ""), {})[at] = None

    def route(self, wanted: Wanted, text: str = "") -> Decision:
        """Who is to do a task. Without skills and expertise, the task's `text` is matched instead: those fit then that
        have a word of it; where a role type is asked for, all of that type; and the preferred one. Raises MagentError
        where texts cannot be ranked on this machine."""
        needs = [*self._index.needs("skill", wanted.skills), *self._index.needs("expertise", wanted.expertise)]
        typed = self._types.get(key(wanted.role_type), {}) if wanted.role_type else None
        if needs:
            chosen, fit = self._index.best(needs, None if typed is None else typed.keys())
            chosen = self._preferred(wanted, fit, chosen)
            return self._decision(wanted, chosen, partial(self._by_needs, needs, wanted, typed, chosen), text=False)
        ranks = self._ranking.rank(text) if text.strip() else {}
        able = ranks if typed is None else {at: ranks.get(at, 0.0) for at in typed}
        most = max(able.values(), default=0.0)
        chosen = min([at for at, rank in able.items() if rank == most], default=None)
        chosen = self._preferred(wanted, range(len(self._roles)) if typed is None else typed, chosen)
        return self._decision(wanted, chosen, partial(self._by_text, text, ranks, wanted, typed, chosen), text=True)

    @cached_property
    def _ranking(self) -> Ranking:
        return Ranking(self._team)

    def _preferred(self, wanted: Wanted, fit: Any, best: int | None) -> int | None:
        place = self._places.get(wanted.prefer or "")
        return place if place is not None and place in fit else best

    def _decision(self, wanted: Wanted, chosen: int | None, look: Any, *, text: bool) -> Decision:
        name = None if chosen is None else self._roles[chosen].name
        ignored = wanted.prefer if wanted.prefer and wanted.prefer not in self._places else None
        return Decision(wanted, "text" if text else "requirements", name, look, ignored)

    # ---- saying why

    def _by_needs(
        self, needs: Sequence[Need], wanted: Wanted, typed: Mapping[int, None] | None, chosen: int | None
    ) -> Looked:
        found = []
        for at, role in enumerate(self._roles):
            matches = tuple(need.match(at) for need in needs)
            points = sum(match.points for match in matches)
            unrelated = self._index.unrelated(at, needs)
            focus = 1 / (2 + unrelated)
            alien = typed is not None and at not in typed
            fits = not alien and all(match.how != "missing" for match in matches)
            each = Candidate(
                role.name,
                role.role_type,
                fits,
                round(points + focus, 4) if points else 0.0,
                matches,
                unrelated,
                round(focus, 4),
                preferred=fits and wanted.prefer == role.name,
                asked_type=wanted.role_type if alien else None,
            )
            found.append(((at != chosen, len(each.missing), -points, unrelated, at), each))
        return _ordered(found), (*self._word_gaps(needs), *self._type_gaps(wanted, typed))

    def _by_text(
        self,
        text: str,
        ranks: Mapping[int, float],
        wanted: Wanted,
        typed: Mapping[int, None] | None,
        chosen: int | None,
    ) -> Looked:
        words = self._ranking.words_of(text) if ranks else {}
        found = []
        for at, role in enumerate(self._roles):
            alien = typed is not None and at not in typed
            preferred = not alien and wanted.prefer == role.name
            fits = not alien and (at in ranks or typed is not None or preferred)
            each = Candidate(
                role.name,
                role.role_type,
                fits,
                round(ranks.get(at, 0.0), 4),
                words=tuple(words.get(at, ())),
                preferred=preferred,
                asked_type=wanted.role_type if alien else None,
            )
            found.append(((at != chosen, not fits, -ranks.get(at, 0.0), at), each))
        return _ordered(found), tuple(self._type_gaps(wanted, typed))

    def _word_gaps(self, needs: Sequence[Need]) -> Iterator[Gap]:
        tables = [self._team.related, *(role.related for role in self._roles)]
        related = [word for table in tables for one, others in table.items() for word in (one, *others)]
        for need in needs:
            if not need.met:
                kind = need.kind
                own = distinct(word for role in self._roles for word in getattr(role, _HOMES[kind]))
                like = [*own, *(word for word in distinct(related) if self._index.knows(kind, word))]
                yield Gap(kind, need.word, nearest(need.word, like), own)

    def _type_gaps(self, wanted: Wanted, typed: Mapping[int, None] | None) -> Iterator[Gap]:
        if wanted.role_type and not typed:
            types = distinct(role.role_type for role in self._roles if role.role_type)
            yield Gap("role type", wanted.role_type, nearest(wanted.role_type, types), types)


def _ordered(found: list[tuple[tuple[Any, ...], Candidate]]) -> tuple[Candidate, ...]:
    """Sorted by what stands before each: whether it is chosen, its merits, its place. The chosen one says who ties."""
    found.sort(key=lambda entry: entry[0])
    if len(found) > 1 and not found[0][0][0] and found[0][0][1:-1] == found[1][0][1:-1]:
        place, first = found[0]
        found[0] = (place, first.tied(found[1][1].role))
    return tuple(each for _, each in found)
