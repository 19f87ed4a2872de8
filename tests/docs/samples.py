"""What the models of the shipped workflows are scripted to say, so that a test needs neither model nor time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from magent.ports import Reply, Request, Usage
from magent.spec.loader import load_yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / "workflows"
FILES = {file.stem: file for file in sorted(WORKFLOWS.glob("*.yaml"))}
TOGETHER = ("supervisor", "debate", "plan_execute", "research", "cli_pair", "chat")  # agents that work together


class Scripted:
    """An agent that answers by what it is asked; `asked` keeps the addresses of the visits that asked."""

    def __init__(self, answer: Callable[[Request], Any]) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def ask(self, request: Request, on_text: Callable[[str], None]) -> Reply:
        self.asked.append(request.path)
        answer = self.answer(request)
        if isinstance(answer, Reply):
            return answer
        if isinstance(answer, str):
            return Reply(answer, usage=Usage(10, 5, 0.0, 1))
        return Reply("", answer, has_data=True, usage=Usage(10, 5, 0.0, 1))

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


def sort_issue(request: Request) -> dict[str, Any]:
    """Sure of all issues but the last one."""
    return {"kind": "bug", "sure": 20 if "log in" in request.prompt else 90, "why": "it says | so"}


def first_line(request: Request) -> str:
    return _inside(request.prompt).splitlines()[0]


def draft(request: Request) -> str:
    return "draft 2" if "Mend this" in request.prompt else "draft 1"


def opinion(request: Request) -> dict[str, Any]:
    return {"score": 9, "faults": ["it is stiff"]}


def translate(request: Request) -> str:
    """Marked with the attempt, so that a rule can refuse the first one."""
    return f"{request.prompt.splitlines()[0]} {_inside(request.prompt)}"


def _inside(prompt: str) -> str:
    return prompt.partition("<text>\n")[2].partition("\n</text>")[0]


ANSWERS: dict[str, dict[str, Callable[[Request], Any]]] = {
    "quickstart": {"reader": read_report},
    "review_change": {"reviewer": find},
    "triage": {"sorter": sort_issue},
    "digest": {"reader": first_line},
    "revise": {"writer": draft, "judge": opinion},
    "translate": {"translator": translate},
}


def agents(name: str) -> dict[str, Scripted]:
    """Scripted agents for every agent of a workflow."""
    return {agent: Scripted(answer) for agent, answer in ANSWERS.get(name, {}).items()}


def answers(name: str) -> dict[str, Any]:
    """The answers file that is shipped with a workflow."""
    data, _, _ = load_yaml((WORKFLOWS / name / "answers.yaml").read_bytes(), "answers.yaml")
    return dict(data)
