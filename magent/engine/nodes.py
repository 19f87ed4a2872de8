"""What each kind of task does: one short coroutine a kind, one table. Failures are raised as WorkFailed."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any

from magent.engine.ask import ask
from magent.engine.values import NotJson, plain
from magent.engine.work import Attempt
from magent.events import Failure, WorkFailed
from magent.expressions import EvaluationError, Value
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
    argv, variables = _command(attempt, work)
    env = {**attempt.services.child_env, "MAGENT_IDEMPOTENCY_KEY": attempt.key}
    env.update(_mapping_of_text(_variables(attempt, work.env) if work.env else {}))
    env.update(variables)
    result = await attempt.services.executor.run(
        argv,
        env=env,
        cwd=_directory(attempt, work),
        stdin=work.stdin.text(attempt.seen) if work.stdin else None,
        on_output=lambda _stream, text: attempt.text(text),
    )
    done = {"exit_code": result.exit_code, "stdout": result.stdout, "stderr": result.stderr}
    if work.ok_exit_codes is not None and result.exit_code not in work.ok_exit_codes:
        tail = (result.stderr.strip() or result.stdout.strip())[-300:]
        message = f"the command ended with exit code {result.exit_code}" + (f": {tail}" if tail else "")
        raise WorkFailed(Failure("exit", message, data={**done, "data": None}))
    done["data"] = _fits(attempt, _parsed(result.stdout, work.parse))
    return done


def _command(attempt: Attempt, work: Run) -> tuple[list[str], Mapping[str, str]]:
    if work.shell is not None:
        script, variables = work.shell.render(attempt.seen)
        return ["/bin/sh", "-ec", script], variables
    argv: list[str] = []
    for word in work.words:
        value = word.evaluate(attempt.seen)
        argv.extend(_argument(item) for item in (value if isinstance(value, list) else [value]))
    if not argv or not argv[0]:
        raise WorkFailed(Failure("value", "`run` names no program"))
    return argv, {}


def _argument(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if "\0" in text:
        raise WorkFailed(Failure("value", "an argument of `run` holds a NUL; hand it over by `stdin`"))
    if len(text.encode("utf-8", "surrogatepass")) > 100_000:
        raise WorkFailed(Failure("value", "an argument of `run` is over 100 KB; hand it over by `stdin`"))
    return text


def _variables(attempt: Attempt, env: Value) -> Mapping[str, Any]:
    try:
        values: Mapping[str, Any] = env.evaluate(attempt.with_secrets())
    except EvaluationError as error:
        read = {access.path[1] for access in env.accesses if access.path[0] == "secrets" and access.path[1:]}
        for name in sorted(read - set(attempt.services.secrets)):
            message = f"the secret {name} is not set in the environment"
            raise WorkFailed(Failure("value", message, hint=f"export {name}=…, then `magent resume`")) from error
        raise
    return values


def _mapping_of_text(values: Mapping[str, Any]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, value in values.items():
        text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if "\0" in text or len(text) > 100_000:
            raise WorkFailed(Failure("value", f"`env.{name}` holds a NUL or is over 100 KB; hand it over by `stdin`"))
        texts[name] = text
    return texts


def _directory(attempt: Attempt, work: Run) -> str:
    base = attempt.services.cwd
    return (
        f"{base}/{text}"
        if work.cwd and not (text := work.cwd.text(attempt.seen)).startswith("/")
        else (text if work.cwd else base)
    )


def _parsed(stdout: str, parse: str) -> Any:
    text = stdout[:-1] if stdout.endswith("\n") else stdout
    if parse == "lines":
        return text.split("\n") if text else []
    if parse == "json":
        try:
            return json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            data = {"stdout": stdout}
            raise WorkFailed(Failure("output", f"the command's output is not JSON: {error}", data=data)) from error
    return text


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


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
    tool = attempt.services.tool(attempt.graph, name)
    arguments = work.arguments.evaluate(attempt.seen) if work.arguments else {}
    faults = check_value(tool.parameters, arguments)
    if faults:
        raise WorkFailed(Failure("tool", f"the arguments of '{name}' do not fit: {faults[0]}"))
    return _fits_later(attempt, await tool.call(arguments, attempt.tool_context()))


async def use_chain(_attempt: Attempt, _work: Chain) -> Any:
    raise WorkFailed(Failure("tool", "`chain` is not available yet"))


WORK: dict[type[Any], Callable[[Attempt, Any], Awaitable[Any]]] = {
    Prompt: ask,
    Run: run,
    Call: call,
    Tool: use_tool,
    Chain: use_chain,
}
