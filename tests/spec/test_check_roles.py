"""Checks of roles that need more than one file to tell: who answers a route, and which roles delegation may use."""

from __future__ import annotations

from textwrap import dedent

import pytest

from magent.spec.checks import check
from magent.spec.loader import load

HEAD = "magent: 1\nname: w\nagents: {a: {model: local}}\n"


def codes(text: str) -> list[tuple[str, str]]:
    bundle = load("w.yaml", text=(HEAD + dedent(text)).encode())
    return [(problem.code, problem.path) for problem in check(bundle)]


@pytest.mark.parametrize(
    ("roles", "defaults", "expected"),
    [
        ("{x: {skills: [s]}}", "{}", [("no-agent", "nodes.n.route")]),
        ("{x: {skills: [s], agent: a}}", "{}", []),
        ("{x: {skills: [s]}}", "{agent: a}", []),
        ("{y: {agent: a}, x: {extends: y, skills: [s]}}", "{}", []),
        ("{x: {skills: [s], agent: '{{ env.WHO }}'}}", "{}", []),
    ],
)
def test_the_role_that_a_route_leads_to_needs_an_agent(
    roles: str, defaults: str, expected: list[tuple[str, str]]
) -> None:
    text = f"env: [WHO]\nroles: {roles}\ndefaults: {defaults}\nnodes: {{n: {{prompt: x, route: {{skills: [s]}}}}}}"
    assert codes(text) == expected


@pytest.mark.parametrize(
    ("lead", "expected"),
    [
        ("{agent: a, skills: [s]}", [("unused-role", "roles.spare")]),
        ("{agent: a, can_delegate: true}", []),
        ("{agent: a, extends: manager}", []),
    ],
)
def test_roles_that_may_be_delegated_to_are_used(lead: str, expected: list[tuple[str, str]]) -> None:
    text = f"roles: {{lead: {lead}, spare: {{skills: [t]}}}}\nnodes: {{n: {{prompt: x, role: lead}}}}"
    assert codes(text) == expected


def test_a_predefined_role_that_delegates_uses_the_files() -> None:
    text = "defaults: {agent: a}\nroles: {spare: {skills: [t]}}\nnodes: {n: {prompt: x, role: manager}}"
    assert codes(text) == []


@pytest.mark.parametrize(
    "roles",
    [
        "{x: 3}",
        "{x: {skills: 3}}",
        "{x: {skills: [3, {a: b}]}}",
        "{x: {related_skills: [a]}}",
        "{x: {related_skills: {a: b}}}",
        "{x: {extends: [coder], expertise: {a: b}, delegate_to: x}}",
        "{x: {extends: y}, y: {extends: x}}",
        "[a]",
    ],
)
@pytest.mark.parametrize(
    "route", ["{skills: [s]}", "{skills: s}", "{skills: [3]}", "[x]", "{prefer: [a]}", "{role_type: {}}"]
)
def test_malformed_roles_and_routes_are_problems_and_never_a_crash(roles: str, route: str) -> None:
    text = f"defaults: {{agent: a}}\nroles: {roles}\nnodes: {{n: {{prompt: x, route: {route}}}}}"
    assert codes(text)
