"""The table of rows: a name to ask for it by, and what measures it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.benchmarks import engine, processes, roles, stores, tracing
from tests.benchmarks.measure import Effort
from tests.benchmarks.table import Line

ROWS: Mapping[str, Callable[[Effort], list[Line]]] = {
    "chain-memory": engine.chain_in_memory,
    "chain-durable": engine.chain_durable,
    "fan-memory": engine.fan_in_memory,
    "fan-durable": engine.fan_durable,
    "memory": processes.memory,
    "loop": engine.loop_durable,
    "resume": processes.resume,
    "shell": engine.shell_jobs,
    "startup": processes.startup,
    "run": processes.run_of_one,
    "validate": processes.validate,
    "human": engine.human_input,
    "checkpoint": engine.checkpoint,
    "tool": engine.tool_call,
    "roles": roles.routing,
    "sqlite": stores.sqlite,
    "postgres": stores.postgres,
    "sealing": stores.sealing,
    "chain-sealed": stores.sealed_chain,
    "traces": tracing.traces,
}
