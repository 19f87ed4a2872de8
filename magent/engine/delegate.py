"""The tool `delegate`: a role hands a subtask to another one, and gets back what that one came to.

Who gets it is routed among those that the role may hand to, never to one that is waiting for this very work. A subtask
is a conversation of its own: it sees nothing but its task. Delegations count no step (`limits.max_steps`): they are
within one visit; tokens, money and the task's time limit are one for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from magent.engine.casting import agent_of
from magent.engine.chains import ChainTool
from magent.engine.company import DELEGATE, Company, Speaker
from magent.engine.converse import Talk, offers_of
from magent.engine.using import Book, Facts
from magent.engine.work import Attempt
from magent.events import Failure, WorkFailed
from magent.expressions import Value
from magent.ports import Message, Tool, ToolContext
from magent.roles import Decision, Role, Wanted
from magent.wrappers import fault_of

_LISTED = 20  # of those who can take subtasks, in the description
_PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "task": {
            "type": "string",
            "minLength": 1,
            "description": "The subtask, with everything that is needed to do it: nothing else is seen of this work.",
        },
        "skills": {
            "type": "array",
            "items": {"type": "string", "minLength": 1},
            "description": "The skills that it takes, as few as are really needed. Left out, the task's words decide.",
        },
    },
    "required": ["task"],
    "additionalProperties": False,
}


class Delegate:
    """The tool as one role has it, in one attempt."""

    name = DELEGATE
    parameters = _PARAMETERS
    external = False
    confirm = False

    def __init__(self, attempt: Attempt, company: Company, speaker: Speaker) -> None:
        assert speaker.role is not None
        self._attempt = attempt
        self._company = company
        self._speaker = speaker
        self._role = speaker.role
        self._heirs = company.heirs(speaker.role, speaker.above)

    @property
    def description(self) -> str:
        listed = "; ".join(_described(role) for role in self._heirs[:_LISTED])
        more = f"; and {len(self._heirs) - _LISTED} more" if len(self._heirs) > _LISTED else ""
        text = "Hands a subtask to the colleague whose skills fit it best, and gives their answer."
        return f"{text} There are: {listed}{more}." if listed else text

    async def call(self, arguments: Mapping[str, Any], _context: ToolContext, /) -> Any:
        task, skills = str(arguments["task"]), [str(skill) for skill in arguments.get("skills") or ()]
        given = self._given()
        decision = self._routed(task, skills)
        self._attempt.subtasks[self._role.name] = given + 1
        heir = self._company.role(str(decision.chosen))
        agent = agent_of(self._attempt.graph, self._attempt.seen, heir) or self._speaker.agent
        speaker = Speaker(agent, heir, (*self._speaker.above, self._role.name))
        return await self._hand_over(speaker, task, decision)

    def _given(self) -> int:
        """How many subtasks the role has handed over in this visit. Raises WorkFailed where that is all it may."""
        name = self._role.name
        given = self._attempt.subtasks.get(name, 0)
        if given >= self._role.max_subtasks:
            subtasks = "1 subtask" if given == 1 else f"{given} subtasks"
            message = f"'{name}' has handed over {subtasks}, as many as it may in a visit"
            raise WorkFailed(Failure("tool", message, hint="do the rest yourself"))
        return given

    def _routed(self, task: str, skills: Sequence[str]) -> Decision:
        names = [role.name for role in self._heirs]
        decision = self._company.route(Wanted(skills=tuple(skills)), task, names)
        if decision.chosen is None:
            message = f"nobody can take this subtask: {'; '.join(decision.sentences())}"
            raise WorkFailed(Failure("tool", message, hint="ask for other skills, or do it yourself"))
        return decision

    async def _hand_over(self, speaker: Speaker, task: str, decision: Decision) -> Any:
        attempt = self._attempt
        assert speaker.role is not None
        facts = {
            "delegation": attempt.path + speaker.delegation,
            "role": speaker.role.name,
            "agent": speaker.agent,
            "by": self._role.name,
            "depth": len(speaker.above),
        }
        told = {"task": task, "skills": list(decision.wanted.skills), "decision": decision.as_json()}
        await attempt.note("delegation.started", {**facts, **told})
        began = attempt.desk.now()
        attempt.used.pop("model", None)  # of the delegator's own answer, which is on the record
        try:
            tools = await tools_of(attempt, self._company, speaker, ())
            answer = await Talk(attempt, speaker, task, [Message("user", task)], offers_of(tools)).answer()
        except WorkFailed as error:
            failure = error.failure
            if failure.type != "limit":
                said = {"type": failure.type, "message": failure.message}
                await attempt.note("delegation.ended", {**self._ended(facts, began), "error": said})
                message = f"'{speaker.role.name}' could not do it: {failure.message}"
                raise WorkFailed(Failure("tool", message, hint=failure.hint)) from error
            raise
        await attempt.note("delegation.ended", self._ended(facts, began))
        return answer

    def _ended(self, facts: Facts, began: float) -> dict[str, Any]:
        """What it used is its own, also where it failed: nothing of it is left for the next call of who delegates."""
        model = self._attempt.used.pop("model", None)
        named = {"model": model} if model else {}
        return {**facts, "duration": self._since(began), **named, **self._attempt.spent_so_far()}

    def _since(self, began: float) -> float:
        return round(max(0.0, self._attempt.desk.now() - began), 3)


def _described(role: Role) -> str:
    words = ", ".join([*role.skills, *role.expertise][:8])
    return f"{role.name} ({words})" if words else role.name


async def _usable(attempt: Attempt, name: str, facts: Facts) -> dict[str, Tool]:
    """Those that the name means. One that its server lists with a schema that does not hold is not offered, which is on
    the record; where it is named itself, that is an error. Raises WorkFailed (`tool`)."""
    tools = dict(await attempt.services.tools(attempt.home, [name]))
    for each, why in [(each, fault_of(tool)) for each, tool in tools.items()]:
        if why:
            message = f"'{each}' cannot be offered to an agent: {why}"
            hint = "that is a fault of the server: ask whoever maintains it"
            failure = Failure("tool", message, hint=hint, final=True)
            if each == name:
                raise WorkFailed(failure)
            del tools[each]
            await Book(attempt, facts).left_out(each, failure)
    return tools


async def tools_of(attempt: Attempt, company: Company, speaker: Speaker, named: Sequence[str]) -> dict[str, Tool]:
    """What the agent may call: the tools that the task names, else the role, else the agent; a chain is one, too; and
    `delegate`, where the role may. Raises WorkFailed (`tool`)."""
    role = speaker.role
    names = [str(name) for name in named] or list(role.tools if role is not None else ())
    names = names or [str(name) for name in attempt.services.settings(attempt.graph, speaker.agent).get("tools", ())]
    names = [str(Value(name).evaluate(attempt.seen)) for name in names]
    found: dict[str, Tool] = {}
    facts = Talk.facts_of(attempt, speaker, speaker.agent)
    for name in names:
        if name not in attempt.graph.tools and name in attempt.graph.chains:
            found[name] = ChainTool(attempt, attempt.graph.chains[name], facts)
        else:
            found |= await _usable(attempt, name, facts)
    if role is not None and role.can_delegate and company.hindrance(speaker) is None:
        if DELEGATE in found:
            message = f"the role '{role.name}' may delegate, and has another tool of the name '{DELEGATE}'"
            raise WorkFailed(Failure("tool", message, hint="give that tool another name"))
        found[DELEGATE] = Delegate(attempt, company, speaker)
    return found
