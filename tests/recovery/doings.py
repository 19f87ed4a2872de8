"""What people and the hours do to a run in a round: it is answered, ended, copied, gone on with from an earlier place;
what it waits for is due while nobody is at work."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from magent.answering import PREFIX
from magent.events import Event
from magent.ports import CANCEL, Question
from tests.recovery.crowd import name
from tests.recovery.faults import USUAL, killed_somewhere
from tests.recovery.made import HOUR, effects
from tests.recovery.nursery import Life
from tests.recovery.places import FilePlace, Place, PostgresPlace, SqlitePlace
from tests.recovery.rounds import KILLED, MOST, OVER, RUN, WORKS, Ward, finished
from tests.recovery.tracing import HOW

SOON = 60.0  # seconds in which what is to be done at once is done


def until(so: Callable[[], bool], *lives: Life) -> bool:
    """Waits until it is so, or none of the lives is left. Raises AssertionError where neither comes."""
    end = time.monotonic() + SOON
    while not so():
        if lives and not any(life.lives(0.01) for life in lives):
            return so()
        assert time.monotonic() < end, f"it does not come to that within {SOON:g} seconds: {so.__doc__}"
    return True


def answered(ward: Ward) -> None:
    """People answer while somebody drives the run; he, or they, are killed at random moments: what was taken counts."""
    ward.by_file = False
    for _ in range(ward.chance.randint(1, 4)):
        words = ward.next()
        if words is None:
            return
        if words[0] == "respond":
            ward.life(*words)
            continue
        life = ward.start(*words, looks=0.05)  # else it has ended before it looks
        while life.lives(0.01):
            if (asked := ward.question(driven=True)) is not None and _answers(ward, life, *asked):
                break
        ward.look_at(life.end())


def _answers(ward: Ward, driver: Life, question: Question, key: str) -> bool:
    """Somebody answers, or two: at once, or one once the other's answer is there. Whether the driver was killed
    meanwhile."""
    words = ward.answer(question, key)
    people = [ward.start(*words)]
    if ward.chance.random() < 0.3:
        people.append(ward.start(*ward.answer(question, key)))
    elif ward.chance.random() < 0.6 and driver.lives():
        people.append(_comes_second(ward, driver, people[0], words[-1], ward.answer(question, key), key))
    kills = ward.chance.random()
    if kills < 0.3 and driver.lives(ward.chance.random() * 0.2):
        driver.kill()
    elif kills < 0.4 and people[0].lives(ward.chance.random() * 0.2):
        people[0].kill()
    elif kills < 0.6:  # all that is left of the person is the note
        until(lambda: any(each.startswith(PREFIX) for each in _notes(ward)), people[0])
        people[0].kill()
    for ended in sorted((ward.look_on(person.end()) for person in people), key=lambda each: each.code):
        assert ended.code in (KILLED, 0, 2), ended
        ward.hear(ended, key if question.input != "choice" else "")
    return not driver.lives()


def _comes_second(ward: Ward, driver: Life, first: Life, name: str, words: list[str], key: str) -> Life:
    """Somebody answers when another has, while who drives the run sleeps and sees neither."""
    driver.signal(signal.SIGSTOP)
    try:
        if until(lambda: name in _authors(ward), first):
            ward.first[key] = name
        second = ward.start(*words)
        second.lives(1.5)
    finally:
        driver.signal(signal.SIGCONT)
    return second


def _authors(ward: Ward) -> list[str]:
    """Of answers that are left for whoever drives the run."""
    if ward.info() is None:
        return []
    notes = asyncio.run(ward.place.open().notes(ward.run_id)).values()
    return [note["answer"].get("by") for note in notes if "answer" in note]


def _notes(ward: Ward, place: Place | None = None) -> Sequence[str]:
    if ward.info(place) is None:
        return ()
    return list(asyncio.run((place or ward.place).open().notes(ward.run_id)))


def cancelled(ward: Ward) -> None:
    """Somebody ends the run for good while it is driven; he, or who drives it, is killed: what was promised holds, and
    what was asked for is done by the next life."""
    if ward.chance.random() < 0.5:
        killed_somewhere(ward)
    words = ward.next()
    if words is None or words[0] == "respond":
        return
    driver = ward.start(*words, looks=0.05)
    driver.lives(ward.chance.random() * ward.takes)
    person = ward.start("runs", "cancel", RUN, "--by", "person 0")
    seen, kills = False, ward.chance.random()
    if kills < 0.8:
        seen = until(lambda: CANCEL in _notes(ward), person)
    if 0.2 < kills < 0.8:
        person.kill()
    if kills < 0.5:
        driver.lives(ward.chance.random() * 0.1)
        driver.kill()
    ended = ward.look_on(person.end())
    ward.look_at(driver.end())
    assert ended.code in (KILLED, 0, 1, 2), ended  # 1: nobody has obeyed yet; 2: there was no such run
    promised = ended.code == 0 and "is cancelled" in ended.out + ended.err
    _is_obeyed(ward, promised, seen)


def _is_obeyed(ward: Ward, promised: bool, seen: bool) -> None:
    """`seen`: somebody had asked for the end."""
    for _ in range(MOST):
        asked, words = seen or CANCEL in _notes(ward), ward.next()
        if words is None:
            break
        assert not promised, "it was said to be cancelled, and goes on"
        ended = ward.go_on()
        assert ended is not None
        if asked and words[0] == "resume":
            info = ward.info()
            assert info is not None
            assert info.status in OVER, f"it was asked to end, and is {info.status}\n{ended}"
    info = ward.info()
    assert info is not None
    assert info.status == "cancelled" or not promised, f"it was said to be cancelled, and is {info.status}"
    if info.status != "cancelled":
        return
    done = effects(ward.home)
    again = ward.life("resume", RUN, "--no-input")
    assert effects(ward.home) == done, f"work is done in a run that was cancelled\n{again}"
    ward.note()
    ward.place.check()
    ward.check_record()
    result = asyncio.run(ward.place.open().result(RUN))
    assert result is not None, "there is no result"
    assert result["status"] == "cancelled", result
    ward.checked = True


def late(ward: Ward) -> None:
    """Hours pass, while somebody is at work or nobody. What is due is done by the next life, and nothing before; no
    time begins anew with a life, and no attempt."""
    ward.by_file, ward.stops = False, []
    ward.durability = "async" if ward.durability == "exit" else ward.durability  # else a kill takes all that was done
    for hours in (0.0, 0.4, 1.1, 1.6, 2.3):
        for _ in range(ward.chance.randint(0, 2)):
            words = ["sweep"] if ward.chance.random() < 0.4 else _words(ward)
            life = ward.start(*words, clock=[(0, hours * HOUR)])
            ward.look_at(life.kill() if life.lives(ward.chance.random() * 0.5) else life.end())
            _nothing_before(ward, hours)
        if hours in (0.4, 1.6) or ((info := ward.info()) is not None and info.status in OVER):
            continue
        life = ward.start(*_words(ward), clock=[(0, hours * HOUR)])
        assert until(_due(ward, hours), life), f"after {hours} hours it is not what it should be: {_kinds(ward)}"
        ward.look_at(life.kill())
        _nothing_before(ward, hours)
    life = ward.start(*_words(ward), clock=[(0, hours * HOUR)])
    ward.look_at(life.end())


def _words(ward: Ward) -> list[str]:
    """Who resumes it when it is over is told so."""
    begins = ward.next() if ward.info() is None else None
    return begins or ["resume", RUN, "--no-input"]


def _kinds(ward: Ward) -> list[tuple[str, str]]:
    return [(event.type, event.data.get("node", event.data.get("path", ""))) for event in ward.events(ward.place)]


def _due(ward: Ward, hours: float) -> Callable[[], bool]:
    """Whether all that is due after so many hours is done."""

    def so() -> bool:
        """All that is due is done."""
        if ward.info() is None:
            return False
        kinds = Counter(_kinds(ward))
        for node in ward.made.data["nodes"].keys() & {"w1", "h1", "h2", "r1"}:
            tries = kinds["visit.retry", node]
            over = kinds["visit.completed", node] + kinds["visit.failed", node]
            if hours < 1:
                done = kinds["visit.started", node] and (node != "r1" or tries >= 1)
            else:
                done = over or (node == "r1" and hours < 2 and tries >= 2)
            if not done:
                return False
        return True

    return so


def _nothing_before(ward: Ward, hours: float) -> None:
    """What is not due yet is not done."""
    if ward.info() is None:
        return
    kinds = Counter(_kinds(ward))
    for node in ("w1", "h1", "h2", "r1"):
        over = kinds["visit.completed", node] + kinds["visit.failed", node]
        assert not over or hours >= (2 if node == "r1" else 1), f"{node} is over after {hours} hours"
    tries = kinds["visit.retry", "r1"]
    assert tries <= 1 + int(hours), f"r1 was tried {tries} times in {hours} hours"


def copied(ward: Ward) -> None:
    """A run is copied, or moved, to another store by lives that die of one of their writes, or whose machine loses its
    power: it is there whole, or not at all, and never lost. It goes on where it is."""
    killed_somewhere(ward)
    if ward.info() is None:
        return
    here = ward.place.open()
    made = asyncio.run(here.workspace(RUN)) / "made.txt"
    made.write_text("made")
    asyncio.run(here.leave(RUN, "keepsake", {"said": "left"}))
    there = ward.chance.choice((FilePlace, SqlitePlace))(ward.top / "there", sealed=bool(ward.place.sealed))
    move = ["--move"] if ward.chance.random() < 0.6 else []
    before = ward.events(ward.place)
    for _ in range(ward.chance.randint(1, 4)):
        death = ward.death(ward.chance.randint(1, 120), ward.chance.choice(HOW))
        power = ward.chance.random() < 0.4 and not isinstance(ward.place, PostgresPlace)
        ended = ward.life("runs", "copy", RUN, "--to", there.url, *move, death=replace(death, power=power))
        assert ended.code in (KILLED, 0, 2), ended
        stays, moved = ward.info() is not None, ward.info(there) is not None
        assert stays or moved, f"it is lost\n{ended}"
        for place in (*([ward.place] if stays else []), *([there] if moved else [])):
            assert ward.events(place) == before, f"it is not whole in {place.url}\n{ended}"
            assert "keepsake" in _notes(ward, place), f"what was left for it is not in {place.url}\n{ended}"
            place.check()
        if moved and (ended.code == 2 or not stays):
            break
    if ward.info(there) is not None:
        kept = asyncio.run(there.open().workspace(RUN)) / "made.txt"
        assert kept.read_text() == "made", "its files are not there"
    if ward.info() is None:
        ward.place = there


def forked(ward: Ward) -> None:
    """A new run begins where another had come to, by lives that die of one of their writes: it is there whole or not
    at all, has of the old one what was done by then and nothing that was done later, and the old one stays as it is."""
    for _ in range(ward.chance.randint(0, 2)):
        killed_somewhere(ward)
    if ward.chance.random() < 0.6:
        ward.finish()
    if ward.info() is None or not (before := ward.events(ward.place)):
        return None
    origin, kept = _origin(ward, before)
    answers = ["--answers", str(ward.home / "answers.yaml")] if ward.by_file else []
    words = ["resume", RUN, "--from", origin, "--no-input", *answers]
    for at in range(5):
        how = {"death": ward.some_write(20, 120)} if at < 4 else {}
        ended = ward.life(*words, **how)
        assert ended.code in USUAL, ended
        assert ward.events(ward.place) == before, f"the run that was forked is not what it was\n{ended}"
        for info in asyncio.run(ward.place.open().list()):
            if info.id != RUN and _has_begun(ward, info.id):
                return _goes_on_without(ward, info.id, kept)
    raise AssertionError("it does not begin")


def _origin(ward: Ward, before: Sequence[Event]) -> tuple[str, Callable[[set[str]], bool]]:
    """From where, and whether what was taken over is right: these visits, by key without the run."""
    record = asyncio.run(ward.place.open().read(RUN, checkpoint=False))
    begun = [event for event in before if event.type == "visit.started" and event.data["node"][0] in WORKS]
    if not begun or ward.chance.random() < 0.5:
        seq = ward.chance.randint(1, len(before))
        done = within(finished(replace(record, events=before[:seq])))
        return str(seq), lambda kept: kept == done
    event = ward.chance.choice(begun)
    path = event.data["path"]
    starts = [each for each in begun if each.data["path"] == path and each.data.get("attempt", 1) == 1]
    first = next(each for each in starts if each.data["visit"] == event.data["visit"])
    done = within(finished(replace(record, events=before[: first.seq - 1])))
    return f"{path}#{starts.index(first) + 1}", lambda kept: done <= kept


def within(keys: Sequence[str]) -> set[str]:
    return {key.partition("/")[2] for key in keys}


def _has_begun(ward: Ward, run_id: str) -> bool:
    """Else it is removed: it was ended before anything of it was recorded."""
    if asyncio.run(ward.place.open().read(run_id, checkpoint=False)).events:
        return True
    ward.life("runs", "rm", run_id, "--yes")
    return False


def _goes_on_without(ward: Ward, run_id: str, right: Callable[[set[str]], bool]) -> None:
    record = asyncio.run(ward.place.open().read(run_id, checkpoint=False))
    at = next((at for at, event in enumerate(record.events) if event.type == "run.forked"), None)
    assert at is not None, f"only a part of what {run_id} takes over is there: {len(record.events)} events"
    kept = set(finished(replace(record, events=record.events[:at])))
    assert right(within(list(kept))), f"it takes over what it should not, or too little: {sorted(kept)}"
    ward.follow(run_id, kept)


def crowd(ward: Ward, many: int = 200) -> None:
    """200 runs at once, in four processes of which some are killed; then one goes on with all."""
    several = [ward.do_many(range(first, first + many // 4)) for first in range(0, many, many // 4)]
    for life in several:
        if ward.chance.random() < 0.6:
            life.lives(ward.chance.random() * ward.takes * many / 20)
            life.kill() if life.lives() else life.end()
        else:
            assert (ended := life.end()).code == 0, ended
    ward.nursery.settle()
    ended = ward.do_many(range(many)).end()
    assert ended.code == 0, ended
    for number in range(many):
        ward.compare(name(number))
    ward.place.check()
    listed = ward.life("runs", "list", "--output", "json")
    assert len(json.loads(listed.out)) == many, listed
    ward.checked = True
