"""What of a run is at work, folded from its events."""

from __future__ import annotations

import asyncio
import gc

import pytest

from magent.cli.board import Board, Spot
from magent.engine import run as lives
from magent.engine.replay import Cut
from magent.events import Event
from magent.model import Workflow
from magent.ports import ProcessResult, Record
from tests.build import Lab, workflow
from tests.cli.live import HARBOUR, board, completed, failed, follow, says, started
from tests.engine.forking import driven, journal_of, taken_over
from tests.fakes import FakeExecutor


def tree(made: Board) -> list[str]:
    """Each visit at work, indented by how deep it is."""
    return [line for spot in made.roots.values() for line in branch(spot, 0)]


def branch(spot: Spot, depth: int) -> list[str]:
    inside = [line for child in spot.children.values() for line in branch(child, depth + 1)]
    return [f"{'  ' * depth}{spot.name} {spot.status}", *inside]


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        ([started("fan", branches=[0, 1]), started("draft")], ["fan holds", "  draft runs"]),
        (
            [started("each", items=["a", "b"]), started("each[1]/read"), started("each[0]/read")],
            ["each holds", "  read runs", "  read runs"],
        ),
        (
            [
                started("each", items=["a"]),
                started("each[0]/notes"),
                started("each[0]/notes/pair", branches=[0, 1]),
                started("each[0]/notes/l"),
            ],
            ["each holds", "  notes holds", "    pair holds", "      l runs"],
        ),
        ([started("refine", max=5), started("refine[0]/again")], ["refine holds", "  again runs"]),
        ([started("sign", ask={"prompt": "x"}, deadline=9.0)], ["sign asks"]),
        ([started("sign", ask={}), (0, "visit.waiting", {"path": "sign"})], ["sign waits"]),
        ([started("rest", deadline=30.0)], ["rest rests"]),
        ([started("intro"), (0, "visit.retry", {"path": "intro", "at": 3.0, "attempt": 1})], ["intro retries"]),
        ([started("intro"), (0, "visit.cancelled", {"path": "intro"})], []),
        ([started("each", items=[1]), started("each[0]/read"), failed("each[0]/read"), failed("each")], []),
        ([started("each", items=[1]), started("each[0]/read"), completed("each")], []),
    ],
)
def test_what_is_at_work_is_a_tree(told: list[tuple[float, str, dict[str, object]]], seen: list[str]) -> None:
    assert tree(board(*told)) == seen


def test_without_the_workflow_addresses_alone_make_the_tree() -> None:
    told = [started("each", items=["a"]), started("each[0]/notes"), started("each[0]/notes/a")]
    assert tree(board(*told, of=None)) == ["each holds", "  notes runs", "    a runs"]


def handed(delegation: str, **data: object) -> tuple[float, str, dict[str, object]]:
    role = delegation.rpartition(">")[2]
    return 0, "delegation.started", {"path": "intro", "delegation": delegation, "role": role, "task": "x", **data}


def test_subtasks_stand_below_who_handed_them_over() -> None:
    made = board(started("intro"), handed("intro>dev"), handed("intro>dev>qa"))
    assert tree(made) == ["intro holds", "  dev: x holds", "    qa: x runs"]
    assert made.counts["runs"] == 1
    follow(made, (0, "text", {"path": "intro", "delegation": "intro>dev>qa", "text": "Testing."}))
    inner = made.roots["intro"].children["intro>dev"].children["intro>dev>qa"]
    assert inner.tail == "Testing."
    follow(
        made,
        (0, "delegation.ended", {"path": "intro", "delegation": "intro>dev>qa", "tokens": {"input": 3, "output": 4}}),
    )
    assert tree(made) == ["intro holds", "  dev: x runs"]
    assert [made.tokens, made.roots["intro"].tokens, made.roots["intro"].children["intro>dev"].tokens] == [7, 7, 7]
    follow(made, (0, "delegation.ended", {"path": "intro", "delegation": "intro>dev"}))
    assert tree(made) == ["intro runs"]


@pytest.mark.parametrize(
    ("then", "seen"),
    [
        ((0, "visit.retry", {"path": "intro", "at": 3.0, "attempt": 1}), ["intro retries"]),
        (failed("intro"), []),
        ((0, "visit.cancelled", {"path": "intro"}), []),
    ],
)
def test_subtasks_end_with_the_attempt_that_they_are_of(
    then: tuple[float, str, dict[str, object]], seen: list[str]
) -> None:
    made = board(started("intro"), handed("intro>dev"), handed("intro>dev>qa"), then)
    assert tree(made) == seen
    assert made.counts["runs"] == made.counts["holds"] == 0


def test_an_item_has_ended_where_its_last_node_has() -> None:
    made = board(
        started("each", items=["a", "b", "c"]),
        started("each[0]/read"),
        completed("each[0]/read", next="check"),
        started("each[1]/read"),
    )
    each = made.roots["each"]
    assert (each.ended, each.total) == (0, 3)
    follow(made, completed("each[0]/notes", next=None), failed("each[1]/read"), failed("each[2]/read", caught="go"))
    assert (each.ended, each.failed) == (3, 1)
    follow(made, completed("each[2]/check", next="end"))
    assert each.ended == 4, "`end` ends the scope where no node has that name"


def test_a_round_is_the_loops_own() -> None:
    made = board(started("refine", max=5), (0, "round.started", {"path": "refine[2]", "index": 2}))
    assert (made.roots["refine"].round, made.roots["refine"].limit) == (2, 5)


def test_the_next_attempt_goes_on_where_the_first_began() -> None:
    made = board(
        started("intro", 5.0),
        (6.0, "visit.retry", {"path": "intro", "at": 8.0, "attempt": 1}),
        started("intro", 8.0, attempt=2),
    )
    intro = made.roots["intro"]
    assert (intro.since, intro.attempt, intro.status) == (5.0, 2, "runs")
    assert made.steps == 1


def test_tokens_and_cost_count_for_all_around() -> None:
    made = board(
        started("each", items=["a"]),
        started("each[0]/read"),
        (1.0, "visit.retry", {"path": "each[0]/read", "at": 2.0, "attempt": 1, "tokens": [1, 1], "cost": 0.1}),
        completed("each[0]/read", next="check", tokens={"input": 5, "output": 5}, cost=0.2),
    )
    assert made.roots["each"].tokens == made.tokens == 12
    assert made.cost == pytest.approx(0.3)


def test_leaves_are_counted_by_what_they_do() -> None:
    made = board(started("fan", branches=[0, 1, 2]), started("draft"), started("ask", ask={}), started("nap"))
    assert {name: count for name, count in made.counts.items() if count} == {
        "holds": 1, "runs": 1, "asks": 1, "rests": 1,
    }  # fmt: skip
    follow(made, completed("fan"))
    assert sum(made.counts.values()) == 0


def test_of_streamed_text_the_end_is_kept() -> None:
    made = board(started("intro"))
    for number in range(10_000):
        follow(made, says("intro", f"word {number} "))
    assert made.roots["intro"].tail.endswith("word 9998 word 9999 ")
    assert len(made.roots["intro"].tail) < 3000
    follow(made, says("intro", "x" * 1_000_000))
    assert len(made.roots["intro"].tail) < 3000


def test_of_streamed_json_it_is_told_how_much_has_come() -> None:
    made = board(started("intro"), says("intro", "first\nthen"))
    for text in ("{" * 1000, "}" * 234):
        follow(made, (0.0, "text", {"path": "intro", "text": text, "structured": True}))
    assert made.roots["intro"].tail == "first\n{…} 1,234 characters"


def test_what_is_withdrawn_is_gone() -> None:
    made = board(started("intro"), says("intro", "broken"), (0.0, "text.withdrawn", {"path": "intro"}))
    assert made.roots["intro"].tail == ""


def test_text_of_a_visit_that_is_over_is_dropped() -> None:
    assert tree(board(says("draft", "late"))) == []


def test_of_many_items_what_goes_well_is_told_by_the_node_around_them() -> None:
    few = board(started("each", items=[*range(12)]), started("each[0]/read"))
    many = board(started("each", items=[*range(13)]), started("each[0]/notes"), started("each[0]/notes/a"))
    assert not few.roots["each"].children["each[0]/read"].quiet
    assert many.roots["each"].children["each[0]/notes"].children["each[0]/notes/a"].quiet
    assert not many.roots["each"].quiet


def test_nothing_is_kept_of_what_has_ended() -> None:
    made = board(started("each", items=[*range(1000)]))
    gc.collect()
    before = len(gc.get_objects())
    for item in range(1000):
        follow(made, started(f"each[{item}]/read"), completed(f"each[{item}]/read", next=None))
    gc.collect()
    assert len(gc.get_objects()) - before < 100
    assert made.roots["each"].ended == 1000


RESUMED = workflow("""
    nodes:
      each: {type: parallel, for_each: "[1, 2, 3]", body: ok}
      ok: {type: human_input, input: approval}
""")


async def test_a_later_life_begins_with_what_the_one_before_left_open() -> None:
    run = await Lab(RESUMED).start()
    made = Board.of(run)
    assert tree(made) == ["each holds", "  ok asks", "  ok asks", "  ok asks"]
    assert (made.roots["each"].total, made.roots["each"].ended, made.steps) == (3, 0, 4)


@pytest.mark.parametrize("collect", [False, True])
def test_what_failed_and_is_tried_anew_counts_once(collect: bool) -> None:
    kind = "{type: parallel, for_each: '[1, 2, 3]', body: check" + (", on_branch_error: collect}" if collect else "}")
    described = workflow(f"nodes: {{each: {kind}, check: {{run: [check, '{{{{ item }}}}']}}}}")
    room = Lab(described, executor=FakeExecutor({"2": ProcessResult(1, "", "")}))
    asyncio.run(room.start())
    events = room.journal.events
    if collect:
        events = journal_of(taken_over(described, events, cut=Cut(failed=True)))
    again = Lab(described)
    made = Board.of(lives.refold(described, Record({}, {}, None, events)))
    if collect:
        assert (made.roots["each"].ended, made.roots["each"].failed) == (2, 0)
    driven(again, events)
    last = [spot for event in again.journal.events[len(events) :] if (spot := made(event)) and spot.path == "each"][-1]
    assert (last.ended, last.failed, last.total) == (3, 0, 3)
    assert last.since == again.journal.events[len(events)].time  # not what an earlier life took
    assert made.steps == 4


async def _events(text: str) -> tuple[Workflow, list[Event]]:
    lab = Lab(workflow(text))
    await lab.start()
    return lab.workflow, lab.journal.events


@pytest.mark.parametrize(
    "text",
    [
        "nodes: {a: {type: parallel, branches: [b, c], next: d}, b: {set: {x: 1}}, c: {set: {y: 1}}, d: {set: {z: 1}}}",
        "nodes: {a: {type: loop, until: round.number >= 3, max_iterations: 9, body: b}, b: {set: {x: 1}}}",
        "nodes: {a: {type: parallel, for_each: '[1, 2]', body: b}, b: {set: {x: 1}, next: e}, e: {type: end}}",
        "nodes: {a: {type: subgraph, uses: s}}\nsubgraphs: {s: {nodes: {b: {set: {x: 1}, next: end}}}}",
    ],
)
async def test_a_run_that_is_over_leaves_nothing_at_work_and_counts_its_steps(text: str) -> None:
    made_of, events = await _events(text)
    made = Board(made_of)
    sums = [(spot.ended, spot.total) for event in events if (spot := made(event)) and spot.total is not None]
    assert tree(made) == []
    assert sum(made.counts.values()) == 0
    assert not sums or sums[-1] == (2, 2)


def test_the_name_is_that_of_the_workflow() -> None:
    assert Board(HARBOUR).name == "harbour"
    assert board((3.0, "run.started", {"workflow": "other"})).name == "other"
