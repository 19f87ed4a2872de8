"""One life of a run: the driver and its people, led until the run is over, waits, or is stopped."""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from magent import answering, retention, settings, telemetry
from magent.answers import unused
from magent.clock import Timer
from magent.engine import people
from magent.engine.driver import Driver, Stop
from magent.engine.fold import Run
from magent.engine.recorder import Recorder
from magent.errors import StoreError, UsageError
from magent.human.chain import Chain, Defaults
from magent.human.file import AnswersFile
from magent.human.terminal import Terminal
from magent.masks import MaskedSink
from magent.model import HumanInput
from magent.notify import told_of
from magent.outcome import Result, result_of
from magent.outfit import Outfit
from magent.ports import CANCEL, Agent, Exporter, Hears, Human, Journal, Question, RunStore, Sink, Tool
from magent.records import CANCELLED, cancellation

LOOK_EVERY = 1.0  # seconds between two looks for what others have left


@dataclass(frozen=True, slots=True)
class Options:
    """How a life of a run is led.

    `limits`: steps, tokens, usd, timeout (seconds); `agents`: name → a model, another agent's name, or an agent;
    `tools`: name → a tool that stands in for the one the workflow declares, or a mapping of several;
    `human`: who asks people, before the terminal does: a Human or a function of the question, sync or async. `linger`:
    where nothing but tasks that `wait` is left, a life lasts for those that end within so many seconds.
    """

    inputs: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)
    interactive: bool = False
    use_defaults: bool = False
    agents: Mapping[str, str | Agent] = field(default_factory=dict)
    tools: Mapping[str, Tool | Mapping[str, Tool]] = field(default_factory=dict)
    run_id: str | None = None
    max_concurrency: int | None = None
    durability: str | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    stop_after: str | None = None
    sinks: tuple[Sink, ...] = ()
    human: Human | Callable[[Question], Any] | None = None
    linger: float = math.inf
    color: bool = True
    otlp: str | None = None  # the URL of a collector that is sent its spans
    exporters: tuple[Exporter, ...] = ()  # who else is
    on_run: Callable[[Run], None] | None = None  # is handed the run, as earlier lives left it, before this one begins
    on_stop: Callable[[], None] | None = None  # a signal or Ctrl-C was heard: what is at work is being ended
    on_terminal: Callable[[Terminal], None] | None = None  # is handed the terminal's prompts before the run begins
    on_download: Callable[[str, int, int], None] | None = None  # what, bytes done, bytes in all


async def lead(
    run: Run, store: RunStore, journal: Journal, outfit: Outfit, options: Options, life: Callable[[Driver], Any]
) -> Result:
    """Drives the run; `life` begins it. Returns what it came to. Raises what `drive` does."""
    pipeline = telemetry.pipeline(run.workflow, telemetry.makers(options.otlp, options.exporters))
    if pipeline is None:
        return await _led(run, store, journal, outfit, options, life)
    unsent: list[str] = []
    try:
        if run.seq:
            pipeline.prime((await store.read(journal.run_id, checkpoint=False)).events)
        options = replace(options, sinks=(*options.sinks, pipeline))
        result = await _led(run, store, journal, outfit, options, life)
    finally:  # the run is over, recorded and let go: nobody who wants it waits for this
        unsent = await asyncio.to_thread(pipeline.close, telemetry.PATIENCE)
    return replace(result, unsent=tuple(unsent))


async def _led(
    run: Run, store: RunStore, journal: Journal, outfit: Outfit, options: Options, life: Callable[[Driver], Any]
) -> Result:
    workflow, clock = run.workflow, outfit.clock
    recorder = Recorder(
        run,
        journal,
        clock,
        durability=options.durability or settings.read().get("durability") or "sync",
        sinks=(MaskedSink(options.sinks, outfit.hidden),) if outfit.mask else options.sinks,
        checkpoints=workflow.checkpoints,
        mask=outfit.mask,
    )
    width = options.max_concurrency or workflow.limits.max_concurrency
    services = outfit.services(run)
    driver = Driver(run, recorder, services, Chain(()), clock, width=width, stop_after=options.stop_after)
    driver.linger = options.linger
    answers = AnswersFile(options.answers, clock) if options.answers else None

    def halt(stop: Stop) -> None:
        driver.halt(stop)
        if options.on_stop is not None:
            options.on_stop()

    driver.human = _people(driver, outfit, options, answers, halt)
    outfit.on_text = driver.text
    if options.on_run is not None:
        options.on_run(run)
    try:
        async with _listening(driver, store, journal):
            with _signals(halt):
                await life(driver)
        await answering.clear(store, journal, run)
        result = result_of(run, str(journal.directory), store)
        if answers is not None and run.status in ("completed", "failed"):
            result = replace(result, warnings=tuple(unused(options.answers, answers.used)))
        await journal.finish(result.as_json())
        untold = await _notified(driver, result, outfit, journal)
        await retention.tidy(store)
        return replace(result, untold=untold)
    finally:
        await outfit.close()
        await journal.close()


async def _notified(driver: Driver, result: Result, outfit: Outfit, journal: Journal) -> str | None:
    """Tells who wants to know (`notify`); why nobody was told, else None. A signal ends that, and nothing else."""
    telling = asyncio.ensure_future(told_of(driver.run, result, outfit, journal))

    def end(_: Stop) -> None:
        telling.cancel()

    try:
        with _signals(end):
            await asyncio.wait({telling})
    finally:
        telling.cancel()
    if telling.cancelled():
        return "it was interrupted"
    event = telling.result()
    if event is None:
        return None
    driver.recorder.tell(event)
    return event.data.get("error")


def _people(
    driver: Driver, outfit: Outfit, options: Options, answers: AnswersFile | None, halt: Callable[[Stop], None]
) -> Human:
    humans: list[Human] = [] if answers is None else [answers]
    if outfit.human is not None:
        humans.append(outfit.human)
    if options.interactive:
        stop = Stop("interrupted", signal=signal.SIGINT)
        terminal = Terminal(outfit.clock, lambda: halt(stop), color=options.color)
        if options.on_terminal is not None:
            options.on_terminal(terminal)
        nodes = (node for graph in driver.run.workflow.graphs.values() for node in graph.nodes.values())
        if any(isinstance(node, HumanInput) for node in nodes):
            terminal.prepare()
        humans.append(terminal)
    if options.use_defaults:
        humans.append(Defaults(outfit.clock))
    return Chain(humans)


@asynccontextmanager
async def _listening(driver: Driver, store: RunStore, journal: Journal) -> AsyncIterator[None]:
    """Looks every second, and when told to, what others have left: a request to end the run, which is obeyed in good
    order, and answers, which are taken before those of whoever is asked here."""
    clock, loop = driver.clock, asyncio.get_running_loop()
    timer: Timer | None = None
    taking: dict[str, asyncio.Task[None]] = {}
    over = False

    def look() -> None:
        nonlocal timer
        if over:  # a notice came as the life ended: nobody is to look from now on
            return
        if timer is not None:
            timer.cancel()
        try:
            notes = journal.notes()
        except StoreError as lost:  # nothing can be recorded any more: what is at work is ended at once
            driver.broken(lost)
            return
        for name, note in notes.items():
            if name.startswith(answering.PREFIX) and name not in taking:
                taking[name] = loop.create_task(take(name, note))
        if CANCEL in notes:
            driver.halt(Stop(CANCELLED, cancellation(notes[CANCEL]), final=True))
        else:
            timer = clock.call_at(clock.now() + LOOK_EVERY, look)

    async def take(name: str, note: Mapping[str, Any]) -> None:
        """The note goes once its answer is on the record; what is not taken in this life is there for the next."""
        try:
            await _recorded(driver, name, note)
            with suppress(StoreError, UsageError):
                await store.take_away(journal.run_id, name)
        finally:
            del taking[name]

    def heard() -> None:
        with suppress(RuntimeError):  # the loop may be over
            loop.call_soon_threadsafe(look)

    if isinstance(journal, Hears):
        journal.on_notice(heard)
    look()
    try:
        yield
    finally:
        over = True
        if timer is not None:
            timer.cancel()
        tasks = [*taking.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _recorded(driver: Driver, name: str, note: Mapping[str, Any]) -> None:
    """Returns once the answer that a note holds is on the record, or answers nothing."""
    done: asyncio.Future[asyncio.Future[int] | None] = asyncio.get_running_loop().create_future()

    def hear() -> None:
        if not done.done():
            data = answering.accepted(driver.run, name, note)
            done.set_result(None if data is None else people.heard(driver, data))

    driver.soon(hear)
    if (recorded := await done) is not None:
        await recorded


@contextmanager
def _signals(halt: Callable[[Stop], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM end this life of the run in good order. Outside the main thread, nothing is caught."""
    loop = asyncio.get_running_loop()
    caught: list[signal.Signals] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        stop = Stop("interrupted", signal=number)
        try:
            loop.add_signal_handler(number, halt, stop)
        except (ValueError, RuntimeError, NotImplementedError):
            break
        caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
