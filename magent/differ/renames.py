"""Nodes that only have another name now: whose definition is the same, but for names, and for the edges to them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from magent.graph import node_edges
from magent.model import Graph

_PASSES = 10  # of names within names
_TARGETS = ("branches", "body", "to")  # keys of a node that name others
Names = Mapping[str, str]


def renamed(first: Graph, second: Graph, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """New names by old ones. `before` and `after` are what the two graphs' files say of each node beside its edges."""
    found: dict[str, str] = {}
    for _ in range(_PASSES):
        gone = [name for name in before if name not in second.nodes and name not in found]
        come = [name for name in after if name not in first.nodes and name not in found.values()]
        news = {
            old: new
            for ways in (True, False)
            for old, new in _alike(
                {name: _form(name, before[name], first, found, ways) for name in gone},
                {name: _form(name, after[name], second, {}, ways) for name in come},
            ).items()
        }
        if not news:
            break
        found |= {old: new for old, new in news.items() if new not in found.values()}
    return found


def _alike(gone: Mapping[str, str], come: Mapping[str, str]) -> dict[str, str]:
    """Those of which there is one of a form before, and one after."""
    olds, news = _alone(gone), _alone(come)
    return {old: news[form] for form, old in olds.items() if form in news}


def _alone(forms: Mapping[str, str]) -> dict[str, str]:
    names: dict[str, list[str]] = {}
    for name, form in forms.items():
        names.setdefault(form, []).append(name)
    return {form: those[0] for form, those in names.items() if len(those) == 1}


def _form(name: str, said: Any, graph: Graph, names: Names, ways: bool) -> str:
    """The definition as text, in which its own name is nobody's; with the edges that leave it, where they count."""
    known = {**names, name: "\0"}
    rename = renamer(known)
    leaving = node_edges(graph.nodes[name])
    edges = [(edge.kind, known.get(edge.target, edge.target), rename(when)) for edge, when in leaving]
    return json.dumps([rename(said), edges if ways else None], sort_keys=True, default=str)


def renamer(names: Names) -> Callable[[Any], Any]:
    """What puts new names in the place of old ones: in `state.old` and `nodes.old`, and where a node names another."""
    if not names:
        return lambda value: value
    known = re.compile(rf"\b(state|nodes)\.({'|'.join(map(re.escape, names))})\b")

    def text(value: str) -> str:
        return known.sub(lambda at: f"{at[1]}.{names[at[2]]}", value)

    def put(value: Any, *, names_one: bool = False) -> Any:
        if isinstance(value, str):
            return names.get(value, value) if names_one else text(value)
        if isinstance(value, Mapping):
            return {key: put(item, names_one=key in _TARGETS) for key, item in value.items()}
        return [put(item, names_one=names_one) for item in value] if isinstance(value, list) else value

    return put
