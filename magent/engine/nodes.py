"""What each kind of task does: one short coroutine a kind, one table. Failures are raised as WorkFailed."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from magent import commands
from magent.engine import chains
from magent.engine.ask import ask
from magent.engine.using import use
from magent.engine.values import NotJson, plain
from magent.engine.work import Attempt
from magent.events import Failure, WorkFailed
from magent.functions import FunctionNotFound, load_function
from magent.model import Call, Chain, Prompt, Run, Tool
from magent.spec.schema import check_value, field_schema, fill


async def perform(attempt: Attempt) -> Any:
    """Does the task's work once; the result is plain JSON that fits `output`. Raises WorkFailed, EvaluationError."""
    result = await WORK[type(attempt.node.work)](attempt, attempt.node.work)
    try:
        return plain(result)
    except NotJson as error:
        raise WorkFailed(Failure("value", f"the result is no JSON value: {error}")) from error
    except RecursionError as error:
        raise WorkFailed(Failure("value", "the result is nested too deeply")) from error


def _fits(attempt: Attempt, result: Any) -> Any:
    """Checks a result against `output` and fills the defaults in."""
    fields = attempt.node.output
    if fields is None:
        return result
    faults = check_value(field_schema(fields), result)
    if faults:
        raise WorkFailed(Failure("output", f"the result does not fit `output`: {faults[0]}", data=result))
    return fill(fields, result)


# ---- run


async def run(attempt: Attempt, work: Run) -> Any:
    services = attempt.services
    around = commands.Surroundings(
        services.executor, services.child_env, services.secrets, services.cwd, attempt.key, attempt.text
    )
    done = await commands.perform(work, attempt.seen, around)
    done["data"] = _fits(attempt, done["data"])
    return done


# ---- call, tool


async def call(attempt: Attempt, work: Call) -> Any:
    arguments = work.arguments.evaluate(attempt.seen) if work.arguments else {}
    try:
        function, is_async = _function(work.target, work.home)
        if is_async:
            result = await function(**arguments)
        else:
            result = await asyncio.to_thread(function, **arguments)
            if inspect.isawaitable(result):
                result = await result
    except WorkFailed:
        raise
    except FunctionNotFound as error:
        raise WorkFailed(Failure("call", error.message, hint=error.hint)) from error
    except (Exception, SystemExit) as error:
        kind = type(error).__name__
        raise WorkFailed(Failure("call", f"{work.target} raised {kind}: {error}", data={"exception": kind})) from error
    return _fits_later(attempt, result)


@lru_cache(maxsize=1000)
def _function(target: str, home: str) -> tuple[Callable[..., Any], bool]:
    """The function, and whether it is a coroutine function: looked up once, since a loop may call it thousands
    of times."""
    function = load_function(target, home)
    return function, inspect.iscoroutinefunction(function)


def _fits_later(attempt: Attempt, result: Any) -> Any:
    if attempt.node.output is None:
        return result
    try:
        return _fits(attempt, plain(result))
    except NotJson as error:
        raise WorkFailed(Failure("value", f"the result is no JSON value: {error}")) from error


async def use_tool(attempt: Attempt, work: Tool) -> Any:
    name = work.tool.evaluate(attempt.seen)
    if not isinstance(name, str):
        raise WorkFailed(Failure("tool", f"`tool` must give a name, not {json.dumps(name)[:80]}"))
    tool = await attempt.services.tool(attempt.home, name)
    arguments = work.arguments.evaluate(attempt.seen) if work.arguments else {}
    external = tool.external and not attempt.node.external  # as it says itself: the file did not tell
    return _fits_later(attempt, await use(attempt, tool, _plain(arguments), {}, external=external))


def _plain(arguments: Any) -> Any:
    try:
        return plain(arguments)
    except NotJson as error:
        raise WorkFailed(Failure("value", f"the arguments are no JSON value: {error}")) from error


async def use_chain(attempt: Attempt, work: Chain) -> Any:
    chain = chains.find(attempt, work.chain.evaluate(attempt.seen))
    arguments = work.arguments.evaluate(attempt.seen) if work.arguments else {}
    way = chains.Pass(attempt, {}, dict(attempt.before.steps))
    return _fits_later(attempt, await chains.run_chain(chain, arguments, way))


WORK: dict[type[Any], Callable[[Attempt, Any], Awaitable[Any]]] = {
    Prompt: ask,
    Run: run,
    Call: call,
    Tool: use_tool,
    Chain: use_chain,
}
