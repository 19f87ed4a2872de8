"""The region as a terminal shows it, frame by frame, in an emulator."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magent.cli.screen import Screen


class Emulator(io.StringIO):
    """A stream whose text an emulated terminal shows; counts the writes."""

    def __init__(self, columns: int = 30, rows: int = 12) -> None:
        super().__init__()
        self.screen = pyte.HistoryScreen(columns, rows, history=1000, ratio=1)
        self.feed = pyte.Stream(self.screen).feed
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        self.feed(text.replace("\n", "\r\n"))  # as the driver of a terminal does
        return len(text)

    @property
    def lines(self) -> list[str]:
        above = ["".join(line[x].data for x in range(self.screen.columns)) for line in self.screen.history.top]
        lines = [line.rstrip() for line in [*above, *self.screen.display]]
        while lines and not lines[-1]:
            lines.pop()
        return lines


frames = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["told", "x" * 45, ""]), max_size=3),
        st.lists(st.sampled_from(["one", "two", "three", "a longer line of text"]), max_size=8),
    ),
    max_size=12,
)


@given(frames)
@settings(deadline=None)
def test_whatever_came_before_the_screen_shows_what_was_told_and_the_newest_region(
    steps: list[tuple[list[str], list[str]]],
) -> None:
    stream = Emulator()
    screen = Screen(stream)
    history: list[str] = []
    for above, region in steps:
        screen.show(above, region)
        history += [part for line in above for part in ([line[:30], line[30:]] if len(line) > 30 else [line])]
        assert stream.lines == _trimmed([*history, *region])
    screen.leave()
    assert stream.lines == _trimmed(history)
    assert not stream.screen.cursor.hidden


def _trimmed(lines: Sequence[str]) -> list[str]:
    found = list(lines)
    while found and not found[-1]:
        found.pop()
    return found


def test_a_frame_is_one_write_and_has_only_the_lines_that_changed() -> None:
    stream = Emulator()
    screen = Screen(stream)
    screen.show([], ["first", "second", "third"])
    screen.show([], ["first", "2nd", "third"])
    assert len(stream.writes) == 2
    assert "2nd" in stream.writes[1]
    assert "first" not in stream.writes[1]
    assert "third" not in stream.writes[1]


def test_a_frame_in_which_nothing_changed_is_not_written() -> None:
    stream = Emulator()
    screen = Screen(stream)
    screen.show([], ["first"])
    screen.show([], ["first"])
    assert len(stream.writes) == 1


def test_nothing_blinks_where_nothing_is_told() -> None:
    stream = Emulator()
    screen = Screen(stream)
    screen.show([], ["first", "second"])
    screen.show([], ["1st", "2nd", "third"])
    assert "\x1b[J" not in stream.writes[1]
    assert "\x1b[2J" not in stream.writes[1]


def test_the_cursor_is_away_while_the_region_stands_and_then_back() -> None:
    stream = Emulator()
    screen = Screen(stream)
    screen.show([], ["first"])
    assert stream.screen.cursor.hidden
    screen.leave(["told"])
    assert not stream.screen.cursor.hidden
    assert (stream.screen.cursor.x, stream.screen.cursor.y) == (0, 1)
    assert stream.lines == ["told"]


def test_leaving_twice_writes_nothing_more() -> None:
    stream = Emulator()
    screen = Screen(stream)
    screen.show([], ["first"])
    screen.leave()
    screen.leave()
    assert len(stream.writes) == 2


def test_a_window_that_became_narrower_is_drawn_anew_from_where_the_region_begins() -> None:
    stream = Emulator()
    screen = Screen(stream)
    screen.show(["told"], ["first", "second"])
    screen.forget()
    screen.show([], ["1st"])
    assert stream.lines == ["told", "1st"]


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), BrokenPipeError(), ValueError("closed")])
def test_a_terminal_that_went_away_is_no_error(error: Exception) -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise error

    screen = Screen(Gone())
    screen.show(["told"], ["first"])
    assert screen.dead
    screen.show(["told"], ["second"])
    screen.leave(["told"])


def test_a_terminal_that_does_not_wait_gets_the_region_again() -> None:
    class Busy(Emulator):
        busy = True

        def write(self, text: str) -> int:
            if self.busy:
                raise BlockingIOError(11, "busy")
            return super().write(text)

    stream = Busy()
    screen = Screen(stream)
    screen.show([], ["first"])
    stream.busy = False
    screen.show([], ["first"])
    assert stream.lines == ["first"]
    assert not screen.dead
