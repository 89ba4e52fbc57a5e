"""Integration events go out through the pump: in order, with stable ids, and never in the way."""

from collections.abc import Sequence

import pytest
from temporalio.worker import Worker

from activities.publication import PublicationActivities, publication
from brokers.publisher import MemoryBroker, open_publisher
from contracts.integration import CloudEvent
from runtime.errors import SettingsError
from saga import Status
from tests.orders import Order


class FlakyBroker(MemoryBroker):
    """One that can be away, and then takes everything twice."""

    away = False

    async def publish(self, events: Sequence[CloudEvent]) -> None:
        if self.away:
            raise ConnectionError("the broker is away")
        await super().publish(events)
        await super().publish(events)


def publishing(order: Order, broker: MemoryBroker) -> Worker:
    return Worker(
        order.env.client,
        task_queue=f"{order.task_queue}-{publication.name}",
        activities=[PublicationActivities(broker).publish_events],
    )


def told(broker: MemoryBroker) -> list[str]:
    return [event.type for event in broker.events.values()]


async def test_a_completed_order_is_placed_and_confirmed(order: Order) -> None:
    broker = FlakyBroker()
    async with publishing(order, broker):
        await (await order.place(sinks=("publication",))).result()
    assert told(broker) == ["OrderPlaced", "OrderConfirmed"]
    placed = next(iter(broker.events.values()))
    assert (placed.subject, placed.partitionkey) == (order.order_id, order.order_id)
    assert placed.correlationid == order.saga_id
    assert placed.data["total_minor"] == 2500


async def test_a_refused_order_is_rejected_with_its_reason(order: Order) -> None:
    order.participants.refuse("charge-payment")
    broker = FlakyBroker()
    async with publishing(order, broker):
        await (await order.place(sinks=("publication",))).result()
    assert told(broker) == ["OrderPlaced", "OrderRejected"]
    assert list(broker.events.values())[-1].data["reason"] == "urn:problem:charge-payment"


async def test_a_broker_that_is_away_delays_the_close_and_no_step(order: Order) -> None:
    broker = FlakyBroker()
    broker.away = True
    async with publishing(order, broker):
        handle = await order.place(sinks=("publication",))
        while not (await order.state()).status.final:
            await order.env.sleep(0.05)
        assert (await handle.describe()).close_time is None
        broker.away = False
        assert (await handle.result()).status is Status.COMPLETED
    assert told(broker) == ["OrderPlaced", "OrderConfirmed"]


def test_an_unknown_broker_is_named() -> None:
    with pytest.raises(SettingsError, match="EVENT_BROKER_URL: no broker for carrier://"):
        open_publisher("carrier://pigeon")
