"""A role, flat: what it says itself with all that it takes from the roles it extends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from magent.errors import UsageError
from magent.roles.words import Related, distinct, key
from magent.source import did_you_mean

DEFAULT_MAX_SUBTASKS = 5
Declared = Mapping[str, Mapping[str, Any]]  # roles by name, as a file says them


@dataclass(frozen=True, slots=True)
class Role:
    """What an agent is good at. `agent`, `instructions` and `tools` are as the file has them: names or templates.

    `role_type` is None where neither it nor a role it extends has one. `related` holds what it, and what it extends,
    says of related words. `delegate_to` names roles and role types; empty, where it may hand subtasks to anybody.
    `lineage` leads from the role itself to the one that all began with.
    """

    name: str
    role_type: str | None = None
    description: str = ""
    agent: str | None = None
    skills: tuple[str, ...] = ()
    expertise: tuple[str, ...] = ()
    related: Related = field(default_factory=dict)
    instructions: str = ""
    tools: tuple[str, ...] = ()
    can_delegate: bool = False
    max_subtasks: int = DEFAULT_MAX_SUBTASKS
    delegate_to: tuple[str, ...] = ()
    lineage: tuple[str, ...] = ()

    def goes_by(self, word: str) -> bool:
        """Whether the word is its name or its type."""
        return key(word) in (key(self.name), key(self.role_type or ""))

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "role_type": self.role_type,
            "description": self.description,
            "extends": list(self.lineage[1:]),
            "agent": self.agent,
            "skills": list(self.skills),
            "expertise": list(self.expertise),
            "related_skills": {word: list(others) for word, others in self.related.items()},
            "instructions": self.instructions,
            "tools": list(self.tools),
            "can_delegate": self.can_delegate,
            "max_subtasks": self.max_subtasks,
            "delegate_to": list(self.delegate_to),
        }


@dataclass(frozen=True)
class Team:
    """The roles that a file knows: those it declares, in order, then the predefined ones that it does not replace.

    `related` is what holds for every role: what the predefined ones say of related words.
    """

    known: Mapping[str, Role]
    declared: tuple[str, ...]
    related: Related

    @cached_property
    def candidates(self) -> tuple[Role, ...]:
        """The roles that `route` picks from: the declared ones; all, where none is declared."""
        return tuple(self.known[name] for name in self.declared or self.known)

    def heirs(self, role: Role) -> list[Role]:
        """Whom a role may hand subtasks to: those that its `delegate_to` names, a predefined one where no other goes by
        the word; without such a list all candidates but itself, and where there is no other, all predefined ones."""
        if not role.can_delegate:
            return []
        others = [each for each in self.candidates if each.name != role.name]
        rest = [each for name, each in self.known.items() if self.declared and name not in self.declared]
        if not role.delegate_to:
            return others or rest
        found = {
            each.name
            for word in role.delegate_to
            for each in [other for other in others if other.goes_by(word)]
            or [other for other in rest if other.goes_by(word)]
        }
        return [each for each in self.known.values() if each.name in found]

    def role(self, name: str) -> Role:
        """The role of this name. Raises UsageError with the nearest."""
        if name in self.known:
            return self.known[name]
        names = list(self.known)
        shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        raise UsageError(f"there is no role '{name}'", did_you_mean(name, names) or f"known roles: {shown}")


def team(declared: Declared, predefined: Declared) -> Team:
    """The flat roles of a file whose roles, those of its libraries included, are `declared`. What is malformed, unknown
    or cyclic is refused before; a cycle that came here all the same ends where it closes."""
    known = {name: _flat(_lineage(name, declared, predefined)) for name in (*declared, *predefined)}
    tables = [_related(body) for body in predefined.values()]
    related = {word: distinct(other for table in tables for other in table.get(word, ())) for t in tables for word in t}
    return Team(known, tuple(declared), related)


def _lineage(name: str, declared: Declared, predefined: Declared) -> list[tuple[str, Mapping[str, Any], bool]]:
    """The role and those it extends: name, what is said, whether it is (or replaces) a predefined one."""
    found: list[tuple[str, Mapping[str, Any], bool]] = []
    seen = set()
    own = name in declared
    while (name, own) not in seen and name in (declared if own else predefined):
        seen.add((name, own))
        body = (declared if own else predefined)[name]
        found.append((name, body, name in predefined))
        parent = body.get("extends")
        if not isinstance(parent, str):
            break
        own = own and parent in declared and parent != name  # what extends its own name builds on the predefined one
        name = parent
    return found


def _flat(lineage: list[tuple[str, Mapping[str, Any], bool]]) -> Role:
    bodies = [body for _, body, _ in lineage]
    oldest_first = bodies[::-1]

    def said(word: str, default: Any) -> Any:
        return next((body[word] for body in bodies if body.get(word) is not None), default)

    def joined(word: str) -> tuple[str, ...]:
        return distinct(item for body in oldest_first for item in body.get(word) or ())

    return Role(
        name=lineage[0][0],
        role_type=_type(lineage),
        description=str(said("description", "")),
        agent=said("agent", None),
        skills=joined("skills"),
        expertise=joined("expertise"),
        related=_joined_tables(oldest_first),
        instructions="\n\n".join(text for body in oldest_first if (text := str(body.get("instructions", "")).strip())),
        tools=tuple(dict.fromkeys(tool for body in oldest_first for tool in body.get("tools") or ())),
        can_delegate=bool(said("can_delegate", False)),
        max_subtasks=said("max_subtasks", DEFAULT_MAX_SUBTASKS),
        delegate_to=tuple(said("delegate_to", ())),
        lineage=tuple(dict.fromkeys(name for name, _, _ in lineage)),
    )


def _type(lineage: list[tuple[str, Mapping[str, Any], bool]]) -> str | None:
    """The nearest type that is said; a predefined name is one."""
    for name, body, is_predefined in lineage:
        if body.get("role_type") or is_predefined:
            return str(body.get("role_type") or name)
    return None


def _related(body: Mapping[str, Any]) -> Related:
    return {word: tuple(others) for word, others in (body.get("related_skills") or {}).items()}


def _joined_tables(bodies: Iterable[Mapping[str, Any]]) -> Related:
    found: dict[str, tuple[str, ...]] = {}
    for body in bodies:
        for word, others in _related(body).items():
            found[word] = distinct((*found.get(word, ()), *others))
    return found
