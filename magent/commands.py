"""Commands that a workflow names: the `run` of a task, and the tools that are one. Data never becomes a command."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from magent.events import Failure, WorkFailed
from magent.expressions import EvaluationError, Value
from magent.keys import GUARD
from magent.model import Run
from magent.ports import Executor
from magent.spans import here

MOST = 100_000  # bytes of an argument or a variable
_SHOWN = 300  # characters of what a failed command printed last, in the message


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a command starts in. `environ` is what the child sees beside its own `env`; `cwd` is where a `cwd` of its
    own counts from; `on_text` gets what it prints."""

    executor: Executor
    environ: Mapping[str, str]
    secrets: Mapping[str, str]
    cwd: str
    key: str
    on_text: Callable[[str], None]


async def perform(work: Run, names: Mapping[str, Any], around: Surroundings) -> dict[str, Any]:
    """Runs it to its end: `{exit_code, stdout, stderr, data}`. Raises WorkFailed (`exit`, `output`, `value`),
    EvaluationError."""
    argv, variables = _command(work, names)
    env = {**around.environ, "MAGENT_IDEMPOTENCY_KEY": around.key, **here.environment()}
    env.update(_texts(_variables(work.env, names, around.secrets) if work.env else {}))
    env.update(variables)
    result = await around.executor.run(
        argv,
        env=env,
        cwd=os.path.join(around.cwd, work.cwd.text(names)) if work.cwd else around.cwd,
        stdin=work.stdin.text(names) if work.stdin else None,
        on_output=lambda _stream, text: around.on_text(text),
    )
    done = {"exit_code": result.exit_code, "stdout": result.stdout, "stderr": result.stderr}
    if work.ok_exit_codes is not None and result.exit_code not in work.ok_exit_codes:
        tail = GUARD.hide(result.stderr.strip() or result.stdout.strip())[-_SHOWN:]  # no piece of a secret stays
        message = f"the command ended with exit code {result.exit_code}" + (f": {tail}" if tail else "")
        raise WorkFailed(Failure("exit", message, data={**done, "data": None}))
    return {**done, "data": _parsed(result.stdout, work.parse)}


def _command(work: Run, names: Mapping[str, Any]) -> tuple[list[str], Mapping[str, str]]:
    if work.shell is not None:
        script, variables = work.shell.render(names)
        return ["/bin/sh", "-ec", script], variables
    argv: list[str] = []
    for word in work.words:
        value = word.evaluate(names)
        argv.extend(_argument(item) for item in (value if isinstance(value, list) else [value]))
    if not argv or not argv[0]:
        raise WorkFailed(Failure("value", "`run` names no program"))
    return argv, {}


def shown(work: Run, names: Mapping[str, Any]) -> str:
    """The command as a person would type it. Raises WorkFailed, EvaluationError."""
    return work.shell.shown(names) if work.shell is not None else shlex.join(_command(work, names)[0])


def _argument(value: Any) -> str:
    text = _text(value)
    if "\0" in text:
        raise WorkFailed(Failure("value", "an argument of `run` holds a NUL; hand it over by `stdin`"))
    if len(text.encode("utf-8", "surrogatepass")) > MOST:
        raise WorkFailed(Failure("value", "an argument of `run` is over 100 KB; hand it over by `stdin`"))
    return text


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _variables(env: Value, names: Mapping[str, Any], secrets: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        values: Mapping[str, Any] = env.evaluate({**names, "secrets": secrets})
    except EvaluationError as error:
        read = {access.path[1] for access in env.accesses if access.path[0] == "secrets" and access.path[1:]}
        for name in sorted(read - set(secrets)):
            message = f"the secret {name} is not set in the environment"
            raise WorkFailed(Failure("value", message, hint=f"export {name}=…, then `magent resume`")) from error
        raise
    return values


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, value in values.items():
        text = _text(value)
        if "\0" in text or len(text) > MOST:
            raise WorkFailed(Failure("value", f"`env.{name}` holds a NUL or is over 100 KB; hand it over by `stdin`"))
        texts[name] = text
    return texts


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
