"""The choreographed twin of a stage, and what the services have stored of an order in either."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import partial
from pathlib import Path

import httpx
from sqlmodel import select

from brokers.envelope import Message
from brokers.memory import MemoryBroker
from contracts.commands import PlaceOrder
from services.choreography.events import CHOREOGRAPHY, SERVICES
from services.choreography.house import Choreography, NewOrder
from services.choreography.outbox import OutboxEntry
from services.order import OrderItem
from tests.integration.books import Books
from tests.integration.processes import eventually

ENDS = ("OrderConfirmed", "OrderCancelled")

_KEPT = {
    "order": "SELECT id, status, version, made_by, customer_id, currency, items, total_minor,"
    " shipment_id FROM orders WHERE id = ?1",
    "payment": "SELECT id, status, version, made_by, order_id, customer_id, amount_minor,"
    " refunded_minor, currency FROM payments WHERE id = 'payment-' || ?1",
    "inventory": "SELECT id, status, version, made_by, order_id, pieces FROM reservations"
    " WHERE id = 'reservation-' || ?1",
    "shipping": "SELECT id, status, version, made_by, order_id, address FROM shipments"
    " WHERE id = 'shipment-' || ?1",
}
"""All but times, random numbers, and reasons, which are each way's own words."""


Rows = dict[str, list[tuple[str | int | None, ...]]]


def kept(home: Path, order_id: str) -> Rows:
    """The rows that the four services have of an order."""
    rows = {}
    for service, query in _KEPT.items():
        with closing(sqlite3.connect(f"file:{home / service}.db?mode=ro", uri=True)) as database:
            rows[service] = database.execute(query, (order_id,)).fetchall()
    return rows


def as_event(order: PlaceOrder) -> NewOrder:
    """The same order, as the choreography takes it."""
    items = [OrderItem.model_validate(line.model_dump()) for line in order.items]
    return NewOrder(
        order_id=order.order_id,
        customer_id=order.customer_id,
        currency=order.currency,
        items=items,
        total_minor=sum(it.quantity * it.unit_price_minor for it in items),
        card_token=order.card_token,
        ship_to=order.ship_to,
    )


class Twin:
    """A choreography over a memory broker, on databases of its own."""

    def __init__(
        self, home: Path, stock: dict[str, int], broker: MemoryBroker, *, forgets: bool = False
    ) -> None:
        self.home = home
        self.books = Books(home)
        self.broker = broker
        self._forgets = forgets
        urls = {name: f"sqlite:///{home / name}.db" for name in SERVICES}
        self.house = Choreography(broker, urls, broker_forgets=forgets, stock=stock)
        self.clients: dict[str, httpx.AsyncClient] = {}

    async def place(self, order: PlaceOrder) -> bool:
        """Place an order as a customer does who clicks twice; whether it was taken."""
        body, key = as_event(order).model_dump(), {"Idempotency-Key": f"place-{order.order_id}"}
        once, twice = [
            await self.clients["order"].post("/choreography/orders", json=body, headers=key)
            for _ in range(2)
        ]
        assert (once.status_code, once.text) == (twice.status_code, twice.text)
        assert once.status_code in {202, 409}, once.text
        return once.status_code == 202

    async def types(self, order_id: str) -> list[str]:
        """What was published of an order, repetitions left out."""
        events = [message.event() async for message in self.broker.log(CHOREOGRAPHY)]
        return list(dict.fromkeys(it.type for it in events if it.subject == order_id))

    async def letters(self) -> list[Message]:
        """The dead letters of all four."""
        return [
            it for name in SERVICES for it in await self.broker.dead_letters(CHOREOGRAPHY, name)
        ]

    async def unpublished(self) -> int:
        """How many events the four outboxes have."""
        count = 0
        for database in self.house.databases.values():
            async with database.read() as session:
                count += len((await session.exec(select(OutboxEntry))).all())
        return count

    async def end(self, orders: Sequence[PlaceOrder]) -> None:
        """Wait until the orders have ended and no message is under way."""
        for order in orders:
            await eventually(partial(self._ended, order.order_id))
        for name in SERVICES:
            await eventually(partial(self._idle, name))
        # A relay learns after everyone else that the broker has its events.
        await eventually(self._all_published)

    async def _all_published(self) -> bool:
        return self._forgets or await self.unpublished() == 0

    async def _ended(self, order_id: str) -> bool:
        return any(name in ENDS for name in await self.types(order_id))

    async def _idle(self, group: str) -> bool:
        return await self.broker.waiting(CHOREOGRAPHY, group) == 0


@asynccontextmanager
async def twin_in(
    home: Path, stock: dict[str, int], broker: MemoryBroker | None = None, *, forgets: bool = False
) -> AsyncIterator[Twin]:
    """A twin whose services are there but do not react yet."""
    twin = Twin(home, stock, broker or MemoryBroker(), forgets=forgets)
    await twin.house.open()
    async with AsyncExitStack() as stack:
        for name, app in twin.house.apps.items():
            client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://twin")
            twin.clients[name] = await stack.enter_async_context(client)
        yield twin
    await twin.house.close()
