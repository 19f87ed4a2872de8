"""What happens to a run in a round, by name. Each takes the ward, in which the workflow was left alone once, and leaves
a run that can go on."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from magent.errors import MagentError, RunLocked, StoreError
from magent.ports import Journal, Record, RunStore
from tests.recovery.limits import frozen, small_disk
from tests.recovery.nursery import Ended, Life
from tests.recovery.places import FilePlace, PostgresPlace
from tests.recovery.rounds import KILLED, RUN, Ward, clear

Fault = Callable[[Ward], None]
DAY = 86400.0
USUAL = (KILLED, 0, 1, 3, 5)


def kill(ward: Ward) -> None:
    """`kill -9` at random moments of up to six lives."""
    for _ in range(ward.chance.randint(1, 6)):
        if not killed_somewhere(ward):
            return


def killed_somewhere(ward: Ward, **how: Any) -> bool:
    """A life that is killed at a random moment. Whether there was one to lead."""
    words = ward.next()
    if words is None:
        return False
    life = ward.start(*words, **how)
    ended = life.kill() if life.lives(ward.chance.random() * ward.takes * 1.2) else life.end()
    ward.look_at(ended)
    assert ended.code in USUAL, ended
    return True


def write(ward: Ward) -> None:
    """Up to four lives die of one of their writes: before it, in its middle, right after it."""
    if ward.chance.random() < 0.4:
        ward.stop_early()
    for _ in range(ward.chance.randint(1, 4)):
        ended = ward.go_on(death=ward.some_write(30, 300))
        if ended is None:
            return
        assert ended.code in USUAL, ended


def power(ward: Ward) -> None:
    """The power goes at one of a life's writes: all that was not synced is lost, contents and names."""
    ward.files = False  # what tasks write, they would have to sync
    ward.durability = ward.chance.choice(("sync", "async", "async", "exit"))
    for _ in range(ward.chance.randint(1, 4)):
        ended = ward.go_on(death=replace(ward.some_write(40, 300), power=True))
        if ended is None:
            return
        assert ended.code in USUAL, ended


def torn(ward: Ward) -> None:
    """Behind what was synced stands half of a write that a power cut left."""
    for _ in range(ward.chance.randint(1, 3)):
        if not killed_somewhere(ward):
            return
        ward.log.append(f"torn: {ward.place.tear(RUN, ward.chance)}")


def cut(ward: Ward) -> None:
    """The end of what was written is lost: the run goes on from before, or is refused, with what to do."""
    _spoilt(ward, ward.place.cut)


def flip(ward: Ward) -> None:
    """A bit is not what it was: that harms nothing, or the run is refused, with what to do."""
    _spoilt(ward, ward.place.flip)


def _spoilt(ward: Ward, how: Callable[[str, random.Random], str]) -> None:
    killed_somewhere(ward)
    if ward.info() is None:
        return
    ward.place.keep()
    done = how(RUN, ward.chance)
    ward.log.append(f"spoilt: {done}")
    if not done:
        return
    ward.faithful, ward.spoilt = False, True
    lives, refused = _goes_on_or_is_refused(ward)
    listed = ward.life("runs", "list")
    assert listed.code in (0, 5), listed
    ward.forget()
    if refused:  # from a copy, as it says
        ward.place.put_back()
        ward.faithful, ward.spoilt = lives == 0, False


def _goes_on_or_is_refused(ward: Ward) -> tuple[int, bool]:
    """How many lives it went on for, and whether it was refused then."""
    for life in range(20):
        try:
            words = ward.next()
        except MagentError:
            words = ["resume", RUN]
        if words is None:
            return life, _is_damaged_before(ward)
        ended = ward.life(*words)
        if ended.code == 2 and "there is no run" in ended.err:
            return life, True
        if ended.code == 5:
            clear(ended)
            if "before anything of it was recorded" not in ended.err:
                return life, True
            ward.life("runs", "rm", RUN, "--yes")
        assert ended.code in USUAL, ended
    raise AssertionError("it neither ends nor is refused")


def _is_damaged_before(ward: Ward) -> bool:
    """Whether a run that went on from a checkpoint cannot be told whole, as what was before is damaged."""
    shown = ward.life("runs", "show", RUN)
    return shown.code != 0 and clear(shown) is not None


def full(ward: Ward) -> None:
    """The disk is full for a life or two: what cannot be written is said, and nothing is lost."""
    disk = ward.stack.enter_context(small_disk(ward))
    for _ in range(ward.chance.randint(1, 3)):
        words = ward.next()
        if words is None:
            return
        disk.fill(ward.chance.randint(0, 60) * 1024)
        ended = ward.life(*words, **disk.bounds())
        disk.free()
        if ended.code == 5:
            clear(ended)
        assert ended.code in (0, 1, 3, 5), ended


def readonly(ward: Ward) -> None:
    """The store may not be written to for a life: that is said, and nothing is lost."""
    if ward.chance.random() < 0.8:
        killed_somewhere(ward)
    words = ward.next()
    if words is None:
        return
    with frozen(ward) as bounds:
        clear(ward.life(*words, **bounds))
        looked = ward.life("runs", "list", **bounds)
        assert looked.code == 0 or clear(looked), looked


def clock(ward: Ward) -> None:
    """The clock is set forwards and back, by up to ten days, within a life and between two."""
    for _ in range(ward.chance.randint(1, 4)):
        jumps = [(ward.chance.randint(0, 60), ward.chance.uniform(-10, 10) * DAY) for _ in range(2)]
        if not killed_somewhere(ward, clock=sorted(jumps)):
            return


def vanished(ward: Ward) -> None:
    """The directory that the run was started in goes: what cannot go on without it says so, until it is back."""
    ward.cwd = ward.top / "away"
    ward.cwd.mkdir()
    ward.files = isinstance(ward.place, FilePlace)  # else they are kept in there
    killed_somewhere(ward)
    words = ward.next()
    if words is None:
        return
    clear(ward.look_at(ward.start(*words, vanish=True).end()), code=2)
    ended = ward.life(*words, cwd=ward.home)
    if ended.code == 2:
        assert words[0] == "resume", ended
        assert str(ward.cwd) in clear(ended, code=2).err, ended
    elif ended.code == 5:
        clear(ended)
    assert ended.code in (0, 1, 2, 3, 5), ended
    ward.cwd.mkdir()


def server(ward: Ward) -> None:
    """PostgreSQL is stopped in the middle of lives, hard or in good order, and started again."""
    assert isinstance(ward.place, PostgresPlace)
    for _ in range(ward.chance.randint(1, 2)):
        words = ward.next()
        if words is None:
            return
        life = ward.start(*words)
        life.lives(ward.chance.random() * ward.takes)
        ward.place.server.stop(ward.chance.choice(("immediate", "fast")))
        life.lives(ward.chance.random() * 0.3)
        ward.place.server.start()
        ended = ward.look_at(life.end())
        if ended.code == 5:  # it had not been there when the life began
            assert "cannot be reached" in clear(ended).err or "is not ready" in ended.err, ended
        assert ended.code in (0, 1, 3, 5), ended


def gone(ward: Ward) -> None:
    """PostgreSQL goes, and does not come back while the life has patience: that is said, and a later one goes on."""
    assert isinstance(ward.place, PostgresPlace)
    words = ward.next()
    assert words is not None
    life = ward.start(*words, patience=0.6)
    life.lives(ward.chance.random() * ward.takes)
    ward.place.server.stop(ward.chance.choice(("immediate", "fast")))
    try:
        ended = ward.look_at(life.end())
        if ended.code not in (0, 1, 3):
            clear(ended)
        listing = ward.nursery.start("runs", "list", cwd=ward.cwd, env=ward.place.env, patience=0.6)
        clear(ward.look_on(listing.end()))
    finally:
        ward.place.server.start()


def paused(ward: Ward) -> None:
    """A process sleeps until its lease is lost; another takes over; when the first wakes it writes nothing more."""
    words = ward.next()
    assert words is not None
    life = ward.start(*words)
    life.lives(ward.chance.random() * ward.takes)
    if not life.lives() or ward.info() is None:
        ward.look_at(life.end())
        return
    life.signal(signal.SIGSTOP)
    try:
        if not ward.place.sockets:
            held = ward.look_on(ward.start("resume", RUN).end())
            told = held.code in (0, 1, 3) or f"is held by process {life.pid}" in clear(held).err
            assert told, held  # it may have let go just before it was stopped
        else:
            ward.faithful = False  # what was at work in the sleeper may be done when it wakes
            if ward.chance.random() < 0.5:
                asyncio.run(_wakes_too_late(ward, life))
                return
            _taken_over(ward)
    finally:
        life.signal(signal.SIGCONT)
    ended = ward.look_at(life.end())
    if ended.code == 5:
        assert "taken over" in clear(ended).err, ended
    assert ended.code in (0, 1, 3, 5), ended


def _taken_over(ward: Ward) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        words = ward.next()
        if words is None:
            return
        ended = ward.look_on(ward.start(*words).end())
        if "is held by process" not in ended.err:
            return
    raise AssertionError("the lease of a sleeper is never lost")


async def _wakes_too_late(ward: Ward, sleeper: Life) -> None:
    """Somebody has the run, and has not done anything with it yet, when the first wakes."""
    store = ward.place.open()
    journal, record = await _opened(store)
    try:
        result = await store.result(RUN)
        sleeper.signal(signal.SIGCONT)
        ended = await asyncio.to_thread(lambda: ward.look_at(sleeper.end()))
        now = await store.read(RUN, checkpoint=False)
        seen = record.events[-1].seq if record.events else record.checkpoint[0] if record.checkpoint else 0
        written = [event.type for event in now.events[seen:]]
        assert not written, f"it wrote {written} into a run that was another's\n{ended}"
        assert await store.result(RUN) == result, f"it wrote a result of a run that was another's\n{ended}"
        assert ended.code != 5 or "taken over" in clear(ended).err, ended
    finally:
        await journal.close()


async def _opened(store: RunStore) -> tuple[Journal, Record]:
    """As soon as its lease is lost."""
    end = time.monotonic() + 20
    while True:
        try:
            return await store.open(RUN)
        except RunLocked:
            assert time.monotonic() < end, "the lease of a sleeper is never lost"
            await asyncio.sleep(0.05)


def fight(ward: Ward) -> None:
    """Two or ten processes want one run: one has it, the others are told who. Then all want it at once."""
    many = ward.chance.choice((2, 10))
    words = ward.next()
    assert words is not None
    first = ward.start(*words)
    while first.lives() and not ward.is_held():
        pass
    first.signal(signal.SIGSTOP)
    try:
        if _is_seen_to_be_held(ward) and first.lives():
            others = [ward.start("resume", RUN, "--no-input") for _ in range(many - 1)]
            for other in others:
                _is_told(ward, clear(ward.look_on(other.end())), [first])
    finally:
        first.signal(signal.SIGCONT)
    if first.lives(ward.chance.random() * ward.takes):
        first.kill()
    ward.look_at(first.end())
    words = ward.next()
    if words is not None and words[0] == "resume":
        _at_once(ward, [ward.start(*words) for _ in range(many)])


def _is_seen_to_be_held(ward: Ward) -> bool:
    """Not where the sleeper fell asleep just as it made the file: then nobody can look into it."""
    try:
        return ward.is_held()
    except StoreError as error:
        if "locked" not in str(error):
            raise
        return False


def _at_once(ward: Ward, fighters: list[Life]) -> None:
    ends = [ward.look_at(each.end()) for each in fighters]
    lost = [ended for ended in ends if ended.code == 5 and "before anything" not in ended.err]
    for ended in lost:
        _is_told(ward, clear(ended), fighters)
    assert len(lost) < len(fighters), "nobody has it"


def _is_told(ward: Ward, ended: Ended, who: list[Life]) -> None:
    assert "is held by process" in ended.err, ended
    assert int(ended.err.partition("is held by process ")[2].split()[0]) in [each.pid for each in who], ended
