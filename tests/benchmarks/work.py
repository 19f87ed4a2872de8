"""The work that rows do, and the workflows that do it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NOTHING = "tests.benchmarks.work:nothing"
_lived = {"calls": 0}


async def nothing() -> dict[str, Any]:
    """The no-op: returns a small mapping."""
    return {"ok": True, "score": 7}


async def mortal() -> dict[str, Any]:
    """Kills its process at call BENCHMARK_KILL_AT; with BENCHMARK_TOLD, writes when it is first called."""
    _lived["calls"] += 1
    if _lived["calls"] == 1 and "BENCHMARK_TOLD" in os.environ:
        Path(os.environ["BENCHMARK_TOLD"]).write_text(repr(time.monotonic()))
    if _lived["calls"] == int(os.environ.get("BENCHMARK_KILL_AT", "0")):
        os.kill(os.getpid(), signal.SIGKILL)
    return {"ok": True, "score": 7}


def workflow(nodes: Mapping[str, Any], **rest: Any) -> dict[str, Any]:
    limits = {"max_steps": 1_000_000, **rest.pop("limits", {})}
    return {"magent": 1, "name": "benchmark", "limits": limits, **rest, "nodes": dict(nodes)}


def chain(length: int, work: Mapping[str, Any] | None = None, **rest: Any) -> dict[str, Any]:
    """`length` nodes, one after the other."""
    task = work or {"call": NOTHING}
    following = [{"next": f"n{index + 1}"} for index in range(length - 1)]
    return workflow({f"n{index}": {**task, **next_} for index, next_ in enumerate([*following, {}])}, **rest)


def fan(branches: int, width: int | None = None, work: Mapping[str, Any] | None = None, **own: Any) -> dict[str, Any]:
    """One branch an item; `width` is `limits.max_concurrency`."""
    nodes = {
        "fan": {"type": "parallel", "for_each": f"range({branches})", "body": "each", **own},
        "each": dict(work or {"call": NOTHING}),
    }
    return workflow(nodes, limits={} if width is None else {"max_concurrency": width})


def loop(rounds: int, target: str = NOTHING) -> dict[str, Any]:
    """Rounds that add an element to a list each."""
    nodes = {
        "grow": {"type": "loop", "while": True, "max_iterations": rounds, "on_exhausted": "continue", "body": "add"},
        "add": {"call": target, "set": {"found": "{{ output.score }}"}},
    }
    return workflow(nodes, state={"found": {"type": "array", "default": [], "reduce": "append"}})


def file_of_prompts(length: int) -> str:
    """A valid file: nodes of six lines, each reading what the one before it made."""
    head = (
        "magent: 1\nname: long\ninputs:\n  topic: {type: string}\n"
        "agents:\n  writer: {replies: [{reply: fine}]}\nlimits: {max_steps: 1000000}\nnodes:\n"
    )
    return head + "".join(_prompt(index, index == length - 1) for index in range(length))


def _prompt(index: int, last: bool) -> str:
    seen = "{{ inputs.topic }}" if index == 0 else f"{{{{ inputs.topic }}}} after {{{{ state.n{index - 1} }}}}"
    lines = ["description: One step", f'prompt: "Look at {seen}"', "agent: writer", "timeout: 30s"]
    lines.append("next: end" if last else f"next: n{index + 1}")
    return f"  n{index}:\n" + "".join(f"    {line}\n" for line in lines)
