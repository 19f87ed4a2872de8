"""Chains: tools in sequence, each step on the record; as the work of a task, as a tool that an agent may call, and as a
step of another chain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from magent.engine.retrying import retry_at
from magent.engine.using import Facts, use
from magent.engine.values import plain
from magent.engine.work import Attempt
from magent.events import Failure, WorkFailed
from magent.expressions import EvaluationError
from magent.model import MAX_CHAINS, ChainSpec, Step
from magent.ports import ToolContext
from magent.source import did_you_mean
from magent.spec.schema import check_value, field_schema, fill


def find(attempt: Attempt, name: Any) -> ChainSpec:
    """The chain of that name. Raises WorkFailed (`tool`)."""
    if not isinstance(name, str):
        raise WorkFailed(Failure("tool", f"`chain` must give a name, not {json.dumps(name)[:80]}"))
    chains = attempt.graph.chains
    if name not in chains:
        hint = did_you_mean(name, chains) or f"there are: {', '.join(chains) or 'none'}"
        raise WorkFailed(Failure("tool", f"no chain is named '{name[:64]}'", hint=hint))
    return chains[name]


@dataclass(frozen=True, slots=True)
class Pass:
    """How a chain is gone through. `facts` say who does it; `done` has the results of steps by their place, which need
    not be done again, and gets those that are; a chain that is a step stands at `place`, in the chains of `trail`."""

    attempt: Attempt
    facts: Facts
    done: dict[str, Any]
    by_agent: bool = False
    place: str = ""
    trail: tuple[str, ...] = ()

    def into(self, chain: ChainSpec) -> Pass:
        """Raises WorkFailed (`tool`) where a chain would come to itself, or too deep."""
        trail = (*self.trail, chain.name)
        if chain.name in self.trail:
            raise WorkFailed(Failure("tool", f"a chain that comes to itself: {' → '.join(trail)}"))
        if len(trail) > MAX_CHAINS:
            raise WorkFailed(Failure("tool", f"chains within chains, deeper than {MAX_CHAINS}"))
        return replace(self, trail=trail)

    def at(self, index: int) -> str:
        return f"{self.place}{index}"


async def run_chain(chain: ChainSpec, given: Any, way: Pass) -> Any:
    """The last step's result. Raises WorkFailed."""
    way = way.into(chain)
    attempt = way.attempt
    seen: dict[str, Any] = {
        "inputs": _inputs(chain, given),
        "run": attempt.seen["run"],
        "env": attempt.seen["env"],
        "previous": None,
        "steps": {},
    }
    for index, step in enumerate(chain.steps):
        place = way.at(index)
        named = {"chain": chain.name, "step": place if way.place else index} | ({"as": step.name} if step.name else {})
        if place in way.done:
            result = way.done[place]
        elif step.when is not None and not step.when.holds(seen):
            result = None
            await attempt.note("tool.skipped", {"tool": str(step.callee.data), **way.facts, **named})
        else:
            result = way.done[place] = await _Doing(way, step, seen, {**way.facts, **named}).result()
        steps = {**seen["steps"], step.name: result} if step.name else seen["steps"]
        seen = {**seen, "previous": result, "steps": steps}
    return seen["previous"]


def _inputs(chain: ChainSpec, given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise WorkFailed(Failure("tool", f"the inputs of the chain '{chain.name}' must be a mapping"))
    faults = check_value(field_schema(chain.inputs), dict(given))
    if faults:
        raise WorkFailed(Failure("tool", f"the inputs of the chain '{chain.name}' do not fit: {faults[0]}"))
    return fill(chain.inputs, dict(given))


class _Doing:
    """One step that is done: its attempts, and what its failure comes to."""

    def __init__(self, way: Pass, step: Step, seen: Mapping[str, Any], facts: Facts) -> None:
        self.way = way
        self.attempt = way.attempt
        self.step = step
        self.seen = seen
        self.facts = facts

    async def result(self) -> Any:
        number = 1
        while True:
            try:
                return await self._once(number)
            except WorkFailed as error:
                failure = error.failure
                when = self._again_at(number, failure)
                if when is None:
                    return await self._failed(failure, error)
            number += 1
            await self.attempt.desk.sleep(max(0.0, when - self.attempt.desk.now()))

    def _again_at(self, number: int, failure: Failure) -> float | None:
        if failure.type == "limit":
            return None
        key = f"{self.attempt.key}/{self.facts['chain']}[{self.facts['step']}]"
        return retry_at(self.step.retry, failure, number, key, self.attempt.desk.now())

    async def _once(self, number: int) -> Any:
        try:
            name = self.step.callee.evaluate(self.seen)
            arguments = plain(self.step.arguments.evaluate(self.seen)) if self.step.arguments else {}
        except EvaluationError as error:
            raise WorkFailed(Failure("value", f"{self._named}: {error.message}", hint=error.hint)) from error
        if self.step.is_chain:  # done anew, it goes on at its own step that failed
            inner = replace(self.way, place=f"{self.facts['step']}.")
            return await run_chain(find(self.attempt, name), arguments, inner)
        if not isinstance(name, str):
            raise WorkFailed(Failure("tool", f"{self._named}: `tool` must give a name, not {json.dumps(name)[:80]}"))
        tool = await self.attempt.services.tool(self.attempt.home, name)
        facts = self.facts if number == 1 else {**self.facts, "attempt": number}
        return await use(self.attempt, tool, arguments, facts, by_agent=self.way.by_agent)

    @property
    def _named(self) -> str:
        name = self.step.name or f"step {int(str(self.facts['step']).rpartition('.')[2]) + 1}"
        return f"'{name}' of the chain '{self.facts['chain']}'"

    async def _failed(self, failure: Failure, error: WorkFailed) -> None:
        if failure.type == "limit" or not self.step.goes_on:
            raise error
        passed = {"tool": str(self.step.callee.data), **self.facts, "error": failure.as_json()}
        await self.attempt.note("tool.passed", passed)


class ChainTool:
    """A chain as a tool of an agent."""

    external = False  # its steps say so themselves
    confirm = False

    def __init__(self, attempt: Attempt, chain: ChainSpec, facts: Facts) -> None:
        self._attempt = attempt
        self._chain = chain
        self._facts = facts
        self.name = chain.name
        self.description = chain.description or f"Does these in order: {', '.join(_named(s) for s in chain.steps)}."
        self.parameters: Mapping[str, Any] = field_schema(chain.inputs)

    async def call(self, arguments: Mapping[str, Any], _context: ToolContext, /) -> Any:
        return await run_chain(self._chain, arguments, Pass(self._attempt, self._facts, {}, by_agent=True))


def _named(step: Step) -> str:
    return step.name or str(step.callee.data)
