"""The tables of a store on PostgreSQL, and how they become what this version wants."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from magent.errors import StoreError

if TYPE_CHECKING:
    from psycopg import Connection

# Each is applied once, in order, by whoever comes first; what was released is never changed here.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE run (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text NOT NULL UNIQUE,"
        " created double precision NOT NULL, header bytea NOT NULL, workflow bytea NOT NULL, result bytea,"
        " place text NOT NULL)",
        "CREATE INDEX run_created ON run (created, id)",
        "CREATE TABLE event (run bigint NOT NULL, seq bigint NOT NULL, line bytea NOT NULL, PRIMARY KEY (run, seq))",
        "CREATE TABLE checkpoint (run bigint NOT NULL, seq bigint NOT NULL, body bytea NOT NULL,"
        " PRIMARY KEY (run, seq))",
        "CREATE TABLE note (run bigint NOT NULL, name text NOT NULL, body bytea NOT NULL, PRIMARY KEY (run, name))",
        # Who holds a run, none where it is free; `token` counts the holders there were, `seq` is the last event.
        "CREATE TABLE lease (run bigint PRIMARY KEY, seq bigint NOT NULL, token bigint NOT NULL, holder text,"
        " beat timestamptz NOT NULL, term interval NOT NULL) WITH (fillfactor = 50)",
    ),
)


def applied(connection: Connection[Any], schema: str) -> int:
    """How many migrations the database has; the schema is where names are looked for from now on. Raises StoreError
    where it is of a newer version, psycopg.Error."""
    sql = "SELECT set_config('search_path', %s, false), to_regclass(%s)::text"
    found = connection.execute(sql, (schema, f"{schema}.migration")).fetchone()
    if found is None or found[1] is None:
        return 0
    (version,) = connection.execute("SELECT max(version) FROM migration").fetchone() or (0,)
    if version is not None and version > len(MIGRATIONS):
        hint = "update this one: pip install -U 'magent-cli[postgres]'"
        raise StoreError(f"the schema '{schema}' was made by a newer magent", hint)
    return int(version or 0)


def is_behind(done: int) -> bool:
    """Whether there are tables, of an older version."""
    return 0 < done < len(MIGRATIONS)


def migrate(connection: Connection[Any], schema: str) -> None:
    """Brings the database to this version; of several processes one does it while the others wait. Raises StoreError,
    psycopg.Error."""
    if applied(connection, schema) == len(MIGRATIONS):
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (0x6D616765, zlib.crc32(schema.encode()) >> 1))
        if connection.execute("SELECT to_regnamespace(%s)::text", (schema,)).fetchone() != (schema,):
            connection.execute(f'CREATE SCHEMA "{schema}"')
        done = applied(connection, schema)
        if not done:
            when = "applied timestamptz NOT NULL DEFAULT now()"
            connection.execute(f"CREATE TABLE IF NOT EXISTS migration (version integer PRIMARY KEY, {when})")
        for version, statements in enumerate(MIGRATIONS[done:], done + 1):
            for statement in statements:
                connection.execute(statement)
            connection.execute("INSERT INTO migration (version) VALUES (%s)", (version,))
