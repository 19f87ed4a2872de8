"""Tools and chains: their names wherever something names them, what is said of them, and what chains come to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from magent.model import MAX_CHAINS
from magent.source import Problem
from magent.spec.builtins import BUILTINS, PROVIDERS, dotted_name, of_one_server, offered_name
from magent.spec.checks.context import Context
from magent.spec.checks.references import literal, nodes, shared, unknown
from magent.spec.checks.views import Place, is_template, mapping, sequence
from magent.spec.takes import takes


def _named(context: Context) -> Iterator[tuple[Place, str, str, bool]]:
    """Each tool that is named: where, whose names count, the name, whether it is called (else: offered to an agent)."""
    for graph, name, node in nodes(context):
        if graph.type_of(name) != "task":
            continue
        if literal(node.get("tool")):
            yield graph.at(name, "tool"), graph.key, node["tool"], True
        for index, tool in enumerate(sequence(node.get("tools"))):
            if literal(tool):
                yield graph.at(name, "tools", index), graph.key, tool, False
    for section in ("agents", "roles"):
        for place, key, body in shared(context, section):
            for index, tool in enumerate(sequence(body.get("tools"))):
                if literal(tool):
                    yield place / ("tools", index), key, tool, False
    for place, key, chain in shared(context, "chains"):
        for index, step in enumerate(sequence(chain.get("steps"))):
            if literal(mapping(step).get("tool")):
                yield place / ("steps", index, "tool"), key, step["tool"], True


def check_tools(context: Context) -> Iterator[Problem]:
    for place, key, name, called in _named(context):
        known = context.definitions(key, "tools")
        server, dot, inner = name.partition(".")
        if server not in known:
            if not called and name in context.definitions(key, "chains"):
                continue  # an agent may be offered a chain
            yield _unknown_tool(context, place, name, server, known)
            continue
        tool = mapping(known[server][0])
        if tool.get("builtin") == "files":
            yield from _file_tool(context, place, server, inner, called)
        elif "mcp" in tool and called and not inner:
            message = f"'{server}' is a server: name one of its tools"
            yield place.problem("unknown-tool", message, hint=f"write `{server}.<tool>`")
        elif dot and "mcp" not in tool and "uses" not in tool and tool:
            message = f"'{server}' is one tool, it has no '{inner}'"
            yield place.problem("unknown-tool", message, hint=f"write `{server}`")


def _unknown_tool(context: Context, place: Place, name: str, server: str, known: Mapping[str, Any]) -> Problem:
    meant = dotted_name(name, {each: mapping(body[0]) for each, body in known.items()})
    hint = f"did you mean '{meant}'?" if meant else context.hint(server, known)
    if hint is None and server in BUILTINS:
        hint = f"declare it: `tools: {{{server}: {{builtin: {server}}}}}`"
    problem = unknown(context, place, "tool", name, known)
    return place.problem(problem.code, problem.message, hint=hint or problem.hint)


def _file_tool(context: Context, place: Place, server: str, inner: str, called: bool) -> Iterator[Problem]:
    functions = BUILTINS["files"]
    if inner in functions or (not inner and not called):
        return
    message = f"'{server}' has no tool '{inner}'" if inner else f"'{server}' is several tools: name one of them"
    hint = context.hint(f"{server}.{inner}", [f"{server}.{tool}" for tool in functions]) if inner else None
    shown = ", ".join(f"{server}.{tool}" for tool in functions)
    yield place.problem("unknown-tool", message, hint=hint or f"known: {shown}")


def check_offered_names(context: Context) -> Iterator[Problem]:
    """In the form in which agents are offered tools, `files.read` is `files_read`: no two may come to one name."""
    seen: dict[tuple[Any, ...], dict[str, str]] = {}
    for place, key, name, called in _named(context):
        if called:
            continue
        offered = seen.setdefault((id(place.document), *place.path[:-1]), {})
        tool = mapping(context.definitions(key, "tools").get(name, ({},))[0])
        group = BUILTINS.get(str(tool.get("builtin")), {})
        for each in [f"{name}.{inner}" for inner in group if inner] or [name]:
            other = offered.setdefault(offered_name(each), each)
            if other != each and not of_one_server(other, each):
                message = (
                    f"an agent could not tell '{other}' and '{each}' apart: both are offered as '{offered_name(each)}'"
                )
                yield place.problem("tool-clash", message, hint="give one of them another name")


def check_delegate_is_free(context: Context) -> Iterator[Problem]:
    """A role that may delegate is offered a tool of that name, so no other of its tools may have it."""
    for place, _, role in shared(context, "roles"):
        for index, tool in enumerate(sequence(role.get("tools"))):
            if role.get("can_delegate") is True and tool == "delegate":
                message = "a role that may delegate has another tool of the name 'delegate'"
                yield (place / ("tools", index)).problem("tool-clash", message, hint="give that tool another name")


def check_providers(context: Context) -> Iterator[Problem]:
    """`web_search` asks a service that it knows, and knows where it is."""
    for place, _, tool in shared(context, "tools"):
        provider = tool.get("provider")
        if tool.get("builtin") != "web_search" or not isinstance(provider, str) or is_template(provider):
            continue
        if provider not in PROVIDERS:
            hint = context.hint(provider, PROVIDERS) or f"there are: {', '.join(PROVIDERS)}"
            yield (place / "provider").problem("bad-provider", f"there is no provider '{provider}'", hint=hint)
        elif provider == "searxng" and "base_url" not in tool:
            hint = "write `base_url: http://localhost:8888`, or where it is"
            yield (place / "provider").problem("bad-provider", "`provider: searxng` needs a `base_url`", hint=hint)


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_functions(context: Context) -> Iterator[Problem]:
    """A tool in OpenAI's form: what its name, and the names of its arguments, come to here."""
    for place, _, tool in shared(context, "tools"):
        function = tool.get("function")
        if not isinstance(function, Mapping) or (taken := takes(tool)) is None:
            continue
        entry, said = str(place.path[-1]), function.get("name", place.path[-1])
        if said != entry:
            message = f"the tool's own name is '{said}', agents are offered it as '{entry}'"
            yield (place / ("function", "name")).warning("other-name", message, hint=f"call it '{said}' here, too")
        for index, name in enumerate(taken.required):
            if name not in taken.fields:
                message = f"'{name}' is required, and is not among the `properties`"
                where = place / ("function", "parameters", "required", index)
                yield where.problem("unknown-argument", message, hint=context.hint(name, taken.fields))
        for name in taken.fields if "run" in tool else ():
            if not _NAME.fullmatch(str(name)):
                message = f"a command reads its arguments by their names, and '{name}' is none"
                hint = "names are of letters, digits and `_`"
                yield (place / (*taken.path, name)).problem("bad-name", message, hint=hint, key=True)


def check_chains(context: Context) -> Iterator[Problem]:
    for graph, name, node in nodes(context):
        if graph.type_of(name) == "task" and literal(node.get("chain")):
            known = context.definitions(graph.key, "chains")
            if node["chain"] not in known:
                yield unknown(context, graph.at(name, "chain"), "chain", node["chain"], known)
    for place, key, chain in shared(context, "chains"):
        known = context.definitions(key, "chains")
        for index, name in _chains_in(chain):
            if name not in known:
                yield unknown(context, place / ("steps", index, "chain"), "chain", name, known)


def _chains_in(chain: Any) -> Iterator[tuple[int, str]]:
    """The chains that are steps of a chain, as far as they are named here."""
    for index, step in enumerate(sequence(mapping(chain).get("steps"))):
        if literal(mapping(step).get("chain")):
            yield index, step["chain"]


def check_chain_cycles(context: Context) -> Iterator[Problem]:
    """No chain comes to itself, nor to chains within chains that are too deep."""
    tables: dict[str, dict[str, list[str]]] = {}
    for place, key, chain in shared(context, "chains"):
        if key not in tables:
            known = context.definitions(key, "chains")
            tables[key] = {
                name: [inner for _, inner in _chains_in(body) if inner in known] for name, (body, _) in known.items()
            }
        name, steps = str(place.path[-1]), tables[key]
        if trail := cycle_of(name, steps):
            message = f"a chain that comes to itself: {' → '.join(trail)}"
            index = next(index for index, inner in _chains_in(chain) if inner == trail[1])
            yield (place / ("steps", index, "chain")).problem("chain-cycle", message)
        elif not any(cycle_of(each, steps) for each in steps[name]) and depth_of(name, steps) > MAX_CHAINS:
            message = f"chains within chains, deeper than {MAX_CHAINS}"
            yield place.problem("chain-depth", message, hint="put the steps of the inner ones here", key=True)


def cycle_of(name: str, steps: Mapping[str, Sequence[str]]) -> list[str]:
    """The shortest way from a name back to itself; empty where there is none that is not too deep."""
    ways = [[name]]
    seen: set[str] = set()
    for way in ways:  # grows
        for inner in steps[way[-1]]:
            if inner == name:
                return [*way, name]
            if inner not in seen and len(way) <= MAX_CHAINS:
                seen.add(inner)
                ways.append([*way, inner])
    return []


def depth_of(name: str, steps: Mapping[str, Sequence[str]]) -> int:
    """How many chains stand within one another, at most one more than are allowed."""
    level, depth = {name}, 0
    while level and depth <= MAX_CHAINS:
        level, depth = {inner for each in level for inner in steps[each]}, depth + 1
    return depth


def check_chain_steps(context: Context) -> Iterator[Problem]:
    """No two steps of a chain have one name."""
    for place, _, chain in shared(context, "chains"):
        seen: dict[str, int] = {}
        for index, step in enumerate(sequence(chain.get("steps"))):
            name = mapping(step).get("as")
            if isinstance(name, str) and name in seen:
                message = f"an earlier step of this chain is named '{name}' already"
                related = place / ("steps", seen[name], "as")
                yield (place / ("steps", index, "as")).problem("duplicate-step", message, related=related)
            elif isinstance(name, str):
                seen[name] = index
