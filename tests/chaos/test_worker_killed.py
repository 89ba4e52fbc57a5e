"""Worker, services and server are killed at random moments; the books balance all the same.

SAGA_CHAOS_ROUNDS   how many kills, 4 by default; orders grow with them
SAGA_CHAOS_SEED     the seed of a run that is to be repeated
"""

import asyncio
import os
import random
import signal
from collections.abc import Sequence

import pytest

from saga import Status
from tests.chaos.customers import Bought, Customer
from tests.integration.checks import ALL_THERE, ONCE_EACH, check_row
from tests.integration.house import House
from tests.integration.processes import eventually
from tests.integration.shops import ENDPOINTS
from tests.integration.stage import Stage

ROUNDS = int(os.environ.get("SAGA_CHAOS_ROUNDS", "4"))
SEED = int(os.environ.get("SAGA_CHAOS_SEED") or random.randrange(10**6))
ORDERS = max(16, 4 * ROUNDS)
SECONDS_PER_ROUND = 1.0
PATIENCE = 40.0
"""Seconds within which something that was killed is back."""

STANDING = {"pending", "confirmed", "captured", "reserved", "created"}
"""What none of the services may say of an order that was undone."""

LIMIT = 60.0 + 10 * ROUNDS
"""Seconds within which all orders must have ended."""

pytestmark = pytest.mark.timeout(LIMIT + 60)


class Chaos:
    """Kills what runs in a house, and sees to it that a worker comes back."""

    def __init__(self, house: House, stage: Stage, rng: random.Random) -> None:
        self._house = house
        self._stage = stage
        self._rng = rng

    async def slow_down(self) -> None:
        """Give every call a small latency, so that kills find something under way."""
        for step in ENDPOINTS:
            await self._stage.shops.fault(step, latency_ms=self._rng.randint(10, 250))

    async def reign(self) -> None:
        """Kill one thing after the other: mostly workers, the services and the server too."""
        others = ["services", "temporal"] * max(1, ROUNDS // 8)
        victims = others + ["worker"] * (ROUNDS - len(others))
        self._rng.shuffle(victims)
        for victim in victims:
            # Some are killed while they start. Services are not: a worker that has never known them
            # may choose other ports for them, and nobody here would learn of these.
            if self._rng.random() < 0.75 or victim == "services":
                await self._a_worker_is_ready()
            await asyncio.sleep(self._rng.uniform(0.1, 1.0))
            if victim == "worker":
                await self._house.workers[-1].kill()
                await self._house.worker("--faults")
            else:
                await self._kill_embedded(victim)
        await self._a_worker_is_ready()

    async def _a_worker_is_ready(self) -> None:
        await self._house.workers[-1].says("ready:", seconds=PATIENCE)

    async def _kill_embedded(self, name: str) -> None:
        killed = self._house.pids[name]
        os.kill(killed, signal.SIGKILL)

        async def replaced() -> bool:
            return self._house.pids.get(name, killed) != killed

        await eventually(replaced, seconds=PATIENCE)
        if name == "services":
            await eventually(self._stage.shops.answer, seconds=PATIENCE)
            await self.slow_down()


async def test_the_books_balance_whatever_is_killed(house: House) -> None:
    print(f"SAGA_CHAOS_SEED={SEED} SAGA_CHAOS_ROUNDS={ROUNDS}")
    rng = random.Random(SEED)
    within = ROUNDS * SECONDS_PER_ROUND
    customers = [Customer.of(number, rng, within=within) for number in range(ORDERS)]
    await house.ready_worker("--faults")
    async with house.stage() as stage:
        chaos = Chaos(house, stage, rng)
        await chaos.slow_down()
        async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:
            buying = [group.create_task(customer.buy(stage)) for customer in customers]
            group.create_task(chaos.reign())
        bought = [task.result() for task in buying]
        for customer, one in zip(customers, bought, strict=True):
            customer.check(one)
            await check_kept(stage, one)
        check_sums(stage, bought)
    house.workers[-1].send(signal.SIGTERM)
    assert await house.workers[-1].ended() == 0
    assert house.processes() == []


async def check_kept(stage: Stage, one: Bought) -> None:
    """All of it happened once, or nothing of it stayed; and the row tells the same."""
    books, order_id = stage.shops.books, one.order.order_id
    if one.outcome.status is Status.COMPLETED:
        assert books.of(order_id) == ALL_THERE
        assert books.versions(order_id) == ONCE_EACH
    else:
        assert STANDING.isdisjoint(books.of(order_id).values()), books.of(order_id)
    row = await check_row(stage, one.order, one.outcome.status, one.outcome.cause)
    assert row.steps == one.outcome.steps


def check_sums(stage: Stage, bought: Sequence[Bought]) -> None:
    """Money and pieces add up to what the completed orders say."""
    completed = [one.order for one in bought if one.outcome.status is Status.COMPLETED]
    assert completed
    books = stage.shops.books
    assert books.taken(one.order.order_id for one in bought) == sum(
        order.total.minor for order in completed
    )
    assert books.reserved("BOOK") == sum(order.items[0].quantity for order in completed)
    assert books.reserved("PEN") == 0
    assert books.counts("shipping", "shipments").get("created") == len(completed)
    assert books.counts("order", "orders").get("confirmed") == len(completed)
