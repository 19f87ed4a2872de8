"""Sheets: tables that fit, wide characters, texts that would steer a terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest

from magent import cells
from magent.cli.console import Console, Globals
from magent.cli.tables import Cell, Column, Part, Sheet, ago, size, wrap

COLUMNS = (Column("ID"), Column("STATUS", least=1), Column("NAME", least=6, rank=1), Column("TIME", rank=2, right=True))
ROWS: Sequence[Sequence[Cell]] = [
    ("20260101-000000-0000", Part("✔ completed", "green", "✔"), "review", "1.2s"),
    ("a1", Part("✘ failed", "red", "✘"), "東京の天気レポート", "10.2s"),
    ("a2", Part("⏸ waiting", "yellow", "⏸"), "[bold]x[/bold]\x1b[31m\u202e\nsecond", ""),
]


class Out(io.StringIO):
    encoding = "utf-8"
    errors = "strict"


def drawn(width: int | None, encoding: str = "utf-8") -> list[str]:
    out = Out()
    out.encoding, out.errors = encoding, "replace" if encoding == "ascii" else "strict"
    sheet = Sheet(Console(Globals(), out, Out()))
    sheet.width = width
    sheet.table(COLUMNS, ROWS)
    sheet.print()
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", range(31, 90))
def test_a_table_fits_every_window(width: int) -> None:
    lines = drawn(width)
    assert all(cells.width(line) <= width for line in lines)
    assert len(lines) == 4


@pytest.mark.parametrize("width", [10, 30, 40, 80, None])
def test_what_is_to_be_copied_is_never_cut(width: int | None) -> None:
    assert drawn(width)[1].startswith("20260101-000000-0000  ✔")


def test_the_least_important_goes_first_and_words_give_way_to_signs() -> None:
    assert drawn(80)[0].split() == ["ID", "STATUS", "NAME", "TIME"]
    assert "1.2s" not in drawn(35)[1]
    assert drawn(34)[1] == "20260101-000000-0000  ✔  review"
    assert drawn(34)[2] == "a1                    ✘  東京の天…"


@pytest.mark.parametrize("width", [40, 60, 80, None])
def test_columns_stand_below_one_another_whatever_they_hold(width: int | None) -> None:
    starts = {
        cells.width(line[: line.index(name)]) for line, name in zip(drawn(width)[1:3], ("rev", "東"), strict=True)
    }
    assert len(starts) == 1


def test_no_text_steers_the_terminal_or_is_markup() -> None:
    line = drawn(None)[3]
    assert "[bold]x[/bold]�[31m� second" in line
    assert "\x1b" not in line


def test_where_signs_cannot_be_shown_columns_still_stand_below_one_another() -> None:
    lines = drawn(80, "ascii")
    assert all(line.isascii() for line in lines)
    assert len({line.index("1") for line in lines[1:2]} | {lines[1].index("review")}) == 2
    assert lines[1].index("review") == lines[2].index("?????????")


@pytest.mark.parametrize(
    "line", ["", "word", "one two three four five six", "x" * 100, "  - a list of words that goes on", "東京の天気" * 9]
)
@pytest.mark.parametrize("columns", [8, 20, 33])
def test_a_wrapped_text_fits_and_nothing_is_lost(line: str, columns: int) -> None:
    pieces = list(wrap(line, columns))
    assert all(cells.width(piece) <= columns for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(line.split())


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "just now"),
        (59, "just now"),
        (60, "1m ago"),
        (3 * 3600 + 5, "3h ago"),
        (6.9 * 86400, "6d ago"),
        (-5, "just now"),
    ],
)
def test_how_long_ago(seconds: float, said: str) -> None:
    assert ago(1_800_000_000 - seconds, 1_800_000_000) == said
    assert ago(1_800_000_000 - 8 * 86400, 1_800_000_000).startswith("2027-01-0")


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (3_000_000, "3.0 MB")]
)
def test_sizes(count: int, said: str) -> None:
    assert size(count) == said


def test_one_long_line_of_a_long_text_leaves_room_for_the_others() -> None:
    out = Out()
    sheet = Sheet(Console(Globals(), out, Out()))
    sheet.width = 40
    sheet.text("\n".join(["x" * 4000, "second", *["more"] * 10]), most=8)
    sheet.text("y" * 200, most=8)
    sheet.print()
    lines = out.getvalue().splitlines()
    assert all(cells.width(line) <= 40 for line in lines)
    assert lines[3].endswith("xx … 102 more lines")
    assert lines[4:9] == ["  second", "  more", "  more", "  more", "  … 7 more lines (-v, or --output json)"]
    assert "".join(lines[9:]).count("y") == 200
