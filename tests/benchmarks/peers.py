"""The same work done by others, where they are installed beside magent: LangGraph and Burr."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import itertools
import operator
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any, TypedDict

from tests.benchmarks import floors, work
from tests.benchmarks.measure import Effort, directory, in_turn
from tests.benchmarks.table import number

HEAD = ("peer", "work", "floor", "each", "ratio", "on disk, each")
Life = Callable[[Path | None], Coroutine[Any, Any, float]]  # seconds of the run alone, what it needs made before


def measured(effort: Effort) -> list[tuple[str, ...]]:
    """A row a peer and kind of work. What is not installed says so."""
    rows: list[tuple[str, ...]] = []
    for name, module, works in PEERS:
        if importlib.util.find_spec(module) is None:
            rows.append((name, "not installed", *["–"] * (len(HEAD) - 2)))
            continue
        for what, floor, make in works:
            for durable in (False, True):
                try:
                    rows.append(_row(effort, name, what, floor, make, durable))
                except Exception as error:  # noqa: BLE001 — of another version, perhaps: the others are still measured
                    rows.append((name, f"{what}: not measured: {error}", *["–"] * (len(HEAD) - 2)))
    return rows


def _row(
    effort: Effort, name: str, what: str, floor: Any, make: Callable[[int], Life], durable: bool
) -> tuple[str, ...]:
    count = effort.count(1000)
    life = make(count)
    with directory() as here:
        paths = (here / f"{index}.db" for index in itertools.count())

        def place() -> Path | None:
            return next(paths) if durable else None

        last: list[Path | None] = []

        def peer() -> float:
            last.append(place())
            return asyncio.run(life(last[-1]))

        least, spent = in_turn(effort, lambda: floors.seconds(lambda: floor(count, place())), peer)
        kept = sum(path.stat().st_size for path in here.glob(f"{last[-1].name}*")) if last[-1] else 0
    return (
        name,
        f"{what} of {count:,}, {'durable' if durable else 'in memory'}",
        f"{number(least / count * 1e6)} µs",
        f"{number(spent / count * 1e6)} µs",
        f"{number(spent / least)} ×",
        f"{number(kept / count)} B" if durable else "–",
    )


# ---- LangGraph, with its AsyncSqliteSaver where durable


class Kept(TypedDict, total=False):
    outputs: Annotated[list[Any], operator.add]


async def _langgraph_node(_state: Any) -> dict[str, Any]:
    return {"outputs": [await work.nothing()]}


def _langgraph_chain(length: int) -> Life:
    graphs = importlib.import_module("langgraph.graph")
    graph = graphs.StateGraph(Kept)
    for index in range(length):
        graph.add_node(f"n{index}", _langgraph_node)
    names = [graphs.START, *(f"n{index}" for index in range(length)), graphs.END]
    for before, after in itertools.pairwise(names):
        graph.add_edge(before, after)
    return _langgraph_life(graph, length + 10)


def _langgraph_fan(branches: int) -> Life:
    graphs = importlib.import_module("langgraph.graph")
    send = importlib.import_module("langgraph.types").Send
    graph = graphs.StateGraph(Kept)
    graph.add_node("each", _langgraph_node)
    graph.add_conditional_edges(graphs.START, lambda _state: [send("each", {}) for _ in range(branches)], ["each"])
    graph.add_edge("each", graphs.END)
    return _langgraph_life(graph, 10)


def _langgraph_life(graph: Any, steps: int) -> Life:
    async def life(path: Path | None) -> float:
        async with AsyncExitStack() as stack:
            saver = None
            if path is not None:
                savers = importlib.import_module("langgraph.checkpoint.sqlite.aio")
                saver = await stack.enter_async_context(savers.AsyncSqliteSaver.from_conn_string(str(path)))
            config = {"configurable": {"thread_id": "benchmark"}, "recursion_limit": steps}
            durability = {} if saver is None else {"durability": "sync"}
            ready = graph.compile(checkpointer=saver)
            began = time.perf_counter()
            await ready.ainvoke({"outputs": []}, config, **durability)
            return time.perf_counter() - began

    return life


# ---- Burr, with its SQLite persister where durable


def _burr_chain(length: int) -> Life:
    burr = importlib.import_module("burr.core")

    async def act(state: Any) -> Any:
        return state.update(last=await work.nothing())

    actions = {f"n{index}": burr.action(reads=[], writes=["last"])(act) for index in range(length)}
    names = list(actions)

    async def life(path: Path | None) -> float:
        builder = burr.ApplicationBuilder().with_actions(**actions).with_entrypoint(names[0]).with_state(last={})
        builder = builder.with_transitions(*itertools.pairwise(names))
        if path is not None:
            persister = importlib.import_module("burr.core.persistence").SQLitePersister(str(path))
            persister.initialize()
            builder = builder.with_identifiers(app_id="benchmark", partition_key="").with_state_persister(persister)
        ready = builder.build()
        began = time.perf_counter()
        await ready.arun(halt_after=[names[-1]])
        return time.perf_counter() - began

    return life


PEERS: tuple[tuple[str, str, tuple[tuple[str, Any, Callable[[int], Life]], ...]], ...] = (
    ("LangGraph", "langgraph", (("chain", floors.chain, _langgraph_chain), ("fan-out", floors.fan, _langgraph_fan))),
    ("Burr", "burr", (("chain", floors.chain, _burr_chain),)),
)
