"""`magent agents`: who a file has for work, whether they can be reached, and a question to one of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from magent import app, cells, stores
from magent.agents import price_of
from magent.cli import files, flags, inputs, results
from magent.cli.chunks import WITHDRAWN
from magent.cli.console import Console, dump
from magent.cli.download import Download
from magent.cli.findings import reached, tell
from magent.cli.tables import GAP, Cell, Column, Part, Sheet, wrap
from magent.crew import ASKED, Crew, reach
from magent.errors import MagentError, UsageError
from magent.events import Event, Failure
from magent.expressions import Value
from magent.human.prompts import is_terminal
from magent.model import AgentSpec

OUTPUTS = ("text", "json")
STOPPED = (130, 143)  # by a signal
KINDS = ("model", "command", "call", "replies")
_HIDDEN = ("api_key",)  # settings whose value is not shown, whatever it is
_LISTED = (
    Column("AGENT", least=10),
    Column("KIND", rank=2),
    Column("WHAT", least=16),
)
Words = list[str] | None
T = TypeVar("T")


def list_agents(console: Console, *, file: str | None, check: bool, output: str | None) -> int:
    """List the agents of a workflow or library."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    crew = Crew(file_of(file))
    described = crew.described()
    found = asked(reach_all(crew, online=True)) if check else {}
    if form == "json":
        console.result(dump([_as_json(name, body, found.get(name)) for name, body in described.items()]))
    elif not described:
        console.say(f"{crew.file} has no agents")
    else:
        sheet = Sheet(console)
        if check:
            tell(sheet, [reached(name, *each) for name, each in found.items()])
        else:
            rows: list[Sequence[Cell]] = [(name, kind_of(body), what_of(body)) for name, body in described.items()]
            sheet.table(_LISTED, rows)
        sheet.print()
    return 1 if any(failure for _, failure in found.values()) else 0


def show_agent(console: Console, *, name: str | None, file: str | None, check: bool, output: str | None) -> int:
    """Show one agent: what the file says of it, and whether it could be asked."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    if not name:
        raise UsageError("which agent?", "magent agents list shows them; magent agents show writer one of them")
    crew = Crew(file_of(file, needed=":" not in name and name != "local"))
    known = crew.name_of(name)
    body = crew.described()[known]
    said, failure = asked(reach(crew, known, online=check))
    if form == "json":
        console.result(dump(_as_json(name, body, (said, failure))))
        return 1 if failure else 0
    sheet = Sheet(console)
    sheet.line(Part(name, "bold"), "  ", Part(kind_of(body), "dim"))
    if body.get("description"):
        sheet.text(str(body["description"]), indent=0)
    sheet.blank()
    facts = list(_facts(body))
    facts.append(
        ("reachable" if check else "ready", f"no: {failure.message}" if failure else f"yes: {said or 'it is'}")
    )
    if failure is not None and failure.hint:
        facts.append(("", failure.hint))
    room = max(cells.width(title) for title, _ in facts) + len(GAP)
    for title, text in facts:
        _fact(sheet, title, text, room)
    sheet.print()
    return 1 if failure else 0


def ask(
    console: Console,
    *,
    name: str | None,
    prompt: str | None,
    file: str | None,
    input: Words,
    agent: Words,
    limit: Words,
    output: str | None,
) -> int:
    """Ask one agent something, alone."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    if name and not prompt:
        raise UsageError(f"what is '{name}' to be asked?", f'such as: magent agents ask {name} "What are tides?"')
    if not name or not prompt:
        raise UsageError("which agent, and what?", 'such as: magent agents ask local "What are tides?"')
    question = files.read_text("PROMPT", "-") if prompt == "-" else prompt
    if not question.strip():
        raise UsageError("the prompt is empty")
    crew = Crew(file_of(file, needed=":" not in name and name != "local"))
    known = crew.name_of(name)
    stands_in = flags.agents(agent)
    given = _given(crew, known, input, console, whole=known not in stands_in)
    telling = _Telling(console, streams=form == "text" and console.shares_terminal)
    options = app.Options(
        inputs={**given, ASKED: question},
        agents=stands_in,
        limits=flags.limits(limit),
        interactive=is_terminal(),
        sinks=(telling,),
        on_download=None if console.settings.quiet else Download(console.raw),
    )
    result = asked(app.start(crew.workflow(known), stores.open_store("memory:"), options))
    answer = (result.outputs or {}).get("answer")
    if result.status != "completed":
        telling.end()
        if result.exit_code in STOPPED:
            console.hint("magent: interrupted")
            return result.exit_code
        raise _failure(result.error or {}, result.exit_code)
    if form == "json":
        console.result(dump({"agent": name, "answer": answer, "tokens": result.tokens, "cost_usd": result.cost_usd}))
    elif not telling.end(answer):
        console.result(answer if isinstance(answer, str) else dump(answer))
    if form == "text" and console.terminal and (spent := results.spent(result.tokens, result.cost_usd)):
        console.say(" · ".join(spent), "dim")
    return 0


def _given(crew: Crew, name: str, words: Words, console: Console, *, whole: bool) -> dict[str, Any]:
    """The inputs that the agent's settings see. `whole`: what they read must be there. Raises UsageError."""
    named = {word.partition("=")[0].strip() for word in words or ()}
    needed = crew.unset(Value(dict(crew.described()[name]))) if whole else []
    declared = {key: each for key, each in crew.inputs().items() if key in needed or key in named or "default" in each}
    return inputs.gather(declared, words, None, console)


class _Telling:
    """Shows text in the terminal as it is written; what was shown is not shown again at the end."""

    def __init__(self, console: Console, *, streams: bool) -> None:
        self._console, self._streams = console, streams
        self._shown = ""

    def __call__(self, event: Event) -> None:
        if event.type == "tool.called":
            self.end()
            self._console.say(f"{event.data.get('tool')} …", "dim")
        elif event.type == "text.withdrawn" and self._streams:
            self.end()
            self._console.say(WITHDRAWN, "dim")
        elif event.type == "text" and self._streams and not event.data.get("structured"):
            self._shown += str(event.data["text"])
            self._console.piece(str(event.data["text"]))

    def end(self, answer: Any = None) -> bool:
        """Ends the line that was begun. Whether the answer stands on the screen already."""
        whole = bool(self._shown) and isinstance(answer, str) and self._shown.endswith(answer)
        if self._shown and not self._shown.endswith("\n"):
            self._console.piece("\n")
        self._shown = ""
        return whole


def _failure(error: Mapping[str, Any], code: int) -> MagentError:
    failure = MagentError(str(error.get("message") or "the agent did not answer"), error.get("hint"))
    failure.exit_code = code
    return failure


# ---- the file


def file_of(file: str | None, *, needed: bool = True) -> str | None:
    """The file that is meant: without one ./workflow.yaml, where it is there. Raises UsageError where one is needed."""
    if file is not None or os.path.exists("workflow.yaml"):
        return file or "workflow.yaml"
    if needed:
        raise UsageError("there is no workflow.yaml here", "name a workflow or library: -f FILE")
    return None


# ---- what is told


def asked(asking: Coroutine[Any, Any, T]) -> T:
    """What came of it. What agents of one's own print meanwhile is no result: it goes to stderr."""
    with contextlib.redirect_stdout(sys.stderr):
        return asyncio.run(asking)


async def reach_all(crew: Crew, *, online: bool) -> dict[str, tuple[str, Failure | None]]:
    """All agents of the file at once, by name."""
    names = list(crew.described())
    found = await asyncio.gather(*(reach(crew, name, online=online) for name in names))
    return dict(zip(names, found, strict=True))


def kind_of(body: Mapping[str, Any]) -> str:
    return next((kind for kind in KINDS if kind in body), "")


def what_of(body: Mapping[str, Any]) -> str:
    """The model, the command, the function, or how many replies."""
    if "replies" in body:
        count = len(body["replies"])
        return f"{count} scripted"
    told = body.get(kind_of(body), "")
    return " ".join(str(word) for word in told) if isinstance(told, list) else str(told)


def _as_json(name: str, body: Mapping[str, Any], found: tuple[str, Failure | None] | None) -> dict[str, Any]:
    settings = {key: "***" if key in _HIDDEN else value for key, value in body.items()}
    told = {"name": name, "kind": kind_of(body), "what": what_of(body), "settings": settings}
    if found is None:
        return told
    said, failure = found
    reached = {"reachable": failure is None, "says": failure.message if failure else said}
    return told | reached | ({"hint": failure.hint} if failure and failure.hint else {})


def _facts(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in body.items():
        if key == "description":
            continue
        if key in ("replies", "command"):
            yield key, what_of(body)
        else:
            yield key, "***" if key in _HIDDEN else value if isinstance(value, str) else dump(value, indent=None)
    if "model" in body:
        yield "costs", _dollars(price_of(AgentSpec("", "model", dict(body), "."), body))


def _dollars(price: tuple[float, float] | None) -> str:
    if price is None:
        return "unknown; `price` on the agent tells it"
    return "nothing" if price == (0.0, 0.0) else f"${price[0]:g} in, ${price[1]:g} out, for a million tokens"


def _fact(sheet: Sheet, title: str, text: str, indent: int) -> None:
    if not text:
        return
    lines = [
        piece
        for line in text.rstrip("\n").split("\n")
        for piece in ([line] if sheet.width is None else wrap(line, max(20, sheet.width - indent)))
    ]
    sheet.line(Part(cells.pad(title, indent), "dim"), lines[0])
    for line in lines[1:]:
        sheet.line(" " * indent, line)
