"""Random workflows whose work can be seen: each attempt leaves a line, with the key of its visit, in `effects.txt`, and
a file named after it in the run's workspace.

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

from magent.ports import Reply, Usage

HOME = pathlib.Path(__file__).parent

def leave(key, place):
    with open(HOME / "effects.txt", "a") as file:
        file.write(f"{key}\\n")
    within = key.partition("/")[2]
    if pathlib.Path(place).is_dir():
        (pathlib.Path(place) / within.replace("/", "_")).touch()
    return zlib.crc32(within.encode()) % 35

def work(key, place):
    value = leave(key, place)
    if value % 5 == 0:
        raise ValueError("it fails")
    return value % 7

def outside(key, place):
    return leave(key, place) % 7

class Talker:
    async def ask(self, request, on_text):
        value = leave(*request.messages[-1].text.split(" ", 1)) % 7
        return Reply(f"{value} after {len(request.messages)}", usage=Usage(10, 5, 0.001, 1), mark=value)

    def recall(self, mark):
        pass

    async def close(self):
        pass
"""
PROGRAM = """
echo "$MAGENT_IDEMPOTENCY_KEY" >> "$(dirname "$0")/effects.txt"
name=${MAGENT_IDEMPOTENCY_KEY#*/}
[ -d "$1" ] && : > "$1/$(printf %s "$name" | tr / _)"
set -- $(printf %s "$name" | cksum) "$@"
[ "$4" = outside ] && exit 0
[ "$4" = fails ] && exit 1
[ $(($1 % 5)) -eq 0 ] && exit 1
echo $(($1 % 7))
"""
WITH = {"key": "{{ run.key }}", "place": "{{ run.workspace }}"}
AGENTS = {"talker": {"model": "work:Talker"}}
DONE_OUTSIDE = {"exit_code": 0, "stdout": "", "stderr": "", "data": ""}


class Worker(Maker):
    """Tasks that work with visible effects, some of them outside; people; races; failures."""

    def inner(self) -> Maker:
        return Worker(self.chance, self.deepest)

    def workflow(self) -> dict[str, Any]:
        data = {**super().workflow(), "agents": AGENTS}
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
        kinds = ["set", "run", "run", "call", "call", "condition", "pause", "person", "outside", "agent"]
        if depth < self.deepest:
            kinds += ["branches", "for_each", "loop", "subgraph", "race", "collected", "each"]
        return str(getattr(self, self.chance.choice(kinds))(depth, shared))

    def run(self, depth: int, shared: bool) -> str:
        return self.add("r", {**self.tolerant("exit"), **self.program()})

    def call(self, _depth: int, _shared: bool) -> str:
        return self.add("k", {**self.tolerant("call"), "call": "work:work", "with": WITH})

    @staticmethod
    def program(*words: str) -> dict[str, Any]:
        return {
            "run": ["sh", "{{ run.home }}/work.sh", "{{ run.workspace }}", *words],
            "parse": "json" if not words else "text",
        }

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
        work = {"call": "work:outside", "with": WITH, "set": {"n": "{{ output }}"}}
        return self.add("xk", {**work, "effects": "external"})

    def agent(self, _depth: int, _shared: bool) -> str:
        node = {"prompt": "{{ run.key }} {{ run.workspace }}", "agent": "talker", "set": {"log": "{{ output }}"}}
        if self.chance.random() < 0.6:
            node["session"] = "talk"
        return self.add("a", node)

    def pause(self, _depth: int, _shared: bool) -> str:
        return self.add("w", {"wait": f"{self.chance.randint(0, 30)}ms"})

    def person(self, _depth: int, _shared: bool) -> str:
        return self.add("h", {"type": "human_input", "input": "rating", "set": {"n": "{{ output.rating }}"}})

    def race(self, _depth: int, _shared: bool) -> str:
        """One branch wins, one fails, one would never end."""
        name = self.add("p", {})
        winner = self.add("k", {"call": "work:outside", "with": WITH})
        fails = self.add("f", {"run": ["false"]})
        node = {"branches": [fails, winner, self.add("w", {"wait": NEVER})], "wait_for": "any"}
        self.nodes[name] = {"type": "parallel", **node}
        return name

    def each(self, _depth: int, _shared: bool) -> str:
        """One item after the other."""
        name = self.add("l", {})
        work = {"call": "work:outside", "with": WITH}
        self.nodes[name] = {"type": "loop", "for_each": [3, 1, 2], "body": self.add("k", work)}
        return name

    def collected(self, _depth: int, _shared: bool) -> str:
        name = self.add("e", {})
        body = self.add("k", {"call": "work:work", "with": WITH, "set": {"log": "{{ output }}"}})
        items = list(range(self.chance.randint(1, 6)))
        self.nodes[name] = {"type": "parallel", "for_each": items, "body": body, "on_branch_error": "collect"}
        if self.chance.random() < 0.5:
            self.nodes[name]["max_concurrency"] = 2
        return name


@dataclass(frozen=True, slots=True)
class Made:
    """A workflow, and what people answer: a node's name → an answer. `quick` comes to the same in no time."""

    data: Mapping[str, Any]
    answers: Mapping[str, Any]
    quick: Mapping[str, Any] | None = None

    def asks_of_outside(self) -> bool:
        """Whether a crash may leave a question behind."""
        return '"effects": "external"' in json.dumps(self.data)

    def put(self, home: Path, *, quick: bool = False) -> None:
        """Writes all it needs."""
        home.mkdir(parents=True)
        data = self.quick if quick and self.quick is not None else self.data
        (home / "workflow.yaml").write_text(json.dumps(data, indent=1))
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
    work = {"call": "work:outside", "with": WITH}
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


HOUR = 3600


def make_late(seed: int) -> Made:
    """A workflow in which time has to pass: a task waits, nobody answers, what fails is tried again hours later."""
    chance = random.Random(f"late {seed}")

    def timed(unit: str) -> dict[str, Any]:
        work = {"call": "work:outside", "with": WITH}
        asks = {"type": "human_input", "input": "rating", "timeout": f"1{unit}", "set": {"n": "{{ output.rating }}"}}
        retry = {"max_attempts": 3, "delay": f"1{unit}", "max_delay": f"1{unit}", "backoff": "constant", "jitter": 0}
        kinds: dict[str, dict[str, Any]] = {
            "w1": {"wait": f"1{unit}", "next": "k1"},
            "h1": {**asks, "default": 3, "on_timeout": "default", "next": "k2"},
            "h2": {**asks, "on_error": "continue", "next": "k3"},
            "r1": {**Worker.program("fails"), "retry": retry, "on_error": "continue", "next": "k4"},
        }
        chosen = [name for name in kinds if name in wanted]
        nodes: dict[str, Any] = {
            "k0": {**work, "next": "p0"},
            "p0": {"type": "parallel", "branches": chosen, "next": "k9"},
        }
        nodes |= {name: kinds[name] for name in chosen}
        nodes |= {kinds[name]["next"]: work for name in chosen}
        return {**talk, "nodes": {**nodes, "k9": work}}

    wanted = chance.sample(("w1", "h1", "h2", "r1"), chance.randint(1, 4))
    talk = {"magent": 1, "name": "late", "state": {"n": {"type": "number", "default": 0, "reduce": "sum"}}}
    talk |= {"checkpoints": {"every": chance.choice((5, 500)), "interval": "60s", "keep": 2}}
    return Made(timed("h"), {}, timed("ms"))


def effects(home: Path) -> Counter[str]:
    """How often each visit's work was begun, by key."""
    file = home / EFFECTS
    return Counter(file.read_text().split("\n")[:-1]) if file.exists() else Counter()


def file_of(key: str) -> str:
    """What a visit leaves in the workspace."""
    return key.partition("/")[2].replace("/", "_")


def output_of(node: str, key: str) -> Any:
    """What work outside gave, as a person would know who looked there."""
    return DONE_OUTSIDE if node.startswith("xr") else zlib.crc32(key.partition("/")[2].encode()) % 35 % 7
