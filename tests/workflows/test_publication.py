"""Integration events go out through the pump: in order, with stable ids, and never in the way."""

from collections.abc import Sequence

import pytest
from temporalio.worker import Worker

from activities.publication import PublicationActivities, publication
from brokers.envelope import CloudEvent, Message
from brokers.memory import MemoryBroker
from brokers.opening import opened
from brokers.port import BrokerUnreachable, Channel
from runtime.errors import SettingsError
from saga import Status
from tests.orders import Order

OFTEN = 12
"""More tries than any policy with a limit would make."""


class FlakyBroker(MemoryBroker):
    """One that can be away, and then takes everything twice."""

    away = False
    asked = 0
    """How often it was asked while it was away."""

    async def publish(
        self, channel: Channel, messages: Sequence[Message], *, again: bool = False
    ) -> None:
        if self.away:
            self.asked += 1
            raise BrokerUnreachable("the broker is away")
        await super().publish(channel, messages)
        await super().publish(channel, messages)


def publishing(order: Order, broker: MemoryBroker) -> Worker:
    return Worker(
        order.env.client,
        task_queue=f"{order.task_queue}-{publication.name}",
        activities=[PublicationActivities(broker).publish_events],
    )


def told(broker: MemoryBroker) -> list[str]:
    return [event.type for event in events(broker)]


def events(broker: MemoryBroker) -> list[CloudEvent]:
    """What came, each event once."""
    came = {message.id: message.event() for message in broker.messages["orders"]}
    return list(came.values())


async def test_a_completed_order_is_placed_and_confirmed(order: Order) -> None:
    broker = FlakyBroker()
    async with publishing(order, broker):
        await (await order.place(sinks=("publication",))).result()
    assert told(broker) == ["OrderPlaced", "OrderConfirmed"]
    placed = events(broker)[0]
    assert (placed.subject, placed.partitionkey) == (order.order_id, order.order_id)
    assert placed.correlationid == order.saga_id
    assert placed.data["total_minor"] == 2500
    # Each came twice, and is the same message.
    [command, again] = broker.messages["notification-commands"]
    assert command == again
    assert command.event().type == "SendOrderConfirmation"
    assert command.event().causationid == events(broker)[-1].id


async def test_a_refused_order_is_rejected_with_its_reason(order: Order) -> None:
    order.participants.refuse("charge-payment")
    broker = FlakyBroker()
    async with publishing(order, broker):
        await (await order.place(sinks=("publication",))).result()
    assert told(broker) == ["OrderPlaced", "OrderRejected"]
    assert events(broker)[-1].data["reason"] == "urn:problem:charge-payment"
    assert not broker.messages["notification-commands"]


async def test_a_broker_that_is_away_delays_the_close_and_no_step(order: Order) -> None:
    broker = FlakyBroker()
    broker.away = True
    async with publishing(order, broker):
        handle = await order.place(sinks=("publication",))
        while not (await order.state()).status.final:
            await order.env.sleep(0.05)
        while broker.asked < OFTEN:
            await order.env.sleep(30)
        assert (await handle.describe()).close_time is None
        broker.away = False
        assert (await handle.result()).status is Status.COMPLETED
    assert told(broker) == ["OrderPlaced", "OrderConfirmed"]


async def test_an_unknown_broker_is_named() -> None:
    with pytest.raises(SettingsError, match="EVENT_BROKER_URL: no broker for carrier://"):
        async with opened("carrier://pigeon"):
            pass
