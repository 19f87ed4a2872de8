"""What is asked, kind by kind."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from magent.answers import DECISIONS, normalise, text_of
from magent.errors import AnswerRefused
from magent.human.form import ask_form
from magent.human.prompts import Prompts, one_line, say
from magent.ports import Question

Answer = dict[str, Any]


async def ask(prompts: Prompts, question: Question) -> Answer:
    """A whole answer that fits, without its comment. Raises as `Prompts` do."""
    default = _default(question)
    while True:
        given = await _KINDS[question.input](prompts, question, default)
        if question.form:
            given["form"] = await ask_form(prompts, question.form, default.get("form") or {})
        try:
            return normalise(question, given)
        except AnswerRefused as refused:  # each field was checked; this is for what only the whole shows
            say("".join(f"  {one_line(reason)}\n" for reason in refused.reasons))


async def ask_comment(prompts: Prompts, question: Question, answer: Answer) -> Answer:
    """The answer with a comment; on a review it is among the remarks."""
    comment = answer.get("comments")
    if comment is None:
        comment = (await prompts.line("Comment (Enter for none):", check=anything, edits=".md")).strip() or None
    review = {"comments": comment} if question.input == "review" else {}
    return answer | review | {"comment": comment}


def _default(question: Question) -> Answer:
    """The default as a whole answer, to be offered; nothing where there is none or it would be refused."""
    try:
        return normalise(question, question.default) if question.has_default else {}
    except AnswerRefused:
        return {}


async def _approval(prompts: Prompts, _: Question, default: Answer) -> Answer:
    return {"approved": await prompts.yes_no("Approve?", default.get("approved"))}


async def _feedback(prompts: Prompts, question: Question, default: Answer) -> Answer:
    text = default.get("text") or ""
    multiline = question.multiline
    return {
        "text": await prompts.line("Your feedback:", default=text, check=anything, multiline=multiline, edits=".md")
    }


async def _choice(prompts: Prompts, question: Question, default: Answer) -> Answer:
    values = [text_of(option["value"]) for option in question.options]
    options = [(label, option["value"]) for label, option in zip(_labels(question), question.options, strict=True)]
    chosen = default.get("choice")
    if question.multiple:
        places = [values.index(text_of(value)) for value in chosen or []]
        return {"choice": await prompts.choose_many("Choose any:", options, places)}
    place = None if chosen is None else values.index(text_of(chosen))
    return {"choice": await prompts.choose("Choose one:", options, place)}


def _labels(question: Question) -> list[str]:
    """Those that are the same are told apart by their values."""
    labels = [one_line(str(option["label"])) for option in question.options]
    count = Counter(labels)
    return [
        f"{label} ({text_of(option['value'])})" if count[label] > 1 else label
        for label, option in zip(labels, question.options, strict=True)
    ]


async def _rating(prompts: Prompts, question: Question, default: Answer) -> Answer:
    return {"rating": await prompts.number("Rating", question.scale, default.get("rating"))}


_EDIT = object()


async def _review(prompts: Prompts, question: Question, default: Answer) -> Answer:
    answer: Answer = {"content": default.get("content", question.content)}
    options = [*((decision.replace("_", " "), decision) for decision in DECISIONS), ("edit the content", _EDIT)]
    place = DECISIONS.index(default["decision"]) if default else None
    keys = {"c-e": ("editor", _EDIT)}
    while (decision := await prompts.choose("Your decision:", options, place, keys=keys)) is _EDIT:
        answer["content"] = await _edited(prompts, answer["content"])
    answer["decision"] = decision
    if decision != "approve":
        remarks = default.get("comments") or ""
        typed = await prompts.line("Comments (Enter for none):", default=remarks, check=anything, edits=".md")
        answer["comments"] = typed or None
    return answer


async def _edited(prompts: Prompts, content: Any) -> Any:
    if isinstance(content, str) or content is None:
        edited = await prompts.edit(content or "", ".md", anything)
        return content if edited == (content or "") else edited
    return json.loads(await prompts.edit(json.dumps(content, ensure_ascii=False, indent=2), ".json", json_fault))


async def _validation(prompts: Prompts, _: Question, default: Answer) -> Answer:
    if await prompts.yes_no("Is it valid?", default.get("valid")):
        return {"valid": True}
    expected = list(default.get("errors") or [])
    errors: list[str] = []
    while error := await prompts.line(
        "What is wrong? (Enter alone ends)",
        default=expected.pop(0) if expected else "",
        check=anything,
        edits=".md",
    ):
        errors.append(error)
    return {"valid": False, "errors": errors}


_KINDS: dict[str, Callable[[Prompts, Question, Answer], Awaitable[Answer]]] = {
    "approval": _approval,
    "feedback": _feedback,
    "choice": _choice,
    "rating": _rating,
    "review": _review,
    "validation": _validation,
}


def anything(_: str) -> str | None:
    return None


def json_fault(text: str) -> str | None:
    """Why this is not JSON, or None."""
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        return f"this is not JSON: {error}"
    return None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
