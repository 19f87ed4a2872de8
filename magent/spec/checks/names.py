"""The names that expressions and templates may use, each where it is there: `inputs`, `state`, `round`, fields …"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from magent.expressions import SHELLS, Access, ShellText, interpreter_of
from magent.source import Problem
from magent.spec.checks.context import Context
from magent.spec.checks.shapes import Shape, shape_of
from magent.spec.checks.texts import Broken, Use
from magent.spec.checks.views import GraphView, mapping, sequence
from magent.spec.takes import takes

FACTS: Mapping[str, tuple[str, ...]] = {
    "run": ("id", "name", "dir", "workspace", "home", "key"),
    "round": ("index", "number", "first"),
    "error": ("type", "message", "node", "attempts", "data"),
}
NODE_FACTS = ("status", "visits", "attempts", "duration", "tokens", "cost", "error", "errors")
ALWAYS = ("inputs", "state", "nodes", "error", "run", "env")
OUTSIDE: Mapping[str, tuple[str, ...]] = {
    "agents": ("inputs", "env", "run", "prompt", "system"),  # an agent is made once a run; its `system` at each prompt
    "roles": (*ALWAYS, "round"),
    "tools": ("inputs", "env", "run"),  # a tool is made once a run
    "chains": ("inputs", "previous", "steps", "run", "env"),
    "notify": ("inputs", "state", "nodes", "error", "run", "env", "outputs", "status", "waiting"),
    "defaults": ALWAYS,
}
_OTHER_TOOLS = frozenset(("steps", "step", "tasks", "task", "jobs", "needs", "results", "outputs", "ctx", "context"))


def check_expressions(context: Context) -> Iterator[Problem]:
    """Every expression, template and shell text can be parsed."""
    for use in context.uses:
        if isinstance(use.parsed, Broken):
            for problem in use.parsed.problems:
                yield use.error(problem.line, problem.column, "bad-expression", problem.message, problem.hint)


def check_shell_doubts(context: Context) -> Iterator[Problem]:
    """`unquoted`, and data that a second interpreter reads, are meant to be seen."""
    for use in context.uses:
        if isinstance(use.parsed, ShellText):
            for doubt in use.parsed.warnings:
                yield use.warning(doubt.line, doubt.column, "unquoted", doubt.message, doubt.hint)
        elif use.accesses and use.place.path[-2:-1] in (("run",), ("command",)):
            yield from _program_of_data(use)


def _program_of_data(use: Use) -> Iterator[Problem]:
    """A word of an argument list that an interpreter reads."""
    *path, index = use.place.path
    words: Any = use.place.document.data
    for step in path:
        words = words[step]
    if isinstance(words, list) and isinstance(index, int) and (name := interpreter_of(words, index)):
        message = f"`{name}` runs what this gives: data can become a command there"
        hint = "give it as an argument behind the program"
        if name in SHELLS:
            hint = f"give it as an argument: [{name}, -c, '… \"$1\"', {name}, '{{{{ … }}}}']"
        first = use.accesses[0]
        yield use.warning(first.line, first.column, "unquoted", message, hint)


def check_names(context: Context) -> Iterator[Problem]:
    """Every name that is read is one of the language's table, and is there at this place."""
    for use in context.uses:
        for access in use.accesses:
            if not _knows(use, access.path[0]):
                yield from _unknown_name(context, use, access)


def check_reads(context: Context) -> Iterator[Problem]:
    """What is read of `inputs`, `state`, `nodes`, `env` … exists."""
    for use in context.uses:
        for access in use.accesses:
            head = access.path[0]
            if head in READERS and _knows(use, head):
                yield from READERS[head](_Read(context, use, access))


def check_computed_state(context: Context) -> Iterator[Problem]:
    """`state[…]` with a computed name reads everything."""
    for use in context.uses:
        for access in use.accesses:
            if access.path == ("state",) and access.dynamic and use.graph is not None:
                message = "which keys of `state` are read here is not known from the text, so it counts as reading all"
                hint = "name the key, as in `state.review`"
                yield use.warning(access.line, access.column, "computed-state", message, hint)


@dataclass(frozen=True, slots=True)
class _Read:
    context: Context
    use: Use
    access: Access

    @property
    def path(self) -> tuple[str, ...]:
        return self.access.path

    def problem(self, code: str, message: str, hint: str | None) -> Problem:
        return self.use.error(self.access.line, self.access.column, code, message, hint)

    def near(self, head: str, name: str, known: Iterable[str]) -> str:
        """The hint for a misspelt `head.name`."""
        if near := self.context.near(name, known):
            return f"did you mean `{head}.{near}`?"
        names = list(itertools.islice(known, 13))
        if not names:
            return f"nothing is known under `{head}`"
        return f"known: {', '.join(names[:12])}" + (", …" if len(names) > 12 else "")


@cache
def _always(section: str, output: bool, secrets: bool, around: bool) -> frozenset[str]:
    extra = (("output", output), ("secrets", secrets), ("round", around))
    return frozenset((*OUTSIDE.get(section, ALWAYS), *(name for name, there in extra if there)))


def _base(use: Use) -> frozenset[str]:
    section = "node" if use.section == "agents" and use.spot.pattern == ("system",) else use.section
    return _always(section, use.spot.output, use.spot.secrets, use.spot.round)


def _knows(use: Use, name: str) -> bool:
    if name in _base(use):
        return True
    if use.section == "tools":
        return name in _parameters(use)
    return use.graph is not None and use.node is not None and _sees(use.graph, use.node, name)


def _parameters(use: Use) -> Mapping[str, Any]:
    taken = takes(use.owner)
    return taken.fields if taken is not None else {}


def _sees(graph: GraphView, node: str, name: str) -> bool:
    """Whether `name` is `round` or an item's name in a scope around the node; asked once a scope and name."""
    layout = graph.layout
    entry = layout.region_of.get(node) if layout else None
    if layout is None or entry is None:
        return name == "round" or name in graph.items  # that nothing reaches the node is told
    trail: list[str] = []
    while (found := graph.sees.get((entry, name))) is None:
        trail.append(entry)
        owner = layout.regions[entry].owner
        if owner is None or name in _own_items(graph.nodes.get(owner, {})):
            found = owner is not None
            break
        entry = layout.region_of[owner]
    graph.sees.update(((passed, name), found) for passed in trail)
    return found


def _items_at(graph: GraphView, node: str) -> set[str]:
    """All the names that `_sees` knows at a node, for hints."""
    return {name for name in ("round", *itertools.islice(graph.items, 100)) if _sees(graph, node, name)}


def _own_items(node: Mapping[str, object]) -> frozenset[str]:
    """What the body of this node sees beside the rest."""
    if "for_each" in node:
        name = node.get("as", "item")
        return frozenset(("round", name)) if isinstance(name, str) else frozenset(("round",))
    return frozenset(("round",)) if node.get("type") == "loop" else frozenset()


def _known(use: Use) -> list[str]:
    """All the names that may be used here, for hints."""
    names = set(_base(use)) | set(_parameters(use) if use.section == "tools" else ())
    if use.graph is not None and use.node is not None:
        names |= _items_at(use.graph, use.node)
    return sorted(names)


def _unknown_name(context: Context, use: Use, access: Access) -> Iterator[Problem]:
    head = access.path[0]
    message, hint = f"unknown name `{head}`", None
    if head == "output":
        message = "`output` is only there in `set`, `next`, `while` and `until`"
        hint = "read a node's latest output as `state.<node>`"
    elif head == "secrets":
        message = "`secrets` is only there in `env`, `headers`, `api_key` and in tool and agent settings"
        hint = "hand it over in `env`" if use.section == "node" else None
    elif head == "round":
        message, hint = "`round` is only there in a loop or in the body of a `for_each`", None
    elif head in ("previous", "steps") and use.section != "chains" and not _state_hint(use, access):
        message = f"`{head}` is only there in a chain's steps"
    elif head in ALWAYS:
        message = f"`{head}` is not there in `{use.section}`"
        hint = {
            "chains": "hand the value over as one of the chain's `inputs`",
            "tools": "hand the value over as one of the tool's `parameters`",
        }.get(use.section)
    else:
        hint = _state_hint(use, access) or _scope_hint(context, use, head)
    yield use.error(access.line, access.column, "unknown-name", message, hint)


def _state_hint(use: Use, access: Access) -> str | None:
    """For those who write `review.verdict`, or `steps.review.outputs.verdict` as elsewhere."""
    if use.graph is None:
        return None
    path = access.path
    if path[0] in _OTHER_TOOLS and len(path) > 1 and path[1] in use.graph.state_names:
        rest = tuple(step for step in path[2:] if step not in ("output", "outputs", "result"))
        return f"did you mean `{'.'.join(('state', path[1], *rest))}`?"
    if path[0] in use.graph.state_names:
        return f"did you mean `{'.'.join(('state', *path))}`?"
    if path[0] in use.graph.inputs:
        return f"did you mean `{'.'.join(('inputs', *path))}`?"
    return None


def _scope_hint(context: Context, use: Use, head: str) -> str | None:
    known = _known(use)
    if use.graph is not None:
        items = _items_at(use.graph, use.node) - {"round"} if use.node else set()
        if head == "item" and len(items) == 1:
            return f"the item is called `{items.pop()}` here"
        if (body := use.graph.items.get(head)) is not None:
            return f"`{head}` is there in the body of '{body}' only"
        if near := context.near(head, known):
            return f"did you mean `{near}`?"
        if near := context.near(head, use.graph.state_names):
            return f"did you mean `state.{near}`?"
    near = context.near(head, known)
    return f"did you mean `{near}`?" if near else f"known here: {', '.join(known)}"


def _inputs(read: _Read) -> Iterator[Problem]:
    if len(read.path) < 2:
        return
    if read.use.graph is not None:
        known: Iterable[str] = read.use.graph.inputs
    elif read.use.section == "chains":
        known = mapping(read.use.owner.get("inputs"))
    else:
        serves = _served(read)
        if not serves:
            return
        known = {name: None for graph in serves for name in graph.inputs}
    if read.path[1] not in known:
        message = f"there is no input '{read.path[1]}'"
        yield read.problem("unknown-input", message, read.near("inputs", read.path[1], known))


def _served(read: _Read) -> list[GraphView]:
    """The graphs whose `inputs` a setting sees: those of its file, for what is rendered once; for what is at each
    prompt, also those under `subgraphs`. One that has the name is enough: an agent may be another graph's alone."""
    use = read.use
    always = use.section in ("roles", "defaults") or (use.section, use.spot.pattern) == ("agents", ("system",))
    return [graph for graph in read.context.serves(use.place.document) if always or not graph.path]


def _state(read: _Read) -> Iterator[Problem]:
    graph, path = read.use.graph, read.path
    if graph is None or len(path) < 2:
        return
    if path[1] not in graph.state_names:
        message = f"nothing writes `state.{path[1]}`: no node, no declared key and no `set` has this name"
        hint = f"did you mean `inputs.{path[1]}`?" if path[1] in graph.inputs else None
        yield read.problem("unknown-state", message, hint or read.near("state", path[1], graph.state_names))
    elif path[1] in graph.nodes and len(path) > 2:
        shape = shape_of(read.context, graph, path[1])
        yield from _fields(read, shape, 2, f"'{path[1]}'")


def _output(read: _Read) -> Iterator[Problem]:
    graph, node = read.use.graph, read.use.node
    if graph is not None and node is not None and len(read.path) > 1 and graph.type_of(node) != "loop":
        yield from _fields(read, shape_of(read.context, graph, node), 1, f"'{node}'")


def _fields(read: _Read, shape: Shape | None, depth: int, owner: str) -> Iterator[Problem]:
    """The steps of the path from `depth` on, against what is known of the output's shape."""
    for index in range(depth, len(read.path)):
        if shape is None:
            return
        step = read.path[index]
        if step not in shape:
            before = ".".join(read.path[:index])
            message = f"the output of {owner} has no `{step}`" + (f" in `{before}`" if index > depth else "")
            yield read.problem("unknown-field", message, read.near(before, step, shape))
            return
        shape = shape[step]


def _nodes(read: _Read) -> Iterator[Problem]:
    graph, path = read.use.graph, read.path
    if graph is None or len(path) < 2:
        return
    if path[1] not in graph.names:
        yield read.problem("unknown-node", f"there is no node '{path[1]}'", read.near("nodes", path[1], graph.names))
    elif len(path) > 2 and path[2] not in NODE_FACTS:
        message = f"`nodes.{path[1]}` has no `{path[2]}`"
        hint = f"its output is `state.{path[1]}`" if path[2] in ("output", "outputs", "result") else None
        yield read.problem("unknown-fact", message, hint or read.near(f"nodes.{path[1]}", path[2], NODE_FACTS))
    elif len(path) > 3 and path[2] == "error" and path[3] not in FACTS["error"]:
        before = ".".join(path[:3])
        yield read.problem("unknown-fact", f"`{before}` has no `{path[3]}`", read.near(before, path[3], FACTS["error"]))


def _facts(read: _Read) -> Iterator[Problem]:
    head = read.path[0]
    known = FACTS[head]
    if len(read.path) > 1 and read.path[1] not in known and read.use.section != "notify":
        message, use = f"`{head}` has no `{read.path[1]}`", read.use
        hint = None
        if head == "round" and use.graph is not None and use.node and _sees(use.graph, use.node, read.path[1]):
            hint = f"the item has a name of its own: write `{read.path[1]}`"
        yield read.problem("unknown-fact", message, hint or read.near(head, read.path[1], known))


def _environment(read: _Read) -> Iterator[Problem]:
    head = read.path[0]
    root = read.context.root
    if len(read.path) < 2 or root is None or "nodes" not in mapping(root.data):
        return
    listed = sequence(mapping(root.data).get(head))
    if head == "env":
        listed = [*listed, *sequence(mapping(read.use.place.document.data).get("env"))]
    names = list(dict.fromkeys(name for name in listed if isinstance(name, str)))
    if read.path[1] not in names:
        message = f"`{head}.{read.path[1]}` is not listed under `{head}` at the top of {root.file}"
        hint = read.context.hint(read.path[1], names) or f"list it: `{head}: [{', '.join([*names[:5], read.path[1]])}]`"
        yield read.problem("not-listed", message, hint)


def _steps(read: _Read) -> Iterator[Problem]:
    if read.use.section != "chains" or len(read.path) < 2:
        return
    number = next((step for step in read.use.place.path if isinstance(step, int)), 0)
    earlier = [mapping(step).get("as") for step in sequence(read.use.owner.get("steps"))[:number]]
    known = [name for name in earlier if isinstance(name, str)]
    if read.path[1] not in known:
        message = f"no earlier step of this chain is named '{read.path[1]}' with `as`"
        yield read.problem("unknown-step", message, read.near("steps", read.path[1], known) if known else None)


READERS = {
    "inputs": _inputs,
    "state": _state,
    "output": _output,
    "nodes": _nodes,
    "run": _facts,
    "round": _facts,
    "error": _facts,
    "env": _environment,
    "secrets": _environment,
    "steps": _steps,
}
