"""Roles on tasks, routes, and subtasks that are handed on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from magent.engine.run import visits
from magent.events import WorkFailed
from magent.model import Workflow
from magent.ports import Reply, Request, Usage
from magent.spec.build import build
from magent.spec.loader import Bundle
from tests.build import Lab
from tests.engine.crew import FakeTool, Scripted, broken, calls, crew, last, told, types
from tests.engine.language import assert_replayable, checked

HEAD = """
agents: {a: {model: local, system: Agent speaks.}, b: {model: local}, c: {model: local}}
defaults: {agent: b}
tools: {add: {call: 'm:f'}}
roles:
  lead: {role_type: manager, agent: a, instructions: "You lead {{ run.name }}.", can_delegate: true, max_subtasks: 2,
         skills: [planning]}
  coder: {role_type: coder, agent: b, skills: [python], tools: [add], can_delegate: true}
  tester: {role_type: tester, agent: c, skills: [testing], expertise: [security]}
"""


async def done(room: Lab) -> Any:
    run = await room.start()
    assert run.status == "completed", run.failure
    assert_replayable(room, run)
    return run


# ---- role and route


async def test_a_role_brings_its_agent_its_instructions_and_its_tools() -> None:
    text = HEAD + "nodes: {t: {prompt: Work, role: coder, next: u}, u: {prompt: More, role: lead}}"
    coder, lead = Scripted("done"), Scripted("led")
    room = crew(text, [FakeTool("add")], a=lead, b=coder, c="")
    await done(room)
    assert [offer.name for offer in coder.requests[0].tools] == ["add", "delegate"]
    assert lead.requests[0].system == "You lead test.\n\nAgent speaks."
    assert [event["role"] for event in told(room, "visit.completed")] == ["coder", "lead"]


async def test_a_tasks_own_system_and_tools_replace_the_agents_and_the_roles() -> None:
    text = HEAD + "nodes: {t: {prompt: Work, role: lead, system: Task speaks., tools: [add]}}"
    lead = Scripted("done")
    await done(crew(text, [FakeTool("add")], a=lead))
    assert lead.requests[0].system == "You lead test.\n\nTask speaks."
    assert [offer.name for offer in lead.requests[0].tools] == ["add", "delegate"]


async def test_a_predefined_role_is_played_by_the_default_agent() -> None:
    text = "agents: {b: {model: local}}\ndefaults: {agent: b}\nnodes: {t: {prompt: Work, role: critic}}"
    agent = Scripted("done")
    await done(crew(text, b=agent))
    assert agent.requests[0].system


async def test_a_role_that_a_template_gives_is_checked_when_it_is_reached() -> None:
    text = HEAD + 'nodes: {t: {prompt: Work, role: "{{ inputs.who }}"}}\ninputs: {who: {type: string}}'
    room = crew(text, [FakeTool("add")], a="", b="done", c="")
    assert (await room.start({"who": "coder"})).status == "completed"
    run = await crew(text, b="").start({"who": "codr"})
    assert run.failure is not None
    assert (run.failure.type, run.failure.hint) == ("agent", "did you mean 'coder'?")


async def test_a_route_is_decided_once_a_visit_and_recorded_with_every_candidate() -> None:
    text = HEAD + ("nodes: {t: {prompt: Work, route: {expertise: [security]}, retry: {max_attempts: 2, delay: 0}}}")
    room = crew(text, a="", b="", c=[broken("agent"), "tested"])
    run = await done(room)
    (routed,) = told(room, "role.routed")
    assert (routed["role"], routed["agent"], run.outputs["t"]) == ("tester", "c", "tested")
    assert [each["role"] for each in routed["decision"]["candidates"]] == ["tester", "lead", "coder"]
    assert routed["decision"]["candidates"][0]["reasons"]


async def test_a_resumed_visit_keeps_the_role_that_it_was_routed_to() -> None:
    text = HEAD + "nodes: {t: {prompt: some python please, route: {prefer: lead}}}"
    room = crew(text, a="led", b="coded", c="", tools=[FakeTool("add")])
    await done(room)
    cut = types(room.journal.events).index("role.routed") + 1
    again = crew(text, a="led", b="coded", c="", tools=[FakeTool("add")])
    run = await again.resume(room.journal.events[:cut])
    assert run.outputs["t"] == json.loads(json.dumps((await room.resume(room.journal.events[:cut])).outputs["t"]))
    assert types(again.journal.events).count("role.routed") == 1


async def test_a_route_by_words_that_nobody_has_fails_with_the_reason() -> None:
    text = HEAD + "nodes: {t: {prompt: zzz qqq, route: {prefer: critic}}}"
    run = await crew(text, a="", b="", c="").start()
    assert run.failure is not None
    assert run.failure.type == "agent"
    assert "no word of the task" in run.failure.message


PLANNED = """
inputs: {skills: {}, who: {}}
nodes: {t: {prompt: some testing please, route: {skills: "{{ inputs.skills }}", prefer: "{{ inputs.who }}"}}}
"""


@pytest.mark.parametrize(
    ("skills", "who", "role"),
    [(["python"], None, "coder"), (None, None, "tester"), ([], "coder", "coder"), (["planning"], "tester", "lead")],
)
async def test_what_a_route_requires_may_come_from_templates(skills: Any, who: Any, role: str) -> None:
    room = crew(HEAD + PLANNED, [FakeTool("add")], a="", b="", c="")
    assert (await room.start({"skills": skills, "who": who})).status == "completed"
    assert told(room, "role.routed")[0]["role"] == role


@pytest.mark.parametrize(
    ("skills", "who", "message", "hint"),
    [
        (["pythn"], None, "no role has the skill 'pythn' (did you mean 'python'?)", None),
        ("python", None, '`route.skills` must give a list of words, not "python"', None),
        ([1], None, "`route.skills` must give a list of words, not [1]", None),
        (None, "codr", "there is no role 'codr'", "did you mean 'coder'?"),
        (None, 7, "`route.prefer` must give a name, not 7", None),
    ],
)
async def test_what_templates_give_a_route_is_checked(skills: Any, who: Any, message: str, hint: Any) -> None:
    run = await crew(HEAD + PLANNED, a="", b="", c="").start({"skills": skills, "who": who})
    assert run.failure is not None
    assert (run.failure.type, run.failure.message, run.failure.hint) == ("agent", message, hint)


async def test_an_empty_route_goes_by_the_prompts_words() -> None:
    room = crew(HEAD + "nodes: {t: {prompt: 'Test it for security', route: {}}}", a="", b="", c="tested")
    assert (await done(room)).outputs["t"] == "tested"


def test_the_predefined_roles_are_frozen_with_a_workflow_that_uses_roles() -> None:
    def rebuilt(workflow: Workflow) -> Workflow:
        return build(Bundle.from_json(json.loads(json.dumps(workflow.frozen))))

    with_roles = checked(HEAD + "nodes: {t: {prompt: Work, role: critic}}")
    assert "critic" in with_roles.frozen["predefined"]
    assert rebuilt(with_roles).graph.predefined == with_roles.frozen["predefined"]
    without = checked("nodes: {t: {wait: 0}}")
    assert "predefined" not in without.frozen
    assert rebuilt(without).graph.predefined == {}


# ---- delegate

LED = HEAD + "nodes: {t: {prompt: Lead it, role: lead}}"


def handing(task: str, *skills: str) -> Any:
    return calls(("delegate", {"task": task, "skills": list(skills)}))


async def test_a_subtask_goes_to_the_role_that_fits_and_its_answer_comes_back() -> None:
    lead, coder = Scripted(handing("Write it", "python"), lambda r: f"got: {last(r).text}"), Scripted("the code")
    room = crew(LED, [FakeTool("add")], a=lead, b=coder, c="")
    run = await done(room)
    assert run.outputs["t"] == "got: the code"
    assert [message.text for message in coder.requests[0].messages] == ["Write it"]
    assert coder.requests[0].prompt == "Write it"
    assert "coder (python)" in lead.requests[0].tools[0].description
    assert run.tokens == [30, 15]


async def test_each_delegation_is_a_visible_step() -> None:
    lead = Scripted(handing("Write it", "python"), "led")
    coder = Scripted(calls(("add", {})), handing("Test it", "testing"), "coded")
    room = crew(LED, [FakeTool("add")], a=lead, b=coder, c="tested")
    await done(room)
    started = told(room, "delegation.started")
    assert [(each["delegation"], each["role"], each["agent"], each["depth"], each["by"]) for each in started] == [
        ("t>coder", "coder", "b", 1, "lead"),
        ("t>coder>tester", "tester", "c", 2, "coder"),
    ]
    assert started[0]["decision"]["candidates"][0]["role"] == "coder"
    added = next(each for each in told(room, "tool.called") if each["tool"] == "add")
    assert (added["delegation"], added["agent"], added["path"]) == ("t>coder", "b", "t")
    assert [each["delegation"] for each in told(room, "delegation.ended")] == ["t>coder>tester", "t>coder"]


async def test_nobody_gets_back_work_that_waits_for_him() -> None:
    lead = Scripted(handing("Write it", "python"), lambda r: last(r).text)
    coder = Scripted(handing("Plan it", "planning"), lambda r: last(r).text)
    run = await done(crew(LED, [FakeTool("add")], a=lead, b=coder, c=""))
    assert "nobody can take this subtask" in run.outputs["t"]
    assert "no role has the skill 'planning'" in run.outputs["t"]
    assert [offer.name for offer in coder.requests[0].tools] == ["add", "delegate"]


async def test_a_gap_is_named_with_the_nearest() -> None:
    lead = Scripted(handing("Check it", "testing", "cobol"), lambda r: last(r).text)
    run = await done(crew(LED, [FakeTool("add")], a=lead, b="", c=""))
    assert "no role has the skill 'cobol'" in run.outputs["t"]
    assert "the nearest is 'tester'" in run.outputs["t"]


async def test_no_more_subtasks_than_the_role_may_hand_over() -> None:
    wanted = {"task": "Write it", "skills": ["python"]}
    lead = Scripted(calls(*[("delegate", wanted)] * 3), lambda r: last(r).text)
    coder = Scripted("the code")
    run = await done(crew(LED, [FakeTool("add")], a=lead, b=coder, c=""))
    assert len(coder.requests) == 2
    assert "as many as it may" in run.outputs["t"]


async def test_delegation_ends_three_deep() -> None:
    roles = "\n".join(f"  r{n}: {{agent: a, skills: [s{n}], can_delegate: true}}" for n in range(6))
    text = f"agents: {{a: {{model: local}}}}\nroles:\n{roles}\nnodes: {{t: {{prompt: s0, role: r0}}}}"

    def on(request: Request) -> Any:
        number = int(request.prompt[1:])
        if request.messages[-1].role == "tool" or not request.tools:
            return f"deep {number}"
        return handing(f"s{number + 1}", f"s{number + 1}")

    room = crew(text, a=Scripted(on))
    await done(room)
    assert [each["depth"] for each in told(room, "delegation.started")] == [1, 2, 3]


async def test_a_subtask_that_fails_is_told_to_who_handed_it_over() -> None:
    lead = Scripted(handing("Write it", "python"), lambda r: last(r).text)
    room = crew(LED, [FakeTool("add")], a=lead, b=Scripted(broken("agent", "no idea")), c="")
    run = await done(room)
    assert run.outputs["t"] == "error: 'coder' could not do it: no idea"
    assert told(room, "delegation.ended")[0]["error"]["message"] == "no idea"


async def test_what_a_subtask_used_before_it_failed_is_its_own_in_the_record() -> None:
    def breaks_off(request: Request) -> WorkFailed:
        request.meter.read = lambda: Usage(100, 50, 0.25, 1)
        return broken("agent", "it broke off")

    lead = Scripted(handing("Write it", "python"), "led")
    room = crew(LED, [FakeTool("add")], a=lead, b=Scripted(breaks_off), c="")
    await done(room)
    (ended,) = told(room, "delegation.ended")
    assert (ended["tokens"], ended["cost"]) == ({"input": 100, "output": 50}, 0.25)
    assert (ended["model_call"]["agent"], ended["model_call"]["failed"]) == ("b", True)
    assert told(room, "visit.completed")[0]["tokens"] == {"input": 10, "output": 5}


async def test_the_model_that_answered_a_subtask_is_on_the_record() -> None:
    lead = Scripted(handing("Write it", "python"), "led")
    coder = Scripted(Reply("the code", usage=Usage(10, 5, 0.001, 1), model="openai:gpt-5-mini"))
    room = crew(LED, [FakeTool("add")], a=lead, b=coder, c="")
    await done(room)
    assert told(room, "delegation.ended")[0]["model"] == "openai:gpt-5-mini"


async def test_who_may_not_delegate_has_no_such_tool() -> None:
    text = HEAD + "nodes: {t: {prompt: Test it, role: tester}}"
    tester = Scripted("tested")
    await done(crew(text, a="", b="", c=tester))
    assert tester.requests[0].tools == ()


async def test_the_words_of_a_subtask_decide_where_no_skills_are_given() -> None:
    lead = Scripted(calls(("delegate", {"task": "some testing, please"})), lambda r: last(r).text)
    run = await done(crew(LED, [FakeTool("add")], a=lead, b="", c="tested"))
    assert run.outputs["t"] == "tested"


async def test_a_life_that_is_cut_off_in_a_subtask_leaves_nothing_running_in_the_record() -> None:
    def room() -> Lab:
        return crew(LED, [FakeTool("add")], a=Scripted(handing("Write it", "python"), "led"), b="coded", c="")

    whole = room()
    await done(whole)
    for kind in ("tool.called", "delegation.started", "delegation.ended"):
        again = room()
        cut = whole.journal.events[: types(whole.journal.events).index(kind) + 1]
        assert (await again.resume(cut)).outputs["t"] == "led"
        (visit,) = visits([*cut, *again.journal.events[len(cut) :]])
        found = [step["status"] for step in visit["steps"]]
        assert found[-2:] == ["completed", "completed"]
        assert set(found[:-2]) <= {"interrupted", "completed"}
        assert "interrupted" in found


async def test_an_external_tool_of_a_subtask_counts_as_the_visits() -> None:
    lead = Scripted(handing("Write it", "python"), "led")
    tool = FakeTool("add", external=True)
    room = crew(LED, [tool], a=lead, b=[calls(("add", {})), "coded"], c="")
    await done(room)
    cut = types(room.journal.events).index("tool.returned") + 1
    again = crew(LED, [tool], a=lead, b="", c="")
    assert (await again.resume(room.journal.events[:cut])).status == "waiting"


async def test_who_may_delegate_and_cannot_is_told_why() -> None:
    text = LED.replace("skills: [planning]", "skills: [planning], delegate_to: [coder]")
    lead = Scripted(handing("Write it"), handing("Write it", "python"), "led")
    coder = Scripted(handing("Plan it"), lambda r: last(r).text)
    text = text.replace("tools: [add], can_delegate: true", "tools: [add], can_delegate: true, delegate_to: [lead]")
    room = crew(text, [FakeTool("add")], a=lead, b=coder, c="")
    await done(room)
    said = [each["error"]["message"] for each in told(room, "tool.returned") if "error" in each]
    assert "there is no tool 'delegate'" in said[-1]
    assert "there is nobody to whom this could be handed on" in last(coder.requests[-1]).text


async def test_predefined_roles_take_subtasks_where_they_are_named_or_the_file_has_no_other() -> None:
    agents = "agents: {a: {model: local}, b: {model: local}}\ndefaults: {agent: b}\n"
    for role in (
        "lead: {agent: a, can_delegate: true}",
        "lead: {agent: a, can_delegate: true, delegate_to: [tester]}, x: {}",
    ):
        room = crew(f"{agents}roles: {{{role}}}\nnodes: {{t: {{prompt: Lead, role: lead}}}}",
                    a=Scripted(handing("Test it", "testing"), lambda r: last(r).text), b="tested")  # fmt: skip
        assert (await done(room)).outputs["t"] == "tested"
        assert told(room, "delegation.started")[0]["role"] == "tester"


async def test_another_tool_of_that_name_is_an_error() -> None:
    text = HEAD.replace("tools: {add:", "tools: {delegate: {call: 'm:f'}, add:")
    text += "nodes: {t: {prompt: Lead it, role: lead, tools: [delegate]}}"
    run = await crew(text, [FakeTool("delegate")], a="", b="", c="").start()
    assert run.failure is not None
    assert "has another tool of the name 'delegate'" in run.failure.message
