"""What the package brings along as YAML, read when it is asked for: the predefined roles
(`magent/catalogue/roles.yaml`, a library like any other) and the envelopes of agent CLIs (`envelopes.yaml`)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from magent.roles import Team, team
from magent.spec.loader import Bundle, load_yaml

CATALOGUE = Path(__file__).resolve().parent.parent / "catalogue"
FILE = CATALOGUE / "roles.yaml"


@cache
def predefined_roles() -> Mapping[str, Mapping[str, Any]]:
    """The predefined roles by name, as the catalogue says them."""
    return _section("roles")


@cache
def predefined_envelopes() -> Mapping[str, Mapping[str, Any]]:
    """What agent CLIs print, by name: where in it the answer stands."""
    return _section("envelopes")


def _section(name: str) -> Mapping[str, Mapping[str, Any]]:
    file = CATALOGUE / f"{name}.yaml"
    data, problems, _ = load_yaml(file.read_bytes(), file.name)
    assert not problems, problems
    found: Mapping[str, Mapping[str, Any]] = data[name]
    return found


def team_of(roles: Mapping[str, Mapping[str, Any]]) -> Team:
    """The flat roles of a file that declares these, its libraries' included, with the predefined ones."""
    return team(roles, predefined_roles())


def team_of_bundle(bundle: Bundle) -> Team:
    """The flat roles of a workflow or library that was read and checked."""
    return team_of({name: body for name, (body, _) in bundle.definitions(bundle.root, "roles").items()})
