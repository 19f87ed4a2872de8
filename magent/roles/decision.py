"""What routing found: every role that was looked at, its score and why, as data and in sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

Kind = Literal["skill", "expertise"]
How = Literal["exact", "related", "missing"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a task asks for: `route` of the language. Words are kept as they were written."""

    skills: tuple[str, ...] = ()
    expertise: tuple[str, ...] = ()
    role_type: str | None = None
    prefer: str | None = None

    @classmethod
    def of(cls, route: Mapping[str, Any]) -> Wanted:
        skills, expertise = tuple(route.get("skills") or ()), tuple(route.get("expertise") or ())
        return cls(skills, expertise, route.get("role_type"), route.get("prefer"))

    def as_json(self) -> dict[str, Any]:
        lists = {"skills": list(self.skills), "expertise": list(self.expertise)}
        return lists | {"role_type": self.role_type, "prefer": self.prefer}


@dataclass(frozen=True, slots=True)
class Match:
    """How a role meets one requirement: `by` is the role's own word, None where nothing meets it."""

    kind: Kind
    wanted: str
    how: How
    by: str | None
    points: int

    def sentence(self) -> str:
        if self.how == "missing":
            return f"no {self.named}"
        by = f" by '{self.by}'" if self.how == "related" else ""
        return f"{self.named}{by} ({self.points:+})"

    @property
    def named(self) -> str:
        """`skill 'python'`."""
        return f"{self.kind} '{self.wanted}'"

    def as_json(self) -> dict[str, Any]:
        fields = {"kind": self.kind, "wanted": self.wanted, "how": self.how, "by": self.by}
        return fields | {"points": self.points}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One role that was looked at. `score` is the points of its matches plus `focus`, or the rank of its text where
    nothing is required. `unrelated` counts its own words that no requirement is about. `words` are those of the task
    that its text has, the weightiest first."""

    role: str
    role_type: str | None
    fits: bool
    score: float
    matches: tuple[Match, ...] = ()
    unrelated: int | None = None
    focus: float = 0.0
    words: tuple[str, ...] = ()
    preferred: bool = False
    asked_type: str | None = None  # where the role is of another one
    ties_with: str | None = None  # the next best, declared later

    def tied(self, other: str) -> Candidate:
        return self if self.preferred else replace(self, ties_with=other)

    @property
    def missing(self) -> tuple[str, ...]:
        """What keeps it from fitting: `("skill 'cobol'",)`."""
        lacking = tuple(match.named for match in self.matches if match.how == "missing")
        return lacking if self.asked_type is None else (*lacking, f"role type '{self.asked_type}'")

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it has its score, a short sentence each."""
        said = ["is preferred"] if self.preferred else []
        if self.asked_type is not None:
            said.append(f"type '{self.role_type}', not '{self.asked_type}'" if self.role_type else "no type")
        said += [match.sentence() for match in sorted(self.matches, key=lambda match: match.how != "missing")]
        if self.words:
            said.append(f"matches {', '.join(self.words)}")
        elif not self.matches:
            said.append("matches no word of the task")
        if self.unrelated is not None and self.score > 0:
            beside = f"{self.unrelated} unrelated" if self.unrelated else "nothing unrelated"
            said.append(f"{beside} ({self.focus:+.2f})")
        if self.ties_with is not None:
            said.append(f"declared before '{self.ties_with}', which is as good")
        return tuple(said)

    def as_json(self) -> dict[str, Any]:
        return {
            "role": self.role,
            "role_type": self.role_type,
            "fits": self.fits,
            "score": self.score,
            "matches": [match.as_json() for match in self.matches],
            "unrelated": self.unrelated,
            "focus": self.focus,
            "words": list(self.words),
            "preferred": self.preferred,
            "missing": list(self.missing),
            "reasons": list(self.reasons),
        }


@dataclass(frozen=True, slots=True)
class Gap:
    """A requirement that no role meets; `near` is the known word most like it, `known` some of what there is."""

    kind: Literal["skill", "expertise", "role type"]
    wanted: str
    near: str | None
    known: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        verb = "is of the type" if self.kind == "role type" else f"has the {self.kind}"
        return f"no role {verb} '{self.wanted}'"

    @property
    def hint(self) -> str | None:
        if self.near:
            return f"did you mean '{self.near}'?"
        return f"known: {', '.join(self.known[:12])}{', …' if len(self.known) > 12 else ''}" if self.known else None

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "wanted": self.wanted, "near": self.near, "message": self.sentence}


@dataclass(frozen=True)
class Decision:
    """Which role is chosen (None: nobody fits), and what that rests on. The table is made when it is looked at: picking
    one of a thousand roles costs less than saying why the others were not."""

    wanted: Wanted
    by: Literal["requirements", "text"]
    chosen: str | None
    look: Callable[[], tuple[tuple[Candidate, ...], tuple[Gap, ...]]]
    ignored: str | None = None  # the role that is preferred, but is none of those to choose from

    @cached_property
    def _looked(self) -> tuple[tuple[Candidate, ...], tuple[Gap, ...]]:
        return self.look()

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Every role: the chosen one first, then those that fit, then the rest, the nearest first."""
        return self._looked[0]

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The requirements that no role meets at all."""
        return self._looked[1]

    @property
    def nearest(self) -> Candidate | None:
        """Where nobody fits: the role that lacks least, if it meets anything."""
        first = next(iter(self.candidates), None)
        return first if self.chosen is None and first is not None and first.score > 0 else None

    def sentences(self) -> tuple[str, ...]:
        """What was chosen and why; where nobody fits, the gap, what to write instead and who comes nearest."""
        beside = (f"'{self.ignored}' is preferred, but is none of the roles to choose from",) if self.ignored else ()
        if self.chosen is not None:
            return (f"'{self.chosen}' is chosen: {'; '.join(self.candidates[0].reasons)}", *beside)
        told = [f"{gap.sentence}{f' ({gap.hint})' if gap.hint else ''}" for gap in self.gaps]
        if not told:
            told = ["no role meets all that is asked" if self.by == "requirements" else _SILENT]
        return (*told, *([self.nearly] if self.nearly else []), *beside)

    @property
    def nearly(self) -> str | None:
        """Where nobody fits: who comes nearest, and what that role lacks."""
        if (near := self.nearest) is None:
            return None
        return f"the nearest is '{near.role}', which lacks the {' and the '.join(near.missing)}"

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON has it: what the journal records."""
        return {
            "chosen": self.chosen,
            "by": self.by,
            "wanted": self.wanted.as_json(),
            "candidates": [candidate.as_json() for candidate in self.candidates],
            "gaps": [gap.as_json() for gap in self.gaps],
            "nearest": self.nearest.role if self.nearest else None,
            "sentences": list(self.sentences()),
        }


_SILENT = "no word of the task is among the skills, expertise and descriptions of the roles; say which skills it needs"
