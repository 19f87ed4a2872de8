"""Names of agents, roles, tools, chains and subgraphs, wherever something is named, and the arguments handed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from magent.source import Problem
from magent.spec.builtins import BUILTINS
from magent.spec.catalogue import predefined_roles
from magent.spec.checks.context import Context
from magent.spec.checks.views import (
    GraphView,
    Place,
    is_template,
    mapping,
    sequence,
)
from magent.spec.loader import Document, is_file
from magent.spec.schema import UNUSABLE, check_value, field_schema
from magent.spec.takes import Takes, takes

UNKNOWN = {"agent": "unknown-agent", "role": "unknown-role", "tool": "unknown-tool", "chain": "unknown-chain"}
MAX_EXTENDED = 100  # roles, one after another
_TOLD = 12  # names, where there can be thousands
Reference = tuple[Place, str, str]  # where, the key of the document whose names count, the name


def nodes(context: Context) -> Iterator[tuple[GraphView, str, Mapping[str, Any]]]:
    for graph in context.graphs:
        for name, node in graph.nodes.items():
            yield graph, name, node


def shared(context: Context, section: str) -> Iterator[tuple[Place, str, Mapping[str, Any]]]:
    for key, document in context.owners():
        for name, body in mapping(mapping(document.data).get(section)).items():
            if isinstance(body, Mapping):
                yield Place(document, (section, name)), key, body


def literal(value: Any) -> bool:
    return isinstance(value, str) and not is_template(value)


def _agent_names(context: Context) -> Iterator[Reference]:
    for graph, name, node in nodes(context):
        if graph.type_of(name) == "task" and literal(node.get("agent")):
            yield graph.at(name, "agent"), graph.key, node["agent"]
    for place, key, role in shared(context, "roles"):
        if literal(role.get("agent")):
            yield place / "agent", key, role["agent"]
    for key, document in context.owners():
        defaults = mapping(mapping(document.data).get("defaults"))
        if literal(defaults.get("agent")):
            yield Place(document, ("defaults", "agent")), key, defaults["agent"]


def check_agents(context: Context) -> Iterator[Problem]:
    for place, key, name in _agent_names(context):
        known = context.definitions(key, "agents")
        if name not in known:
            yield unknown(context, place, "agent", name, known)
    for place, key, agent in shared(context, "agents"):
        known = context.definitions(key, "agents")
        for index, name in enumerate(sequence(agent.get("fallback"))):
            if literal(name) and name not in known:
                yield unknown(context, place / ("fallback", index), "agent", name, known)


def unknown(
    context: Context, place: Place, kind: str, name: str, known: Mapping[str, Any] | tuple[str, ...]
) -> Problem:
    """There is no agent, role, tool or chain of this name; the nearest of the known ones, or which there are."""
    hint = context.hint(name, known)
    if hint is None:
        shown = ", ".join(islice(known, _TOLD)) + (", …" if len(known) > _TOLD else "")
        hint = f"known {kind}s: {shown}" if known else f"define it under `{kind}s`"
    return place.problem(UNKNOWN[kind], f"there is no {kind} '{name}'", hint=hint)


def check_tasks_have_an_agent(context: Context) -> Iterator[Problem]:
    """A prompt needs somebody to answer it."""
    for graph, name, node in nodes(context):
        if graph.type_of(name) != "task" or "prompt" not in node or "agent" in node or "route" in node:
            continue
        if context.default_agent(graph.key) is not None:
            continue
        role = node.get("role")
        if role is None or (literal(role) and agent_of_role(context, graph.key, role) == ""):
            message = f"no agent answers this prompt: '{name}' names none, and there is no `defaults.agent`"
            hint = "write `agent: …`, or `defaults: {agent: …}` at the top of the file"
            yield graph.at(name, "prompt").problem("no-agent", message, hint=hint, key=True)


def agent_of_role(context: Context, key: str, role: str) -> Any:
    """The agent that a role or one it extends names; "" where none does, None where that is not known."""
    known = context.definitions(key, "roles")
    seen: set[str] = set()
    while role in known and role not in seen:
        seen.add(role)
        body = mapping(known[role][0])
        if "agent" in body:
            return body["agent"]
        if not isinstance(body.get("extends"), str):
            return ""
        role = body["extends"]
    return "" if role in predefined_roles() else None


def check_roles(context: Context) -> Iterator[Problem]:
    for graph, name, node in nodes(context):
        role = node.get("role")
        if graph.type_of(name) == "task" and isinstance(role, str) and not is_template(role):
            known = (*context.definitions(graph.key, "roles"), *predefined_roles())
            if role not in known:
                yield unknown(context, graph.at(name, "role"), "role", role, known)
    for place, key, body in shared(context, "roles"):
        known = (*context.definitions(key, "roles"), *predefined_roles())
        parent = body.get("extends")
        if isinstance(parent, str) and parent not in known:
            yield unknown(context, place / "extends", "role", parent, known)


def check_roles_that_extend_themselves(context: Context) -> Iterator[Problem]:
    """Or so many others that what they say could not be put together any more."""
    found: dict[str, tuple[dict[str, list[str]], dict[str, int]]] = {}  # by the document that knows them
    for place, key, _ in shared(context, "roles"):
        if key not in found:
            found[key] = _rounds(context.definitions(key, "roles"))
        rounds, depths = found[key]
        name = str(place.path[-1])
        if name in rounds:
            message = f"a role that extends itself: {' → '.join([*rounds[name], name])}"
            yield (place / "extends").problem("role-cycle", message)
        elif depths.get(name) == MAX_EXTENDED + 1:  # those that extend it are told by it
            message = f"a role extends at most {MAX_EXTENDED} others, one after another"
            yield (place / "extends").problem("role-depth", message, hint="leave out some of those between")


def _rounds(known: Mapping[str, tuple[Any, Document]]) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Of each role that extends itself the way back to it: it and the others, as far as they are told; and how many
    each extends. A role is looked at once."""
    found: dict[str, list[str]] = {}
    depths: dict[str, int] = {}
    for start in known:
        trail: dict[str, None] = {}
        role: Any = start
        while isinstance(role, str) and role in known and role not in depths and role not in trail:
            trail[role] = None
            parent = mapping(known[role][0]).get("extends")
            role = None if parent == role and role in predefined_roles() else parent
        if isinstance(role, str) and role in trail:
            names = list(trail)[list(trail).index(role) :]
            more = [] if len(names) <= _TOLD else ["…"]
            ring = [*names, *names[:_TOLD]]
            found |= {name: [*ring[at : at + min(len(names), _TOLD)], *more] for at, name in enumerate(names)}
        depth = depths.get(role, -1) if isinstance(role, str) else -1
        for name in reversed(trail):
            depth += 1
            depths[name] = depth
    return found, depths


def check_subgraphs(context: Context) -> Iterator[Problem]:
    """`uses` names a graph under `subgraphs`; a file that could not be read is told by the loader."""
    for graph, name, node in nodes(context):
        uses = node.get("uses")
        if graph.type_of(name) != "subgraph" or not isinstance(uses, str) or is_file(uses):
            continue
        known = mapping(mapping(graph.document.data).get("subgraphs"))
        if uses not in known:
            hint = context.hint(uses, known) or "define it under `subgraphs`, or name a file such as `./translate.yaml`"
            yield graph.at(name, "uses").problem("unknown-subgraph", f"there is no subgraph '{uses}'", hint=hint)


def check_called_files(context: Context) -> Iterator[Problem]:
    """What a node calls is a workflow, not a library."""
    for graph, name, node in nodes(context):
        uses = node.get("uses")
        if graph.type_of(name) != "subgraph" or not isinstance(uses, str) or not is_file(uses):
            continue
        target = context.bundle.target(graph.key, uses)
        document = context.bundle.documents.get(target) if target else None
        if document is not None and "nodes" not in mapping(document.data):
            message = f"{document.file} has no `nodes`: it is no workflow that can be called"
            yield graph.at(name, "uses").problem("not-a-workflow", message, hint="a library is named under `include`")


class _Callee(NamedTuple):
    """What arguments are handed to: its fields, what it is called, what they are called there, and which of them must
    be given (None: those without a default)."""

    fields: Mapping[str, Any]
    title: str
    word: str
    required: Sequence[str] | None = None


def check_arguments(context: Context) -> Iterator[Problem]:
    """What `with` hands to a subgraph, a chain or a tool: known names, none missing, literals that fit."""
    for graph, name, node in nodes(context):
        if (callee := _callee(context, graph, name, node)) is not None:
            yield from _arguments(context, graph.at(name), node, callee)
    for place, key, chain in shared(context, "chains"):
        tools = context.definitions(key, "tools")
        for index, step in enumerate(sequence(chain.get("steps"))):
            step = mapping(step)
            callee = (
                _chain(context, key, step["chain"]) if literal(step.get("chain")) else _tool(tools, step.get("tool"))
            )
            if callee is not None:
                yield from _arguments(context, place / ("steps", index), step, callee)


def _callee(context: Context, graph: GraphView, name: str, node: Mapping[str, Any]) -> _Callee | None:
    kind = graph.type_of(name)
    if kind == "subgraph":
        called = context.subgraph(graph, node.get("uses"))
        return _Callee(called.inputs, f"the subgraph '{node['uses']}'", "input") if called else None
    if kind == "task" and literal(node.get("chain")):
        return _chain(context, graph.key, node["chain"])
    return _tool(context.definitions(graph.key, "tools"), node.get("tool")) if kind == "task" else None


def _chain(context: Context, key: str, name: str) -> _Callee | None:
    chain = context.definitions(key, "chains").get(name)
    return _Callee(mapping(mapping(chain[0]).get("inputs")), f"the chain '{name}'", "input") if chain else None


def _tool(tools: Mapping[str, Any], name: Any) -> _Callee | None:
    """Those of which is known here what they take: the built-in ones, commands, and functions that say it."""
    entry, _, inner = name.partition(".") if isinstance(name, str) else ("", "", "")
    body = mapping(tools[entry][0]) if entry in tools else {}
    title = f"the tool '{name}'"
    taken = takes(body)
    if inner and body.get("builtin") != "files":
        return None
    if taken is not None or "run" in body:
        return _taking(taken or Takes({}), title)

    told = BUILTINS.get(str(body.get("builtin")), {}).get(inner)
    if told is None:
        return None
    return _Callee(told.parameters["properties"], title, "parameter", told.parameters["required"])


def _taking(taken: Takes, title: str) -> _Callee:
    return _Callee(taken.fields, title, "parameter", None if taken.whole is None else taken.required)


def _arguments(context: Context, caller: Place, node: Mapping[str, Any], callee: _Callee) -> Iterator[Problem]:
    arguments, (fields, title, word, required) = node.get("with", {}), callee
    if not isinstance(arguments, Mapping):
        return
    for name, value in arguments.items():
        place = caller / ("with", name)
        if name not in fields:
            hint = context.hint(name, fields) or f"known {word}s: {', '.join(fields) or 'none'}"
            yield place.problem("unknown-argument", f"{title} has no {word} '{name}'", hint=hint, key=True)
        elif isinstance(fields[name], Mapping) and not has_template(value):
            for sentence in misfit(fields[name], value):
                message = f"the {word} '{name}' of {title} does not fit: {sentence}"
                yield place.problem("wrong-argument", message)
    if required is None:
        required = [name for name, schema in fields.items() if "default" not in mapping(schema)]
    missing = [name for name in required if name not in arguments]
    if missing:
        shown = ", ".join(f"'{name}'" for name in missing)
        message = f"{title} needs the {word}{'s' if len(missing) > 1 else ''} {shown}"
        hint = f"hand it over: `with: {{{missing[0]}: …}}`"
        if callee.required is None:
            hint += f", or give the {word} a `default`"
        place = caller / "with" if arguments else caller
        yield place.problem("missing-argument", message, hint=hint, key=True)


def has_template(value: Any) -> bool:
    waiting = [value]
    for item in waiting:  # grows
        if isinstance(item, str) and is_template(item):
            return True
        waiting += item.values() if isinstance(item, Mapping) else item if isinstance(item, list) else ()
    return False


def misfit(schema: Any, value: Any) -> list[str]:
    """What is wrong with a literal for a field of this schema; nothing where the schema itself is malformed."""
    try:
        told = check_value(_field(schema), value)
        return [sentence.removeprefix("field: ") for sentence in told if not sentence.startswith(UNUSABLE)]
    except (ValueError, TypeError, KeyError, AttributeError, LookupError):
        return []  # the schema itself is malformed, which is told where it stands


def _field(schema: Mapping[str, Any]) -> Any:
    return field_schema({"field": schema})["properties"]["field"]
