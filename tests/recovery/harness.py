"""Rounds by store, fault and seed, each in a directory of its own, which is kept where it fails."""

from __future__ import annotations

import random
import shutil
import traceback
from contextlib import ExitStack
from pathlib import Path

from tests.postgres import Postgres
from tests.recovery.faults import FAULTS
from tests.recovery.made import Made, make
from tests.recovery.nursery import Nursery
from tests.recovery.places import FilePlace, Place, PostgresPlace, SqlitePlace
from tests.recovery.rounds import NotHere, Ward

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

    def round(self, store: str, fault: str, seed: int) -> str | None:
        """None, or why it cannot be tried on this machine. Every third one is kept under a key. Raises Trouble."""
        top = self.top / f"{store}-{fault}-{seed}"
        with ExitStack() as stack:
            place, made = self.place(store, top, fault, sealed=seed % 3 == 0), made_for(fault, seed)
            ward = Ward(top, self.nursery, place, made, random.Random(f"{store} {fault} {seed}"))
            stack.callback(ward.stack.close)
            try:
                _lead(ward, fault)
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
    if fault != "crowd":
        return make(seed)
    return next(made for at in range(1000) if not (made := make(f"{seed} {at}", nodes=range(3, 9))).asks_of_outside())


def _lead(ward: Ward, fault: str) -> None:
    ward.left_alone()
    FAULTS[fault](ward)
    if not ward.checked:
        ward.finish()
        ward.check()
