"""The ledger: one SQLite file of what the participants did, and of the faults they are to have.

Each call is one transaction, so the file holds when a worker process is killed, and several
processes share it.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from saga.envelope import Call
from saga.messages import Command, DomainEvent
from saga.testing.faults import Fault, FaultKind, Moment
from saga.testing.posting import How, Posting, Role, What
from saga.testing.subject import Amount, amount_of

UNDONE = "urn:problem:undone"
KEY_REUSED = "urn:problem:key-reused"

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


def read(told: str, event: type[DomainEvent]) -> tuple[DomainEvent, datetime]:
    """The event that a participant has told, and when it happened."""
    content = json.loads(told)
    return event.model_validate(content["event"]), datetime.fromisoformat(content["at"])


class Refusal(Exception):
    """The participant refuses, now and whenever it is asked with this key."""

    def __init__(self, problem_type: str) -> None:
        super().__init__(problem_type)
        self.problem_type = problem_type


@dataclass(frozen=True)
class Struck:
    """A fault that strikes a call."""

    number: int
    fault: Fault


class Ledger:
    """The books of all participants of all sagas under test; `:memory:` for one process alone."""

    def __init__(self, path: Path | str) -> None:
        self.path = path
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
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def _find(self, select: str, values: tuple[object, ...]) -> list[Any]:
        with self._lock:
            return self._database.execute(select, values).fetchall()

    # For tests: what shall go wrong.

    def strike(self, saga_id: str, *faults: Fault) -> None:
        """Let these faults happen to a saga."""
        with self._transaction() as database:
            for it in faults:
                database.execute(
                    "INSERT INTO faults (saga_id, call, kind, moment, times, deaf)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (saga_id, it.call, it.kind, it.moment, it.times, it.deaf),
                )

    def recover(self, saga_id: str, call: str | None = None) -> None:
        """Take back the faults of one call, or all of them; what is held goes on."""
        with self._transaction() as database:
            database.execute(
                "UPDATE faults SET gone = 1 WHERE saga_id = ? AND call = coalesce(?, call)",
                (saga_id, call),
            )

    def reached(self, saga_id: str, call: str) -> bool:
        """Whether a fault that is not taken back has struck this call."""
        found = self._find(
            "SELECT 1 FROM faults WHERE saga_id = ? AND call = ? AND reached AND NOT gone",
            (saga_id, call),
        )
        return bool(found)

    def unstruck(self, saga_id: str) -> list[str]:
        """The faults that have struck nothing, taken back or not, one line each."""
        found = self._find(
            "SELECT kind, call FROM faults WHERE saga_id = ? AND NOT reached", (saga_id,)
        )
        return [f"{kind} of {call}" for kind, call in found]

    # For tests: what happened.

    def postings(self, saga_id: str) -> list[Posting]:
        """All that happened to one saga, in order."""
        rows = self._find(
            "SELECT number, saga_id, what, role, name, step, key, call, how, minor, currency"
            " FROM postings WHERE saga_id = ? ORDER BY number",
            (saga_id,),
        )
        return [
            Posting(
                number=row[0],
                saga_id=row[1],
                what=What(row[2]),
                role=Role(row[3]),
                name=row[4],
                step=row[5],
                key=row[6],
                call=row[7],
                how=How(row[8]) if row[8] else None,
                minor=row[9],
                currency=row[10],
            )
            for row in rows
        ]

    def effects(self, saga_id: str) -> list[str]:
        """The names of what was done and taken back, in order."""
        return [it.name for it in self.postings(saga_id) if it.what is What.EFFECT]

    def calls(self, saga_id: str) -> list[str]:
        """The names of all calls that arrived, in order."""
        return [it.name for it in self.postings(saga_id) if it.what is What.BEGAN]

    def batches(self, saga_id: str, sink: str) -> list[str]:
        """What a sink was handed, as JSON."""
        select = "SELECT batch FROM batches WHERE saga_id = ? AND sink = ? ORDER BY number"
        return [str(row[0]) for row in self._find(select, (saga_id, sink))]

    # For the participants.

    def begin(self, call: Call[Command], role: Role, *, pid: int) -> int:
        """A call has arrived; its number."""
        with self._transaction() as database:
            if role is Role.ACTION:
                database.execute(
                    "INSERT OR IGNORE INTO commands VALUES (?, ?)", (call.key, _content(call))
                )
            number = _post(database, call, What.BEGAN, role, 0, pid=pid)
            database.execute("UPDATE postings SET call = number WHERE number = ?", (number,))
        return number

    def end(self, call: Call[Command], role: Role, number: int, how: How) -> None:
        """A call has ended."""
        with self._transaction() as database:
            _post(database, call, What.ENDED, role, number, how=how)

    def died(self, pid: int) -> None:
        """All calls of a killed process have ended."""
        with self._transaction() as database:
            database.execute(
                "INSERT INTO postings (saga_id, what, role, name, step, key, call, how)"
                " SELECT saga_id, ?, role, name, step, key, number, ? FROM postings AS began"
                " WHERE pid = ? AND what = ? AND NOT EXISTS"
                " (SELECT 1 FROM postings WHERE call = began.number AND what = ?)",
                (What.ENDED, How.KILLED, pid, What.BEGAN, What.ENDED),
            )

    def deliver(
        self,
        call: Call[Command],
        role: Role,
        number: int,
        tell: Callable[[], DomainEvent],
        *,
        refuse: str | None = None,
        has_effect: bool = True,
    ) -> str:
        """Hold the barrier: do it if it is new, and return what is told of it in any case.

        Raises:
            Refusal: it was undone, the key says something else, or it is to be refused.
        """
        with self._transaction() as database:
            refusal, event = self._decide(
                database, call, role, number, tell, refuse=refuse, has_effect=has_effect
            )
        if refusal is not None:
            raise Refusal(refusal)
        return event

    def _decide(
        self,
        database: sqlite3.Connection,
        call: Call[Command],
        role: Role,
        number: int,
        tell: Callable[[], DomainEvent],
        *,
        refuse: str | None,
        has_effect: bool,
    ) -> tuple[str | None, str]:
        content = _content(call)
        stored = _row(database, "SELECT content, event, refusal FROM answers", call.key)
        if stored is not None and stored[0] != content:
            return KEY_REUSED, ""
        undoing = role is Role.UNDO
        if not undoing and _row(database, "SELECT event FROM undone", call.key):
            return UNDONE, ""
        if stored is not None:
            return stored[2], stored[1] or ""
        again = _row(database, "SELECT event FROM undone", str(call.undoes)) if undoing else None
        if refuse is not None and again is None:
            database.execute(
                "INSERT INTO answers VALUES (?, ?, NULL, ?)", (call.key, content, refuse)
            )
            return refuse, ""
        if again is not None:
            told = str(again[0])
        else:
            event = tell()
            told = json.dumps(
                {"at": datetime.now(UTC).isoformat(), "event": event.model_dump(mode="json")}
            )
            what = What.EFFECT
            if undoing:
                done = _row(database, "SELECT event FROM answers", str(call.undoes))
                what = What.EFFECT if done is not None and done[0] else What.TOMBSTONE
                database.execute("INSERT INTO undone VALUES (?, ?)", (call.undoes, told))
            if has_effect:
                moved = amount_of(event, call.command) if what is What.EFFECT else None
                _post(database, call, what, role, number, moved=moved)
        database.execute("INSERT INTO answers VALUES (?, ?, ?, NULL)", (call.key, content, told))
        return None, told

    def known(self, key: str) -> str | None:
        """What a probe finds, if the action with this key stands."""
        with self._transaction() as database:
            if _row(database, "SELECT event FROM undone", key):
                return None
            stored = _row(database, "SELECT event FROM answers", key)
        return stored[0] if stored else None

    def first_command(self, key: str) -> str | None:
        """The command that first arrived with this key, as JSON."""
        with self._transaction() as database:
            row = _row(database, "SELECT content FROM commands", key)
        return row[0] if row else None

    def hand_over(self, saga_id: str, sink: str, batch: str) -> None:
        """Keep what a sink was handed."""
        with self._transaction() as database:
            database.execute(
                "INSERT INTO batches (saga_id, sink, batch) VALUES (?, ?, ?)",
                (saga_id, sink, batch),
            )

    # For the participants: what goes wrong.

    def struck(self, saga_id: str, call: str, moment: Moment) -> list[Struck]:
        """The faults that strike a call now, in the order in which they were told of."""
        rows = self._find(
            "SELECT number, kind, times, deaf FROM faults WHERE saga_id = ? AND call = ?"
            " AND moment = ? AND coalesce(times, 1) > 0 AND NOT gone ORDER BY number",
            (saga_id, call, moment),
        )
        return [
            Struck(
                row[0],
                Fault(
                    call=call,
                    kind=FaultKind(row[1]),
                    times=row[2],
                    moment=moment,
                    deaf=bool(row[3]),
                ),
            )
            for row in rows
        ]

    def take(self, struck: Struck) -> bool:
        """Use a fault up by one; False if another call has had its last."""
        with self._transaction() as database:
            taken = database.execute(
                "UPDATE faults SET times = times - 1, reached = 1"
                " WHERE number = ? AND coalesce(times, 1) > 0 AND NOT gone",
                (struck.number,),
            )
        return taken.rowcount == 1

    def stands(self, struck: Struck) -> bool:
        """Whether nobody has taken the fault back yet."""
        select = "SELECT 1 FROM faults WHERE number = ? AND NOT gone"
        return bool(self._find(select, (struck.number,)))

    def arm(self, struck: Struck) -> None:
        """Let a kill come with the saga's next call."""
        with self._transaction() as database:
            database.execute(
                "UPDATE faults SET armed = 1, reached = 0 WHERE number = ?", (struck.number,)
            )

    def disarm(self, saga_id: str) -> bool:
        """Whether a kill was to come with this call; it comes once."""
        with self._transaction() as database:
            disarmed = database.execute(
                "UPDATE faults SET armed = 0, reached = 1 WHERE saga_id = ? AND armed = 1",
                (saga_id,),
            )
        return disarmed.rowcount > 0


def _row(database: sqlite3.Connection, select: str, key: str) -> tuple[str | None, ...] | None:
    row: tuple[str | None, ...] | None = database.execute(
        f"{select} WHERE key = ?", (key,)
    ).fetchone()
    return row


def _content(call: Call[Command]) -> str:
    return json.dumps(call.command.model_dump(mode="json"), sort_keys=True)


def _post(
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
