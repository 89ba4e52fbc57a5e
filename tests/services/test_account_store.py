"""Events are appended at the expected version or not at all; a snapshot only saves reading."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, update
from sqlalchemy.exc import IntegrityError

from services import ledger
from services import payment as payments
from services.accounts import SHAPE, Deposited
from services.application import database_of
from services.barrier import Operation
from services.database import Database
from services.event_store import Conflict, EventStore, NewEvent, Snapshot
from tests.services.calls import called, keyed, payment

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """The payment service's database, without the service."""
    database = database_of(payments.create_app(url))
    await database.open()
    yield database
    await database.close()


def happened(name: str) -> NewEvent:
    return NewEvent(event_id=name, event_type="happened", data={"name": name})


async def test_expected_versions(database_url: str) -> None:
    async with opened(database_url) as database:
        async with database.write([]) as session:
            store = EventStore(session, "thing")
            await store.append("a", 0, [happened("1"), happened("2")], NOW)
            await store.append("b", 0, [happened("other")], NOW)
            for stale in (0, 1, 3):
                with pytest.raises(Conflict):
                    await store.append("a", stale, [happened("late")], NOW)
            # No conflict, but stored already, under whatever version.
            with pytest.raises(IntegrityError):
                await store.append("a", 2, [happened("1")], NOW)
            await store.append("a", 2, [happened("3")], NOW)
        async with database.read() as session:
            store = EventStore(session, "thing")
            rows = await store.read("a")
            assert [(row.version, row.event_data) for row in rows] == [
                (number, {"name": str(number)}) for number in (1, 2, 3)
            ]
            assert {row.occurred_at for row in rows} == {NOW}
            assert [row.event_id for row in await store.read("a", after=1, limit=1)] == ["2"]
            assert await EventStore(session, "else").read("a") == []


async def test_what_is_not_committed_did_not_happen(database_url: str) -> None:
    async with opened(database_url) as database:

        async def fails() -> None:
            async with database.write([]) as session:
                await EventStore(session, "thing").append("a", 0, [happened("1")], NOW)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            await fails()
        async with database.read() as session:
            assert await EventStore(session, "thing").version("a") == 0


async def test_snapshots(database_url: str) -> None:
    async with opened(database_url) as database:
        async with database.write([]) as session:
            operation = Operation(session, "k", None, NOW)
            account = await ledger.open_account(operation, "a", "c", "USD")
            for number in range(2, 2 * ledger.SNAPSHOT_EVERY + 8):
                event = Deposited(amount_minor=number, key=f"k{number}")
                store = EventStore(session, "account")
                account = await ledger.append(store, account, event, NOW)
        async with database.read() as session:
            snapshot = await EventStore(session, "account").snapshot("a", SHAPE)
            assert snapshot is not None
            assert snapshot.version == 2 * ledger.SNAPSHOT_EVERY
            for from_snapshot in (True, False):
                assert await ledger.load(session, "a", from_snapshot=from_snapshot) == account

        async def load(**changes: object) -> int:
            async with database.write([]) as session:
                await session.exec(update(Snapshot).values(**changes))
            async with database.read() as session:
                loaded = await ledger.load(session, "a")
                assert loaded is not None
                return loaded.balance_minor

        # It is read, so one that lies is believed; one of another shape is not looked into.
        assert await load(state=snapshot.state | {"balance_minor": 0}) < account.balance_minor
        assert await load(state={"old": "shape"}, shape=SHAPE - 1) == account.balance_minor


async def test_the_table(database_url: str) -> None:
    def described(connection: Connection) -> tuple[dict[str, str], set[str], set[tuple[str, ...]]]:
        inspected = inspect(connection)
        columns = {it["name"]: str(it["type"]) for it in inspected.get_columns("events")}
        assert not any(it["nullable"] for it in inspected.get_columns("events"))
        assert inspected.get_pk_constraint("events")["constrained_columns"] == ["event_id"]
        indexes = {str(it["name"]) for it in inspected.get_indexes("events")}
        unique = {tuple(it["column_names"]) for it in inspected.get_unique_constraints("events")}
        return columns, indexes, unique

    async with opened(database_url) as database, database.read() as session:
        connection = await session.connection()
        columns, indexes, unique = await connection.run_sync(described)
    postgres = database_url.startswith("postgresql")
    assert columns == {
        "event_id": "TEXT",
        "aggregate_id": "TEXT",
        "aggregate_type": "VARCHAR(100)",
        "event_type": "VARCHAR(100)",
        "event_data": "JSONB" if postgres else "JSON",
        "version": "INTEGER",
        "occurred_at": "TIMESTAMP" if postgres else "DATETIME",
    }
    assert indexes >= {"idx_events_aggregate", "idx_events_type", "idx_events_occurred"}
    assert unique == {("aggregate_id", "version")}


async def test_a_database_from_before_there_were_accounts(tmp_path: Path) -> None:
    path = tmp_path / "payment.db"
    url = f"sqlite:///{path}"
    async with called(payments.create_app(url)) as client:
        await client.post("/payments", json=payment(), headers=keyed("do"))
    with closing(sqlite3.connect(path)) as database:
        database.executescript("DROP TABLE events; DROP TABLE snapshots")
    async with called(payments.create_app(url)) as client:
        refund = await client.post("/payments/p1/refund", json={}, headers=keyed("u", "do"))
        assert refund.json()["status"] == "refunded"
        account = {"account_id": "a", "customer_id": "c", "currency": "USD"}
        answer = await client.post("/accounts", json=account, headers=keyed("open"))
        assert answer.status_code == 201
