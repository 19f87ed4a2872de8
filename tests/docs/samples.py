"""What the models of the shipped workflows are scripted to say, so that a test needs neither model nor time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from magent.ports import Reply, Request, Usage

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / "workflows"
FILES = {file.stem: file for file in sorted(WORKFLOWS.glob("*.yaml"))}


class Scripted:
    """An agent that answers by what it is asked; `asked` keeps the addresses of the visits that asked."""

    def __init__(self, answer: Callable[[Request], Any]) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def ask(self, request: Request, on_text: Callable[[str], None]) -> Reply:
        self.asked.append(request.path)
        return Reply("", self.answer(request), has_data=True, usage=Usage(10, 5, 0.0, 1))

    async def close(self) -> None:
        return None


DELAYS = {"Gull": 40, "hand pump": 25, "Puffin": 15, "loading lane": 10}


def read_report(request: Request) -> dict[str, Any]:
    """Right, but for the ticket machine, where the first answer is made up."""
    minutes = next((late for word, late in DELAYS.items() if word in request.prompt), 0)
    if "ticket machine" in request.prompt and "No delay" not in request.prompt:
        minutes = 9
    return {"summary": request.prompt.splitlines()[1], "minutes_late": minutes}


def make_things_up(request: Request) -> dict[str, Any]:
    """As unwise as a model can be while it keeps to the form."""
    return {"summary": "a | b\n{{ c }} <b>", "minutes_late": 599}


def find(request: Request) -> dict[str, Any]:
    return {"findings": ["shop/orders.py:25: a name may hold a quote", "two\nlines"]}


ANSWERS: dict[str, dict[str, Any]] = {"quickstart": {"reader": read_report}, "review_change": {"reviewer": find}}


def agents(name: str) -> dict[str, Scripted]:
    """Scripted agents for every agent of a workflow."""
    return {agent: Scripted(answer) for agent, answer in ANSWERS.get(name, {}).items()}
