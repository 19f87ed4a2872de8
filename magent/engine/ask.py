"""The `prompt` task: who does it is found, and asked, with its tools and what its session has of earlier talk."""

from __future__ import annotations

from typing import Any

from magent.engine import sessions
from magent.engine.casting import cast
from magent.engine.converse import Talk, offers_of
from magent.engine.delegate import tools_of
from magent.engine.work import Attempt
from magent.events import WorkFailed
from magent.model import Prompt
from magent.ports import Message


async def who(attempt: Attempt) -> None:
    """Finds out who does a prompt. Raises WorkFailed."""
    if isinstance(attempt.node.work, Prompt):
        attempt.speaker = await cast(attempt, attempt.node.work)


async def ask(attempt: Attempt, work: Prompt) -> Any:
    """Asks the task's agent, and those that it falls back to, in order, where it cannot answer. Raises WorkFailed."""
    speaker = attempt.speaker
    assert speaker is not None  # `who` came first
    if speaker.role is not None:
        attempt.used["role"] = speaker.role.name
    company = attempt.services.companies.of(attempt.graph)
    offers = offers_of(await tools_of(attempt, company, speaker, work.tools))
    prompt = work.prompt.text(attempt.seen)
    kept = attempt.before.sessions.get(work.session, ()) if work.session else ()
    before = sessions.history(work.session, kept, with_tools=bool(offers.offers)) if work.session else ()
    system = work.system.text(attempt.seen) if work.system else None
    messages = [*before, Message("user", prompt)]
    talk = Talk(attempt, speaker, prompt, messages, offers, attempt.node.output, system)
    try:
        answer = await talk.answer()
    except WorkFailed as error:
        failure = error.failure
        if kept and failure.type == "agent":
            message = failure.message + sessions.told_of(str(work.session), kept)
            raise WorkFailed(failure._replace(message=message)) from error
        raise
    if work.session:
        new = sessions.recorded(talk.messages[len(before) :])
        attempt.used["session"] = {"name": work.session, "messages": new}
    return answer
