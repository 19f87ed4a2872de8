"""The predefined roles: `magent/catalogue/roles.yaml`, a library like any other, read when a role is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from magent.roles import Team, team
from magent.spec.loader import Bundle, load_yaml

FILE = Path(__file__).resolve().parent.parent / "catalogue" / "roles.yaml"


@cache
def predefined_roles() -> Mapping[str, Mapping[str, Any]]:
    """The predefined roles by name, as the catalogue says them."""
    data, problems, _ = load_yaml(FILE.read_bytes(), FILE.name)
    assert not problems, problems
    roles: Mapping[str, Mapping[str, Any]] = data["roles"]
    return roles


def team_of(roles: Mapping[str, Mapping[str, Any]]) -> Team:
    """The flat roles of a file that declares these, its libraries' included, with the predefined ones."""
    return team(roles, predefined_roles())


def team_of_bundle(bundle: Bundle) -> Team:
    """The flat roles of a workflow or library that was read and checked."""
    return team_of({name: body for name, (body, _) in bundle.definitions(bundle.root, "roles").items()})
