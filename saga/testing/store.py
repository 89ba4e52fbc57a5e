"""The SQLite file of a ledger: its tables, its transactions, its postings."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from saga.envelope import Call
from saga.messages import Command
from saga.testing.posting import How, Role, What
from saga.testing.subject import Amount

_SCHEMA = """
CREATE TABLE IF NOT EXISTS postings (
    number INTEGER PRIMARY KEY AUTOINCREMENT, saga_id TEXT NOT NULL, what TEXT NOT NULL,
    role TEXT NOT NULL, name TEXT NOT NULL, step TEXT NOT NULL, key TEXT NOT NULL,
    call INTEGER NOT NULL, how TEXT, minor INTEGER, currency TEXT, pid INTEGER);
CREATE INDEX IF NOT EXISTS postings_of_saga ON postings (saga_id);
CREATE INDEX IF NOT EXISTS postings_of_call ON postings (call);
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, content TEXT NOT NULL, event TEXT, refusal TEXT);
CREATE TABLE IF NOT EXISTS undone (key TEXT PRIMARY KEY, event TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS commands (key TEXT PRIMARY KEY, content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS faults (
    number INTEGER PRIMARY KEY, saga_id TEXT NOT NULL, call TEXT NOT NULL, kind TEXT NOT NULL,
    moment TEXT NOT NULL, times INTEGER, deaf INTEGER NOT NULL, reached INTEGER DEFAULT 0,
    armed INTEGER DEFAULT 0, gone INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS batches (
    number INTEGER PRIMARY KEY, saga_id TEXT NOT NULL, sink TEXT NOT NULL, batch TEXT NOT NULL);
"""


class Store:
    """One SQLite file, shared by threads and processes; `:memory:` for one process alone."""

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.RLock()
        self._database = sqlite3.connect(
            path, timeout=30, isolation_level=None, check_same_thread=False
        )
        self._database.execute("PRAGMA journal_mode = WAL")
        # What a power cut leaves is not tested: a killed process loses nothing of this.
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is written in it, or nothing."""
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def find(self, select: str, values: tuple[object, ...]) -> list[Any]:
        """Rows, as they stand."""
        with self._lock:
            return self._database.execute(select, values).fetchall()


def content_of(call: Call[Command]) -> str:
    """What a call says, the same whenever it says the same."""
    return json.dumps(call.command.model_dump(mode="json"), sort_keys=True)


def post(
    database: sqlite3.Connection,
    call: Call[Command],
    what: What,
    role: Role,
    number: int,
    *,
    how: How | None = None,
    moved: Amount | None = None,
    pid: int | None = None,
) -> int:
    """Write a posting; its number."""
    minor, currency = moved or (None, None)
    posted = database.execute(
        "INSERT INTO postings"
        " (saga_id, what, role, name, step, key, call, how, minor, currency, pid)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            call.saga_id,
            what,
            role,
            call.name,
            call.step,
            call.key,
            number,
            how,
            minor,
            currency,
            pid,
        ),
    )
    return int(posted.lastrowid or 0)
