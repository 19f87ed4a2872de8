"""The stores that rounds are run on: where they are, what may stand in them, and how they are spoilt."""

from __future__ import annotations

import json
import random
import re
import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from magent.ports import RunStore
from magent.stores import open_store
from magent.stores.codec import Codec, number_of, plain
from magent.stores.postgres import PostgresStore
from magent.stores.sealed import Keyring
from tests.postgres import Postgres

_KNOWN = re.compile(  # what may stand in a file store, also after a crash
    r"\.gitignore|workspaces(/[\w-]+(/.*)?)?|runs|runs/\.tmp(/.*)?|runs/[\w-]+"
    r"|runs/[\w-]+/(run\.json|workflow\.json|journal\.jsonl|result\.json|\.result\.json|lock|notes|notes/[\w.-]+"
    r"|checkpoints|checkpoints/(\d{8,}\.json|\.new)|workspace(/.*)?)"
)
_KINDS = {"run.json": "header", "workflow.json": "workflow", "result.json": "result"}


class Place(ABC):
    """A store in a directory of its own, as far as it has files. `writes` are those that a process may die of."""

    name: str
    sockets = False
    parts: Sequence[str] = ("",)  # words in the paths of writes that are worth dying of; "" is in all

    def __init__(self, top: Path, *, sealed: bool = False) -> None:
        self.top = top
        self.sealed = sealed
        self.codec: Codec = Keyring([bytes(range(32))]) if sealed else plain
        self._env = {"MAGENT_ENCRYPTION_KEY_ENV": "THE_KEY", "THE_KEY": bytes(range(32)).hex()} if sealed else {}

    @property
    def env(self) -> dict[str, str]:
        """What a life needs to find it, and to read it."""
        return {"MAGENT_STORE": self.url, **self._env}

    @property
    @abstractmethod
    def url(self) -> str: ...

    def open(self) -> RunStore:
        return open_store(self.url, self.codec)

    @abstractmethod
    def check(self) -> None:
        """Raises AssertionError where anything in it is half written."""

    @abstractmethod
    def cut(self, run_id: str, chance: random.Random) -> str:
        """Loses the end of what was written. Says what was done; "" where there is nothing to lose."""

    @abstractmethod
    def flip(self, run_id: str, chance: random.Random) -> str:
        """Changes one byte of what is kept of the run."""

    def tear(self, run_id: str, chance: random.Random) -> str:
        """Leaves a write that was never finished behind what is there; "" where the store's server sees to that."""
        return ""

    def keep(self) -> None:
        """Makes a copy of all there is."""
        shutil.copytree(self.top / "store", self.top / "kept")

    def put_back(self) -> None:
        shutil.rmtree(self.top / "store")
        shutil.move(self.top / "kept", self.top / "store")


class FilePlace(Place):
    name = "file"
    parts = ("", "", "", "result.json", "result.json", "checkpoints", "run.json")

    @property
    def url(self) -> str:
        return f"file:{self.top}/store"

    def _run(self, run_id: str) -> Path:
        return self.top / "store" / "runs" / run_id

    def check(self) -> None:
        home = self.top / "store"
        for path in home.rglob("*"):
            name = str(path.relative_to(home))
            assert _KNOWN.fullmatch(name), f"{name} should not be in a store"
            if not name.startswith("runs/.tmp") and path.is_file() and path.name[0] != "." and "workspace" not in name:
                self._parse(path)

    def _parse(self, path: Path) -> None:
        data, run = path.read_bytes(), path.relative_to(self.top / "store" / "runs").parts[0]
        codec = self.codec(run)
        codec.decode("header", (self._run(run) / "run.json").read_bytes())
        if path.name == "journal.jsonl":
            for line in data.split(b"\n")[:-1]:
                codec.event(line)
        elif path.parent.name == "checkpoints":
            codec.decode("checkpoint", data, int(path.stem))
        elif path.parent.name == "notes":
            codec.decode("note", data, number_of(path.stem))
        elif path.name in _KINDS:
            codec.decode(_KINDS[path.name], data, None if path.name == "result.json" else 0)  # type: ignore[arg-type]
        else:
            json.loads(data or b"{}")  # a lock

    def cut(self, run_id: str, chance: random.Random) -> str:
        return shorten(self._run(run_id) / "journal.jsonl", chance)

    def flip(self, run_id: str, chance: random.Random) -> str:
        known = ("journal.jsonl", "run.json", "workflow.json", "result.json", "lock")
        files = [self._run(run_id) / name for name in known]
        files = [each for each in (*files, *self._run(run_id).glob("checkpoints/*.json")) if each.is_file()]
        return flip(chance.choice(files), chance) if files else ""

    def tear(self, run_id: str, chance: random.Random) -> str:
        journal = self._run(run_id) / "journal.jsonl"
        if not journal.exists():
            return ""
        lines = journal.read_bytes().splitlines(keepends=True) or [b'{"seq":1,"time":1}\n']
        torn = chance.choice(lines)[: chance.randint(1, 40)].rstrip(b"\n")
        torn = chance.choice((torn, b"\0" * 200, torn + b"\0" * 50))
        with journal.open("ab") as file:
            file.write(torn)
        (self._run(run_id) / ".result.json").write_bytes(b'{"run_id":')
        return f"{len(torn)} bytes of an unfinished line"


class SqlitePlace(Place):
    name = "sqlite"
    parts = ("", "", "-wal", "-shm", "-locks")

    @property
    def file(self) -> Path:
        return self.top / "store" / "runs.db"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.file}"

    def check(self) -> None:
        if not self.file.exists():
            return
        for path in self.file.parent.iterdir():
            assert re.fullmatch(r"runs\.db(-wal|-shm|-locks)?", path.name), f"{path.name} should not be in a store"
        connection = sqlite3.connect(self.file)
        try:
            faults = connection.execute("PRAGMA integrity_check").fetchall()
            assert faults == [("ok",)], faults
            if connection.execute("PRAGMA application_id").fetchone() != (0,):
                _check_rows(lambda sql: connection.execute(sql).fetchall(), self.codec)
        finally:
            connection.close()

    def cut(self, run_id: str, chance: random.Random) -> str:
        log = Path(f"{self.file}-wal")
        file = log if log.exists() and log.stat().st_size and chance.random() < 0.7 else self.file
        return shorten(file, chance)

    def flip(self, run_id: str, chance: random.Random) -> str:
        files = [each for each in (Path(f"{self.file}-wal"), self.file) if each.exists() and each.stat().st_size]
        return flip(chance.choice(files), chance) if files else ""

    def tear(self, run_id: str, chance: random.Random) -> str:
        log = Path(f"{self.file}-wal")
        if not log.exists() or not log.stat().st_size:
            return ""
        data = log.read_bytes()
        torn = data[32:][: chance.randint(1, 4000)] or b"\0"
        with log.open("ab") as file:
            file.write(torn)
        return f"{len(torn)} bytes of an unfinished frame"


class PostgresPlace(Place):
    name = "postgres"
    sockets = True

    def __init__(self, top: Path, server: Postgres, *, sealed: bool = False, **options: str) -> None:
        super().__init__(top, sealed=sealed)
        self.server = server
        self._url = server.url(**options)
        store = self.open()
        assert isinstance(store, PostgresStore)
        self.schema = store.place.schema

    @property
    def url(self) -> str:
        return self._url

    @contextmanager
    def kept_in(self, directory: Path) -> Iterator[None]:
        """Tables that are made from now on are there."""
        self.server.own(directory)
        name = f"t{self.schema}"
        self.server.run(f"CREATE TABLESPACE {name} LOCATION '{directory}'")
        self._url += f"&options=-c%20default_tablespace%3D{name}"
        try:
            yield
        finally:
            self.server.run(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE", f"DROP TABLESPACE {name}")

    def keep(self) -> None:
        self._kept = {table: self.query(f"SELECT * FROM {table}") for table in ("run", "event", "checkpoint", "note")}

    def put_back(self) -> None:
        for table, rows in self._kept.items():
            self.server.run(f"SET search_path TO {self.schema}", f"DELETE FROM {table}")
            self.server.fill(f"{self.schema}.{table}", rows)

    def query(self, sql: str) -> list[Any]:
        return self.server.run(f"SET search_path TO {self.schema}", sql)

    def check(self) -> None:
        if self.query(f"SELECT to_regclass('{self.schema}.lease')::text") != [(None,)]:
            _check_rows(self.query, self.codec)
            assert self.query("SELECT id FROM run WHERE number NOT IN (SELECT run FROM lease)") == []

    def cut(self, run_id: str, chance: random.Random) -> str:
        of = f"run = (SELECT number FROM run WHERE id = '{run_id}')"
        ((last,),) = self.query(f"SELECT coalesce(max(seq), 0) FROM event WHERE {of}")
        if not last:
            return ""
        seq = chance.randint(1, last)
        self.query(f"DELETE FROM event WHERE {of} AND seq >= {seq} RETURNING seq")
        return f"the events from {seq} on are gone"

    def flip(self, run_id: str, chance: random.Random) -> str:
        of = f"(SELECT number FROM run WHERE id = '{run_id}')"
        places = [("run", column, f"number = {of}") for column in ("header", "workflow", "result")]
        for table, column in (("event", "line"), ("checkpoint", "body")):
            found = self.query(f"SELECT seq FROM {table} WHERE run = {of}")
            places += [(table, column, f"run = {of} AND seq = {seq}") for (seq,) in found]
        table, column, where = chance.choice(places)
        if not (found := self.query(f"SELECT {column} FROM {table} WHERE {where} AND {column} IS NOT NULL")):
            return ""
        data = bytearray(found[0][0])
        place = chance.randrange(len(data))
        data[place] ^= 1 << chance.randrange(8)
        self.query(f"UPDATE {table} SET {column} = '\\x{data.hex()}'::bytea WHERE {where} RETURNING 1")
        return f"byte {place} of {table}.{column} where {where}"


def _check_rows(query: Callable[[str], list[Any]], codec: Codec) -> None:
    """Nothing is kept of runs that are not there, and no event is left out. Every line can be read."""
    for table in ("event", "checkpoint", "note"):
        lost = query(f"SELECT run FROM {table} WHERE run <> 0 AND run NOT IN (SELECT number FROM run)")  # 0: of no run
        assert lost == [], f"{table} has rows of runs that are gone"
    counts = query("SELECT run, count(*), min(seq), max(seq) FROM event GROUP BY run")
    assert all(first == 1 and count == last for _, count, first, last in counts), counts
    for number, run_id, header, workflow, result in query("SELECT number, id, header, workflow, result FROM run"):
        read = codec(run_id)
        read.decode("header", bytes(header))
        read.decode("workflow", bytes(workflow))
        if result is not None:
            read.decode("result", bytes(result), None)
        for (line,) in query(f"SELECT line FROM event WHERE run = {number}"):
            read.event(bytes(line))
        for seq, body in query(f"SELECT seq, body FROM checkpoint WHERE run = {number}"):
            read.decode("checkpoint", bytes(body), seq)


def shorten(file: Path, chance: random.Random) -> str:
    size = file.stat().st_size if file.exists() else 0
    if not size:
        return ""
    left = chance.randrange(size)
    with file.open("r+b") as handle:
        handle.truncate(left)
    return f"{file.name} was cut from {size} to {left} bytes"


def flip(file: Path, chance: random.Random) -> str:
    data = bytearray(file.read_bytes())
    if not data:
        return ""
    place = chance.randrange(len(data))
    data[place] ^= 1 << chance.randrange(8)
    file.write_bytes(data)
    return f"byte {place} of {file.name}"
