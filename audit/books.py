"""The participants' books: their own databases, read in one snapshot each and never written."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Self

from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.database import BookDatabase
from audit.entries import Kept, Participant, StockEntry
from audit.tables import ORDERS, PAYMENTS, RESERVATIONS, SHIPMENTS, EntryT, Table
from runtime.errors import SettingsError
from runtime.settings import Settings

_ROWS_AT_ONCE = 1000


@dataclass
class Snapshot:
    """One state of each book; they are not of the same moment."""

    kept: AsyncIterator[tuple[str, Kept]]
    """Every order that a book knows and what is kept for it, by ids in code-point order."""
    stock: Sequence[StockEntry]
    reserved: Counter[str]
    """The pieces of all open reservations by SKU, once `kept` has been read to its end."""


class Books:
    """The books of the four participants."""

    def __init__(self, databases: Mapping[Participant, BookDatabase]) -> None:
        self._databases = databases

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Self]:
        """The books that the settings name; raises SettingsError or ServerUnreachable."""
        async with AsyncExitStack() as stack:
            databases = {}
            for participant in Participant:
                database = BookDatabase(participant, _url(settings, participant))
                stack.push_async_callback(database.close)
                databases[participant] = database
            yield cls(databases)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """All that is kept, streamed; what is read later may be newer in another book."""
        async with AsyncExitStack() as stack:
            connections = {
                name: await stack.enter_async_context(database.snapshot())
                for name, database in self._databases.items()
            }
            with self._databases[Participant.INVENTORY].answering():
                stock = await _stock(connections[Participant.INVENTORY])
            reserved: Counter[str] = Counter()
            yield Snapshot(_merged(self._databases, connections, reserved), stock, reserved)

    async def of(self, order_ids: Sequence[str]) -> dict[str, Kept]:
        """What is kept for some orders just now."""
        orders = await self._some(ORDERS, order_ids)
        payments = await self._some(PAYMENTS, order_ids)
        reservations = await self._some(RESERVATIONS, order_ids)
        shipments = await self._some(SHIPMENTS, order_ids)
        return {
            it: Kept(
                tuple(orders.get(it, ())),
                tuple(payments.get(it, ())),
                tuple(reservations.get(it, ())),
                tuple(shipments.get(it, ())),
            )
            for it in order_ids
        }

    async def _some(
        self, table: Table[EntryT], order_ids: Sequence[str]
    ) -> dict[str, list[EntryT]]:
        database = self._databases[table.participant]
        wanted = f"WHERE {table.order_id} IN :wanted"
        query = text(table.query(database.backend, wanted)).bindparams(
            bindparam("wanted", list(order_ids), expanding=True)
        )
        found: dict[str, list[EntryT]] = {}
        async with database.snapshot() as connection:
            with database.answering():
                rows = await connection.execute(query)
            for row in rows.mappings():
                entry = table.entry(row)
                found.setdefault(entry.order_id, []).append(entry)
        return found


def _url(settings: Settings, participant: Participant) -> str:
    url = settings.service_database_urls[participant]
    if url is not None:
        return url
    name = participant.upper()
    raise SettingsError(
        f"{name}_SERVICE_URL names a service elsewhere, so the audit can't know its database:"
        f" set {name}_DATABASE_URL"
    )


async def _stock(connection: AsyncConnection) -> list[StockEntry]:
    rows = await connection.execute(text("SELECT id, on_hand, reserved FROM stock ORDER BY id"))
    return [StockEntry(str(sku), int(on_hand), int(reserved)) for sku, on_hand, reserved in rows]


async def _stream(
    database: BookDatabase, connection: AsyncConnection, table: Table[EntryT]
) -> AsyncIterator[EntryT]:
    query = text(table.query(database.backend))
    with database.answering():
        rows = await connection.stream(query, execution_options={"yield_per": _ROWS_AT_ONCE})
        async for some in rows.mappings().partitions():
            for row in some:
                yield table.entry(row)


class _Stack(Generic[EntryT]):
    """Entries by their orders, of which the first is looked at before it is taken."""

    def __init__(self, entries: AsyncIterator[EntryT]) -> None:
        self._entries = entries
        self._next: EntryT | None = None

    async def first(self) -> str | None:
        """The order of the next entry; None at the end."""
        if self._next is None:
            self._next = await anext(self._entries, None)
        return None if self._next is None else self._next.order_id

    async def take(self, order_id: str) -> tuple[EntryT, ...]:
        """All entries of that order."""
        taken: list[EntryT] = []
        while await self.first() == order_id and self._next is not None:
            taken.append(self._next)
            self._next = None
        return tuple(taken)


async def _merged(
    databases: Mapping[Participant, BookDatabase],
    connections: Mapping[Participant, AsyncConnection],
    reserved: Counter[str],
) -> AsyncIterator[tuple[str, Kept]]:
    def stack(table: Table[EntryT]) -> _Stack[EntryT]:
        name = table.participant
        return _Stack(_stream(databases[name], connections[name], table))

    orders, payments = stack(ORDERS), stack(PAYMENTS)
    reservations, shipments = stack(RESERVATIONS), stack(SHIPMENTS)
    while True:
        firsts = [
            await orders.first(),
            await payments.first(),
            await reservations.first(),
            await shipments.first(),
        ]
        here = [it for it in firsts if it is not None]
        if not here:
            return
        order_id = min(here)
        kept = Kept(
            await orders.take(order_id),
            await payments.take(order_id),
            await reservations.take(order_id),
            await shipments.take(order_id),
        )
        for reservation in kept.reservations:
            if reservation.stands:
                reserved.update(reservation.pieces)
        yield order_id, kept
