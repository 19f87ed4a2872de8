"""What an SQLite store's file holds, how it says whose it is, and why a copy that is torn has all of it.

    run, event, checkpoint, note    see `rows`
    begun                           what a run began with, once more

A copy that is made while runs are at work can be half older than the other half. Then a row is lost that has moved from
one page to another in between: it is in neither. So nothing moves that must not be lost. Rows of events are added at
the end of their table, where SQLite takes a new page when the last is full, and leaves that as it is; beside the table
is an index, which is made anew (in a table without rowids they would move with each page that is split). The root of a
tree, the first page there is, does move its rows away when it is full, so it is from the beginning. A row of `run` is
written anew with the run's result; what stands in `begun` is not. What moves all the same: the neighbours of what is
removed.
"""

from __future__ import annotations

import sqlite3

APPLICATION = 0x6D61676E  # "magn"
VERSION = 1
_TABLES = (
    "CREATE TABLE run (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, created REAL NOT NULL,"
    " header BLOB NOT NULL, workflow BLOB NOT NULL, result BLOB, place TEXT NOT NULL)",
    "CREATE TABLE event (run INTEGER NOT NULL, seq INTEGER NOT NULL, line BLOB NOT NULL, PRIMARY KEY (run, seq))",
    "CREATE TABLE checkpoint (run INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (run, seq))",
    "CREATE TABLE note (run INTEGER NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (run, name))",
    "CREATE INDEX run_created ON run (created, id)",
    "INSERT INTO event VALUES (0, 1, zeroblob(3000)), (0, 2, zeroblob(3000))",
)
_BEGUN = (
    "CREATE TABLE begun (number INTEGER PRIMARY KEY, id TEXT NOT NULL, created REAL NOT NULL, header BLOB NOT NULL,"
    " workflow BLOB NOT NULL, place TEXT NOT NULL)",
    "INSERT INTO begun SELECT value, '', 0, x'', zeroblob(3000), '' FROM json_each('[-1, 0]')",
    "INSERT INTO begun SELECT number, id, created, header, workflow, place FROM run",
)


def make(connection: sqlite3.Connection) -> None:
    """In a file that holds nothing yet, within a transaction. Raises sqlite3.Error."""
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def complete(connection: sqlite3.Connection) -> None:
    """In a file that was just made, or by an earlier one of us, within a transaction. Raises sqlite3.Error."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'begun'").fetchone():
        for statement in _BEGUN:
            connection.execute(statement)
