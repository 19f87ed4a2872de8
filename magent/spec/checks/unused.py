"""What is declared and never used, or asked for and not there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from magent.source import Problem
from magent.spec.catalogue import predefined_roles
from magent.spec.checks.context import Context
from magent.spec.checks.views import Place, is_template, mapping, sequence

UNUSED = {"roles": "unused-role", "tools": "unused-tool", "chains": "unused-chain"}
_IGNORED = ("limits", "secrets", "workspace", "checkpoints", "notify")


def check_secrets(context: Context) -> Iterator[Problem]:
    """Secrets that the environment does not hold."""
    root = context.root
    if root is None:
        return
    for index, name in enumerate(sequence(mapping(root.data).get("secrets"))):
        if isinstance(name, str) and name not in os.environ:
            message = f"the secret {name} is not set in the environment"
            yield Place(root, ("secrets", index)).warning("secret-not-set", message, hint=f"export {name}=…")


def check_keys_of_called_files(context: Context) -> Iterator[Problem]:
    """Limits, secrets and workspace come from the top and hold for all."""
    for key, document in context.bundle.documents.items():
        if key == context.bundle.root:
            continue
        for name in _IGNORED:
            if name in mapping(document.data):
                message = f"`{name}` is ignored here: this file is called as a subgraph, and the caller's holds for all"
                yield Place(document, (name,)).warning("ignored-key", message, key=True)


def check_unused(context: Context) -> Iterator[Problem]:
    """Roles, tools and chains of a workflow file that nothing uses; libraries may hold more than one workflow needs."""
    used = _used(context)
    for document in context.bundle.documents.values():
        if "nodes" not in mapping(document.data):
            continue
        for section, code in UNUSED.items():
            for name in mapping(mapping(document.data).get(section)):
                if used[section] is not None and name not in used[section]:
                    kind = section.removesuffix("s")
                    place = Place(document, (section, name))
                    yield place.warning(code, f"the {kind} '{name}' is never used", key=True)


def _used(context: Context) -> dict[str, Any]:
    """Names used anywhere in the bundle; None for a section of which any may be: chosen by template, by `route`
    or by a role that delegates."""
    names: dict[str, Any] = {"roles": set(), "tools": set(), "chains": set()}
    for graph in context.graphs:
        for name, node in graph.nodes.items():
            if graph.type_of(name) == "task":
                _note(names, node)
    for _, document in context.all_documents():
        data = mapping(document.data)
        for section in ("agents", "roles"):
            for body in mapping(data.get(section)).values():
                _note(names, {"tools": mapping(body).get("tools"), "role": mapping(body).get("extends")})
                if mapping(body).get("can_delegate"):
                    names["roles"] = None
        for chain in mapping(data.get("chains")).values():
            for step in sequence(mapping(chain).get("steps")):
                _note(names, {key: mapping(step).get(key) for key in ("tool", "chain")})
    return names


def _note(names: dict[str, Any], node: Mapping[str, Any]) -> None:
    if "route" in node:
        names["roles"] = None
    for section, key in (("roles", "role"), ("tools", "tool"), ("chains", "chain")):
        _add(names, section, node.get(key))
    tools = node.get("tools")
    for tool in tools if isinstance(tools, list) else [tools]:
        _add(names, "tools", tool)
        _add(names, "chains", tool)


def _add(names: dict[str, Any], section: str, name: Any) -> None:
    if is_template(name):
        names[section] = None
    elif isinstance(name, str) and names[section] is not None:
        names[section].add(name.partition(".")[0] if section == "tools" else name)
        if section == "roles" and mapping(predefined_roles().get(name)).get("can_delegate"):
            names[section] = None
