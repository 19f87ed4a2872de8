"""Reads of outputs and keys that may be null: on some way to the reader the node has not run, or the key is not set.

A must-analysis over sets of facts, as bits of integers: a fact is the name of a node that has an output by then, of a
key that was set, or `error` where an error was caught. Facts are only gained. Each scope is looked at for itself, inner
ones first, then what holds at its opening is handed inwards. As many facts are followed at a time as memory allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from magent.expressions import Access
from magent.layout import END, Layout, Link
from magent.source import Problem
from magent.spec.checks.context import Context
from magent.spec.checks.texts import Use
from magent.spec.checks.views import WORKS, GraphView, mapping

ERROR = " error"  # the fact that an error was caught; no name looks like this
_READ = re.compile(r"""output\b|state(\.\w+|\s*\[\s*['"]\w+['"]\s*\])""")
_BEFORE = re.compile(r"(\b(if|elif|not|and|or)|[=!]=)\s*\(?\s*$")
_AFTER = re.compile(r"\s*\)?\s*(and|or|if|else|is|not|in|==|!=)(?=\W)")
_MEMORY = 500_000_000  # bits that all sets of facts together may take
_PASSES = 20


def check_nulls(context: Context) -> Iterator[Problem]:
    """Reads that may be null and do not say what then."""
    reads: dict[GraphView, list[tuple[Use, Access, str]]] = {}
    for use in context.uses:
        if use.graph is not None:
            for access in use.accesses:
                if fact := _fact(use.graph, use, access):
                    reads.setdefault(use.graph, []).append((use, access, fact))
                elif why := _null_input(use.graph, access) or _null_output(use, access):
                    yield _doubt(use, access, why)
    for graph, found in reads.items():
        if graph.layout is not None:
            yield from _doubtful(graph, graph.layout, found)


def _fact(graph: GraphView, use: Use, access: Access) -> str | None:
    """The fact without which this read gives null, or fails on it; None where nothing can go wrong."""
    path = access.path
    if access.guarded or len(path) < 2:
        return None
    if path[0] == "error":
        return ERROR
    if path[0] == "nodes" and len(path) > 3 and path[2] == "error":
        return f"{ERROR} of {path[1]}"
    if path[0] != "state" or path[1] not in graph.state_names:
        return None
    if mapping(graph.declared.get(path[1])).get("default") is not None:
        return None
    return None if len(path) == 2 and _null_is_meant(use, access) else path[1]


def _null_is_meant(use: Use, access: Access) -> bool:
    """Where a key may well be null: asked for its truth, compared for equality, alone in `switch` or in `outputs`."""
    text = str(use.text)
    start = use.written.offset(access.line, access.column)
    found = _READ.match(text, start)
    before = _BEFORE.search(text[max(0, start - 40) : start])
    after = _AFTER.match(text, found.end() if found else start)
    if before or after:
        return True
    if use.spot.pattern[-1] not in ("when", "while", "until", "switch", "outputs"):
        return False
    return text[:start].strip(" ({-") == text[found.end() if found else start :].strip(" )}-") == ""


def _null_input(graph: GraphView, access: Access) -> str | None:
    schema = mapping(graph.inputs.get(access.path[1])) if access.path[0] == "inputs" and len(access.path) > 2 else {}
    if access.guarded or "default" not in schema or schema["default"] is not None:
        return None
    return f"`inputs.{access.path[1]}` may be null, its default"


def _null_output(use: Use, access: Access) -> str | None:
    """`output` before the first round, and after an error that was passed over."""
    if access.guarded or access.path[0] != "output" or (len(access.path) == 1 and _null_is_meant(use, access)):
        return None
    if use.spot.pattern == ("while",):
        return "`output` is null before the first round"
    if use.spot.pattern[0] == "next" and use.owner.get("on_error") == "continue":
        return "`output` is null after an error that `on_error: continue` passes over"
    return None


_ATTRIBUTE_AT = {"error": 1, "output": 1, "nodes": 3}  # the step of a path that null does not have


def _doubt(use: Use, access: Access, message: str) -> Problem:
    name = ".".join(access.path)
    step = _ATTRIBUTE_AT.get(access.path[0], 2)
    if len(access.path) > step:
        message += f", and then has no `{access.path[step]}`"
    hint = f"say what then: `{name} | default(…)`, or ask `{name} is defined`"
    return use.warning(access.line, access.column, "may-be-null", message, hint)


def _doubtful(graph: GraphView, layout: Layout, reads: list[tuple[Use, Access, str]]) -> Iterator[Problem]:
    facts = list(dict.fromkeys(fact for _, _, fact in reads))
    size = max(256, _MEMORY // len(graph.names))
    for start in range(0, len(facts), size):
        bits = {fact: 1 << number for number, fact in enumerate(facts[start : start + size])}
        flow = _Flow(graph, layout, bits)
        flow.run()
        for use, access, fact in reads:
            if fact in bits and not flow.holds_at(use) & bits[fact]:
                yield _doubt(use, access, _sentence(graph, access, fact))


def _sentence(graph: GraphView, access: Access, fact: str) -> str:
    if fact.startswith(ERROR):
        return f"`{'.'.join(access.path[: 1 if fact == ERROR else 3])}` is null where no error was caught"
    why = f"'{fact}' may not have run by then" if fact in graph.names else "nothing may have set it by then"
    if fact in graph.nodes and not stores(graph, fact):
        why = f"'{fact}' gives no output"
    return f"`state.{fact}` may be null here ({why})"


def stores(graph: GraphView, name: str) -> bool:
    """Whether the node has an output at all; of a malformed one that is assumed."""
    if name not in graph.nodes:
        return True
    kind = graph.type_of(name)
    if kind == "task":
        return any(key in graph.nodes[name] for key in WORKS)
    return kind in ("condition", "parallel", "loop", "subgraph", "human_input")


@dataclass(slots=True)
class _Flow:
    """One analysis. `before[n]` holds inside n's scope, from its opening on; `base[r]` at the opening of scope r."""

    graph: GraphView
    layout: Layout
    bits: Mapping[str, int]
    before: dict[str, int] = field(default_factory=dict)
    gained: dict[str, int] = field(default_factory=dict)  # by a whole scope, by its entry
    base: dict[str, int] = field(default_factory=dict)

    def run(self) -> None:
        for entry in reversed(list(self.layout.regions)):
            self._settle(entry)
        for entry, region in self.layout.regions.items():
            owner = region.owner
            if owner is None:
                self.base[entry] = 0
            else:
                outer = self.base[self.layout.region_of[owner]]
                self.base[entry] = outer | self.before.get(owner, (1 << len(self.bits)) - 1)

    def holds_at(self, use: Use) -> int:
        """The facts that hold where a text is evaluated."""
        everything = (1 << len(self.bits)) - 1
        name = use.node
        if name is None:
            return self.gained.get(self.layout.entry, everything)
        region = self.layout.region_of.get(name)
        if region is None:
            return everything  # that nothing reaches it is told
        facts = self.base[region] | self.before.get(name, everything)
        if use.spot.pattern[0] in ("set", "next"):
            facts |= self._own(name) | self._inner(name)
        if use.spot.pattern[0] == "next":
            facts |= self._set(name)
        if use.spot.pattern == ("until",):
            facts |= self._inner(name)
        return facts

    def _own(self, name: str) -> int:
        if not stores(self.graph, name):
            return 0
        node = self.graph.nodes.get(name, {})
        return 0 if self.graph.type_of(name) == "loop" and "while" in node else self.bits.get(name, 0)

    def _set(self, name: str) -> int:
        facts = 0
        for key, value in mapping(self.graph.nodes.get(name, {}).get("set")).items():
            if value is not None:
                facts |= self.bits.get(key, 0)
        return facts

    def _inner(self, name: str) -> int:
        """What the scopes that a node opens leave behind for certain."""
        node = self.graph.nodes.get(name, {})
        if "until" in node:
            return self._gained(str(node.get("body")))
        if "branches" not in node or node.get("wait_for", "all") != "all" or node.get("on_branch_error") == "collect":
            return 0
        facts = 0
        for link in self.graph.sketches[name].opens:
            if link.kind == "normal":
                facts |= self._gained(link.target)
        return facts

    def _gained(self, entry: str) -> int:
        return self.gained.get(entry, 0)

    def _done(self, name: str) -> int:
        """What is new once a node has completed, or was passed with `on_error: continue`."""
        if self.graph.nodes.get(name, {}).get("on_error") == "continue":
            return 0
        return self._own(name) | self._inner(name) | self._set(name)

    def _settle(self, entry: str) -> None:
        region = self.layout.regions[entry]
        inside = set(region.nodes)
        done = {name: self._done(name) for name in region.nodes}
        order = _order(self.graph, entry, inside)
        everything = (1 << len(self.bits)) - 1
        self.before[entry] = 0
        for _ in range(_PASSES):
            changed = False
            for name in order:
                here = self.before.get(name, everything)
                for link in self.graph.sketches[name].links:
                    if link.target not in inside:
                        continue
                    old = self.before.get(link.target, everything)
                    new = old & (here | self._along(name, link, done[name]))
                    if new != old:
                        self.before[link.target] = new
                        changed = True
            if not changed:
                break
        self.gained[entry] = self._at_the_end(region.nodes, done, everything)

    def _along(self, name: str, link: Link, done: int) -> int:
        """What is new on an edge: nothing on the one a skipped visit follows, and an error on those of `on_error`."""
        if link.path[0] == "on_error":
            return self.bits.get(ERROR, 0) | self.bits.get(f"{ERROR} of {name}", 0)
        skippable = "when" in self.graph.nodes.get(name, {})
        return 0 if skippable and link.kind == "normal" else done

    def _at_the_end(self, nodes: Iterable[str], done: Mapping[str, int], everything: int) -> int:
        facts = everything
        for name in nodes:
            here = self.before.get(name, everything)
            if self.graph.type_of(name) == "end":
                facts &= here if self.graph.nodes[name].get("status") != "failed" else everything
                continue
            for new in self._exits(name, done[name]):
                facts &= here | new
        return facts

    def _exits(self, name: str, done: int) -> Iterator[int]:
        node = self.graph.nodes.get(name, {})
        if "next" not in node and "switch" not in node:
            yield 0 if "when" in node else done
        for link in self.graph.sketches[name].links:
            if link.target == END and END not in self.graph.names:
                yield self._along(name, link, done)


def _order(graph: GraphView, entry: str, inside: set[str]) -> list[str]:
    """The nodes of a scope, each after those that lead to it, loop_backs aside."""
    done: list[str] = []
    seen = {entry}
    trail: list[tuple[str, Iterator[Any]]] = [(entry, iter(graph.sketches[entry].links))]
    while trail:
        name, links = trail[-1]
        link = next((link for link in links if link.target in inside and link.target not in seen), None)
        if link is None:
            done.append(name)
            trail.pop()
        else:
            seen.add(link.target)
            trail.append((link.target, iter(graph.sketches[link.target].links)))
    return done[::-1]
