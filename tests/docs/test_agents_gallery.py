"""The workflows in which agents work together, with their real tools: what comes out, who hands what to whom, every way
that a run can take, and what happens when something fails."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import magent
from magent.events import Event, Failure, WorkFailed
from magent.ports import Reply, Request, ToolCall
from tests.adapters.serving import site
from tests.docs.samples import FILES, ROOT, TOGETHER, WORKFLOWS, Scripted, answers
from tests.terminal import ENTER, Terminal

ASKING: dict[str, dict[str, Any]] = {"supervisor": {"limit": 10}, "debate": {"rounds": 1}, "cli_pair": {"rounds": 1}}
ASKED = (*ASKING, "chat")


def run(name: str, inputs: dict[str, Any] | None = None, **options: Any) -> magent.Result:
    """With the workflow's own agents, as far as no other ones are given."""
    return magent.run(FILES[name], inputs or {}, **{"store": None, **options})


def message(result: magent.Result) -> str:
    assert result.error is not None, result.outputs
    return str(result.error["message"])


def calls(tool: str, **arguments: Any) -> Reply:
    return Reply("", calls=(ToolCall("1", tool, arguments),))


def fails(_request: Request) -> str:
    raise WorkFailed(Failure("agent", "out of order", final=True))


def in_turn(*replies: Any) -> Callable[[Request], Any]:
    """One after the other; the last again and again."""
    left = list(replies)
    return lambda _request: left.pop(0) if len(left) > 1 else left[0]


class Listening(Scripted):
    """Keeps what it was asked, whole."""

    def __init__(self, answer: Callable[[Request], Any]) -> None:
        super().__init__(answer)
        self.requests: list[Request] = []

    async def ask(self, request: Request, on_text: Callable[[str], None]) -> Reply:
        self.requests.append(request)
        return await super().ask(request, on_text)


# ---- each of them


@pytest.mark.parametrize("name", TOGETHER)
def test_it_says_of_itself_what_is_no_model(name: str) -> None:
    comments = " ".join(line.strip("# ") for line in FILES[name].read_text().splitlines() if line.startswith("#"))
    assert re.search(r"without a model|small programs?\b", comments)


@pytest.mark.parametrize("name", ASKED)
def test_with_its_answers_nobody_else_is_asked(name: str, here: Path) -> None:
    result = run(name, ASKING.get(name), answers=answers(name))
    assert (result.status, result.waiting, result.warnings) == ("completed", [], ())


@pytest.fixture
def clone(here: Path) -> Path:
    shutil.copytree(WORKFLOWS, here / "workflows")
    return here


def command(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "magent", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


COMMANDS = [
    (name, words, said)
    for name in TOGETHER
    for words, said in re.findall(r"^# {3}magent (run workflows/\S+.*?)(?: {2,}(.*))?$", FILES[name].read_text(), re.M)
    if "gpt" not in words and "--id" not in words and not words.endswith("\\")
]


@pytest.mark.parametrize(("name", "words", "said"), COMMANDS, ids=[words for _, words, _ in COMMANDS])
def test_the_commands_in_its_comments_work_in_a_pipe(name: str, words: str, said: str, clone: Path) -> None:
    done = command(*words.split(), "--output", "json", cwd=clone)
    asks = re.search(r"\basks\b", said) is not None
    assert json.loads(done.stdout)["status"] == ("waiting" if asks else "completed"), done.stderr
    assert done.returncode == (3 if asks else 0)


def test_the_page_shows_commands_that_are_tried_here() -> None:
    page = (WORKFLOWS / "README.md").read_text()
    shown = re.findall(rf"^magent (run workflows/(?:{'|'.join(TOGETHER)})\.yaml.*)$", page, re.M)
    assert len(shown) == 9
    assert set(shown) <= {words for _, words, _ in COMMANDS}


def summary(result: magent.Result) -> dict[str, Any]:
    """What must be the same, however often a run was interrupted: all but when a person answered
    and a file was written."""
    timeless = {"at", "modified"}
    state = {
        key: {k: v for k, v in value.items() if k not in timeless} if isinstance(value, dict) else value
        for key, value in result.state.items()
    }
    return {"status": result.status, "outputs": result.outputs, "state": state, "path": sorted(result.path)}


@pytest.mark.parametrize("name", TOGETHER)
def test_cut_after_every_event_and_resumed_it_ends_as_one_left_alone(name: str, here: Path) -> None:
    """With its own agents, programs, tools and workspace, from the record on the disk."""
    given: dict[str, Any] = {"answers": answers(name)} if name in ASKED else {}
    store = f"file:{here / 'runs'}"
    alone = run(name, ASKING.get(name), store=store, **given)
    assert alone.status == "completed", alone.error
    journal, result = Path(alone.dir) / "journal.jsonl", Path(alone.dir) / "result.json"
    events = journal.read_bytes().splitlines(keepends=True)
    for cut in range(1, len(events)):
        for kept in (result, *Path(alone.dir).glob("checkpoints/*")):
            kept.unlink(missing_ok=True)
        journal.write_bytes(b"".join(events[:cut]))
        if b"report.md is written" not in journal.read_bytes():  # what was not written by then is not there
            (Path(alone.dir) / "workspace" / "report.md").unlink(missing_ok=True)
        again = asyncio.run(magent.resume(alone.run_id, store=store, **given))
        assert summary(again) == summary(alone), f"cut after event {cut}: {events[cut - 1]!r}"


# ---- supervisor


def test_the_supervisor_puts_together_what_the_workers_find_with_real_tools(here: Path) -> None:
    events: list[Event] = []
    result = run("supervisor", on_event=events.append)
    assert result.outputs == {
        "answer": "answer.txt",
        "refund": 12.5,
        "grounds": [
            "The log says: 2026-05-12 08:15 Gull 70 minutes late, engine would not start.",
            "60 minutes and more, a half: 12.50 is paid back.",
        ],
        "attempts": 1,
        "asked": False,
    }
    assert "12.50, is on its way" in (here / "answer.txt").read_text()
    handed = [(event.data["by"], event.data["role"]) for event in events if event.type == "delegation.started"]
    assert handed == [("supervisor", "clerk"), ("supervisor", "cashier"), ("supervisor", "correspondent")]
    called = [event.data["tool"] for event in events if event.type == "tool.called"]
    assert called == ["delegate", "files.search", "delegate", "files.read", "calculator", "delegate"]


GOOD = {"answer": "We pay 12.50 back.", "refund": 12.5, "grounds": ["the log"]}


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ({"answer": "We pay half."}, "it does not name the refund of 12.50"),
        ({"grounds": []}, "it rests on nothing: have it looked up"),
        ({"answer": "12.50 " + "word " * 120}, "it has more than 120 words"),
    ],
)
def test_an_answer_that_breaks_a_rule_goes_back_within_its_session(bad: dict[str, Any], fault: str, here: Path) -> None:
    boss = Listening(in_turn({**GOOD, **bad}, GOOD))
    result = run("supervisor", agents={"supervisor": boss})
    assert (result.status, result.outputs["attempts"]) == ("completed", 2)
    assert fault in boss.requests[1].prompt
    assert "Jonas Aalto" not in boss.requests[1].prompt
    assert any("Jonas Aalto" in said.text for said in boss.requests[1].messages)


def test_an_answer_that_is_never_good_is_not_sent(here: Path) -> None:
    boss = Listening(in_turn({**GOOD, "grounds": []}))
    result = run("supervisor", agents={"supervisor": boss})
    assert message(result) == "The answer is still not good: it rests on nothing: have it looked up"
    assert (len(boss.requests), (here / "answer.txt").exists()) == (3, False)


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"answers": {"sign": True}}, "completed"),
        ({"answers": {"sign": False}}, "failed"),
        ({"use_defaults": True}, "failed"),
    ],
)
def test_a_refund_above_the_limit_takes_a_persons_word(options: dict[str, Any], status: str, here: Path) -> None:
    assert run("supervisor", {"limit": 12.49}).waiting[0]["prompt"] == "Pay 12.50 back?"
    result = run("supervisor", {"limit": 12.49}, **options)
    assert (result.status, (here / "answer.txt").exists()) == (status, status == "completed")


def test_a_worker_that_fails_is_told_to_the_supervisor_who_goes_on(here: Path) -> None:
    boss = Listening(in_turn(calls("delegate", task="Look.", skills=["timetable"]), GOOD))
    result = run("supervisor", agents={"supervisor": boss, "clerk": Scripted(fails)})
    assert result.status == "completed"
    assert "'clerk' could not do it: out of order" in boss.requests[1].messages[-1].text


def test_workers_see_the_records_and_no_other_file(here: Path) -> None:
    boss = in_turn(calls("delegate", task="Look.", skills=["timetable"]), GOOD)
    clerk = Listening(
        in_turn(calls("files.read", path="../letter.txt"), calls("files.write", path="x", text="y"), "No.")
    )
    run("supervisor", agents={"supervisor": Scripted(boss), "clerk": clerk})
    assert [said.text[:6] for said in clerk.requests[2].messages if said.role == "tool"] == ["error:", "error:"]
    assert not (WORKFLOWS / "supervisor/records/x").exists()


# ---- debate


def test_the_debate_is_settled_in_the_second_round(here: Path) -> None:
    result = run("debate")
    assert (result.outputs["decision"], result.outputs["rounds"], result.outputs["asked"]) == ("fewer", 2, False)
    assert [one["round"] for one in result.state["said"]] == [0] * 3 + [1] * 3 + [2] * 3
    page = (here / "debate.md").read_text()
    assert "Decided: **fewer**. All three can live with Fridays and Sundays.\n\n## Opening" in page
    assert page.count("**purser**: ") == 3


def test_speakers_open_without_having_heard_each_other_and_then_hear_all(here: Path) -> None:
    speakers = {name: Listening(lambda request: f"said {request.path}") for name in ("captain", "purser", "passenger")}
    run("debate", {"rounds": 1}, agents=speakers, use_defaults=True)
    opening, answer = speakers["purser"].requests
    assert "said" not in opening.prompt.replace("was said", "")
    assert "captain: said open[0]/begin" in answer.prompt
    assert "You: said open[1]/begin" in answer.prompt
    assert "captain: said argue[0]/turns[0]/speak" in answer.prompt
    assert "turns[2]" not in answer.prompt


def verdict(settled: bool, decision: str = "never") -> dict[str, Any]:
    return {"settled": settled, "decision": decision, "why": "So it is.", "ask": "" if settled else "And fog?"}


def test_the_judge_hears_each_word_once_and_remembers_it(here: Path) -> None:
    judge = Listening(in_turn(verdict(False), verdict(True)))
    speakers = {name: Listening(lambda request: f"said {request.path}") for name in ("captain", "purser", "passenger")}
    result = run("debate", agents={"judge": judge, **speakers})
    assert result.outputs["decision"] == "never"
    first, second = judge.requests
    assert all(word in first.prompt for word in ("open[0]/begin", "argue[0]/turns[2]/speak"))
    assert "open[0]" not in second.prompt
    assert "argue[0]" not in second.prompt
    assert "argue[1]/turns[0]/speak" in second.prompt
    assert first.prompt in [said.text for said in second.messages]
    assert "The judge asks: And fog?" in speakers["captain"].requests[2].prompt


def test_a_decision_that_was_not_to_be_had_settles_nothing(here: Path) -> None:
    judge = Scripted(in_turn(verdict(True, "a bridge")))
    speakers = {name: Scripted(lambda _request: "Hm.") for name in ("captain", "purser", "passenger")}
    result = run("debate", {"rounds": 2}, agents={"judge": judge, **speakers})
    assert (result.status, "a bridge" in result.waiting[0]["context"]["the judge leans to"]) == ("waiting", True)
    again = run("debate", {"rounds": 2}, agents={"judge": judge, **speakers}, use_defaults=True)
    assert again.outputs["decision"] == "every day"


def test_a_speaker_who_fails_says_nothing_in_that_round(here: Path) -> None:
    purser = Scripted(lambda request: fails(request) if "argue" in request.path else "Money.")
    result = run("debate", agents={"purser": purser})
    assert result.status == "completed"
    assert [one["agent"] for one in result.state["said"] if one["round"] == 1] == ["captain", "passenger"]


def test_a_person_decides_where_the_judge_gives_up(here: Path) -> None:
    result = run("debate", agents={"judge": Scripted(fails)}, answers={"decide": "never"})
    assert (result.status, result.outputs["decision"], result.outputs["asked"]) == ("completed", "never", True)


def test_a_person_decides_what_the_rounds_did_not_settle(here: Path) -> None:
    result = run("debate", {"rounds": 1}, answers=answers("debate"))
    assert (result.outputs["decision"], result.outputs["why"]) == ("fewer", "We try it for one winter.")
    assert run("debate", {"rounds": 1}, use_defaults=True).outputs["asked"]


# ---- plan_execute


def test_a_step_that_fails_leads_to_another_plan_that_holds(here: Path) -> None:
    result = run("plan_execute", store=f"file:{here / 'runs'}")
    assert (result.outputs["plans"], result.outputs["failed"], len(result.outputs["done"])) == (2, ["Read may.csv."], 4)
    page = (here / "report.md").read_text()
    assert page == "# Revenue of May\n\n15596.50\n\nThe Puffin was in the yard in week 20.\n"
    assert not (WORKFLOWS / "plan_execute/sales/report.md").exists()


def stored(name: str, inputs: dict[str, Any], here: Path, **agents: Scripted) -> magent.Result:
    return run(name, inputs, store=f"file:{here / 'runs'}", agents=agents)


def test_the_planner_is_told_what_is_done_and_what_failed(here: Path) -> None:
    planner = Listening(in_turn({"steps": ["One.", "Two.", "Three."]}, {"steps": ["Two, otherwise."]}))

    def work(request: Request) -> Any:
        if "only this one: Two, otherwise." in request.prompt and request.messages[-1].role == "user":
            return calls("files.write", path="out.txt", text="done")
        return {"done": "only this one: Two.\n" not in request.prompt, "result": "so it went"}

    result = stored("plan_execute", {"result": "out.txt"}, here, planner=planner, executor=Scripted(work))
    assert (result.status, result.outputs["done"]) == ("completed", ["One.", "Two, otherwise."]), result.error
    assert "Done so far:\n- One. → so it went" in planner.requests[1].prompt
    assert "Failed, so find another way:\n- Two. → so it went" in planner.requests[1].prompt


def test_plans_that_never_hold_are_bounded(here: Path) -> None:
    planner = Listening(in_turn({"steps": ["Fly."]}))
    result = stored("plan_execute", {}, here, planner=planner, executor=Scripted(fails))
    assert (len(planner.requests), message(result)) == (4, "Fly. out of order")
    assert [one["step"] for one in result.state["failed"]] == ["Fly."] * 4


def test_an_executor_that_says_it_is_done_is_not_believed(here: Path) -> None:
    planner = Listening(in_turn({"steps": ["Write it."]}))
    executor = Scripted(in_turn({"done": True, "result": "written"}))
    result = stored("plan_execute", {}, here, planner=planner, executor=executor)
    assert message(result) == "Every step was done, and there is no report.md"
    assert "report.md was to be written. → It is not there." in planner.requests[1].prompt
    assert len(planner.requests) == 2


def test_the_agents_work_on_a_copy_in_which_an_old_result_is_not_taken_for_a_new_one(here: Path) -> None:
    (here / "mine").mkdir()
    (here / "mine" / "report.md").write_text("old\n")
    (here / "mine" / "a.txt").write_text("a\n")
    planner = Scripted(in_turn({"steps": ["Change a.txt."]}))
    reach_out = (calls("files.write", path="a.txt", text="b"), calls("files.read", path="../../run.json"))
    executor = Scripted(in_turn(*reach_out, {"done": True, "result": ""}))
    result = stored("plan_execute", {"folder": "mine"}, here, planner=planner, executor=executor)
    assert "there is no report.md" in message(result)
    assert ((here / "mine" / "a.txt").read_text(), (here / "mine" / "report.md").read_text()) == ("a\n", "old\n")


# ---- research


def test_research_cites_what_it_found_and_nothing_else(here: Path) -> None:
    result = run("research")
    assert result.outputs == {"page": "research.md", "sources": 4, "drafts": 2, "failed_searches": 0}
    page = (here / "research.md").read_text()
    assert "- [2] Harbour book of Skerry, extracts: harbour-book.txt\n- [3] List of lights" in page
    assert "newsletter" not in page


def queries(*words: str) -> Scripted:
    return Scripted(in_turn({"queries": list(words)}))


def test_the_writer_is_told_what_is_wrong_with_its_citations(here: Path) -> None:
    writer = Listening(
        in_turn("It is unmanned since 1968 [1] [9].\n\nSo they say.", "It has run by itself since 1968 [1].")
    )
    result = run("research", {"question": "Who?"}, agents={"planner": queries("last keeper"), "writer": writer})
    assert result.outputs["drafts"] == 2
    assert "[1] The islanders' newsletter, summer 2019: Since 1968" in writer.requests[0].prompt
    assert "Mend this:\n- [9] is no source: there are 1 to 1\n- it is not said where this comes from: So they say." in (
        writer.requests[1].prompt
    )


def test_an_answer_that_is_never_borne_out_is_not_published(here: Path) -> None:
    writer = Listening(in_turn("Seen for 99 miles [1]."))
    result = run("research", agents={"writer": writer})
    assert "not borne out: 99 is in none of the sources" in message(result)
    assert (len(writer.requests), (here / "research.md").exists()) == (4, False)


def test_where_nothing_is_found_nothing_is_written(here: Path) -> None:
    result = run("research", agents={"planner": queries("quantum gravity")})
    assert message(result) == "Nothing was found for: quantum gravity"
    (here / "empty").mkdir()
    assert "No search worked. The first error: " in message(run("research", {"documents": "empty"}))


def test_research_reads_a_folder_of_ones_own(here: Path) -> None:
    (here / "my papers").mkdir()
    (here / "my papers" / "a.txt").write_text('A "title" \\ here\n\nThe keeper was Ada\nHolm\tin 1968.\n\nKeeper.\n')
    writer = Listening(in_turn("Ada Holm, 1968 [1]."))
    result = run("research", {"documents": "my papers"}, agents={"planner": queries("keeper holm"), "writer": writer})
    assert result.state["sources"] == [
        {"title": 'A "title" \\ here', "url": "a.txt", "text": "The keeper was Ada Holm in 1968."}
    ]


async def test_research_searches_the_web_and_does_without_a_search_that_fails(here: Path) -> None:
    found = [
        {"url": "https://a.example/1", "title": "Lenses", "content": "A lens of 1822 is seen for 20 miles."},
        {"url": "https://a.example/2", "title": "Empty", "content": ""},
    ]
    async with site() as web:

        async def page(asked: Any, send: Any) -> None:
            body = json.dumps({"results": found}).encode() if "q=lens" in asked.target else b"broken"
            await send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

        web.pages["/search"] = page
        agents = {"planner": queries("lens", "mirror"), "writer": Scripted(in_turn("20 miles [1]."))}
        loaded = magent.load(FILES["research"])
        result = await loaded.run({"searxng": web.url("")}, store=None, agents=agents)
    assert result.outputs == {"page": "research.md", "sources": 1, "drafts": 1, "failed_searches": 1}
    assert {asked.target for asked in web.asked} == {"/search?q=lens&format=json", "/search?q=mirror&format=json"}
    assert "- [1] Lenses: https://a.example/1" in (here / "research.md").read_text()


@pytest.mark.parametrize(
    ("answer", "faults"),
    [
        ("Lit in 1871 [1].", []),
        ("Lit in 1871 [1] [2].", []),
        ("Lit in 1871 [2].", ["1871 is in none"]),
        ("Lit in 187 [1].", ["187 is in none"]),
        ("18.5 miles, at 3,000 feet [2]", []),
        ("18 miles [2]", ["18 is in none"]),
        ("Lit in 1871.", ["it is not said where"]),
        ("Lit [0] [3].", ["[0] is no source", "[3] is no source"]),
    ],
)
def test_citations_and_figures_are_checked_by_rule(answer: str, faults: list[str]) -> None:
    lines = f"S 1 A: lit in 1871.\nS 2 B: 18.5 miles, 3,000 feet\nA {answer}\n"
    script = str(WORKFLOWS / "research" / "cited.awk")
    done = subprocess.run(["awk", "-f", script], input=lines, capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert [fault for fault, line in zip(faults, said, strict=True) if line.startswith(fault)] == faults


# ---- cli_pair


def test_the_pair_comes_to_a_message_that_both_stand_by_and_tokens_are_counted(here: Path) -> None:
    result = run("cli_pair")
    assert result.outputs == {"message": "message.txt", "approved_by": "the reviewer", "rounds": 2}
    assert (here / "message.txt").read_text() == (
        "Change shop/orders.py\n\n15 added and 0 removed lines in shop/orders.py.\n"
    )
    assert min(result.tokens["input"], result.tokens["output"]) > 0
    assert result.cost_usd == 0


def test_an_empty_diff_needs_no_message(here: Path) -> None:
    (here / "empty.diff").touch()
    result = run("cli_pair", {"diff": "empty.diff"})
    assert result.outputs == {"message": None, "approved_by": "nobody", "rounds": 0}


def test_a_person_mends_the_message_that_the_pair_left(here: Path) -> None:
    result = run("cli_pair", {"rounds": 1}, answers=answers("cli_pair"))
    assert result.outputs["approved_by"] == "maria"
    assert (here / "message.txt").read_text().startswith("Change how orders are stored\n\nNames")


def test_the_remarks_of_a_person_go_to_the_writer_and_the_pair_goes_on(here: Path) -> None:
    settle = [{"decision": "request_changes", "comments": "Say why."}]
    result = run("cli_pair", {"rounds": 1}, answers={"settle": settle})
    assert result.outputs == {"message": "message.txt", "approved_by": "the reviewer", "rounds": 2}
    assert (here / "message.txt").read_text().startswith("Change shop/orders.py\n")


@pytest.mark.parametrize("options", [{"answers": {"settle": {"decision": "reject"}}}, {"use_defaults": True}])
def test_a_message_that_nobody_takes_is_not_written(options: dict[str, Any], here: Path) -> None:
    result = run("cli_pair", {"rounds": 1}, **options)
    assert message(result).startswith("No message: ")
    assert not (here / "message.txt").exists()


def test_the_commands_that_its_comment_names_do_the_same_work(clone: Path) -> None:
    """Programs of these names stand in, and print what the real ones print."""
    file = clone / "workflows" / "cli_pair.yaml"
    named = re.findall(r"^# {3}((?:writer|reviewer): +\{command: .*\})$", file.read_text(), re.M)
    assert len(named) == 2
    text, _, rest = file.read_text().partition("agents:\n")
    file.write_text(f"{text}agents:\n  {named[0]}\n  {named[1]}\n\nnodes:{rest.partition('nodes:')[2]}")
    bin_ = clone / "bin"
    bin_.mkdir()
    (bin_ / "claude").write_text(
        '#!/bin/sh\n[ "$*" = "-p --output-format json" ] || exit 9\n' + said_by_claude("Change it\n\nSo.")
    )
    (bin_ / "codex").write_text(
        '#!/bin/sh\n[ "$*" = "exec --json --sandbox read-only -" ] || exit 9\n'
        + said_by_codex('{"approved": true, "remarks": []}')
    )
    for program in bin_.iterdir():
        program.chmod(0o755)
    path = f"{bin_}{os.pathsep}{os.environ['PATH']}"
    done = command("run", "workflows/cli_pair.yaml", "--output", "json", cwd=clone, PATH=path)
    result = json.loads(done.stdout)
    assert (result["status"], result["outputs"]["rounds"]) == ("completed", 1), done.stderr
    assert result["tokens"] == {"input": 12, "output": 6}
    assert (clone / "message.txt").read_text() == "Change it\n\nSo.\n"


def said_by_claude(text: str) -> str:
    usage = {"input_tokens": 5, "output_tokens": 4}
    said = {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "result": text,
        "usage": usage,
        "total_cost_usd": 0.01,
    }
    return f"cat > /dev/null\ncat <<'EOF'\n{json.dumps(said)}\nEOF\n"


def said_by_codex(text: str) -> str:
    said = {"type": "item.completed", "item": {"type": "agent_message", "text": text}}
    used = {"type": "turn.completed", "usage": {"input_tokens": 7, "output_tokens": 2}}
    return f"grep -q '^Change it' || exit 8\ncat <<'EOF'\n{json.dumps(said)}\n{json.dumps(used)}\nEOF\n"


# ---- chat


def test_the_chat_remembers_over_visits_and_ends_on_an_empty_message(here: Path) -> None:
    result = run("chat", answers=answers("chat"))
    assert result.outputs["last"] == "You said: My sister Ada takes the 8:15 boat on Fridays."
    assert (here / "chat.md").read_text().count("**You:**") == 3


def test_the_whole_conversation_is_in_each_request(here: Path) -> None:
    companion = Listening(lambda request: f"answer {len(request.messages)}")
    run("chat", answers={"say": ["one", "two", "three", " \n"]}, agents={"companion": companion})
    assert [said.text for said in companion.requests[2].messages] == [
        "You: one", "answer 1", "You: two", "answer 3", "You: three",
    ]  # fmt: skip


def test_who_says_nothing_has_no_chat(here: Path) -> None:
    result = run("chat", use_defaults=True)
    assert (result.outputs["turns"], (here / "chat.md").read_text()) == (0, "# A chat\n\nNothing was said.\n\n")


def test_an_answer_that_fails_leaves_no_trace_in_the_memory(here: Path) -> None:
    companion = Listening(lambda request: fails(request) if "two" in request.prompt else "yes")
    result = run("chat", answers={"say": ["one", "two", "three", ""]}, agents={"companion": companion})
    assert result.state["talk"][1]["answer"].startswith("(no answer: out of order")
    assert [said.text for said in companion.requests[-1].messages] == ["You: one", "yes", "You: three"]


def test_the_number_of_turns_is_bounded(here: Path) -> None:
    result = run("chat", {"turns": 2}, answers={"say": ["one", "two", "three"]})
    assert (result.status, result.outputs["turns"]) == ("completed", 2)


def test_without_a_terminal_each_message_is_a_command(clone: Path) -> None:
    started = command("run", "workflows/chat.yaml", "--no-input", "--id", "talk", cwd=clone)
    assert (started.returncode, "say waits: What do you want to talk about?" in started.stderr) == (3, True)
    told = command("respond", "talk", "say", "--text", "My sister takes the 8:15 boat.", "--resume", cwd=clone)
    assert (told.returncode, "say waits: I will remember that." in told.stderr) == (3, True)
    asked = command("respond", "talk", "say", "--text", "Which boat does my sister take?", "--resume", cwd=clone)
    assert "say waits: You said: My sister takes the 8:15 boat." in asked.stderr
    ended = command("respond", "talk", "say", "--text", "", "--resume", cwd=clone)
    assert (ended.returncode, "turns: 2" in ended.stdout) == (0, True)


def test_at_a_terminal_one_talks_until_one_says_nothing(clone: Path) -> None:
    with Terminal.magent("run", "workflows/chat.yaml", columns=80, cwd=clone) as terminal:
        for place, said in enumerate(("Ada takes the 8:15 boat.", "When does Ada take it?", "")):
            terminal.wait(lambda seen, place=place: seen.text.count("? Your feedback:") == place + 1)  # type: ignore[misc]
            terminal.type(said + ENTER)
        assert "You said: Ada takes the 8:15 boat." in terminal.text
        assert (terminal.end(), "turns: 2" in terminal.text) == (0, True), terminal.text


@pytest.mark.parametrize(
    ("name", "inputs", "question", "code"),
    [("supervisor", "limit=10", "? Approve?", 1), ("debate", "rounds=1", "? Choose one:", 0)],
)
def test_at_a_terminal_enter_takes_what_is_proposed(
    name: str, inputs: str, question: str, code: int, clone: Path
) -> None:
    with Terminal.magent("run", f"workflows/{name}.yaml", "-i", inputs, columns=80, rows=50, cwd=clone) as terminal:
        terminal.type((question, ENTER))
        assert terminal.end() == code, terminal.text
