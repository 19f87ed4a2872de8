"""New runs that begin with what of an old one still holds: over stores, files, people, agents, budgets, secrets."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import magent
from magent.errors import UsageError
from magent.forks import Plan
from magent.moving import copy_files, moved
from magent.outcome import Result
from magent.ports import Question, RunStore
from magent.stores import open_store
from tests.engine.crew import Scripted

Source = Mapping[str, Any]


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, here: Path) -> RunStore:
    urls = {"file": f"file:{here}/.magent", "memory": "memory:", "sqlite": f"sqlite:///{here}/runs.db"}
    return open_store(urls.get(request.param) or request.getfixturevalue("postgres").url())


on_every_store = pytest.mark.parametrize("store", ["file", "memory", "sqlite", "postgres"], indirect=True)


async def run(store: RunStore, source: Source, **options: Any) -> Result:
    return await magent.load({"name": "w", **source}).run(store=store, run_id="r1", **options)


async def fork(store: RunStore, **how: Any) -> Result:
    if isinstance(how.get("workflow"), Mapping):
        how["workflow"] = {"name": "w", **how["workflow"]}
    return await magent.resume("r1", store=store, **how)


async def planned(store: RunStore, run_id: str = "r1", **how: Any) -> Plan:
    if isinstance(how.get("workflow"), Mapping):
        how["workflow"] = {"name": "w", **how["workflow"]}
    return await magent.plan_resume(run_id, store=store, **how)


def print_of(folder: Path) -> str:
    """A digest of everything in a directory but the lock."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "lock":
            found.update(f"{path}\0".encode() + path.read_bytes())
    return found.hexdigest()


def fates(plan: Plan) -> dict[str, str]:
    return {visit.path: visit.fate for visit in plan.visits if visit.fate != "kept"}


# ---- of 500 items, those that failed, and those that were edited

CALLS = """
from pathlib import Path

def count(what, n=0):
    with open("calls.txt", "a") as file:
        file.write(f"{what} {n}\\n")
    if what == "draft" and n % 37 == 5 and not Path("mended").exists():
        raise ValueError("broken")
    return n
"""
ITEMS: dict[str, Any] = {
    "state": {"log": {"type": "array", "default": [], "reduce": "append"}},
    "nodes": {
        "prepare": {"call": "calls:count", "with": {"what": "prepare"}, "next": "each"},
        "each": {
            "type": "parallel", "for_each": "range(500)", "as": "n", "body": "fetch", "on_branch_error": "collect",
            "next": "merge",
        },
        "fetch": {"call": "calls:count", "with": {"what": "fetch", "n": "{{ n }}"}, "next": "draft"},
        "draft": {"call": "calls:count", "with": {"what": "draft", "n": "{{ n }}"}, "set": {"log": "{{ output }}"}},
        "merge": {"call": "calls:count", "with": {"what": "merge", "n": "{{ state.log | length }}"}},
    },
    "outputs": {"merged": "{{ state.merge }}", "failed": "{{ nodes.each.errors | length }}"},
}  # fmt: skip
FAILED = [n for n in range(500) if n % 37 == 5]


def calls(here: Path) -> Counter[str]:
    """What was called since this was asked last."""
    file = here / "calls.txt"
    found = Counter(file.read_text().split("\n")[:-1]) if file.exists() else Counter()
    file.unlink(missing_ok=True)
    return found


@pytest.fixture
async def many(here: Path) -> RunStore:
    """A run of 500 items, of which 14 failed."""
    (here / "calls.py").write_text(CALLS)
    store = open_store(f"file:{here}/.magent")
    result = await run(store, ITEMS, durability="exit")
    assert result.outputs == {"merged": 486, "failed": 14}
    assert sum(calls(here).values()) == 1002
    return store


async def test_exactly_the_items_that_failed_run_again(many: RunStore, here: Path) -> None:
    before = print_of(here / ".magent/runs/r1")
    plan = await planned(many, only_failed=True)
    assert fates(plan) == {"each": "open", "merge": "invalidated", **{f"each[{n}]/draft": "again" for n in FAILED}}
    assert (calls(here), [info.id for info in await many.list()]) == (Counter(), ["r1"])
    (here / "mended").touch()
    result = await fork(many, only_failed=True, durability="exit")
    assert result.outputs == {"merged": 500, "failed": 0}
    assert calls(here) == Counter([*(f"draft {n}" for n in FAILED), "merge 500"])
    assert result.run_id != "r1"
    assert print_of(here / ".magent/runs/r1") == before


async def test_exactly_the_items_that_an_edit_changes_run_again(many: RunStore, here: Path) -> None:
    edited = json.loads(json.dumps(ITEMS))
    edited["nodes"]["fetch"]["with"]["n"] = "{{ n + 1000 if n in [7, 8] else n }}"
    result = await fork(many, workflow=edited, durability="exit")
    assert result.outputs == {"merged": 486, "failed": 14}
    assert calls(here) == Counter(["fetch 1007", "fetch 1008", "draft 7", "draft 8", "merge 486"])


async def test_an_item_more_is_the_only_one_that_runs(many: RunStore, here: Path) -> None:
    edited = json.loads(json.dumps(ITEMS))
    edited["nodes"]["each"]["for_each"] = "[1000] + (range(500) | list)"
    result = await fork(many, workflow=edited, durability="exit")
    assert result.outputs["merged"] == 487
    assert calls(here) == Counter(["fetch 1000", "draft 1000", "merge 487"])


async def test_with_what_failed_mended_in_the_file_the_others_keep_their_results(many: RunStore, here: Path) -> None:
    edited = json.loads(json.dumps(ITEMS))
    edited["nodes"]["draft"]["with"]["what"] = "write"
    result = await fork(many, workflow=edited, only_failed=True, durability="exit")
    assert result.outputs == {"merged": 500, "failed": 0}
    assert calls(here) == Counter([*(f"write {n}" for n in FAILED), "merge 500"])


async def test_where_no_branch_failed_there_is_nothing_to_try_anew(store: RunStore) -> None:
    await run(store, {"nodes": {"a": {"set": {"x": 1}}}})
    result = await fork(store, only_failed=True)
    assert (result.run_id, result.note) == ("r1", "no branch of run r1 failed: there is nothing to try anew")
    assert (await planned(store, only_failed=True)).note == result.note


# ---- the old run

STEPS: dict[str, Any] = {
    "nodes": {
        "a": {"run": "echo a >> calls.txt; echo one", "next": "b"},
        "b": {"run": "echo b >> calls.txt; echo {{ state.a.stdout | trim }} two", "next": "ask"},
        "ask": {"type": "human_input", "input": "approval", "default": True},
    },
    "outputs": {"b": "{{ state.b.stdout }}"},
}


@pytest.mark.parametrize("end", ["waiting", "completed", "failed", "cancelled", "held"])
@on_every_store
async def test_a_run_can_be_forked_however_it_stands(end: str, store: RunStore, here: Path) -> None:
    source = json.loads(json.dumps(STEPS))
    if end == "failed":
        source["nodes"]["b"]["run"] = "test -f mended && echo one two"
    result = await run(store, source, use_defaults=end == "completed")
    assert result.status == {"cancelled": "waiting", "held": "waiting"}.get(end, end)
    if end == "cancelled":
        await magent.cancel("r1", store=store)
    held = (await store.open("r1"))[0] if end == "held" else None
    before = (await store.read("r1", checkpoint=False)).events
    calls(here)
    (here / "mended").touch()
    again = await fork(store, from_="b", use_defaults=True)
    assert (again.status, again.outputs) == ("completed", {"b": "one two\n"})
    assert set(calls(here)) <= {"b"}
    assert (await store.read("r1", checkpoint=False)).events == before
    if held is not None:
        await held.close()


@on_every_store
async def test_the_new_run_names_its_parent_and_keeps_its_own_workflow(store: RunStore) -> None:
    await run(store, STEPS, use_defaults=True)
    edited = {**STEPS, "outputs": {"said": "{{ state.a.stdout }}"}}
    result = await fork(store, from_="ask", workflow=edited, use_defaults=True)
    assert result.outputs == {"said": "one\n"}
    record = await store.read(result.run_id, checkpoint=False)
    parent = record.header["parent"]
    assert {name: parent[name] for name in ("run_id", "from", "only_failed")} == {
        "run_id": "r1", "from": "ask", "only_failed": False,
    }  # fmt: skip
    assert "said" in json.dumps(record.workflow)
    assert record.events[0].data["run_id"] == record.header["run_id"] == result.run_id
    assert [event.type for event in record.events].count("run.forked") == 1
    again = await magent.resume(result.run_id, store=store, from_="b", use_defaults=True)
    assert again.outputs == result.outputs


async def test_a_limit_that_was_raised_holds_on_and_an_edited_one_too(store: RunStore) -> None:
    stopped = await run(store, {**STEPS, "limits": {"max_steps": 1}}, use_defaults=True)
    assert (stopped.status, stopped.exit_code) == ("interrupted", 4)
    assert (await magent.resume("r1", store=store, limits={"steps": 3}, use_defaults=True)).status == "completed"
    assert (await fork(store, from_="a", use_defaults=True)).status == "completed"
    edited = {**STEPS, "limits": {"max_steps": 2}}
    assert (await fork(store, workflow=edited, from_="a", use_defaults=True)).status == "completed"
    assert (await fork(store, from_="a", limits={"steps": 2}, use_defaults=True)).exit_code == 4


@on_every_store
async def test_what_was_kept_is_in_the_budget(store: RunStore) -> None:
    source: dict[str, Any] = {
        "agents": {"w": {"model": "openai:none", "price": {"input": 1, "output": 1}}},
        "nodes": {"a": {"prompt": "x", "agent": "w", "next": "b"}, "b": {"prompt": "y", "agent": "w"}},
    }
    first = await run(store, source, agents={"w": Scripted("one")})
    agent = Scripted("two")
    second = await fork(store, from_="b", agents={"w": agent})
    assert (len(agent.requests), second.tokens, second.cost_usd) == (1, first.tokens, first.cost_usd)
    plan = await planned(store, from_="b")
    assert [(visit.path, visit.tokens, visit.fate) for visit in plan.visits] == [
        ("a", [10, 5], "kept"), ("b", [10, 5], "again"),
    ]  # fmt: skip


# ---- files

FILES: dict[str, Any] = {
    "nodes": {
        "write": {"run": "echo one > {{ run.workspace }}/notes.txt; ln -s {{ run.workspace }}/notes.txt "
                         "{{ run.workspace }}/link; mkfifo {{ run.workspace }}/pipe", "next": "name"},
        "name": {"set": {"file": "{{ run.workspace }}/notes.txt", "dir": "{{ run.dir }}"}, "next": "more"},
        "more": {"run": "echo more >> {{ state.file }}; echo linked >> {{ run.workspace }}/link"},
    },
    "outputs": {"file": "{{ state.file }}"},
}  # fmt: skip


@on_every_store
async def test_a_fork_cannot_touch_the_files_of_the_old_run(store: RunStore) -> None:
    await run(store, FILES)
    old = await store.workspace("r1") / "notes.txt"
    assert old.read_text() == "one\nmore\nlinked\n"
    result = await fork(store, from_="more")
    assert old.read_text() == "one\nmore\nlinked\n"
    new = await store.workspace(result.run_id) / "notes.txt"
    assert new.read_text() == "one\nmore\nlinked\nmore\nlinked\n"
    assert (result.outputs["file"], new != old) == (str(new), True)


def test_paths_of_runs_with_like_names_are_told_apart() -> None:
    data = {"a": ["/s/r1/x", "/s/r12/x", "cat /s/r1 /s/r1-b"], "n": 1}
    assert moved(data, {"/s/r1": "/t/q"}) == {"a": ["/t/q/x", "/s/r12/x", "cat /t/q /s/r1-b"], "n": 1}
    assert moved(data, {"": "/t", "None": "/t"}) == data


def test_files_are_copied_with_their_modes_and_a_workspace_that_is_gone_is_none(tmp_path: Path) -> None:
    (tmp_path / "a/deep").mkdir(parents=True)
    (tmp_path / "a/deep/run.sh").write_text("true")
    (tmp_path / "a/deep/run.sh").chmod(0o755)
    (tmp_path / "a/deep").chmod(0o500)
    (tmp_path / "b").mkdir()
    copy_files(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b/deep/run.sh").stat().st_mode & 0o777 == 0o755
    for name in "ab":
        (tmp_path / name / "deep").chmod(0o700)
    copy_files(tmp_path / "nowhere", tmp_path / "b")


# ---- what has effects outside

PAYS: dict[str, Any] = {
    "nodes": {
        "draft": {"run": "echo draft", "next": "pay"},
        "pay": {"run": "echo {{ run.key }} >> paid.txt; echo paid", "effects": "external", "next": "thank"},
        "thank": {"run": "echo thank"},
    },
    "outputs": {"paid": "{{ state.pay.stdout }}"},
}


class Person:
    """Chooses what it is told to; keeps what it was asked."""

    def __init__(self, choice: str) -> None:
        self.choice = choice
        self.asked: list[Question] = []

    def __call__(self, question: Question) -> str:
        self.asked.append(question)
        return self.choice


def paid(here: Path) -> list[str]:
    file = here / "paid.txt"
    return file.read_text().split() if file.exists() else []


async def test_what_was_done_outside_is_kept_where_it_is_kept(store: RunStore, here: Path) -> None:
    await run(store, PAYS)
    assert (await fork(store, from_="thank")).status == "completed"
    assert paid(here) == ["r1/pay#1"]


@on_every_store
async def test_what_was_done_outside_is_not_done_again_unasked(store: RunStore, here: Path) -> None:
    await run(store, PAYS)
    (entry,) = (await planned(store, from_="draft")).repeats
    assert (entry["path"], entry["run"], entry["done"]) == ("pay", "r1", True)
    waits = await fork(store, from_="draft")
    assert (waits.status, waits.waiting[0]["node"]) == ("waiting", "pay")
    assert "'pay' has effects outside, and was done in run r1" in waits.waiting[0]["prompt"]
    kept = await magent.resume(waits.run_id, store=store, answers={"pay": "done"})
    assert (kept.status, kept.outputs) == ("completed", {"paid": "paid\n"})
    assert paid(here) == ["r1/pay#1"]


async def test_again_is_under_a_key_of_the_new_run(store: RunStore, here: Path) -> None:
    await run(store, PAYS)
    result = await fork(store, from_="pay", answers={"pay": "again"})
    assert paid(here) == ["r1/pay#1", f"{result.run_id}/pay#1"]


async def test_it_is_asked_once_for_each_time_that_it_was_done(store: RunStore, here: Path) -> None:
    source: dict[str, Any] = {
        "nodes": {
            "l": {"type": "loop", "for_each": [1, 2, 3], "as": "n", "body": "pay", "next": "more"},
            "pay": {"run": "echo {{ n }} >> paid.txt", "effects": "external"},
            "more": {"set": {"x": 1}},
        }
    }
    await run(store, source)
    edited = json.loads(json.dumps(source))
    edited["nodes"]["l"]["for_each"] = [9, 1, 2, 3, 4]
    person = Person("again")
    await fork(store, workflow=edited, human=person)
    assert [question.path for question in person.asked] == ["l[0]/pay", "l[1]/pay", "l[2]/pay"]
    assert paid(here)[3:] == ["9", "1", "2", "3", "4"]


async def test_it_is_known_again_by_what_it_does_where_items_have_moved(store: RunStore, here: Path) -> None:
    source: dict[str, Any] = {
        "nodes": {
            "list": {"run": "echo '[1, 2]'", "parse": "json", "next": "each"},
            "each": {"type": "parallel", "for_each": "state.list.data", "as": "n", "body": "pay", "max_concurrency": 1},
            "pay": {"run": "echo {{ n }} >> paid.txt", "effects": "external"},
        }
    }
    await run(store, source)
    edited = json.loads(json.dumps(source))
    edited["nodes"]["list"]["run"] = "echo '[1, 7, 8, 2]'"
    person = Person("done")
    await fork(store, workflow=edited, human=person)
    assert [question.path for question in person.asked] == ["each[0]/pay", "each[1]/pay"]
    assert paid(here)[2:] == ["8", "2"]


async def test_what_an_agent_did_outside_is_asked_about_too(store: RunStore, here: Path) -> None:
    (here / "house.py").write_text("def open_ticket(text: str) -> str:\n    return 'T1'\n")
    from tests.engine.crew import calls as calling

    source: dict[str, Any] = {
        "agents": {"w": {"model": "openai:none"}},
        "tools": {"ticket": {"call": "house:open_ticket", "effects": "external"}},
        "nodes": {"a": {"set": {"x": 1}, "next": "w"}, "w": {"prompt": "x", "agent": "w", "tools": ["ticket"]}},
        "outputs": {"said": "{{ state.w }}"},
    }
    await run(store, source, agents={"w": Scripted(calling(("ticket", {"text": "x"})), "opened T1")})
    person, agent = Person("done"), Scripted("anew")
    result = await fork(store, from_="a", human=person, agents={"w": agent})
    assert [question.prompt for question in person.asked] == [
        "'w' had called ticket, with effects outside, in run r1. Keep that, or do it again?"
    ]
    assert (result.outputs, agent.requests) == ({"said": "opened T1"}, [])


async def test_from_an_event_within_it_what_was_done_later_is_known(store: RunStore, here: Path) -> None:
    await run(store, PAYS)
    events = (await store.read("r1", checkpoint=False)).events
    (began,) = [each.seq for each in events if each.type == "visit.started" and each.data["node"] == "pay"]
    person = Person("done")
    result = await fork(store, from_=began, human=person)
    assert ["was done in run r1" in question.prompt for question in person.asked] == [True]
    assert (result.outputs, paid(here)) == ({"paid": "paid\n"}, ["r1/pay#1"])


# ---- what a visit uses

HOUSE: dict[str, Any] = {
    "agents": {
        "w": {"replies": ["hello", "hello"]},
        "v": {"replies": ["other", "other"], "system": "About {{ inputs.topic }}."},
        "idle": {"replies": ["idle"]},
    },
    "inputs": {"topic": {"type": "string", "default": "tides"}},
    "tools": {
        "t": {"run": ["echo", "{{ x }}"], "parameters": {"x": {"type": "string"}}},
        "u": {"run": ["echo", "u"]},
    },
    "chains": {"both": {"steps": [{"tool": "t", "with": {"x": "a"}}, {"tool": "t", "with": {"x": "{{ previous }}"}}]}},
    "roles": {"r": {"agent": "v", "instructions": "Be brief.", "skills": ["prose"]}, "s": {"agent": "w"}},
    "nodes": {
        "fan": {"type": "parallel", "branches": ["tool", "chain", "ask", "role", "routed"]},
        "tool": {"tool": "t", "with": {"x": "q"}},
        "chain": {"chain": "both"},
        "ask": {"prompt": "Hello", "agent": "{{ 'w' }}"},
        "role": {"prompt": "Hello", "role": "r"},
        "routed": {"prompt": "Hello", "route": {"skills": ["prose"]}},
    },
}
USES: dict[str, tuple[str, str, dict[str, str]]] = {
    "an agent that is not used": ('["idle"]', '["busy"]', {}),
    "a tool that is not used": ('["echo", "u"]', '["echo", "v"]', {}),
    "a role that is not used": ('"s": {"agent": "w"}', '"s": {"agent": "idle"}', {}),
    "a tool": ('["echo", "{{ x }}"]', '["printf", "{{ x }}"]', {"tool": "tool 't'", "chain": "tool 't'"}),
    "a chain": ('"with": {"x": "a"}', '"with": {"x": "b"}', {"chain": "chain 'both'"}),
    "arguments": ('"with": {"x": "q"}', '"with": {"x": "p"}', {"tool": "`with`"}),
    "an agent": ('["hello", "hello"]', '["hello"]', {"ask": "agent 'w'"}),
    "the agent of a role": ('["other", "other"]', '["other"]', {"role": "agent 'v'", "routed": "agent 'v'"}),
    "a role": ("Be brief.", "Be long.", {"role": "role 'r'", "routed": "role 'r'"}),
    "a default": ('"default": "tides"', '"default": "waves"', {}),
    "another agent": ("{{ 'w' }}", "{{ 'idle' }}", {"ask": "agent 'w'"}),
}  # fmt: skip


@pytest.mark.parametrize("what", USES)
async def test_what_a_visit_uses_counts_and_nothing_else_does(what: str, here: Path) -> None:
    store = open_store("memory:")
    old, new, changed = USES[what]
    await run(store, HOUSE)
    text = json.dumps(HOUSE)
    assert old in text
    plan = await planned(store, workflow=json.loads(text.replace(old, new)))
    again = {visit.path: visit.why for visit in plan.visits if visit.fate == "again"}
    assert again.keys() == changed.keys()
    assert all(again[path].startswith(named) for path, named in changed.items()), again


async def test_files_that_the_workflow_names_count(here: Path) -> None:
    (here / "p.md").write_text("Hello {{ inputs.n }}")
    (here / "inner.yaml").write_text("magent: 1\nname: inner\nnodes: {ok: {run: [echo, ok]}}\n")
    text = """
magent: 1
name: w
inputs: {n: {type: integer, default: 1}}
agents: {w: {replies: [a, a, a]}}
nodes:
  ask: {prompt: {file: ./p.md}, agent: w, next: sub}
  sub: {type: subgraph, uses: ./inner.yaml}
"""
    (here / "w.yaml").write_text(text)
    store = open_store("memory:")
    await magent.load("w.yaml").run(store=store, run_id="r1")
    assert fates(await planned(store, workflow="w.yaml")) == {}
    (here / "inner.yaml").write_text("magent: 1\nname: inner\nnodes: {ok: {run: [echo, yes]}}\n")
    assert fates(await planned(store, workflow="w.yaml")) == {"sub": "open", "sub/ok": "again"}
    (here / "p.md").write_text("Hi {{ inputs.n }}")
    assert fates(await planned(store, workflow="w.yaml")) == {
        "ask": "again", "sub": "invalidated", "sub/ok": "invalidated",
    }  # fmt: skip


# ---- edits that do not fit

INPUTS: dict[str, Any] = {
    "inputs": {"n": {"type": "integer"}, "word": {"type": "string", "default": "hi"}},
    "nodes": {"a": {"set": {"x": "{{ inputs.n }}"}, "next": "b"}, "b": {"run": "echo {{ inputs.word }}"}},
}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"n": {"type": "integer"}, "m": {"type": "integer"}}, "has no input 'm', which"),
        ({"n": {"type": "string"}}, "an input of run r1 does not fit"),
        ({"n": {"type": "integer", "maximum": 3}}, "an input of run r1 does not fit"),
    ],
)
async def test_an_edit_that_asks_for_other_inputs_is_refused(
    inputs: dict[str, Any], message: str, store: RunStore
) -> None:
    await run(store, INPUTS, inputs={"n": 5})
    edited = {"inputs": inputs, "nodes": {"a": {"set": {"x": 1}}}}
    for act in (fork, planned):
        with pytest.raises(UsageError) as caught:
            await act(store, workflow=edited)
        assert message in caught.value.message
        assert "start a new run" in (caught.value.hint or "")
    assert [info.id for info in await store.list()] == ["r1"]


async def test_inputs_that_come_or_go_are_filled_in_or_left_out(store: RunStore) -> None:
    await run(store, INPUTS, inputs={"n": 5})
    edited = json.loads(json.dumps(INPUTS))
    del edited["inputs"]["word"]
    edited["inputs"]["name"] = {"type": "string", "default": "Ann"}
    edited["nodes"]["b"]["run"] = "echo {{ inputs.name }}"
    result = await fork(store, workflow=edited)
    assert (result.state["x"], result.state["b"]["stdout"]) == (5, "Ann\n")


async def test_another_workflow_is_refused(store: RunStore) -> None:
    await run(store, INPUTS, inputs={"n": 5})
    with pytest.raises(UsageError, match=r"run r1 is one of 'w', but .* is 'other'"):
        await magent.resume("r1", store=store, workflow={**INPUTS, "name": "other"})


# ---- secrets


async def test_no_secret_comes_into_a_fork(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSE_KEY", "key-of-the-house")
    source: dict[str, Any] = {
        "secrets": ["HOUSE_KEY"],
        "nodes": {
            "a": {"run": "echo key-of-", "parse": "text", "next": "b"},
            "b": {"set": {"x": "{{ state.a.data ~ 'the-house' }}"}, "next": "c"},
            "c": {"run": "echo {{ state.x }} key-of-the-house"},
        },
    }
    store = open_store(f"file:{here}/.magent")
    await run(store, source)
    edited = json.loads(json.dumps(source))
    edited["nodes"]["c"]["run"] = "echo more"
    result = await fork(store, workflow=edited)
    assert result.status == "completed"
    plan = await planned(store, workflow=source)
    assert fates(plan) == {}
    for path in (here / ".magent").rglob("*"):
        if path.is_file():
            assert b"key-of-the-house" not in path.read_bytes(), path


@on_every_store
async def test_a_fork_that_cannot_begin_leaves_nothing(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await run(store, FILES)

    async def workspace(_run_id: str) -> Path:
        raise magent.StoreError("the disk is full")

    monkeypatch.setattr(store, "workspace", workspace)
    with pytest.raises(magent.StoreError):
        await fork(store, from_="more")
    assert [info.id for info in await store.list()] == ["r1"]
