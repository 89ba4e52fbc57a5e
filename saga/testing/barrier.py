"""The barrier of docs/participants.md: a key has one effect, and what was undone stays so."""

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime

from saga.answers import KEY_REUSED, UNDONE
from saga.envelope import Call
from saga.messages import Command, DomainEvent
from saga.testing.posting import Role, What
from saga.testing.store import Store, content_of, post
from saga.testing.subject import amount_of


class Refusal(Exception):
    """The participant refuses, now and whenever it is asked with this key."""

    def __init__(self, problem_type: str) -> None:
        super().__init__(problem_type)
        self.problem_type = problem_type


def read(told: str, event: type[DomainEvent]) -> tuple[DomainEvent, datetime]:
    """The event that a participant has told, and when it happened."""
    content = json.loads(told)
    return event.model_validate(content["event"]), datetime.fromisoformat(content["at"])


class Barrier:
    """Stands before every effect; its answers and effects are written in one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

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
        with self._store.transaction() as database:
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
        content = content_of(call)
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
                post(database, call, what, role, number, moved=moved)
        database.execute("INSERT INTO answers VALUES (?, ?, ?, NULL)", (call.key, content, told))
        return None, told

    def known(self, key: str) -> str | None:
        """What a probe finds, if the action with this key stands."""
        with self._store.transaction() as database:
            if _row(database, "SELECT event FROM undone", key):
                return None
            stored = _row(database, "SELECT event FROM answers", key)
        return stored[0] if stored else None

    def first_command(self, key: str) -> str | None:
        """The command that first arrived with this key, as JSON."""
        with self._store.transaction() as database:
            row = _row(database, "SELECT content FROM commands", key)
        return row[0] if row else None


def _row(database: sqlite3.Connection, select: str, key: str) -> tuple[str | None, ...] | None:
    row: tuple[str | None, ...] | None = database.execute(
        f"{select} WHERE key = ?", (key,)
    ).fetchone()
    return row
