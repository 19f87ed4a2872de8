"""Random workflows whose work can be seen: each attempt leaves a line, with the key of its visit, in `effects.txt`.

What they come to does not depend on timing, nor on what was interrupted: where several branches race, one alone can
win; what fails, always fails.
"""

from __future__ import annotations

import json
import random
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engine.graphs import Maker

EFFECTS = "effects.txt"
NEVER = "400d"  # longer than any clock jumps
WORK = """
import pathlib, zlib

HOME = pathlib.Path(__file__).parent

def leave(key):
    with open(HOME / "effects.txt", "a") as file:
        file.write(f"{key}\\n")
    return zlib.crc32(key.partition("/")[2].encode()) % 35

def work(key):
    value = leave(key)
    if value % 5 == 0:
        raise ValueError("it fails")
    return value % 7

def outside(key):
    return leave(key) % 7
"""
PROGRAM = """
echo "$MAGENT_IDEMPOTENCY_KEY" >> "$(dirname "$0")/effects.txt"
set -- $(printf %s "${MAGENT_IDEMPOTENCY_KEY#*/}" | cksum) "$@"
[ "$3" = outside ] && exit 0
[ $(($1 % 5)) -eq 0 ] && exit 1
echo $(($1 % 7))
"""
DONE_OUTSIDE = {"exit_code": 0, "stdout": "", "stderr": "", "data": ""}


class Worker(Maker):
    """Tasks that work with visible effects, some of them outside; people; races; failures."""

    def inner(self) -> Maker:
        return Worker(self.chance, self.deepest)

    def workflow(self) -> dict[str, Any]:
        data = super().workflow()
        if self.chance.random() < 0.2 and self.nodes[self.last].get("type") != "condition":
            self.nodes[self.last]["next"] = "lost"
            ends = {"type": "end", "status": "failed", "reason": "n is {{ state.n }}"}
            self.nodes["lost"] = ends if self.chance.random() < 0.5 else {"run": ["false"]}
        return data

    def sequence(self, depth: int, *, shared: bool) -> str:
        first = super().sequence(depth, shared=shared)
        following = first
        while True:  # the last of them leads nowhere yet
            self.last = following
            edges = self.nodes[following].get("next") or self.nodes[following].get("cases", [])
            targets = [edges] if isinstance(edges, str) else [each["to"] for each in edges if "to" in each]
            if not targets or targets[-1] == "end":
                return first
            following = targets[-1]

    def element(self, depth: int, *, shared: bool) -> str:
        kinds = ["set", "run", "run", "call", "call", "condition", "pause", "person", "outside"]
        if depth < self.deepest:
            kinds += ["branches", "for_each", "loop", "subgraph", "race", "collected"]
        return str(getattr(self, self.chance.choice(kinds))(depth, shared))

    def run(self, depth: int, shared: bool) -> str:
        return self.add("r", {**self.tolerant("exit"), **self.program()})

    def call(self, _depth: int, _shared: bool) -> str:
        return self.add("k", {**self.tolerant("call"), "call": "work:work", "with": {"key": "{{ run.key }}"}})

    @staticmethod
    def program(*words: str) -> dict[str, Any]:
        return {"run": ["sh", "{{ run.home }}/work.sh", *words], "parse": "json" if not words else "text"}

    def tolerant(self, kind: str) -> dict[str, Any]:
        """A task that may fail, after which it goes on."""
        output = "output.data" if kind == "exit" else "output"
        node: dict[str, Any] = {"set": {"log": f"{{{{ {output} }}}}"}, "on_error": "continue"}
        if self.chance.random() < 0.3:
            node["when"] = "state.n % 3 != 1"
        if self.chance.random() < 0.5:
            node["retry"] = {"max_attempts": 2, "delay": "10ms"}
        return node

    def outside(self, _depth: int, _shared: bool) -> str:
        if self.chance.random() < 0.5:
            return self.add("xr", {**self.program("outside"), "effects": "external"})
        work = {"call": "work:outside", "with": {"key": "{{ run.key }}"}, "set": {"n": "{{ output }}"}}
        return self.add("xk", {**work, "effects": "external"})

    def pause(self, _depth: int, _shared: bool) -> str:
        return self.add("w", {"wait": f"{self.chance.randint(0, 30)}ms"})

    def person(self, _depth: int, _shared: bool) -> str:
        return self.add("h", {"type": "human_input", "input": "rating", "set": {"n": "{{ output.rating }}"}})

    def race(self, _depth: int, _shared: bool) -> str:
        """One branch wins, one fails, one would never end."""
        name = self.add("p", {})
        winner = self.add("k", {"call": "work:outside", "with": {"key": "{{ run.key }}"}})
        fails = self.add("f", {"run": ["false"]})
        node = {"branches": [fails, winner, self.add("w", {"wait": NEVER})], "wait_for": "any"}
        self.nodes[name] = {"type": "parallel", **node}
        return name

    def collected(self, _depth: int, _shared: bool) -> str:
        name = self.add("e", {})
        body = self.add("k", {"call": "work:work", "with": {"key": "{{ run.key }}"}, "set": {"log": "{{ output }}"}})
        items = list(range(self.chance.randint(1, 6)))
        self.nodes[name] = {"type": "parallel", "for_each": items, "body": body, "on_branch_error": "collect"}
        if self.chance.random() < 0.5:
            self.nodes[name]["max_concurrency"] = 2
        return name


@dataclass(frozen=True, slots=True)
class Made:
    """A workflow, and what people answer: a node's name → an answer."""

    data: Mapping[str, Any]
    answers: Mapping[str, Any]

    def asks_of_outside(self) -> bool:
        """Whether a crash may leave a question behind."""
        return '"effects": "external"' in json.dumps(self.data)

    def put(self, home: Path) -> None:
        """Writes all it needs."""
        home.mkdir(parents=True)
        (home / "workflow.yaml").write_text(json.dumps(self.data, indent=1))
        (home / "answers.yaml").write_text(json.dumps(self.answers))
        (home / "work.py").write_text(WORK)
        (home / "work.sh").write_text(PROGRAM)


def make(seed: int | str, *, deepest: int = 2, nodes: range = range(4, 40)) -> Made:
    """The workflow of a seed, with so many nodes. Some end as failed."""
    chance = random.Random(f"graph {seed}")
    while True:
        maker = Worker(chance, deepest)
        data = maker.workflow()
        everything = dict(data["nodes"])
        for inner in data.get("subgraphs", {}).values():
            everything.update(inner["nodes"])
        if len(everything) in nodes and any("run" in node or "call" in node for node in everything.values()):
            break
    data["checkpoints"] = {"every": chance.choice((5, 20, 500)), "interval": "60s", "keep": chance.randint(1, 3)}
    people = [name for name, node in everything.items() if node.get("type") == "human_input"]
    return Made(data, {name: zlib.crc32(name.encode()) % 5 + 1 for name in people})


def make_talk(seed: int) -> Made:
    """A workflow in which people are asked while others work."""
    chance = random.Random(f"talk {seed}")
    person = {"type": "human_input", "input": "rating", "set": {"n": "{{ output.rating }}"}}
    work = {"call": "work:outside", "with": {"key": "{{ run.key }}"}}
    slow = {"wait": f"{chance.randint(50, 400)}ms"}
    nodes = {
        "p0": {"type": "parallel", "branches": ["h1", "w1", "h2"], "next": "e3"},
        "h1": {**person, "next": "k1"},
        "k1": {**work, "next": "h4"},
        "h4": person,
        "w1": {**slow, "next": "r1"},
        "r1": {**Worker.program("outside"), "next": "w2"},
        "w2": slow,
        "h2": {**person, "next": "xk2"},
        "xk2": {**work, "effects": "external"},
        "e3": {"type": "parallel", "for_each": list(range(chance.randint(1, 3))), "body": "h3"},
        "h3": {**person, "next": "w3"},
        "w3": {**slow, "next": "k3"},
        "k3": work,
    }
    data = {"magent": 1, "name": "talk", "state": {"n": {"type": "number", "default": 0, "reduce": "sum"}}}
    return Made({**data, "nodes": nodes}, {name: ord(name[1]) % 5 + 1 for name in ("h1", "h2", "h3", "h4")})


def effects(home: Path) -> Counter[str]:
    """How often each visit's work was begun, by key."""
    file = home / EFFECTS
    return Counter(file.read_text().split("\n")[:-1]) if file.exists() else Counter()


def output_of(node: str, key: str) -> Any:
    """What work outside gave, as a person would know who looked there."""
    return DONE_OUTSIDE if node.startswith("xr") else zlib.crc32(key.partition("/")[2].encode()) % 35 % 7
