"""The status row of an order in a read database: what every contender writes after each change."""

import asyncio
import sqlite3
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import aiosqlite

from benchmarks.contenders.order import Order

TABLE = """CREATE TABLE IF NOT EXISTS order_status (
    order_id VARCHAR(80) PRIMARY KEY, saga_type VARCHAR(40) NOT NULL,
    customer_id VARCHAR(80) NOT NULL, status VARCHAR(20) NOT NULL, step VARCHAR(40),
    steps TEXT NOT NULL, amount_minor BIGINT NOT NULL, currency VARCHAR(3) NOT NULL,
    version INTEGER NOT NULL, updated_at VARCHAR(40) NOT NULL)"""
UPSERT = """INSERT INTO order_status (order_id, saga_type, customer_id, status, step, steps,
    amount_minor, currency, version, updated_at)
VALUES (:order_id, :saga_type, :customer_id, :status, :step, :steps,
    :amount_minor, :currency, :version, :updated_at)
ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, step = excluded.step,
    steps = excluded.steps, version = excluded.version, updated_at = excluded.updated_at
WHERE order_status.version < excluded.version"""
"""A newer row replaces an older one only, as with whoever writes it at least once."""


@dataclass(frozen=True)
class Row:
    """How an order stands."""

    order_id: str
    customer_id: str
    status: str
    step: str | None
    steps: str
    amount_minor: int
    version: int
    updated_at: str
    saga_type: str = "order"
    currency: str = "USD"

    @classmethod
    def of(cls, order: Order, status: str, done: list[str]) -> "Row":
        """The row after the latest of the steps that are done, in their order."""
        return cls(
            order_id=order.order_id,
            customer_id=order.customer_id,
            status=status,
            step=done[-1] if done else None,
            steps=",".join(done),
            amount_minor=order.total,
            # A refusal is a change in which no step is done.
            version=2 * len(done) + (status != "running"),
            updated_at=datetime.now(UTC).isoformat(),
        )

    def as_dict(self) -> dict[str, Any]:
        """By column."""
        return asdict(self)


class Rows(Protocol):
    """Where rows are written."""

    async def put(self, row: Row) -> None:
        """Write one, durably."""


class NoRows:
    """Nowhere."""

    async def put(self, row: Row) -> None:
        """Forget it."""


class SqliteRows:
    """A file with a write-ahead log, as the project's own default: a crash loses nothing."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connected: aiosqlite.Connection | None = None
        self._opening = asyncio.Lock()

    async def put(self, row: Row) -> None:
        """One transaction; one after the other, as SQLite has one writer."""
        async with self._opening:
            if self._connected is None:
                self._connected = await self._open()
            await self._connected.execute(UPSERT, row.as_dict())

    async def _open(self) -> aiosqlite.Connection:
        connected = await aiosqlite.connect(self._path, isolation_level=None)
        await connected.execute("PRAGMA journal_mode=WAL")
        await connected.execute("PRAGMA synchronous=NORMAL")
        await connected.execute(TABLE)
        return connected


def count(path: str) -> int:
    """How many orders have a row that says how they ended; for a file that nobody writes."""
    with sqlite3.connect(path) as connected:
        ended = "SELECT count(*) FROM order_status WHERE status IN ('completed', 'compensated')"
        return int(connected.execute(ended).fetchone()[0])
