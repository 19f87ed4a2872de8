"""What installed packages bring for magent: entry points, each a name in one of the groups below."""

from __future__ import annotations

from typing import Any

from magent.functions import FunctionNotFound, load_object
from magent.source import did_you_mean

AGENTS = "magent.agents"
EXPORTERS = "magent.exporters"
HUMANS = "magent.humans"
STORES = "magent.stores"
TOOLS = "magent.tools"


def offered(group: str) -> list[str]:
    """The names that there are in a group."""
    from importlib.metadata import entry_points  # takes as long as all of this package

    return list(dict.fromkeys(entry.name for entry in entry_points(group=group)))


def load_entry(group: str, name: str, who: str) -> Any:
    """What stands behind a name; None where no package offers it. Raises FunctionNotFound, in whose message it is
    called `who`, where it cannot be loaded."""
    from importlib.metadata import entry_points

    for entry in entry_points(group=group, name=name):
        try:
            return entry.load()
        except Exception as error:
            told = f"{who} cannot be loaded: {entry.value}: {type(error).__name__}: {error}"
            raise FunctionNotFound(told, "is its package whole?") from error
    return None


def load_named(group: str, wanted: str, home: str, *, who: str, none: str) -> Any:
    """What a name of the group means, or `module:name` seen from the directory `home`. Raises FunctionNotFound, with
    the message `none` where no package offers the name."""
    if ":" in wanted:
        return load_object(wanted, home)
    found = load_entry(group, wanted, who)
    if found is None:
        known = offered(group)
        hint = did_you_mean(wanted, known) or f"installed: {', '.join(known) or 'none'}; or write `module:name`"
        raise FunctionNotFound(none, hint)
    return found
