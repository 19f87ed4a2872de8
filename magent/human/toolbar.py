"""The quiet line below a prompt: the keys that work here, how many questions wait behind it, how much time is left."""

from __future__ import annotations

import time
from collections.abc import Sequence

from magent import cells
from magent.human.prompts import Around

_BETWEEN = " · "


def line(around: Around, keys: Sequence[str], columns: int) -> str:
    """As much of it as `columns` hold. `keys` come first, and stay longest, as `^E editor`."""
    now = around.now()
    common = [*([_comment(around)] if around.may_comment else []), *(["^O whole"] if around.whole else [])]
    waiting = [f"{around.behind()} more wait{'s' if around.behind() == 1 else ''}"] if around.behind() else []
    left = [] if around.deadline is None else [time_left(around.deadline - now)]
    until = [] if around.deadline is None else [f"until {until_when(around.deadline, now)}", *left]
    for parts in (
        [*keys, *common, *waiting, *until],
        [*keys, *common, *waiting, *left],
        [*keys, *common, *left],
        [*keys[:1], *common, *left],
        [*common, *left],
        [*common[:1], *left],
        left or common[:1],
    ):
        if cells.width(text := _BETWEEN.join(parts)) <= columns:
            return text
    return ""


def _comment(around: Around) -> str:
    return "✔ comment follows" if around.comment else "Tab comment"


def time_left(seconds: float) -> str:
    """`4m 12s left`."""
    if seconds <= 0:
        return "no time left"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h left"
    if hours:
        return f"{hours}h {minutes:02d}m left"
    return f"{minutes}m {rest:02d}s left" if minutes else f"{rest}s left"


def until_when(deadline: float, now: float) -> str:
    """By the clock on the wall: `18:00`, on another day `2026-11-24 18:00`."""
    then, today = time.localtime(deadline), time.localtime(now)
    return time.strftime("%H:%M" if then[:3] == today[:3] else "%Y-%m-%d %H:%M", then)
