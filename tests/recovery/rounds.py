"""One round: a random workflow is left alone once, and disturbed once; then both must have come to the same."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from magent.engine import run as lives
from magent.engine.fold import Run
from magent.engine.view import visit_key
from magent.errors import MagentError, RunDamaged, UsageError
from magent.events import Event
from magent.loading import workflow_of
from magent.ports import Question, Record, RunInfo, RunStore
from magent.stores import open_store
from tests.recovery.judgement import (
    attempts_are_counted,
    checkpoints_fit,
    every_fold_can_be_kept,
    result_is_sum,
    result_of_run,
    used_notes,
)
from tests.recovery.made import Made, effects, file_of, output_of
from tests.recovery.nursery import Ended, Life, Nursery
from tests.recovery.places import Place
from tests.recovery.tracing import HOW, Death

RUN = "victim"
WORKS = "rkxa"  # what names of nodes begin with that leave traces
OVER = ("completed", "failed", "cancelled")
MOST = 60  # lives of one run
KILLED = -9


def outcome(store: RunStore, run_id: str) -> dict[str, Any]:
    """What a run came to, as its record alone tells."""
    record = asyncio.run(store.read(run_id, checkpoint=False))
    run = lives.refold(workflow_of(record), record)
    failure = None if run.failure is None else (run.failure.type, run.failure.node, run.failure.message)
    done = Counter(event.data["path"] for event in record.events if event.type == "visit.completed")
    state = {"state": unsigned(run.root.state.as_dict()), "outputs": unsigned(run.outputs)}
    return {"status": run.status, "failure": failure, "path": sorted(run.path), "completed": done, **state}


def unsigned(value: Any) -> Any:
    """Without who answered, when, and by which door."""
    if isinstance(value, list):
        return [unsigned(each) for each in value]
    if isinstance(value, dict):
        own = value.keys() - {"by", "at", "via", "comment"} if "via" in value else value.keys()
        return {name: unsigned(each) for name, each in value.items() if name in own}
    return value


def finished(record: Record) -> list[str]:
    """The keys of visits whose work is done, as the record tells."""
    run = Run(workflow_of(record))
    at_work: dict[int, str] = {}
    found = []
    for event in record.events:
        scope = event.data.get("scope", -1)
        if event.type == "visit.completed" and scope in at_work:
            found.append(at_work.pop(scope))
        run.apply(event)
        run.clear_ready()
        if event.type == "visit.started":
            at_work[scope] = visit_key(run, run.scopes[scope])
    assert len(found) == len(set(found)), f"done twice in the record: {Counter(found) - Counter(set(found))}"
    return found


def said_done(record: Record) -> set[str]:
    """The keys of visits of which a person said that their work was done before they were interrupted."""
    run = Run(workflow_of(record))
    found = set()
    for event in record.events:
        if event.type == "visit.answered" and event.data["answer"].get("choice") == "done":
            found.add(visit_key(run, run.scopes[event.data["scope"]]))
        run.apply(event)
        run.clear_ready()
    return found


def answered(record: Record) -> dict[str, list[str]]:
    """Who answered by hand, by the key of the visit that asked, as the record tells."""
    run = Run(workflow_of(record))
    found: dict[str, list[str]] = {}
    for event in record.events:
        if event.type == "visit.answered" and "rating" in event.data["answer"]:
            scope = run.scopes[event.data["scope"]]
            found.setdefault(visit_key(run, scope), []).append(event.data["answer"]["by"])
        run.apply(event)
        run.clear_ready()
    return found


def clear(ended: Ended, code: int = 5) -> Ended:
    """Holds an end to what is promised where nothing can be done: its code, what happened, what to do."""
    assert ended.code == code, ended
    lines = ended.err.splitlines()
    said = [at for at, line in enumerate(lines) if line.startswith("magent: ")]
    assert said, f"it does not say what happened\n{ended}"
    assert len(lines) > said[0] + 1, f"it does not say what to do\n{ended}"
    return ended


class NotHere(Exception):
    """This machine does not allow what a fault needs; it says so."""


class Ward:
    """The run of one round, and what is known of it. `log` tells what was done to it, line by line."""

    def __init__(self, top: Path, nursery: Nursery, place: Place, made: Made, chance: random.Random) -> None:
        self.top = top
        self.home = top / "home"
        self.nursery = nursery
        self.place = place
        self.made = made
        self.chance = chance
        self.run_id = RUN
        self.log: list[str] = []
        self.by_file = chance.random() < 0.5  # whether an answers file is at hand, or people answer when they are asked
        self.durability = chance.choice(("sync", "async", "exit"))
        nodes = sorted(made.data["nodes"])
        self.stops = ["--stop-after", chance.choice(nodes)] if chance.random() < 0.25 else []  # the first life
        self.settled: dict[str, int] = {}  # how often the work of finished visits was begun
        self.known: list[Event] = []  # what was seen of the record
        self.resulted = False  # whether a result was seen
        self.kept: set[str] = set()  # of a fork: what it took over as done
        self.files = True  # whether what was made in the workspace is still there
        self.told: dict[str, str] = {}  # whose answer was taken, by the key of the question
        self.first: dict[str, str] = {}  # whose answer was there before anybody else had said anything
        self.people = itertools.count(1)
        self.cut_short = False  # the life in which the run came to its end was killed after that
        self.ends: set[int] = set()  # the codes that lives ended with
        self.asked = ""  # the key of the last one that was answered
        self.faithful = True  # whether the record was left as it was
        self.spoilt = False  # something of it still is not what was written
        self.checked = False  # the fault has seen to that itself
        self.cwd = self.home
        self.stack = ExitStack()  # what is undone after the round
        made.put(self.home)

    # ---- left alone

    def left_alone(self) -> None:
        """Another run of the same, in peace: `alone` is what it came to, `takes` how many seconds."""
        home = self.top / "alone"
        self.made.put(home, quick=True)
        url, began = f"file:{home}/store", time.monotonic()
        words = ("run", "workflow.yaml", "--answers", "answers.yaml", "--id", RUN, "--durability", "exit")
        ended = self.nursery.do(*words, cwd=home, env={"MAGENT_STORE": url})
        while ended.code == 3:  # until the time that people have is up
            ended = self.nursery.do("resume", RUN, "--no-input", cwd=home, env={"MAGENT_STORE": url})
        assert ended.code in (0, 1), ended
        self.takes = time.monotonic() - began
        self.alone = outcome(open_store(url), RUN)
        assert self.alone["status"] in OVER, ended

    # ---- lives

    def start(self, *args: str, **how: Any) -> Life:
        self.note()
        how.setdefault("cwd", self.cwd)
        how["env"] = {**self.place.env, **how.get("env", {})}
        return self.nursery.start(*args, **how)

    def life(self, *args: str, **how: Any) -> Ended:
        ended = self.look_at(self.start(*args, **how).end())
        if args[0] == "respond":
            self.hear(ended, self.asked)
        return ended

    def hear(self, ended: Ended, key: str) -> None:
        """Whose answer was taken, nobody else is to be asked for; whoever comes later is told."""
        if ended.code == 2:
            assert key in self.told or KILLED in self.ends, ended
            assert "answered already" in ended.err or "not asked any more" in clear(ended, 2).err, ended
        elif ended.code == 0 and key:
            assert key not in self.told or not self.faithful, f"the answer to {key} was taken, and lost\n{ended}"
            self.told[key] = ended.args[-1]

    def do_many(self, numbers: range) -> Life:
        args = (str(self.home), str(numbers.start), str(len(numbers)))
        return self.nursery.start(*args, cwd=self.home, env=self.place.env, call="tests.recovery.crowd:main")

    def look_at(self, ended: Ended) -> Ended:
        """As `look_on`, once what it had started has ended, too."""
        self.nursery.settle()
        return self.look_on(ended)

    def look_on(self, ended: Ended) -> Ended:
        """Keeps what it said; nothing that people should not see may be in it."""
        self.log.append(str(ended))
        self.ends.add(ended.code)
        if ended.code == KILLED and ended.args[0] in ("run", "resume"):
            info = self.info()
            self.cut_short = info is not None and info.status in OVER
        assert "Traceback" not in ended.err, ended
        assert "internal error" not in ended.err, ended
        return ended

    def death(self, at: int, how: str, of: str = "") -> Death:
        places = [str(self.top / "store"), str(self.top / "there"), str(self.home / ".magent")]
        return Death(at, how, places, self.place.sockets, of=of)

    def some_write(self, *most: int) -> Death:
        """A death of one of the first writes, or of one of those to a part of the store."""
        of = self.chance.choice(self.place.parts)
        return self.death(self.chance.randint(1, 6 if of else self.chance.choice(most)), self.chance.choice(HOW), of)

    def stop_early(self) -> None:
        """The first life ends in good order, after the first node."""
        self.stops = ["--stop-after", next(iter(self.made.data["nodes"]))]
        self.go_on()

    def next(self) -> list[str] | None:
        """The words of the next life; None where the run is over."""
        info = self.info()
        answers = ["--answers", str(self.home / "answers.yaml")] if self.by_file else []
        if info is None:
            words = ["run", str(self.home / "workflow.yaml"), "--id", self.run_id, "--durability", self.durability]
            return [*words, "--no-input", *answers, *self.stops]
        if info.status in OVER:
            return None
        if (open_ := self.question()) is not None:
            return self.answer(*open_)
        return ["resume", self.run_id, "--no-input", *answers]

    def info(self, place: Place | None = None) -> RunInfo | None:
        try:
            return asyncio.run((place or self.place).open().info(self.run_id))
        except UsageError:
            return None

    def events(self, place: Place) -> list[Event]:
        return list(asyncio.run(place.open().read(self.run_id, checkpoint=False)).events)

    def is_held(self) -> bool:
        info = self.info()
        return info is not None and info.status == "running"

    def run(self) -> Run:
        record = asyncio.run(self.place.open().read(self.run_id))
        return lives.refold(workflow_of(record), record)

    def question(self, driven: bool = False) -> tuple[Question, str] | None:
        """The first that is open and that no file answers, and the key of its visit; of a run that somebody drives, if
        he does."""
        try:
            run = self.run()
        except MagentError:
            return None
        if run.status not in ("waiting", "interrupted", *(["running"] if driven else [])):
            return None
        for each in lives.open_questions(run):
            if each.input == "choice" or not self.by_file:
                return each, visit_key(run, lives.scope_of(run, each.path))
        return None

    def answer(self, question: Question, key: str) -> list[str]:
        """Who is asked whether work was done looks, and says so."""
        self.asked = "" if question.input == "choice" else key
        if question.input != "choice":
            answer: Any = self.made.answers[question.node]
        elif effects(self.home)[key]:
            answer = {"choice": "done", "form": {"output": output_of(question.node, key)}}
        else:
            answer = {"choice": "again"}
        by = f"person {next(self.people)}"
        return ["respond", self.run_id, question.path, "--answer", json.dumps(answer), "--by", by]

    def note(self) -> None:
        """What is on the record stays there, with what is kept beside it, and what it says is finished is not to be
        done again."""
        if self.spoilt:
            return
        store = self.place.open()
        try:
            record = asyncio.run(store.read(self.run_id, checkpoint=False))
        except (UsageError, RunDamaged):
            assert not self.known, "what was on the record cannot be read any more"
            return
        except MagentError:
            return
        events = list(record.events)
        assert events[: len(self.known)] == self.known, "what was on the record is not there any more"
        self.known = events
        result = result_of_run(store, self.run_id)
        assert result is not None or not self.resulted, "there was a result, and there is none any more"
        self.resulted = result is not None
        if events:
            checkpoints_fit(store, self.run_id, record)
        if self.faithful:
            done = effects(self.home)
            for key in finished(record):
                self.settled.setdefault(key, done[key])

    def follow(self, run_id: str, kept: set[str]) -> None:
        """From now on, another run is led: a fork, which took over what it `kept`."""
        self.run_id, self.kept = run_id, kept
        self.known, self.resulted, self.settled, self.told = [], False, {}, {}

    def forget(self) -> None:
        """The store is as it was before, or is not what it was: what was seen of it does not count."""
        self.known, self.resulted = [], False

    # ---- to the end

    def go_on(self, **how: Any) -> Ended | None:
        """The next life; None where the run is over. One that has no event is removed first."""
        words = self.next()
        if words is None:
            return None
        ended = self.life(*words, **how)
        if ended.code == 5 and "before anything of it was recorded" in ended.err:
            self.life("runs", "rm", self.run_id, "--yes", **how)
        return ended

    def finish(self) -> None:
        """Lives without disturbance, until the run is over."""
        for _ in range(MOST):
            ended = self.go_on()
            if ended is None:
                return
            assert ended.code in (0, 1, 3, 5) or ended.args[0] == "respond", ended
            assert ended.code != 5 or "before anything of it was recorded" in ended.err, ended
        raise AssertionError(f"after {MOST} lives the run is not over")

    def compare(self, run_id: str = "") -> None:
        run_id = run_id or self.run_id
        found = outcome(self.place.open(), run_id)
        for name, value in self.alone.items():
            assert found[name] == value, f"{name} of {run_id} is {found[name]!r}, left alone it is {value!r}"

    def check(self) -> None:
        """What must hold when the run is over."""
        self.note()
        self.compare()
        if not self.spoilt:
            self.place.check()
        self.check_record()
        self._check_tools()

    def check_record(self) -> None:
        record = asyncio.run(self.place.open().read(self.run_id, checkpoint=False))
        attempts_are_counted(record)
        every_fold_can_be_kept(record)
        self._check_work(record)
        if self.faithful:
            self._check_people(record)

    def _check_work(self, record: Record) -> None:
        done, said = effects(self.home), said_done(record)  # it may have died between its effect and its file
        made = asyncio.run(self.place.open().workspace(self.run_id))
        for key in finished(record):
            node = key.rpartition("/")[2].partition("#")[0]
            if node[0] not in WORKS:
                continue
            assert done[key] or key in self.kept | said, f"{key} is finished, but its work was never done"
            assert not done[key] or key not in self.kept, f"{key} was taken over as done, and was done again"
            there = (made / file_of(key)).exists() or key in said or not self.files
            assert there, f"the file that {key} made is not there"
        if not self.faithful:
            return
        for key, count in self.settled.items():
            assert done[key] == count, f"the work of {key} was done again after it was finished"
        for key, count in done.items():
            if key.rpartition("/")[2].startswith("x"):
                assert count == 1, f"{key} has effects outside, and was done {count} times"

    def _check_people(self, record: Record) -> None:
        told = answered(record)
        for key, people in told.items():
            assert len(people) == 1, f"{key} has more than one answer: {people}"
        for key, person in self.told.items():
            assert told.get(key) == [person], f"{person} was told that their answer to {key} counts: {told.get(key)}"
        for key, person in self.first.items():
            assert told.get(key, [person]) == [person], f"{person} was the first to answer {key}: {told.get(key)}"
        left = used_notes(self.place.open(), self.run_id, record.events)
        assert not left or self.cut_short, f"answers that are on the record are still left as notes: {left}"

    def _check_tools(self) -> None:
        status = self.alone["status"]
        listed = self.life("runs", "list", "--output", "json")
        assert {each["run_id"]: each["status"] for each in json.loads(listed.out)}[self.run_id] == status, listed
        shown = self.life("runs", "show", self.run_id, "--output", "json")
        assert json.loads(shown.out)["status"] == status, shown
        assert self.life("runs", "history", self.run_id).code == 0
        again = self.life("resume", self.run_id, "--no-input") if status == "completed" else shown
        assert again.code == 0, again
        if status == "completed":
            store = self.place.open()
            result = asyncio.run(store.result(self.run_id))
            assert result is not None, "there is no result"
            assert result["status"] == status, result
            result_is_sum(result, asyncio.run(store.read(self.run_id, checkpoint=False)), store)
