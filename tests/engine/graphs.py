"""Random workflows for property tests, and an executor whose results depend on the visit, its timing on chance."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from magent.ports import ProcessResult

Nodes = dict[str, Any]


class Maker:
    """Makes nested graphs from a random source: tasks, conditions, parallels, loops, loop_backs, subgraphs."""

    def __init__(self, chance: random.Random, deepest: int = 3) -> None:
        self.chance = chance
        self.deepest = deepest
        self.count = itertools.count()
        self.nodes: Nodes = {}
        self.subgraphs: dict[str, Any] = {}

    def workflow(self) -> dict[str, Any]:
        self.sequence(0, shared=True)
        data: dict[str, Any] = {
            "magent": 1,
            "name": "random",
            "state": {
                "log": {"type": "array", "default": [], "reduce": "append"},
                "n": {"type": "number", "default": 0, "reduce": "sum"},
            },
            "nodes": self.nodes,
        }
        if self.subgraphs:
            data["subgraphs"] = self.subgraphs
        return data

    def name(self, kind: str) -> str:
        return f"{kind}{next(self.count)}"

    def sequence(self, depth: int, *, shared: bool) -> str:
        """A chain of elements; `shared` is False in branches, where only reducing keys may be set. Gives its entry."""
        names = [self.element(depth, shared=shared) for _ in range(self.chance.randint(1, 3))]
        for at, (this, following) in enumerate(itertools.pairwise(names)):
            self.connect(this, following, names[: at + 1])
        return names[0]

    def connect(self, this: str, following: str, before: Sequence[str]) -> None:
        node = self.nodes[this]
        if node.get("type") == "condition":
            node["next"] = [{"to": following, "when": "state.n % 2 == 0"}, {"to": following}]
        elif self.chance.random() < 0.25:
            back = {"loop_back": self.chance.choice(before), "max": self.chance.randint(1, 2)}
            node["next"] = [back, {"to": following}]
        else:
            node["next"] = following

    def element(self, depth: int, *, shared: bool) -> str:
        kinds = ["set", "run", "run", "condition", "wait"]
        if depth < self.deepest:
            kinds += ["branches", "for_each", "loop", "subgraph"]
        return str(getattr(self, self.chance.choice(kinds))(depth, shared))

    def add(self, kind: str, node: dict[str, Any]) -> str:
        name = self.name(kind)
        self.nodes[name] = node
        return name

    def set(self, _depth: int, shared: bool) -> str:
        sets: dict[str, Any] = {"n": 1}
        if shared and self.chance.random() < 0.5:
            sets["plain"] = "{{ state.n * 2 }}"
        return self.add("s", {"set": sets})

    def run(self, _depth: int, _shared: bool) -> str:
        name = self.name("r")
        node: dict[str, Any] = {"run": [name], "parse": "json", "set": {"log": "{{ output.data }}"}}
        if self.chance.random() < 0.3:
            node["when"] = "state.n % 3 != 1"
        if self.chance.random() < 0.5:
            node["retry"] = {"max_attempts": 2, "delay": "1s"}
        node["on_error"] = "continue"
        self.nodes[name] = node
        return name

    def wait(self, _depth: int, _shared: bool) -> str:
        return self.add("w", {"wait": f"{self.chance.randint(0, 3)}s"})

    def condition(self, _depth: int, _shared: bool) -> str:
        return self.add("c", {"type": "condition", "next": [{"to": "end", "when": "state.n > 5"}, {"to": "end"}]})

    def branches(self, depth: int, _shared: bool) -> str:
        name = self.name("p")
        self.nodes[name] = {"type": "parallel"}
        entries = [self.sequence(depth + 1, shared=False) for _ in range(self.chance.randint(1, 3))]
        self.nodes[name]["branches"] = entries
        if self.chance.random() < 0.5:
            self.nodes[name]["max_concurrency"] = self.chance.randint(1, 2)
        if self.chance.random() < 0.3:
            self.nodes[name]["on_branch_error"] = "collect"
        return name

    def for_each(self, depth: int, _shared: bool) -> str:
        name = self.name("e")
        self.nodes[name] = {"type": "parallel", "for_each": list(range(self.chance.randint(0, 4)))}
        self.nodes[name]["body"] = self.sequence(depth + 1, shared=False)
        return name

    def loop(self, depth: int, shared: bool) -> str:
        name = self.name("l")
        rounds = self.chance.randint(1, 3)
        self.nodes[name] = {"type": "loop", "until": f"round.number >= {rounds}", "max_iterations": 5}
        self.nodes[name]["body"] = self.sequence(depth + 1, shared=shared)
        return name

    def inner(self) -> Maker:
        """Who makes a subgraph."""
        return Maker(self.chance, self.deepest)

    def subgraph(self, depth: int, _shared: bool) -> str:
        inner = self.inner()
        inner.count = self.count
        inner.sequence(depth + 1, shared=True)
        key = self.name("g")
        self.subgraphs[key] = {
            "state": {
                "log": {"type": "array", "default": [], "reduce": "append"},
                "n": {"type": "number", "default": 0, "reduce": "sum"},
            },
            "nodes": inner.nodes,
            "outputs": {"n": "{{ state.n }}", "log": "{{ state.log }}"},
        }
        self.subgraphs.update(inner.subgraphs)
        return self.add("u", {"type": "subgraph", "uses": key})


class Chancy:
    """An executor: the result depends on the visit's key and the attempt, how long it takes on `timing`."""

    def __init__(self, timing: random.Random) -> None:
        self.timing = timing
        self.done: list[str] = []

    async def run(self, argv: Sequence[str], *, env: Mapping[str, str], **_: Any) -> ProcessResult:
        for _turn in range(self.timing.randint(0, 5)):
            await asyncio.sleep(0)
        key = env["MAGENT_IDEMPOTENCY_KEY"]
        value = zlib.crc32(key.encode())
        self.done.append(key)
        if value % 5 == 0:
            return ProcessResult(1, "", "it failed")
        return ProcessResult(0, json.dumps(value % 7), "")
