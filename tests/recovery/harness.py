"""Rounds by store, fault and seed, each in a directory of its own, which is kept where it fails."""

from __future__ import annotations

import itertools
import random
import shutil
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.postgres import Postgres
from tests.recovery.faults import Fault
from tests.recovery.made import Made, make, make_late, make_talk
from tests.recovery.nursery import Ended, Nursery
from tests.recovery.places import FilePlace, Place, PostgresPlace, SqlitePlace
from tests.recovery.rounds import KILLED, NotHere, Ward
from tests.recovery.table import FAULTS
from tests.recovery.tracing import HOW

EVERY = "every"  # write of a life: as many rounds
STORES = ("file", "sqlite", "postgres")


class Trouble(AssertionError):
    """A round failed. `kept` is its directory, where `log.txt` tells all that was done."""

    def __init__(self, said: str, kept: Path) -> None:
        super().__init__(said)
        self.kept = kept


class Harness:
    def __init__(self, top: Path, server: Postgres | None = None) -> None:
        self.top = top
        self._server = server
        self._stack = ExitStack()
        self._notes = top / "notes"
        self._notes.mkdir(parents=True)
        self.nursery = self._stack.enter_context(Nursery(self._notes))

    def __enter__(self) -> Harness:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        shutil.rmtree(self._notes)
        if not any(self.top.iterdir()):
            self.top.rmdir()

    @property
    def server(self) -> Postgres:
        if self._server is None:
            self._server = Postgres()
            self._stack.callback(self._server.close)
        return self._server

    def place(self, store: str, top: Path, fault: str, *, sealed: bool) -> Place:
        if store == "file":
            return FilePlace(top, sealed=sealed)
        if store == "sqlite":
            return SqlitePlace(top, sealed=sealed)
        options = {"lease": "0.5s"} if fault == "paused" else {}
        return PostgresPlace(top, self.server, sealed=sealed, **options)

    def every_write(self, store: str, seed: int, *, step: int = 1, how: Sequence[str] = HOW) -> int:
        """A round for every `step`-th write of a first life (of a second, where the seed is even), and each way to die
        of it. Gives how many. Raises Trouble."""
        made, rounds = make(seed, deepest=1, nodes=range(5, 12)), 0
        for at in itertools.count(1, step):
            for each in how:
                died: list[Ended] = []

                def die(ward: Ward, at: int = at, each: str = each, died: list[Ended] = died) -> None:
                    ward.stops = []
                    if seed % 2 == 0:
                        ward.stop_early()
                    ended = ward.go_on(death=ward.death(at, each))
                    if ended is not None:
                        died.append(ended)

                self._round(store, "write", seed, made, die, f"{store}-write{at}-{each}-{seed}")
                rounds += 1
                if not died or died[0].code != KILLED:  # there is no such write
                    return rounds
        raise AssertionError

    def round(self, store: str, fault: str, seed: int) -> str | None:
        """None, or why it cannot be tried on this machine. Every third one is kept under a key. Raises Trouble."""
        return self._round(store, fault, seed, made_for(fault, seed), FAULTS[fault], f"{store}-{fault}-{seed}")

    def _round(self, store: str, fault: str, seed: int, made: Made, disturb: Fault, name: str) -> str | None:
        top = self.top / name
        with ExitStack() as stack:
            place = self.place(store, top, fault, sealed=seed % 3 == 0)
            ward = Ward(top, self.nursery, place, made, random.Random(f"{store} {fault} {seed}"))
            stack.callback(ward.stack.close)
            try:
                _lead(ward, disturb)
            except NotHere as reason:
                shutil.rmtree(top)
                return str(reason)
            except Exception as error:
                (top / "log.txt").write_text("\n".join(ward.log) + traceback.format_exc())
                said = str(error) if isinstance(error, AssertionError) else traceback.format_exc()
                raise Trouble(said, top) from error
        shutil.rmtree(top)
        return None


def made_for(fault: str, seed: int) -> Made:
    if fault == "answered":
        return make_talk(seed)
    if fault == "late":
        return make_late(seed)
    if fault != "crowd":
        return make(seed)
    return next(made for at in range(1000) if not (made := make(f"{seed} {at}", nodes=range(3, 9))).asks_of_outside())


def _lead(ward: Ward, disturb: Fault) -> None:
    ward.left_alone()
    disturb(ward)
    if not ward.checked:
        ward.finish()
        ward.check()
