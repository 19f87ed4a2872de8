"""The agents of a file without its workflow: each can be looked at, reached, and asked something alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from magent.agents.base import Unusable
from magent.app import LoadedWorkflow
from magent.errors import InvalidWorkflow, UsageError
from magent.events import Failure, WorkFailed
from magent.expressions import Value
from magent.keys import GUARD
from magent.outfit import Outfit, missing, rendering
from magent.ports import Agent, Reachable
from magent.source import did_you_mean, sort_key
from magent.spec.build import build
from magent.spec.checks import check
from magent.spec.loader import Bundle, load, load_data

ASKED = "asked_of_the_agent"  # the input that holds the question
NODE = "ask"
MODEL = "model"  # the name of an agent that stands in no file
_KEPT = ("magent", "description", "include", "secrets", "env", "agents", "roles", "tools", "chains", "workspace")
_SECTIONS = ("agents", "tools", "chains", "roles", "secrets", "env", "include")


class Crew:
    """The agents of a workflow or library, its libraries' included; without a file, `local` and what model is named.

    Raises InvalidWorkflow where the file's agents, or what they use, are wrong; what else is does not matter here.
    """

    def __init__(self, file: str | None) -> None:
        self.file = file
        self.bundle = load(file) if file is not None else load_data(_alone("local"), os.getcwd())
        for document in (*self.bundle.documents.values(), *self.bundle.libraries.values()):
            listed = document.data.get("secrets")
            GUARD.add(listed if isinstance(listed, list) else ())
        wrong = [problem for problem in check(self.bundle) if problem.severity == "error"]
        wrong = [each for each in wrong if each in self.bundle.problems or each.path.split(".")[0] in _SECTIONS]
        if wrong:
            raise InvalidWorkflow(sorted(wrong, key=sort_key), self.bundle.sources)

    def root(self) -> Mapping[str, Any]:
        """The file itself, as it was read."""
        return self.bundle.documents[self.bundle.root].data

    def described(self) -> dict[str, Mapping[str, Any]]:
        """What the file says of each agent, by name."""
        return {name: body for name, (body, _) in self.bundle.definitions(self.bundle.root, "agents").items()}

    def name_of(self, wanted: str) -> str:
        """The agent that is meant: one of the file, or a model as `provider:model`. Raises UsageError."""
        known = self.described()
        if wanted in known:
            return wanted
        if ":" in wanted or wanted == "local":
            self.bundle = load_data(_alone(wanted), os.getcwd())
            return "local" if wanted == "local" else MODEL
        named = f"there are: {', '.join(known)}" if self.file is not None else "name a file with -f FILE"
        hint = did_you_mean(wanted, [*known, "local"]) or f"{named}; or a model, such as local or openai:gpt-5-mini"
        raise UsageError(f"no agent is named '{wanted}'", hint)

    def workflow(self, name: str) -> LoadedWorkflow:
        """A workflow of one task that puts the input `ASKED` to the agent."""
        return LoadedWorkflow(build(_with_task(self.bundle, name)), [], self.bundle.sources)

    def inputs(self) -> Mapping[str, Mapping[str, Any]]:
        """What a run of the file is given, by name."""
        declared = self.root().get("inputs") or {}
        return {name: schema for name, schema in declared.items() if isinstance(schema, Mapping)}

    def unset(self, read: Value) -> list[str]:
        """The inputs that are read and have no default: only a run gives them."""
        paths = {access.path[:2] for access in read.accesses}
        return [name for name, each in self.inputs().items() if ("inputs", name) in paths and "default" not in each]

    def outfit(self, name: str) -> Outfit:
        """What the agent is made of; its settings see the file's secrets and variables."""
        workflow = self.workflow(name).workflow
        inputs = {key: schema.get("default") for key, schema in workflow.graph.inputs.items()}
        env = {key: os.environ.get(key) for key in workflow.env}
        return Outfit(workflow, {}, {"inputs": inputs, "env": env}, os.getcwd())


async def reach(crew: Crew, name: str, *, online: bool) -> tuple[str, Failure | None]:
    """In a few words how the agent is reached, or why it cannot be. Only `online` is anything of the file imported."""
    if unset := crew.unset(rendering(crew.described()[name])):
        return f"known when a run gives what its settings read: {', '.join(f'inputs.{each}' for each in unset)}", None
    outfit = crew.outfit(name)
    try:
        graph = outfit.workflow.graph
        code = graph.agents[name].settings.get("call") or outfit.code_of(outfit.home(graph), name)
        if code is not None and not online:
            failure = missing(str(code), graph.agents[name].home, "agent")
            return "" if failure else "it is there", failure
        agent: Agent = outfit.agent(outfit.home(graph), name)
        said = await agent.reach(online) if isinstance(agent, (Reachable, Unusable)) else ""
    except WorkFailed as error:
        return "", error.failure
    finally:
        await outfit.close()
    return said, None


def _alone(model: str) -> dict[str, Any]:
    name = "local" if model == "local" else MODEL
    return {"magent": 1, "name": "agents", "agents": {name: {"model": model}}, "nodes": {NODE: _task(name)}}


def _with_task(bundle: Bundle, name: str) -> Bundle:
    """The bundle with one task in place of its nodes. Inputs that its agents' settings may read are there, as null
    where the file gives them no default."""
    root = bundle.documents[bundle.root]
    inputs = {
        key: {**schema, "default": schema.get("default")}
        for key, schema in (root.data.get("inputs") or {}).items()
        if isinstance(schema, Mapping)
    }
    kept = {key: root.data[key] for key in _KEPT if key in root.data}
    data = {
        **kept,
        "name": "agents",
        "inputs": {**inputs, ASKED: {"type": "string", "default": ""}},
        "nodes": {NODE: _task(name)},
        "outputs": {"answer": f"{{{{ state.{NODE} }}}}"},
    }
    document = type(root)(root.file, root.home, data, root.sources)
    return Bundle(bundle.root, {bundle.root: document}, bundle.libraries, bundle.includes, {}, [], bundle.predefined)


def _task(name: str) -> dict[str, Any]:
    return {"prompt": f"{{{{ inputs.{ASKED} }}}}", "agent": name}
