"""The board as lines: golden pictures, and what holds for any window."""

from __future__ import annotations

import re

import pytest

from magent import cells
from magent.cli.board import Board
from magent.cli.paint import Window, bar, brief, folded, last_rows, paint, render
from tests.cli.live import board, completed, failed, follow, painted, says, started
from tests.terminal import Golden

NAMES = ("north", "south", "east", "west", "pier", "dock", "quay", "mole", "buoy", "reef", "isle", "cove", "bay")
FILES = [f"{name}.txt" for name in (*NAMES, "cape")]
WINDOWS = [
    pytest.param(120, {}, id="120"),
    pytest.param(80, {}, id="80"),
    pytest.param(40, {}, id="40"),
    pytest.param(80, {"encoding": "ascii"}, id="80-ascii"),
]


def fan_out() -> Board:
    made = board((0.0, "run.started", {"workflow": "harbour"}), started("each", 2.0, items=FILES))
    for item in range(9):
        follow(made, started(f"each[{item}]/read", 2.0 + item))
    for item in range(5):
        follow(made, completed(f"each[{item}]/read", 12.0, next=None, tokens=[200, 40], cost=0.0004))
    follow(made, failed("each[5]/read", 13.0))
    follow(made, says("each[6]/read", "The quay is long.\nShips lie along it, bow to stern, and wait for the tide"))
    follow(made, (13.0, "visit.retry", {"path": "each[7]/read", "at": 18.0, "attempt": 1}))
    follow(made, completed("each[8]/read", 14.0, next="notes"))
    follow(
        made, started("each[8]/notes", 14.0), started("each[8]/notes/a", 14.0), says("each[8]/notes/a", "潮が満ちる")
    )
    return made


def mixed() -> Board:
    return board(
        (0.0, "run.started", {"workflow": "harbour"}),
        started("fan", 60.0, branches=[0, 1, 2]),
        started("draft", 60.0),
        says(
            "draft", "Tides rise because the moon pulls at the water, and the water follows it around the world. " * 3
        ),
        started("ask", 61.0, ask={"prompt": "Ship it?"}, deadline=400.0),
        started("nap", 62.0, deadline=92.0),
        started("refine", 63.0, max=5),
        (64.0, "round.started", {"path": "refine[2]", "index": 2}),
        started("refine[2]/again", 64.0),
    )


@pytest.mark.parametrize(("columns", "window"), WINDOWS)
def test_items_of_a_fan_out(columns: int, window: dict[str, str], golden: Golden) -> None:
    name = "-".join(["live-items", str(columns), *window.values()])
    golden(name, painted(fan_out(), columns, rows=30, now=15.0, **window))


@pytest.mark.parametrize(("columns", "window"), WINDOWS)
def test_branches_rounds_questions_and_times(columns: int, window: dict[str, str], golden: Golden) -> None:
    name = "-".join(["live-branches", str(columns), *window.values()])
    golden(name, painted(mixed(), columns, rows=30, now=75.0, **window))


def thousand() -> Board:
    made = board(
        (0.0, "run.started", {"workflow": "harbour"}), started("each", items=[f"file {item}" for item in range(1000)])
    )
    for item in range(1000):
        follow(made, started(f"each[{item}]/read"), says(f"each[{item}]/read", f"I am branch {item}"))
    return made


def test_a_thousand_branches_are_a_few_lines(golden: Golden) -> None:
    golden("live-thousand-80", painted(thousand(), rows=24, now=3.0))


@pytest.mark.parametrize("make", [fan_out, mixed, thousand])
@pytest.mark.parametrize("columns", [1, 2, 5, 10, 20, 39, 40, 61, 80, 200, 500])
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 10, 24, 100])
def test_nothing_is_wider_or_higher_than_the_window(make: type[Board], columns: int, rows: int) -> None:
    for window in ({}, {"encoding": "ascii"}, {"encoding": "latin-1"}):
        lines = painted(make(), columns, rows, now=100.0, **window)
        assert max(map(cells.width, lines)) <= max(1, columns - 1)
        assert 1 <= len(lines) <= max(1, rows - 1)
        assert "".join(lines).isascii() or window.get("encoding") != "ascii"


def test_the_region_leaves_the_greater_part_of_a_window_to_history() -> None:
    assert len(painted(thousand(), rows=24)) == 9
    assert 20 < len(painted(thousand(), rows=60)) <= 24


def test_colours_change_nothing_else() -> None:
    colored = painted(fan_out(), now=15.0, color=True)
    assert "\x1b[" in "".join(colored)
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in colored] == painted(fan_out(), now=15.0)
    assert "\x1b" not in "".join(painted(fan_out(), now=15.0))


def test_where_all_find_a_line_each_has_one_before_any_text_is_shown() -> None:
    made = board(started("each", items=[*range(7)]))
    for item in range(7):
        follow(made, started(f"each[{item}]/read"), says(f"each[{item}]/read", f"text {item}"))
    lines = painted(made, rows=24)
    assert [line for line in lines if "read" in line] == [f"  ▶ [{item}] read  writer" for item in range(7)]


def test_who_stands_where_does_not_depend_on_who_spoke_last() -> None:
    made = thousand()
    before = painted(made)
    follow(made, says("each[700]/read", " and I speak"))
    assert painted(made) == before


def test_text_of_models_steers_nothing_and_is_no_markup() -> None:
    made = board(
        started("each", items=["[bold]\x1b[2Jx", "\u202egnp"]), started("each[0]/read"), started("each[1]/read")
    )
    follow(made, says("each[0]/read", "[red]a[/red]\x1b]0;t\x07\x07b\tc"))
    text = "\n".join(painted(made))
    assert not set("\x1b\x07\r\t\u202e") & set(text)
    assert "[red]a[/red]�b" in text


def test_text_can_be_left_out() -> None:
    assert "branch 0" not in "\n".join(paint(thousand(), Window(), 0.0, text=False))


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.99, ""), (1.0, "1s"), (59.9, "59s"), (64, "1m 04s"), (3600, "1h 00m"), (90_000, "25h 00m")],
)
def test_times_are_brief(seconds: float, shown: str) -> None:
    assert brief(seconds) == shown


@pytest.mark.parametrize(
    ("text", "width", "count", "rows"),
    [
        ("", 10, 2, []),
        ("\n\n  \n", 10, 2, []),
        ("one two three four", 10, 2, ["one two", "three four"]),
        ("one two three four", 10, 1, ["three four"]),
        ("one two three f\n\n", 7, 1, ["three f"]),
        ("a\nb\nc", 10, 2, ["b", "c"]),
        ("10%\r20%\r30%", 10, 2, ["30%"]),
        ("one\r\n\x1b[31mtwo\x1b[0m\r\n", 10, 2, ["one", "two"]),
        ("abcdefghijkl", 5, 2, ["fghij", "kl"]),
        ("long enough, the\nw", 16, 1, ["long enough, the"]),
        ("潮が満ちる", 5, 3, ["潮が", "満ち", "る"]),
        ("e\u0301" * 6, 4, 2, ["e\u0301" * 4, "e\u0301" * 2]),
    ],
)
def test_of_text_the_last_rows_are_shown(text: str, width: int, count: int, rows: list[str]) -> None:
    assert last_rows(text, width, count, Window()) == rows


def test_a_run_that_is_being_stopped_says_so_also_where_there_is_little_room() -> None:
    lines = paint(thousand(), Window(40, color=False), 3.0, stopping=True)
    assert lines[0].startswith("── stopping · 3s · 1,000 running ")


def test_something_that_is_fetched_has_a_bar() -> None:
    window = Window(80, color=False)
    assert (
        render(bar("fetching", 0.25, " of 98 MB", window), window) == "⇣ fetching  ━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  25% of 98 MB"
    )


def test_what_is_told_for_good_breaks_between_words() -> None:
    line = [("● ", "green"), ("run r1 of ", "bold"), ("nightly", ""), (": 日本 starts", "dim"), ("  1.50s", "dim")]
    rows = folded(line, Window(columns=20, color=False))
    assert [render(row, Window(columns=20, color=False), cut=False) for row in rows] == [
        "● run r1 of nightly:",
        "  日本 starts  1.50s",
    ]
    assert folded(line, Window(columns=80)) == [line]
    assert folded([("longer words", "")], Window(columns=4)) == [[("longer", "")], [("  ", ""), ("words", "")]]
