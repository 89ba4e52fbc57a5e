"""The choreography is killed at random moments, and each order has all of its effects or none.

SAGA_CHAOS_ROUNDS   how many kills, 2 by default; orders grow with them beyond 4
SAGA_CHAOS_SEED     the seed of a run that is to be repeated
"""

import asyncio
import os
import random
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from brokers.opening import opened
from brokers.port import Broker, BrokerUnreachable
from contracts.commands import PlaceOrder
from services.choreography.events import CHOREOGRAPHY, SERVICES
from tests.brokers.choreography_process import Processes, taken_off
from tests.choreography.twin import as_event
from tests.integration.books import Books
from tests.integration.checks import ALL_THERE
from tests.integration.processes import eventually
from tests.integration.stage import NOWHERE, an_order
from tests.ports import free_ports

ROUNDS = int(os.environ.get("SAGA_CHAOS_ROUNDS", "2"))
SEED = int(os.environ.get("SAGA_CHAOS_SEED") or random.randrange(10**6))
ORDERS = max(16, 4 * ROUNDS)
LIMIT = 60.0 + 5 * ROUNDS

pytestmark = pytest.mark.timeout(LIMIT + 60)


@dataclass(frozen=True)
class End:
    """How an order ends that was made like this."""

    order: PlaceOrder
    kept: Mapping[str, str]
    versions: tuple[int, int, int, int]
    events: int


def _orders() -> list[End]:
    refunded = {"order": "cancelled", "payment": "refunded"}
    released = refunded | {"reservation": "released"}
    return [
        (
            End(an_order(), ALL_THERE, (2, 1, 1, 1), 5),
            End(an_order(card="tok_declined"), {"order": "cancelled"}, (2, 0, 0, 0), 3),
            End(an_order("NOTHING"), refunded, (2, 2, 0, 0), 5),
            End(an_order(ship_to=NOWHERE), released, (2, 2, 2, 0), 7),
        )[number % 4]
        for number in range(ORDERS)
    ]


class House:
    """The process, its address, and what it has stored."""

    def __init__(self, home: Path, broker_url: str) -> None:
        ports = dict(zip(SERVICES, free_ports(4), strict=True))
        options = [part for name, port in ports.items() for part in (f"--{name}-port", str(port))]
        argv = [*options, "--home", str(home), "--seed", f"BOOK={2 * ORDERS}"]
        self.home = home
        self.books = Books(home)
        self.processes = Processes(argv, broker_url, home / "log")
        self.url = f"http://127.0.0.1:{ports['order']}"

    def effects(self) -> int:
        """How often the services have written, as far as they have databases."""
        tables = {
            "order": "orders",
            "payment": "payments",
            "inventory": "reservations",
            "shipping": "shipments",
        }
        found = [self.rows(*it, "coalesce(sum(version), 0)") for it in tables.items()]
        return sum(found)

    def rows(self, service: str, table: str, what: str = "count(*)") -> int:
        """A number of a table."""
        with closing(sqlite3.connect(self.home / f"{service}.db")) as database:
            [(number,)] = database.execute(f"SELECT {what} FROM {table}").fetchall()  # noqa: S608
        return int(number)


@pytest.fixture
def house(tmp_path: Path, rabbitmq_url: str) -> Iterator[House]:
    house = House(tmp_path, rabbitmq_url)
    yield house
    house.processes.kill()


@pytest.mark.long
async def test_it_is_killed_and_each_order_is_whole(house: House, rabbitmq_url: str) -> None:
    print(f"SAGA_CHAOS_SEED={SEED} SAGA_CHAOS_ROUNDS={ROUNDS}")
    rng = random.Random(SEED)
    ends = _orders()
    total = sum(sum(end.versions) for end in ends)
    async with opened(rabbitmq_url) as broker, asyncio.TaskGroup() as group:
        async with httpx.AsyncClient(base_url=house.url, trust_env=False) as client:
            # Other tests' orders are none of ours.
            await eventually(lambda: _is_empty(broker), seconds=LIMIT)
            house.processes.start()
            await eventually(lambda: _is_up(client), seconds=LIMIT)
            group.create_task(_place_all(client, ends))
            for left in range(ROUNDS, 0, -1):
                enough = min(house.effects() + rng.randrange(1, total // ROUNDS), total - left)
                await eventually(lambda: _has(house, enough), seconds=LIMIT)  # noqa: B023
                await asyncio.sleep(rng.uniform(0.0, 0.05))
                house.processes.kill()
                house.processes.start()
            await eventually(lambda: _has(house, total), seconds=LIMIT)
            await eventually(lambda: _is_done(house, broker), seconds=LIMIT)
        for end in ends:
            order_id = end.order.order_id
            assert house.books.of(order_id) == end.kept
            assert house.books.versions(order_id) == end.versions
        completed = [end.order for end in ends if end.kept == ALL_THERE]
        assert house.books.reserved("BOOK") == 2 * len(completed)
        taken = house.books.taken(end.order.order_id for end in ends)
        assert taken == sum(order.total.minor for order in completed)
        # Published more than once, perhaps, but never another in its place.
        mine = {end.order.order_id for end in ends}
        ids = {it.id async for it in broker.log(CHOREOGRAPHY) if it.key in mine}
        assert len(ids) == sum(end.events for end in ends)
        for name in SERVICES:
            assert await broker.dead_letters(CHOREOGRAPHY, name) == []


async def _is_empty(broker: Broker) -> bool:
    try:
        for name in SERVICES:
            _ = await taken_off(broker, name)
    except BrokerUnreachable:
        return False
    return True


async def _is_up(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/healthz")).is_success
    except httpx.TransportError:
        return False


async def _place_all(client: httpx.AsyncClient, ends: list[End]) -> None:
    """As customers do: one after the other, each again until there is an answer."""
    for end in ends:
        body = as_event(end.order).model_dump()
        key = {"Idempotency-Key": f"place-{end.order.order_id}"}

        async def placed(body: object = body, key: dict[str, str] = key) -> bool:
            try:
                answer = await client.post("/choreography/orders", json=body, headers=key)
            except httpx.TransportError:
                return False
            assert answer.status_code in {202, 409, 500, 503}, answer.text
            return answer.status_code == 202

        await eventually(placed, seconds=LIMIT)


async def _has(house: House, effects: int) -> bool:
    return house.effects() >= effects


async def _is_done(house: House, broker: Broker) -> bool:
    """Whether everything is published and everything taken in."""
    if any(house.rows(name, "outbox") for name in SERVICES):
        return False
    return not any([await broker.waiting(CHOREOGRAPHY, name) for name in SERVICES])
