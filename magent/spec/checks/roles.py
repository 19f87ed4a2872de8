"""Routes that nobody can take, and roles that are preferred or delegated to but do not exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from magent.roles import Decision, Gap, Router, Wanted, key
from magent.source import Problem
from magent.spec.catalogue import predefined_roles, team_of
from magent.spec.checks.context import Context
from magent.spec.checks.references import agent_of_role, unknown
from magent.spec.checks.views import Place, is_template, mapping, sequence

_LISTS = ("skills", "expertise", "tools", "delegate_to")
_WORDS = ("role_type", "extends", "description", "instructions", "agent")
_KEYS = {"skill": "skills", "expertise": "expertise"}


def check_routes(context: Context) -> Iterator[Problem]:
    """Somebody meets each `route`: routing depends on nothing that a run could change."""
    routers: dict[str, Router] = {}
    for graph in context.graphs:
        for name, node in graph.nodes.items():
            written = mapping(node.get("route"))
            route = _literal(written)
            if graph.type_of(name) != "task" or not route:
                continue
            known = {known: body for known, (body, _) in context.definitions(graph.key, "roles").items()}
            place, preferred = graph.at(name, "route"), route.get("prefer")
            if preferred is not None and preferred not in known and preferred not in predefined_roles():
                names = (*known, *predefined_roles())
                yield unknown(context, place / "prefer", "role", preferred, names)
            if graph.key not in routers:
                routers[graph.key] = Router(team_of({each: _sound(mapping(body)) for each, body in known.items()}))
            decision = routers[graph.key].route(Wanted.of(route))
            if decision.chosen is None and any(route.get(each) for each in ("skills", "expertise", "role_type")):
                yield from _unmet(place, written, decision)
            elif (
                decision.by == "requirements" and route == _sound(written) and context.default_agent(graph.key) is None
            ):
                yield from _agentless(context, place, graph.key, str(decision.chosen))


def _agentless(context: Context, place: Place, owner: str, chosen: str) -> Iterator[Problem]:
    if agent_of_role(context, owner, chosen) == "":
        message = f"no agent answers this prompt: the role '{chosen}' names none, and there is no `defaults.agent`"
        hint = "write `agent: …` at the role, or `defaults: {agent: …}` at the top of the file"
        yield place.problem("no-agent", message, hint=hint, key=True)


def _unmet(place: Place, route: Mapping[str, Any], decision: Decision) -> Iterator[Problem]:
    for gap in decision.gaps:
        hint = "; ".join(each for each in (gap.hint, decision.nearly) if each)
        yield _at(place, route, gap).problem("no-role-fits", gap.sentence, hint=hint or None)
    if not decision.gaps:
        message, *rest = decision.sentences()
        yield place.problem("no-role-fits", message, hint="; ".join(rest) or None, key=True)


def _at(place: Place, route: Mapping[str, Any], gap: Gap) -> Place:
    if gap.kind == "role type":
        return place / "role_type"
    words = route[_KEYS[gap.kind]]
    return place / (_KEYS[gap.kind], words.index(gap.wanted))


def _literal(route: Mapping[str, Any]) -> dict[str, Any]:
    """What a route requires whatever templates give: that is met before a run, or never."""
    kept: dict[str, Any] = {}
    for name, value in _sound(route).items():
        if isinstance(value, list):
            kept[name] = [item for item in value if not is_template(item)]
        elif not is_template(value):
            kept[name] = value
    return kept


def _sound(body: Mapping[str, Any]) -> dict[str, Any]:
    """What is of its kind in a role or a route: the schema tells the rest."""
    kept: dict[str, Any] = {name: body[name] for name in _WORDS if isinstance(body.get(name), str)}
    for name in _LISTS:
        if isinstance(body.get(name), list):
            kept[name] = [item for item in body[name] if isinstance(item, str)]
    if isinstance(body.get("prefer"), str):
        kept["prefer"] = body["prefer"]
    related = mapping(body.get("related_skills"))
    tables = {word: [each for each in sequence(others) if isinstance(each, str)] for word, others in related.items()}
    return kept | ({"related_skills": tables} if tables else {})


def check_delegation(context: Context) -> Iterator[Problem]:
    """`delegate_to` names roles, or types that some role has."""
    for owner, document in context.owners():
        for name, body in mapping(mapping(document.data).get("roles")).items():
            wanted = sequence(mapping(body).get("delegate_to"))
            if not wanted:
                continue
            known = {each: mapping(role) for each, (role, _) in context.definitions(owner, "roles").items()}
            types = [role["role_type"] for role in known.values() if isinstance(role.get("role_type"), str)]
            names = (*known, *types, *predefined_roles())
            folded = {key(each) for each in names}
            for index, other in enumerate(wanted):
                if isinstance(other, str) and key(other) not in folded:
                    place = Place(document, ("roles", name, "delegate_to", index))
                    yield unknown(context, place, "role", other, names)
