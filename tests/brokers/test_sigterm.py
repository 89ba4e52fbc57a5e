"""SIGTERM to processes that consume: what is under way is finished, and they end with 0."""

import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from brokers.envelope import Message
from brokers.opening import opened
from brokers.port import BrokerUnreachable, Channel
from consumers.orders import GROUP
from contracts.catalogue import (
    CATALOGUE,
    NOTIFICATION_COMMANDS,
    ORDER_COMMANDS,
    PlaceOrder,
    SendOrderConfirmation,
)
from services.choreography.events import SERVICES
from tests.brokers.choreography_process import taken_off
from tests.choreography.twin import as_event
from tests.integration.house import House
from tests.integration.processes import Child, environment, eventually, running
from tests.integration.stage import an_order
from tests.ports import free_ports
from tests.postgres import postgres_database


@dataclass(frozen=True)
class Held:
    """A database of which a table can be held, so that whoever writes there waits."""

    url: str
    connection: "asyncpg.Connection[asyncpg.Record]"

    async def is_waited_for(self) -> bool:
        """Whether somebody waits for a lock."""
        query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        return bool(await self.connection.fetchval(query))

    async def has(self, table: str) -> bool:
        """Whether somebody has made the table."""
        return await self.connection.fetchval("SELECT to_regclass($1)", table) is not None

    async def count(self, table: str) -> int:
        """How many rows a table has."""
        number: int = await self.connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
        return number


@pytest_asyncio.fixture(loop_scope="session")
async def held(postgres_url: str) -> AsyncIterator[Held]:
    async with postgres_database(postgres_url) as url:
        connection = await asyncpg.connect(url)
        yield Held(url, connection)
        await connection.close()


@pytest.mark.long
async def test_consumers_finish_what_is_under_way(
    rabbitmq_url: str, held: Held, tmp_path: Path
) -> None:
    own = {"NOTIFICATION_DATABASE_URL": held.url, "EVENT_BROKER_URL": rabbitmq_url}
    ports = dict(zip(("notification", "order-copy"), free_ports(2), strict=True))
    command = SendOrderConfirmation(
        order_id=str(uuid4()), customer_id="C-1", total_minor=1, currency="USD"
    )
    event = CATALOGUE.envelope(command, event_id=str(uuid4()), subject=command.order_id)

    async def send() -> bool:
        async with opened(rabbitmq_url) as broker:
            try:
                await broker.publish(NOTIFICATION_COMMANDS, [Message.binary(event)])
            except BrokerUnreachable:
                return False
        return True

    async with started("services.consumers", ports, tmp_path, own) as child:
        await eventually(lambda: held.has("confirmations"))
        async with held.connection.transaction():
            await held.connection.execute("LOCK TABLE confirmations")
            await eventually(send)
            await eventually(held.is_waited_for)
            await told_to_end(child)
        assert await child.ended() == 0
        assert not any("Traceback" in line for line in child.lines)
    assert await held.count("confirmations") == 1
    assert await waiting(rabbitmq_url, NOTIFICATION_COMMANDS, "notification") == 0


@pytest.mark.long
async def test_the_choreography_finishes_what_is_under_way_and_tells_of_it(
    rabbitmq_url: str, held: Held, tmp_path: Path
) -> None:
    own = {"PAYMENT_DATABASE_URL": held.url, "EVENT_BROKER_URL": rabbitmq_url}
    ports = dict(zip(SERVICES, free_ports(4), strict=True))
    order = as_event(an_order())
    async with started("services.choreography", ports, tmp_path, own) as child:
        await child.says("Shipping service on", seconds=50)
        async with held.connection.transaction():
            await held.connection.execute("LOCK TABLE payments")
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.post(
                    f"http://127.0.0.1:{ports['order']}/choreography/orders",
                    json=order.model_dump(),
                    headers={"Idempotency-Key": "once"},
                )
                assert answer.status_code == 202
            await eventually(held.is_waited_for)
            await told_to_end(child)
        assert await child.ended() == 0
        assert not any("Traceback" in line for line in child.lines)
    assert (await held.count("payments"), await held.count("outbox")) == (1, 0)
    async with opened(rabbitmq_url) as broker:
        waited = {name: await taken_off(broker, name) for name in SERVICES}
    # Each group gets each event; what is its own it had handled, or nothing of it.
    assert [it.type for it in waited["payment"]] == ["PaymentProcessed"]
    assert "PaymentProcessed" in [it.type for it in waited["inventory"]]


@pytest.mark.long
async def test_a_worker_finishes_the_order_that_it_takes_in(
    rabbitmq_url: str, held: Held, tmp_path: Path
) -> None:
    settings = {"EVENT_BROKER_URL": rabbitmq_url, "READ_DATABASE_URL": held.url}
    house, order = House(tmp_path, settings=settings), an_order()
    command = PlaceOrder(**{name: getattr(order, name) for name in PlaceOrder.model_fields})
    event = CATALOGUE.envelope(command, event_id=str(uuid4()), subject=order.order_id)
    try:
        worker = await house.ready_worker("--consume")
        await eventually(lambda: held.has("sagas"))
        async with held.connection.transaction():
            await held.connection.execute("LOCK TABLE sagas")
            async with opened(rabbitmq_url) as broker:
                await broker.publish(ORDER_COMMANDS, [Message.binary(event)])
            # It asks whether the order was placed long ago.
            await eventually(held.is_waited_for)
            await told_to_end(worker)
        assert await worker.ended() == 0
        assert not any("Traceback" in line for line in worker.lines)
        assert [line for line in worker.lines if f"starts order-{order.order_id}" in line]
    finally:
        await house.clear()
    assert await waiting(rabbitmq_url, ORDER_COMMANDS, GROUP) == 0


def started(
    module: str, ports: Mapping[str, int], home: Path, own: Mapping[str, str]
) -> AbstractAsyncContextManager[Child]:
    options = [part for name, port in ports.items() for part in (f"--{name}-port", str(port))]
    argv = [sys.executable, "-m", module, *options]
    return running(argv, home / "log", env={**environment(home), **own})


async def told_to_end(child: Child) -> None:
    """It drains, and does not end while something is under way."""
    child.send(signal.SIGTERM)
    await child.says("draining")
    assert child.process.returncode is None


async def waiting(url: str, channel: Channel, group: str) -> int:
    async with opened(url) as broker:
        return await broker.waiting(channel, group)
