"""The parts of a prompt that need no terminal: its toolbar, what is typed, what is shown."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from magent import cells
from magent.human import display, kinds, toolbar
from magent.human.keyboard import Reader
from magent.human.prompts import Around, Option, Prompts, wrapped
from magent.ports import Question


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("y\r", "y\r"),
        ("y\r\r", "y\r\r"),
        ("\x1b[B\r", "\x1b[B\r"),
        ("one\rtwo", "\x1b[200~one\rtwo\x1b[201~"),
        ("one\r\rtwo\r", "\x1b[200~one\r\rtwo\r\x1b[201~"),
        ("\x1b[200~one\rtwo", "\x1b[200~one\rtwo"),
        ("grün\n日本", "\x1b[200~grün\n日本\x1b[201~"),
    ],
)
def test_lines_that_arrive_at_once_are_a_paste(pipe: tuple[int, int], typed: str, read: str) -> None:
    os.write(pipe[1], typed.encode())
    assert Reader(pipe[0]).read() == read


def test_the_rest_of_a_paste_is_left_as_it_is(pipe: tuple[int, int]) -> None:
    reader = Reader(pipe[0])
    os.write(pipe[1], b"\x1b[200~one\r")
    assert reader.read() == "\x1b[200~one\r"
    os.write(pipe[1], b"two\rthree\x1b[201~")
    assert reader.read() == "two\rthree\x1b[201~"


def test_the_end_of_input_closes_the_reader() -> None:
    begin, end = os.pipe()
    os.close(end)
    reader = Reader(begin)
    assert (reader.read(), reader.closed) == ("", True)
    os.close(begin)


def around(**more: object) -> Around:
    return Around(now=lambda: 1_000_000.0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("columns", range(5, 130, 5))
def test_the_toolbar_fits_every_window(columns: int) -> None:
    everything = around(deadline=1_000_252.0, behind=lambda: 2, whole="text")
    line = toolbar.line(everything, ["Esc Enter ends", "^E editor"], columns)
    assert cells.width(line) <= columns
    assert columns < 15 or "4m 12s left" in line


def test_the_toolbar_says_the_keys_who_waits_and_the_time() -> None:
    full = around(deadline=1_000_252.0, behind=lambda: 2, whole="text")
    line = toolbar.line(full, ["^E editor"], 120)
    assert line.startswith("^E editor · Tab comment · ^O whole · 2 more wait · until ")
    assert line.endswith(" · 4m 12s left")
    assert toolbar.line(around(comment=True), [], 40) == "✔ comment follows"
    assert toolbar.line(around(may_comment=False), [], 40) == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0s left"), (59, "59s left"), (3600, "1h 00m left"), (90_000, "1d 1h left"), (-1, "no time left")],
)
def test_the_time_that_is_left(seconds: float, said: str) -> None:
    assert toolbar.time_left(seconds) == said


def test_long_words_and_wide_ones_are_wrapped_within_the_columns() -> None:
    lines = wrapped("short " + "x" * 25 + " 日本語日本語日本語", 10)
    assert all(cells.width(line) <= 10 for line in lines)
    assert "".join(lines).replace(" ", "") == "short" + "x" * 25 + "日本語日本語日本語"


@pytest.mark.parametrize(
    "hidden", ["<script>x</script>", "<!-- remark -->", "[a]: http://b", "https://c.d", "&amp;", "[bold]x[/bold]"]
)
def test_nothing_that_a_reader_should_see_is_hidden(hidden: str) -> None:
    text = f"Before\n\n{hidden}\n\n[link]({hidden})" if hidden.startswith("https") else f"Before {hidden}\n\n{hidden}"
    shown = display.show(Question("a", "a", 1, "review", content=text), 0.0, color=False, bounded=True)
    assert hidden in shown.text


def test_no_text_steers_the_terminal() -> None:
    evil = "a\x1b[2J\x1b]0;t\x07\u202eb\x9b1m"
    question = Question(evil, evil, 1, "review", evil, {evil: [evil]}, {evil: evil}, assignee=evil)
    text = display.show(question, 0.0, color=False, bounded=True).text
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(text)


def test_a_text_keeps_its_lines() -> None:
    shown = display.show(Question("a", "a", 1, "review", content="one\ntwo\n  three"), 0.0, color=False, bounded=True)
    assert [line.strip() for line in shown.text.splitlines()][-4:-1] == ["one", "two", "three"]


def test_of_what_is_long_the_beginning_is_shown_and_the_whole_is_at_hand() -> None:
    content = "".join(f"line {n}\n" for n in range(10_000))
    shown = display.show(Question("a", "a", 1, "review", content=content), 0.0, color=False, bounded=True)
    assert "… 10,000 lines in all" in shown.text
    assert len(shown.text.splitlines()) < 30
    assert shown.whole is not None
    assert shown.whole.endswith("line 9999\n")


@pytest.mark.parametrize(
    ("value", "line"),
    [("x.csv", "  the_path_of_the_ledger: x.csv"), ("word " * 20, "  the_path_of_the_ledger:")],
)
def test_a_value_stands_beside_its_name_where_there_is_room_for_both(value: str, line: str) -> None:
    question = Question("a", "a", 1, "approval", context={"the_path_of_the_ledger": value})
    shown = display.show(question, 0.0, color=False, bounded=True)
    assert line in shown.text.splitlines()


def test_content_that_is_empty_is_seen_to_be() -> None:
    text = display.show(Question("a", "a", 1, "review", content=""), 0.0, color=False, bounded=True).text
    assert text.splitlines()[-2] == "(empty)"


class Picks:
    """Prompts that choose the last option, and keep what was offered."""

    async def choose(self, message: str, options: Sequence[Option], default: int | None, **_: Any) -> Any:
        self.offered = [label for label, _ in options]
        return options[-1][1]


async def test_options_with_the_same_label_are_told_apart_by_their_values() -> None:
    labelled: list[tuple[Any, str]] = [(1, "yes"), (True, "yes"), ("x", "no")]
    options = tuple({"value": value, "label": label} for value, label in labelled)
    prompts = Picks()
    answer = await kinds.ask(cast(Prompts, prompts), Question("a", "a", 1, "choice", options=options))
    assert prompts.offered == ["yes (1)", "yes (true)", "no"]
    assert answer["choice"] == "x"
