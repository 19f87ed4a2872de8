"""Whether two visits do the same: what each does, with all that it uses and reads, part by part. Pure.

A part has a name for people, what is written for it, and what that comes to with the values it reads. Where these are
the same, the work is: an edit that comes to the same thing for a visit does not count. What a function, a command or
a server does by itself is not looked at. Of `run` only `name` and `home` count, as all else is another in every run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from magent.engine.company import Companies, Company
from magent.engine.fold import Run
from magent.engine.reach import reach
from magent.engine.scopes import Scope
from magent.engine.view import names
from magent.expressions import EvaluationError, ExpressionProblem, Template, Value
from magent.model import AgentSpec, Call, Chain, ChainSpec, Graph, Node, Prompt, Task, Tool, ToolSpec, Wait, Workflow
from magent.model import Run as Command
from magent.roles import Wanted

Names = Mapping[str, Any]
_FILE = "inputs of the file"  # what settings see as `inputs`; no expression can name it


class Part(NamedTuple):
    written: Any
    comes_to: Any


Parts = dict[str, Part]


def parts_of(run: Run, scope: Scope, node: Node, companies: Companies) -> Parts:
    """What a visit of `node` in `scope` would do now."""
    seen = _seen(run, scope)
    parts = {"kind of work": Part(kind := kind_of(node), kind)}
    if isinstance(node, Task):
        parts |= {name: part for name, part in _of_work(scope.graph, node, seen, companies) if _says(part)}
        if node.output is not None:
            parts["`output`"] = Part(node.output, node.output)
    return parts


def kind_of(node: Node) -> str:
    return f"{node.type} `{type(node.work).__name__.lower()}`" if isinstance(node, Task) else node.type


def raw_node(workflow: Workflow, graph: Graph, name: str) -> Any:
    """The node as the file says it."""
    file, _, inner = graph.key.partition("#")
    data = workflow.frozen["documents"][file]["data"]
    return (data["subgraphs"][inner] if inner else data)["nodes"][name]


def difference(old: Parts, new: Parts) -> str:
    """Why the work is not the same, in a few words; "" where it is."""
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            return f"{name} is gone"
        if name not in old:
            return f"{name} is new"
        if _text(old[name].comes_to) != _text(new[name].comes_to):
            same_text = _text(old[name].written) == _text(new[name].written)
            return f"what {name} reads has changed" if same_text else f"{name} has changed"
    return ""


def digest(parts: Parts) -> str:
    """The same for the same work, in whichever run."""
    return hashlib.sha256(_text({name: part.comes_to for name, part in parts.items()}).encode()).hexdigest()[:32]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _says(part: Part) -> bool:
    return part.written is not None and part.written != {}


def _seen(run: Run, scope: Scope) -> Names:
    facts = {name: name for name in ("id", "dir", "workspace", "key")}
    here = {**facts, "name": run.workflow.name, "home": scope.graph.home}
    secrets = {name: f"the secret {name}" for name in run.workflow.secrets}
    return {**names(run, scope), "run": here, "secrets": secrets, _FILE: scope.file_inputs()}


def _filled(data: Any, seen: Names) -> Any:
    """Data with its templates filled in; those that cannot be stay as they are written."""
    if isinstance(data, Mapping):
        return {name: _filled(value, seen) for name, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_filled(value, seen) for value in data]
    if not isinstance(data, str):
        return data
    try:
        return Template(data).value(seen)
    except (EvaluationError, ExpressionProblem):
        return data


def _part(data: Any, seen: Names) -> Part:
    if isinstance(data, Value):
        data = data.data
    elif isinstance(data, Template):
        data = data.source
    return Part(data, _filled(data, seen))


def _of_work(graph: Graph, task: Task, seen: Names, companies: Companies) -> Iterator[tuple[str, Part]]:
    work = task.work
    if isinstance(work, Prompt):
        yield from _of_prompt(graph, task, work, seen, companies.of(graph))
    elif isinstance(work, Command):
        yield from _of_command(work, seen)
    elif isinstance(work, Call):
        yield "its function", Part((work.target, work.home), (work.target, work.home))
        yield "`with`", _part(work.arguments, seen)
    elif isinstance(work, Tool):
        yield from _tools(graph, (str(_filled(work.tool.data, seen)),), seen)
        yield "`with`", _part(work.arguments, seen)
    elif isinstance(work, Chain):
        found = replace(task, work=replace(work, chain=Value(_filled(work.chain.data, seen))))
        reached = reach(graph, found, companies.of(graph))
        yield "its chain", Part(work.chain.data, _filled(work.chain.data, seen))
        yield from _chains(graph, reached.chains, seen)
        yield from _tools(graph, reached.tools, seen)
        yield "`with`", _part(work.arguments, seen)
    elif isinstance(work, Wait):
        yield "`wait`", _part(work.duration, seen)


def _of_command(work: Command, seen: Names) -> Iterator[tuple[str, Part]]:
    if work.shell is not None:
        try:
            yield "its command", Part(work.shell.source, work.shell.render(seen))
        except EvaluationError as error:
            yield "its command", Part(work.shell.source, error.message)
    else:
        yield "its command", _part([word.data for word in work.words], seen)
    yield "`parse`", Part(work.parse, work.parse)
    yield "`ok_exit_codes`", Part(codes := work.ok_exit_codes or "any", codes)
    for name, value in (("`env`", work.env), ("`cwd`", work.cwd), ("`stdin`", work.stdin)):
        yield name, _part(value, seen)


def _of_prompt(graph: Graph, task: Task, work: Prompt, seen: Names, company: Company) -> Iterator[tuple[str, Part]]:
    prompt = _part(work.prompt, seen)
    yield "its prompt", prompt
    yield "`system`", _part(work.system, seen)
    yield "`session`", Part(work.session, work.session)
    role = _role(work, seen, company, str(prompt.comes_to))
    agent = None if work.agent is None else Value(_filled(work.agent.data, seen))
    known = replace(work, agent=agent, role=None if role is None else Value(role), route=None)
    found = reach(graph, replace(task, work=known), company)
    for each in found.roles:
        yield f"role '{each.name}'", _part(each.as_json(), seen)
    yield from _agents(graph, tuple(graph.agents) if found.agents is None else found.agents, seen)
    yield from _chains(graph, found.chains, seen)
    yield from _tools(graph, found.tools, seen)


def _role(work: Prompt, seen: Names, company: Company, prompt: str) -> Any:
    if work.role is not None:
        return _filled(work.role.data, seen)
    if work.route is None:
        return None
    wanted = _filled(work.route.data, seen)
    return company.route(Wanted.of(wanted), prompt).chosen if _is_route(wanted) else None


def _is_route(wanted: Any) -> bool:
    """Whether templates gave what a route may ask for."""
    lists = [wanted.get(name) or [] for name in ("skills", "expertise")]
    texts = [wanted.get(name) or "" for name in ("role_type", "prefer")]
    words = [word for each in lists if isinstance(each, list) for word in each]
    return all(isinstance(each, list) for each in lists) and all(isinstance(each, str) for each in (*texts, *words))


def _agents(graph: Graph, named: tuple[str, ...], seen: Names) -> Iterator[tuple[str, Part]]:
    todo = [str(_filled(name, seen)) for name in named]
    for name in todo:
        spec = graph.agents.get(name)
        todo += [other for other in (spec.settings.get("fallback", ()) if spec else ()) if other not in todo]
        yield f"agent '{name}'", _specified(spec, seen)


def _tools(graph: Graph, named: tuple[str, ...], seen: Names) -> Iterator[tuple[str, Part]]:
    for name in named:
        yield f"tool '{name}'", _specified(graph.tools.get(name.partition(".")[0]), seen)


def _specified(spec: AgentSpec | ToolSpec | None, seen: Names) -> Part:
    """What is said of an agent or a tool. Where it is a function, the directory counts that it is looked for in."""
    if spec is None:
        return Part("unknown", "unknown")
    home = spec.home if spec.kind == "call" else ""
    own = {**seen, "inputs": seen[_FILE]}
    filled = {name: _filled(value, seen if name == "system" else own) for name, value in spec.settings.items()}
    return Part((spec.settings, home), (filled, home))


def _chains(graph: Graph, named: tuple[str, ...], seen: Names) -> Iterator[tuple[str, Part]]:
    found = [graph.chains[name] for name in named if name in graph.chains]
    if not all(step.callee.literal for chain in found for step in chain.steps):  # they may come to any
        found = list(graph.chains.values())
        yield from _tools(graph, tuple(graph.tools), seen)
    for chain in found:
        yield f"chain '{chain.name}'", Part(said := _chain(chain), said)


def _chain(chain: ChainSpec) -> Any:
    steps = [
        {
            "calls": step.callee.data,
            "with": None if step.arguments is None else step.arguments.data,
            "as": step.name,
            "when": None if step.when is None else step.when.source,
            "passes": step.goes_on,
        }
        for step in chain.steps
    ]
    return {"inputs": chain.inputs, "steps": steps}
