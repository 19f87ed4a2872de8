"""The live view's pace and manners, with a stream that keeps what is written."""

from __future__ import annotations

import asyncio
import io
import time
from typing import Any

import pytest

from magent.cli.console import Console, Globals
from magent.cli.live import PACE, Live, fits
from magent.events import Event
from tests.cli.helpers import Screen
from tests.cli.live import completed, says, started


class Kept(Screen):
    """A terminal that keeps each write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return len(text)

    @property
    def text(self) -> str:
        return "".join(self.writes)


class Asks:
    """Where questions are put."""

    def __init__(self) -> None:
        self.on_busy: Any = None


def live(stream: io.StringIO, **options: Any) -> Live:
    return Live(Console(Globals(no_color=True), io.StringIO(), stream), **options)


def tell(view: Live, *events: tuple[float, str, dict[str, Any]]) -> None:
    for at, kind, data in events:
        view(Event(1, at, kind, data))


async def until(view: Kept, seen: str) -> None:
    async with asyncio.timeout(30):
        while seen not in view.text:
            await asyncio.sleep(0.01)


async def test_a_thousand_branches_that_stream_are_drawn_ten_times_a_second_and_no_more() -> None:
    stream = Kept()
    view = live(stream)
    tell(view, started("each", time.time(), items=[*range(1000)]))
    for item in range(1000):
        tell(view, started(f"each[{item}]/say", time.time()))
    began = asyncio.get_running_loop().time()
    for number in range(20_000):
        tell(view, says(f"each[{number % 1000}]/say", f"word {number} "))
        if number % 50 == 0:
            await asyncio.sleep(0.001)
    frames = (asyncio.get_running_loop().time() - began) / PACE
    await until(stream, "… and 997 more")
    view.end()
    assert len(stream.writes) <= frames + 3
    assert max(map(len, stream.writes)) < 2500


async def test_what_does_not_change_is_drawn_once_a_second() -> None:
    stream = Kept()
    view = live(stream)
    tell(view, started("say", time.time()))
    await until(stream, "say")
    await asyncio.sleep(5 * PACE)
    assert len(stream.writes) <= 2
    view.end()


async def test_while_a_question_is_on_the_screen_all_is_held_and_then_brought() -> None:
    stream, asks = Kept(), Asks()
    view = live(stream)
    view.attach(asks)
    tell(view, started("say", time.time()))
    await until(stream, "say")
    asks.on_busy(True)
    before = len(stream.writes)
    assert stream.writes[-1].endswith("\x1b[?25h")
    tell(view, completed("say", time.time()), started("next", time.time()))
    view.tell("printed")
    await asyncio.sleep(3 * PACE)
    assert len(stream.writes) == before
    asks.on_busy(False)
    await until(stream, "next")
    assert stream.text.index("✔ say") < stream.text.index("printed") < stream.text.index("▶ next")
    view.end()


async def test_a_run_that_ends_gives_the_terminal_back_at_once() -> None:
    stream = Kept()
    view = live(stream)
    tell(view, started("say", time.time()))
    await until(stream, "say")
    tell(view, (time.time(), "run.completed", {}))
    assert stream.writes[-1].endswith("\x1b[?25h")
    count = len(stream.writes)
    await asyncio.sleep(2 * PACE)
    view.end()
    assert len(stream.writes) == count


async def test_a_quick_run_draws_no_region_at_all() -> None:
    stream = Kept()
    view = live(stream)
    tell(view, started("say"), completed("say", 0.01), (0.0, "run.completed", {}))
    assert stream.text == "✔ say  0.01s\r\n"


async def test_text_is_told_for_good_where_that_is_asked_for() -> None:
    stream = Kept()
    view = live(stream, tell_text=True)
    tell(view, started("say"), says("say", "one\ntw"), says("say", "o"), completed("say"), (0.0, "run.completed", {}))
    assert stream.text == "  say │ one\r\n  say │ two\r\n✔ say\r\n"


async def test_what_is_fetched_has_a_bar_until_it_is_there() -> None:
    stream = Kept()
    view = live(stream)
    tell(view, started("say", time.time()))
    await asyncio.to_thread(view.fetched, "fetching it", 25_000_000, 100_000_000)
    await until(stream, "25% of 100 MB")
    await asyncio.to_thread(view.fetched, "fetching it", 100_000_000, 100_000_000)
    view.end()
    assert "✔ fetching it 100% of 100 MB\r\n" in stream.text


async def test_a_terminal_that_is_gone_is_no_error_of_the_run() -> None:
    class Gone(Screen):
        def write(self, _: str) -> int:
            raise OSError(5, "Input/output error")

    view = live(Gone())
    tell(view, started("say", time.time()))
    await asyncio.sleep(2 * PACE)
    tell(view, completed("say"))
    view.end()


@pytest.mark.parametrize(
    ("environment", "fit"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "CI": "false"}, True),
        ({"TERM": "xterm", "CI": "1"}, False),
        ({"TERM": "xterm", "CI": "true"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": ""}, False),
        ({}, False),
    ],
)
def test_where_nothing_can_be_redrawn_there_is_no_live_view(
    environment: dict[str, str], fit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "CI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert fits(Console(Globals(), io.StringIO(), Screen())) is fit
    assert not fits(Console(Globals(), io.StringIO(), io.StringIO()))
