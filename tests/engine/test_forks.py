"""What of a run still holds, from a place in it, with an edited workflow, with what failed: visit by visit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from magent.engine.fold import Run
from magent.engine.origin import origins, where
from magent.engine.replay import Cut, Replayed
from magent.engine.twins import matched
from magent.engine.visited import survey
from magent.errors import UsageError
from magent.events import Event
from tests.build import Lab
from tests.engine.forking import driven, fates, journal_of, stored, taken_over, whys
from tests.engine.language import People, Programs, checked, code, lab

CHAIN = """
nodes:
  a: {run: [say, a], next: b}
  b: {run: [say, "{{ state.a.stdout }}b"], next: c}
  c: {run: [say, c], next: d}
  d: {set: {x: "{{ state.b.stdout }}"}}
"""
ITEMS = """
state: {log: {type: array, default: [], reduce: append}}
nodes:
  first: {run: [say, one], next: each}
  each: {type: parallel, for_each: [x, y, z], body: draft, next: last}
  draft: {run: [say, "{{ item }}"], next: check}
  check: {run: [say, "{{ state.draft.stdout }}!"], set: {log: "{{ output.stdout }}"}}
  last: {run: [say, "{{ state.log | join }}"]}
"""


def begun(text: str, **more: Any) -> tuple[Lab, Run, list[Event]]:
    room = lab(text, **more)
    run = asyncio.run(room.start())
    return room, run, stored(room.journal.events)


def edited(text: str, change: Callable[[str], str], **more: Any) -> Replayed:
    """What holds of a run of `text` with the changed text."""
    room, _, events = begun(text, **more)
    return taken_over(room.workflow, events, checked(change(text)))


def words(found: Replayed, text: str) -> list[str]:
    """The commands that the run makes from there on, in order of their words."""
    room = lab(text)
    assert driven(room, journal_of(found)).status == "completed"
    return sorted(" ".join(each[1:]) for each in room.executor.begun)  # type: ignore[attr-defined]


# ---- from a place


@pytest.mark.parametrize(
    ("place", "again", "kept"),
    [
        ("b", ["ab", "c"], ["a"]),
        ("c", ["c"], ["a", "b"]),
        ("a", ["a", "ab", "c"], []),
        ("d", [], ["a", "b", "c"]),
    ],
)
def test_from_a_node_it_and_what_follows_is_done_again(place: str, again: list[str], kept: list[str]) -> None:
    room, _, events = begun(CHAIN)
    found = taken_over(room.workflow, events, place=place)
    assert [visit.path for visit in found.visits if visit.fate == "kept"] == kept
    assert words(found, CHAIN) == again


@pytest.mark.parametrize(
    ("place", "again"),
    [
        ("each[1]/draft", ["x!y!z!", "y", "y!"]),
        ("each[1]/check", ["x!y!z!", "y!"]),
        ("each[1]", ["x!y!z!", "y", "y!"]),
        ("check", ["x!", "x!y!z!", "y!", "z!"]),
        ("draft#2", ["x!y!z!", "y", "y!"]),
        ("each", ["x", "x!", "x!y!z!", "y", "y!", "z", "z!"]),
        ("last", ["x!y!z!"]),
    ],
)
def test_items_that_do_not_follow_from_the_place_keep_theirs(place: str, again: list[str]) -> None:
    room, _, events = begun(ITEMS)
    assert words(taken_over(room.workflow, events, place=place), ITEMS) == again


LOOPS = """
nodes:
  l: {type: loop, for_each: [1, 2, 3], as: n, body: work, next: s}
  work: {run: [say, "round {{ n }}"]}
  s: {type: subgraph, uses: inner, next: back}
  back: {set: {n: "{{ nodes.back.visits }}"}, next: [{loop_back: s, when: state.n < 2}, {to: end}]}
subgraphs: {inner: {nodes: {ok: {run: [say, ok]}}}}
"""


@pytest.mark.parametrize(
    ("place", "again"),
    [
        ("l[1]/work", ["ok", "ok", "round 2", "round 3"]),
        ("l[2]", ["ok", "ok", "round 3"]),
        ("work#2", ["ok", "ok", "round 2", "round 3"]),
        ("s/ok", ["ok", "ok"]),
        ("s#2", ["ok"]),
        ("s/ok#2", ["ok"]),
        ("back", ["ok"]),
    ],
)
def test_rounds_subgraphs_and_second_visits_are_places_too(place: str, again: list[str]) -> None:
    room, _, events = begun(LOOPS)
    assert words(taken_over(room.workflow, events, place=place), LOOPS) == again


@pytest.mark.parametrize(
    ("place", "message", "hint"),
    [
        ("b#2", "there is no 'b#2': run r was at 'b' once", "say --from b"),
        ("bb", "run r has no visit at 'bb'", "did you mean"),
        ("f", "run r has not come to 'f': nothing can begin there", "--plan"),
        ("b#0", "there is no 'b#0'", "say --from b"),
    ],
)
def test_a_place_that_is_none_is_said_so(place: str, message: str, hint: str) -> None:
    text = CHAIN.replace("d: {set", "d: {next: [{to: f, when: 1 > 2}, {to: end}], set") + "  f: {run: [say, f]}\n"
    room, _, events = begun(text)
    with pytest.raises(UsageError) as caught:
        origins(survey(room.workflow, events), room.workflow, place, "r")
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_of_branches_that_raced_the_one_named_runs_again_and_the_others_stand_as_they_stood() -> None:
    text = """
nodes:
  fan: {type: parallel, wait_for: any, branches: [quick, slow], next: z}
  quick: {run: [say, quick]}
  slow: {run: [hang]}
  z: {run: [say, z]}
"""
    room, _, events = begun(text)
    found = taken_over(room.workflow, events, place="quick")
    assert fates(found) == {"fan": "open", "quick": "again", "slow": "again", "z": "invalidated"}
    again = lab(text)
    assert driven(again, journal_of(found)).path == ["quick", "fan", "z"]


def test_a_failure_beside_the_place_is_tried_anew() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [a, b], next: z}
  a: {run: [say, a], next: a2}
  a2: {run: [say, a2]}
  b: {run: [flaky, 1]}
  z: {run: [say, z]}
"""
    room, run, events = begun(text, executor=Programs(flaky=lambda _: code(1)))
    assert run.status == "failed"
    found = taken_over(room.workflow, events, place="a")
    assert words(found, text) == ["1", "a", "a2", "z"]


def test_answers_before_the_place_are_kept_and_those_after_it_are_asked_for_again() -> None:
    text = """
nodes:
  one: {type: human_input, input: rating, next: two}
  two: {type: human_input, input: rating, next: z}
  z: {set: {sum: "{{ state.one.rating + state.two.rating }}"}}
"""
    room, _, events = begun(text, human=People({"one": {"rating": 1}, "two": {"rating": 2}}))
    found = taken_over(room.workflow, events, place="two")
    people = People({"one": {"rating": 5}, "two": {"rating": 5}})
    run = driven(Lab(room.workflow, human=people), journal_of(found))
    assert ([question.node for question in people.asked], run.outputs["sum"]) == (["two"], 6)


def test_a_place_is_written_as_it_is_shown() -> None:
    room, _, events = begun(LOOPS)
    found = survey(room.workflow, events)
    for visit in found.visits:
        assert visit.begin in origins(found, room.workflow, where(visit), "r")


# ---- with an edited workflow

AFTER_L = dict.fromkeys(("s", "s/ok", "back", "s#2", "s/ok#2", "back#2"), "invalidated")
C_AGAIN = {"c": "again", "d": "invalidated"}
A_AGAIN = {"a": "again", "b": "invalidated", "c": "invalidated", "d": "invalidated"}
LAST_LOST = {"each": "open", "last": "invalidated"}
TAKES_C = "c: {run: [say, c], next: d}"
EDITS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "nothing": (CHAIN, "", "", {}),
    "a description": (CHAIN, "a: {run", "a: {description: new, run", {}),
    "a command": (CHAIN, "[say, c]", "[say, cc]", C_AGAIN),
    "what a later one reads": (CHAIN, "[say, a]", "[say, aa]", A_AGAIN),
    "a text that comes to the same": (CHAIN, '"{{ state.a.stdout }}b"', "\"{{ 'a' }}b\"", {}),
    "a set at the end": (CHAIN, 'x: "{{ state.b.stdout }}"', "x: 1", {}),
    "a node put between": (CHAIN, "next: d}", "next: e}\n  e: {run: [say, e], next: d}", {"d": "invalidated"}),
    "a node put behind": (CHAIN, '.stdout }}"}}', '.stdout }}"}, next: e}\n  e: {run: [say, e]}', {}),
    "a node taken out": (CHAIN, f"next: c}}\n  {TAKES_C}", "next: d}", {"c": "invalidated", "d": "invalidated"}),
    "a condition before": (CHAIN, TAKES_C, TAKES_C.replace("next", "when: run.name != 'x', next"), {}),
    "a condition that is false": (CHAIN, TAKES_C, TAKES_C.replace("next", "when: 'false', next"), C_AGAIN),
    "its kind": (CHAIN, TAKES_C, "c: {wait: 1s, next: d}", C_AGAIN),
    "how it is read": (CHAIN, TAKES_C, TAKES_C.replace("next", "parse: lines, next"), C_AGAIN),
    "retry and timeout": (CHAIN, TAKES_C, TAKES_C.replace("next", "retry: {delay: 9s}, timeout: 1h, next"), {}),
    "an item": (ITEMS, "[x, y, z]", "[x, q, z]", LAST_LOST | dict.fromkeys(
        ("each[1]/draft", "each[1]/check"), "invalidated")),
    "an item put first": (ITEMS, "[x, y, z]", "[w, x, y, z]", LAST_LOST),
    "items turned round": (ITEMS, "[x, y, z]", "[z, y, x]", {"last": "again"}),
    "how many at a time": (ITEMS, "body: draft", "max_concurrency: 1, body: draft", {}),
    "one item's command": (ITEMS, '"{{ item }}"]', "\"{{ 'q' if item == 'y' else item }}\"]", LAST_LOST | {
        "each[1]/draft": "again", "each[1]/check": "invalidated"}),
    "the second step of items": (ITEMS, "stdout }}!", "stdout }}?", LAST_LOST | dict.fromkeys(
        [f"each[{n}]/check" for n in range(3)], "again")),
    "rounds more": (LOOPS, "[1, 2, 3]", "[1, 2, 3, 4]", {"l": "open", **AFTER_L}),
    "inside of a subgraph": (LOOPS, "[say, ok]", "[say, okay]", AFTER_L | {"s": "open", "s/ok": "again"}),
}  # fmt: skip


@pytest.mark.parametrize("what", EDITS)
def test_what_an_edit_changes_runs_again_with_what_follows_and_nothing_else(what: str) -> None:
    text, old, new, expected = EDITS[what]
    changed = text.replace(old, new) if old else text
    assert old in text
    assert not old or changed != text
    found = edited(text, lambda _: changed)
    assert fates(found) == expected
    room = lab(changed)
    run = driven(room, journal_of(found))
    fresh = asyncio.run((alone := lab(changed)).start())
    assert (run.status, run.outputs) == (fresh.status, fresh.outputs)
    kept = sum(visit.fate == "kept" and visit.status == "completed" and visit.type == "task" for visit in found.visits)
    began = [len(each.executor.begun) for each in (room, alone)]  # type: ignore[attr-defined]
    assert began[0] < began[1] or not kept


def test_an_edit_says_why_a_visit_is_done_again() -> None:
    found = edited(CHAIN, lambda text: text.replace("[say, a]", "[say, aa]").replace("[say, c]", "[say, c, c]"))
    assert whys(found) == {
        "a": "its command has changed",
        "b": "comes after a",
        "c": "comes after a",
        "d": "comes after a",
    }
    assert whys(edited(ITEMS, lambda text: text.replace("[x, y, z]", "[x, z]"))) == {
        "each[1]/draft": "its item is gone",
        "each[1]/check": "its item is gone",
        "last": "what its command reads has changed",
    }


def test_what_was_kept_and_reads_otherwise_says_what_it_reads() -> None:
    text = """
nodes:
  mark: {set: {word: hello}, next: say}
  say: {run: [say, "{{ state.word }}"], set: {n: 1}}
"""
    assert whys(edited(text, lambda each: each.replace("hello", "hi"))) == {
        "mark": "is worked out anew",
        "say": "what its command reads has changed",
    }
    assert whys(edited(text, lambda each: each.replace("n: 1", "n: 2"))) == {
        "say": "its `set` or `next` is worked out anew"
    }


def _replaced(old: str, new: str, text: str) -> str:
    return text.replace(old, new)


def test_an_answer_is_kept_where_the_question_is_the_same() -> None:
    text = """
nodes:
  ask: {type: human_input, input: choice, options: [red, blue], prompt: Which?, next: z}
  z: {set: {x: "{{ state.ask.choice }}"}}
"""
    people = People({"ask": {"choice": "red"}})
    for old, new, again in [
        ("z: {set", "z: {description: d, set", {}),
        ("prompt: Which?", "prompt: Which?, timeout: 1h, default: blue", {}),
        ("Which?", "Which one?", {"ask": "again", "z": "invalidated"}),
        ("[red, blue]", "[red, blue, green]", {"ask": "again", "z": "invalidated"}),
    ]:
        assert fates(edited(text, partial(_replaced, old, new), human=people)) == again


def test_a_question_that_waits_keeps_its_deadline_unless_it_is_another() -> None:
    text = "nodes: {ask: {type: human_input, input: rating, prompt: Well?, timeout: 1h}}"
    room, run, events = begun(text)
    assert run.status == "waiting"
    same = taken_over(room.workflow, events, checked(text))
    assert fates(same) == {"ask": "waiting"}
    other = taken_over(room.workflow, events, checked(text.replace("Well?", "And?")))
    assert whys(other) == {"ask": "its `prompt` has changed"}


def test_a_failed_visit_is_tried_anew_with_whatever_was_edited() -> None:
    text = "nodes: {a: {run: [say, a], next: b}, b: {run: [fail], next: c}, c: {run: [say, c]}}"
    assert whys(edited(text, lambda each: each.replace("[fail]", "[say, b]"))) == {"b": "its definition has changed"}
    room, _, events = begun(text)
    found = taken_over(room.workflow, events, checked(text))
    assert fates(found) == {"b": "again"}
    mended = text.replace("[fail]", "[fail], on_error: continue")
    found = taken_over(room.workflow, events, checked(mended))
    again = lab(mended)
    assert driven(again, journal_of(found)).path == ["a", "c"]


# ---- what failed, of branches that were gone on without

COLLECTED = """
nodes:
  each: {type: parallel, for_each: "range(6) | list", body: one, on_branch_error: collect, next: z}
  one: {run: [say, "{{ item }}"], next: two}
  two: {run: [odd, "{{ item }}"], next: three}
  three: {run: [say, "{{ item }}!"], next: [{to: bad, when: item == 0}, {to: end}]}
  bad: {type: end, status: failed, reason: zero}
  z: {run: [say, "{{ nodes.each.errors | length }}"]}
"""


def _odd(number: str) -> Any:
    return code(int(number) % 2)


def test_exactly_the_branches_that_failed_run_again_from_where_they_failed() -> None:
    room, run, events = begun(COLLECTED, executor=Programs(odd=_odd))
    assert (run.status, len(run.root.facts["each"]["errors"])) == ("completed", 4)
    found = taken_over(room.workflow, events, cut=Cut(failed=True))
    assert fates(found, "again", "open") == {
        "each": "open",
        "each[0]/one": "again",
        **{f"each[{n}]/two": "again" for n in (1, 3, 5)},
    }
    again = lab(COLLECTED, executor=Programs(odd=lambda _: code(0)))
    run = driven(again, journal_of(found))
    assert run.status == "completed"
    begun_now = [" ".join(words) for words in again.executor.begun]  # type: ignore[attr-defined]
    assert sorted(begun_now) == sorted(
        ["say 0", "odd 0", "say 0!", *(f"{word} {n}" for n in (1, 3, 5) for word in ("odd",)), "say 1!", "say 3!",
         "say 5!", "say 1"]
    )  # fmt: skip
    assert list(run.root.facts["each"]["errors"]) == ["0"]


def test_with_an_edited_workflow_the_branches_that_completed_keep_what_they_have() -> None:
    room, _, events = begun(COLLECTED, executor=Programs(odd=_odd))
    mended = COLLECTED.replace("[odd,", "[even,").replace("{to: bad, when: item == 0}, ", "")
    mended = mended.replace("  bad: {type: end, status: failed, reason: zero}\n", "")
    found = taken_over(room.workflow, events, checked(mended), cut=Cut(failed=True))
    assert {path: fate for path, fate in fates(found).items() if path.startswith("each[")} == {
        "each[0]/one": "again",
        "each[0]/two": "invalidated",
        "each[0]/three": "invalidated",
        **{f"each[{n}]/two": "again" for n in (1, 3, 5)},
    }


def test_items_pair_by_value_each_once() -> None:
    assert matched("abc", "abc") == {0: 0, 1: 1, 2: 2}
    assert matched("abc", "xabc") == {0: 1, 1: 2, 2: 3}
    assert matched("aab", "aba") == {0: 0, 1: 2, 2: 1}
    assert matched("ab", "ba") == {0: 1, 1: 0}
    assert matched("abc", "c") == {2: 0}
