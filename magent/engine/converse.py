"""A conversation: an agent is asked, the tools that it calls are used, its answer is held against the shape wanted, and
it is sent back where it must be, until there is an answer. Every call of a model is within the budget."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from magent.engine.casting import system_of
from magent.engine.company import DELEGATE, Speaker
from magent.engine.using import Book, Facts, as_text, heard, shown, sound, told, use
from magent.engine.work import Attempt
from magent.errors import UsageError
from magent.events import Failure, WorkFailed
from magent.offers import Offers
from magent.ports import Agent, Message, Paced, Prepares, Reply, Request, Tool, ToolCall, Usage
from magent.spec.schema import check_value, field_schema, fill

REPAIRS = 2
ROUNDS = 50  # replies of one attempt that call tools
FALLS_BACK = ("rate_limit", "agent", "timeout")
NO_JSON = ["it is not JSON"]


@dataclass(slots=True)
class Talk:
    """One conversation. `agents` are asked in order: the next one where one cannot answer, and it stays with that one.
    `messages` grow; those of an answer that did not fit, and of the wish for a better one, go again."""

    attempt: Attempt
    speaker: Speaker
    prompt: str
    messages: list[Message]
    offers: Offers
    fields: Mapping[str, Any] | None = None
    system: str | None = None  # the task's own; None: the agent's
    agents: list[str] = field(default_factory=list)
    wishes: list[Message] = field(default_factory=list)
    passed: list[dict[str, str]] = field(default_factory=list)
    hopeless: bool = True  # of those that were passed over, none may answer when asked again
    rounds: int = 0
    shown: bool = False  # whether anything of the last answer has streamed

    def __post_init__(self) -> None:
        self.agents = [self.speaker.agent, *fallback(self.attempt, self.speaker.agent)]

    @property
    def facts(self) -> Facts:
        return self.facts_of(self.attempt, self.speaker, self.agents[0])

    @staticmethod
    def facts_of(attempt: Attempt, speaker: Speaker, agent: str) -> Facts:
        """Who speaks, as the record says it."""
        facts = {"agent": agent}
        if speaker.role is not None:
            facts["role"] = speaker.role.name
        if speaker.delegation:
            facts["delegation"] = attempt.path + speaker.delegation
        return facts

    # ---- asking

    async def answer(self) -> Any:
        """What the agent came to; `messages` end with it. Raises WorkFailed."""
        repairs = 0
        while True:
            reply = await self._reply()
            if reply.calls:
                await self._round(reply)
                continue
            if self.fields is None:
                value = reply.text if not reply.has_data or reply.text else reply.data
                return self._answered(reply, value)
            value, faults = _read(reply)
            faults = faults or check_value(field_schema(self.fields), value)
            if not faults:
                return self._answered(reply, fill(self.fields, value))
            if repairs == REPAIRS:
                told = f"the answer of agent '{self.agents[0]}' does not fit `output`, also after {REPAIRS} repairs"
                raise WorkFailed(Failure("output", f"{told}: {faults[0]}", data={"answer": reply.text}))
            repairs += 1
            await self._wish(reply, faults)

    def _answered(self, reply: Reply, value: Any) -> Any:
        if reply.cut and not self.speaker.delegation:
            self.attempt.used["cut"] = True
        self.messages.append(Message("assistant", reply.text or as_text(value), opaque=reply.opaque))
        return value

    async def _reply(self) -> Reply:
        """The first of the agents that can answer does, and goes on with the conversation."""
        while True:
            name = self.agents[0]
            try:
                return await self._ask(name)
            except WorkFailed as error:
                failure = error.failure
                if failure.type not in FALLS_BACK or len(self.agents) == 1:
                    raise self._told(failure) from error
                await self._fall_back(failure)

    async def _fall_back(self, failure: Failure) -> None:
        """From the first agent to the next."""
        facts, name = self.facts, self.agents.pop(0)
        self.hopeless = self.hopeless and failure.final
        said = {"type": failure.type, "message": failure.message}
        self.passed.append({"agent": name, **said})
        self.attempt.used.setdefault("fallback", []).append(self.passed[-1])
        told = {**facts, "to": self.agents[0], "error": said}
        await self.attempt.note("agent.fallback", told | self.attempt.spent_so_far())

    def _told(self, failure: Failure) -> WorkFailed:
        if not self.passed or failure.type == "limit":
            return WorkFailed(failure)
        before = "; ".join(f"{each['agent']}: {each['message']}" for each in self.passed)
        final = failure.final and self.hopeless
        return WorkFailed(failure._replace(message=f"{failure.message} (before that, {before})", final=final))

    async def _ask(self, name: str) -> Reply:
        """Neither what an agent must fetch or load first (the local model), nor waiting until it may be asked, counts
        against the task's time, or reserves anything."""
        attempt = self.attempt
        agent = attempt.services.agent(attempt.home, name)
        request = self._request(name)
        async with AsyncExitStack() as held:
            with attempt.standing():
                if isinstance(agent, Prepares):
                    await agent.prepare()
                if isinstance(agent, Paced):
                    agent = await held.enter_async_context(self._turn(agent))
            return await self._call(agent, name, request)

    @asynccontextmanager
    async def _turn(self, agent: Paced) -> AsyncIterator[Agent]:
        """Whoever watches learns that it waits; when the call began is on the record, for as long as that counts."""
        if agent.busy:
            self.attempt.desk.tell("agent.waits", {"path": self.attempt.path, **self.facts})
        async with agent.turn() as free:
            if agent.span is not None:
                await self.attempt.note("agent.asked", {**self.facts, "span": agent.span})
            yield free

    async def _call(self, agent: Agent, name: str, request: Request) -> Reply:
        """What it used counts, also where it fails or is called off."""
        attempt = self.attempt
        budget = attempt.services.budget
        reserved = budget.reserve(attempt.home, name, request.max_tokens)
        usage, attempt.asking = None, (name, request.meter)
        self.shown = False
        attempt.call_begins(name)
        try:
            reply = await agent.ask(request, self._text)
            usage, attempt.asking = reply.usage, None
            attempt.spent(name, usage, reply.model, reply.mark)
            return reply
        except (WorkFailed, asyncio.CancelledError) as error:
            if isinstance(error, WorkFailed) or attempt.is_late:
                self._withdraw()
            raise
        finally:
            attempt.call_ends(failed=usage is None)
            attempt.tally()
            budget.settle(reserved, usage or request.meter.read() or Usage())

    def _text(self, text: str) -> None:
        self.shown = True
        self.attempt.call_goes_on()
        if self.speaker.delegation:
            self.attempt.desk.tell("text", {"path": self.attempt.path, "text": text, **self.facts})
        else:
            self.attempt.text(text)

    def _withdraw(self) -> None:
        """Whoever watches learns that what has streamed of an answer is none."""
        if self.shown:
            structured = {"structured": True} if self.fields is not None else {}
            self.attempt.desk.tell("text.withdrawn", {"path": self.attempt.path, **self.facts, **structured})

    def _request(self, name: str) -> Request:
        attempt = self.attempt
        settings = attempt.services.settings(attempt.graph, name)
        system = system_of(self.system, self.speaker.role, settings, attempt.seen, lambda: attempt.with_secrets())
        return Request(
            sound(self.prompt),
            tuple(replace(each, text=sound(each.text)) for each in (*self.messages, *self.wishes)),
            system=sound(system),
            schema=None if self.fields is None else field_schema(self.fields),
            max_tokens=attempt.services.bound(attempt.home, name),
            path=attempt.path,
            key=attempt.key,
            cwd=attempt.services.cwd,
            context={"inputs": attempt.seen["inputs"], "node": attempt.node.name, "path": attempt.path},
            tools=self.offers.offers,
        )

    # ---- what comes between a prompt and its answer

    async def _wish(self, reply: Reply, faults: Sequence[str]) -> None:
        listed = "\n".join(f"- {fault}" for fault in faults[:10])
        wish = f"That answer does not fit:\n{listed}\nAnswer again with one JSON object that fits, and nothing else."
        if faults == NO_JSON and self.fields is not None:  # it may never have heard of a form: some servers drop it
            wish += f" It must fit this JSON Schema:\n{json.dumps(field_schema(self.fields), ensure_ascii=False)}"
        answer = Message("assistant", reply.text or "(empty)", opaque=reply.opaque)
        self.wishes += [answer, Message("user", wish)]
        self._withdraw()
        await self._tell(reply, {"faults": list(faults[:10])})

    async def _round(self, reply: Reply) -> None:
        """The calls of one reply, one after the other: what one does may be what the next builds on."""
        self.rounds += 1
        if self.rounds > ROUNDS:
            message = f"agent '{self.agents[0]}' called tools {ROUNDS} times and gave no answer"
            raise WorkFailed(Failure("agent", message, hint="ask for less at a time, or offer it fewer tools"))
        calls = heard(reply.calls)
        same = [call.id for call in calls] == [call.id for call in reply.calls]
        opaque = reply.opaque if same else None  # it names the calls by their old ids
        self.messages += [*self.wishes, Message("assistant", reply.text, calls, opaque=opaque)]
        self.wishes = []
        await self._tell(reply, {"round": self.rounds, "calls": len(reply.calls)})
        for call in calls:
            text = await self._result(call)
            self.messages.append(Message("tool", text, call_id=call.id, name=call.name))

    async def _tell(self, reply: Reply, what: Mapping[str, Any]) -> None:
        """What a call of the model used is recorded at once: a later failure must not make it look free."""
        data: dict[str, Any] = {**self.facts, **what}
        if reply.text:
            data["text"] = reply.text
        if reply.model:
            data["model"] = reply.model
        await self.attempt.note("agent.replied", data | self.attempt.spent_so_far())

    async def _result(self, call: ToolCall) -> str:
        """A mistake, a refusal or a failure goes back to the agent, which may do better; a limit travels outwards."""
        try:
            tool = self.offers.find(call.name)
        except WorkFailed as error:
            failure = self._unoffered(call.name, error.failure)
            await Book(self.attempt, self.facts).refused(call.name, call.arguments, failure)
            return told(failure)
        try:
            return shown(await use(self.attempt, tool, call.arguments, self.facts, by_agent=True))
        except WorkFailed as error:
            if error.failure.type == "limit":
                raise
            return told(error.failure)

    def _unoffered(self, name: str, failure: Failure) -> Failure:
        """Who was told that it may delegate learns why it cannot here."""
        company = self.attempt.services.companies.of(self.attempt.graph)
        why = company.hindrance(self.speaker) if name == DELEGATE else None
        return failure if why is None else failure._replace(hint=why)


def fallback(attempt: Attempt, agent: str) -> list[str]:
    settings = attempt.services.settings(attempt.graph, agent)
    return [str(other) for other in settings.get("fallback", ()) if other != agent]


def offers_of(tools: Mapping[str, Tool]) -> Offers:
    """Raises WorkFailed (`tool`) where an agent could not tell two of them apart."""
    try:
        return Offers(tools)
    except UsageError as error:
        raise WorkFailed(Failure("tool", error.message, hint=error.hint)) from error


def _read(reply: Reply) -> tuple[Any, list[str]]:
    if reply.has_data:
        return reply.data, []
    try:
        return json.loads(reply.text), []
    except ValueError:
        return None, NO_JSON
