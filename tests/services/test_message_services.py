"""Notification, the order copy and refunds by message: each message has its effect once."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import BaseModel

from brokers.catalogue import Catalogue
from brokers.consumer import Consumer, Unacceptable, Unavailable
from brokers.dead_letters import dead_letters
from brokers.envelope import Message
from brokers.memory import MemoryBroker
from brokers.port import Channel
from contracts import catalogue as ours
from services import notification, order_copy, payment, payment_commands
from services.application import database_of
from services.database import in_progress
from services.inbox import message_transaction
from services.notification import notification_consumer
from services.order_copy import order_copy_consumer
from services.payment_commands import payment_consumer, payment_database
from services.problems import NOT_FOUND, UNDONE, ProblemRaised, Refused
from tests.brokers.desk import running
from tests.integration.processes import eventually
from tests.services.calls import called, keyed
from tests.services.calls import payment as charge

pytestmark = pytest.mark.asyncio(loop_scope="module")

START = datetime(2026, 1, 1, tzinfo=UTC)
ORDER = {"customer_id": "C-1", "total_minor": 2500, "currency": "USD"}


def message(
    of: BaseModel, event_id: str, order_id: str = "1", *, seconds: int = 0, **attributes: object
) -> Message:
    time = START + timedelta(seconds=seconds)
    event = ours.CATALOGUE.envelope(of, event_id=event_id, subject=order_id, time=time)
    return Message.binary(event.model_copy(update=attributes))


async def handled(broker: MemoryBroker, consumer: Consumer, channel: Channel, group: str) -> None:
    async def empty() -> bool:
        return await broker.waiting(channel, group) == 0

    async with running(consumer):
        await eventually(empty)


def confirmation(order_id: str = "1") -> ours.SendOrderConfirmation:
    return ours.SendOrderConfirmation.model_validate({"order_id": order_id, **ORDER})


async def test_an_order_is_confirmed_once(database_url: str) -> None:
    app, broker = notification.create_app(database_url), MemoryBroker()
    command = message(confirmation(), "c-1")
    # A saga that was reset tells its events anew, with other ids.
    for one in (command, command, message(confirmation(), "c-2")):
        await broker.publish(notification.COMMANDS, [one])
    async with called(app) as client:
        assert (await client.get("/confirmations/1")).status_code == 404
        consumer = notification_consumer(broker, database_of(app))
        await handled(broker, consumer, notification.COMMANDS, notification.GROUP)
        sent = (await client.get("/confirmations/1")).json()
        assert {name: sent[name] for name in ORDER} == ORDER
        await handled(
            broker,
            notification_consumer(broker, database_of(app)),
            notification.COMMANDS,
            notification.GROUP,
        )
        assert (await client.get("/confirmations/1")).json() == sent
    assert await dead_letters(broker, notification.COMMANDS, notification.GROUP) == []


def refund(payment_id: str = "p1") -> ours.ProcessRefund:
    return ours.ProcessRefund(order_id="1", payment_id=payment_id, reason="broken")


async def refunded(broker: MemoryBroker, url: str, *messages: Message) -> None:
    await broker.publish(payment_commands.COMMANDS, messages)
    database = payment_database(url)
    await database.open()
    consumer = payment_consumer(broker, database)
    await handled(broker, consumer, payment_commands.COMMANDS, payment_commands.GROUP)
    await database.close()


async def test_a_refund_by_message_is_a_refund(database_url: str) -> None:
    app, broker = payment.create_app(database_url), MemoryBroker()
    async with called(app) as client:
        body = charge()
        assert (await client.post("/payments", json=body, headers=keyed("k"))).status_code == 201
        once = message(refund(), "r-1")
        await refunded(broker, database_url, once, once, message(refund(), "r-2"))
        paid = (await client.get("/payments/p1")).json()
        assert (paid["status"], paid["refunded_minor"]) == ("refunded", body["amount_minor"])
        assert paid["version"] == 2
        # What was given back is not taken again.
        again = await client.post("/payments", json=body, headers=keyed("k"))
        assert again.status_code == 410
    assert await dead_letters(broker, payment_commands.COMMANDS, payment_commands.GROUP) == []


async def test_a_refund_that_overtakes_its_charge_bars_it(database_url: str) -> None:
    app, broker = payment.create_app(database_url), MemoryBroker()
    async with called(app) as client:
        await refunded(broker, database_url, message(refund(), "r-1"))
        assert (await client.get("/payments/p1")).json()["status"] == "void"
        late = await client.post("/payments", json=charge(), headers=keyed("k"))
        assert late.status_code == 410


async def test_an_unreadable_refund_is_a_dead_letter(database_url: str) -> None:
    broker = MemoryBroker()
    bad = message(refund(), "r-1", data={"payment_id": "p 1"})
    await refunded(broker, database_url, bad)
    [letter] = await dead_letters(broker, payment_commands.COMMANDS, payment_commands.GROUP)
    assert letter.error == "SchemaRefused"


def told(status: str, event_id: str, *, seconds: int, **more: object) -> Message:
    models: dict[str, type[ours.OrderMessage]] = {
        "placed": ours.OrderPlaced,
        "confirmed": ours.OrderConfirmed,
        "rejected": ours.OrderRejected,
        "cancelled": ours.OrderCancelled,
    }
    data = models[status].model_validate({"order_id": "1", "item_count": 2, **ORDER, **more})
    return message(data, event_id, seconds=seconds)


async def test_a_copy_that_joins_late_reads_from_the_beginning(database_url: str) -> None:
    broker, app = MemoryBroker(), order_copy.create_app(database_url)
    # The sender's catalogue need not name this group; the broker keeps what was published.
    channel = Channel("orders")
    await broker.publish(channel, [told("placed", "e-1", seconds=0)])
    await broker.publish(channel, [told("rejected", "e-2", seconds=5, reason="deadline")])
    async with called(app) as client:
        for group in ("late", "later"):
            consumer = order_copy_consumer(broker, database_of(app), group=group)
            await handled(broker, consumer, channel, group)
        order = (await client.get("/orders/1")).json()
    assert order == {
        "order_id": "1",
        "item_count": 2,
        "status": "rejected",
        "reason": "deadline",
        "changed_at": "2026-01-01T00:00:05Z",
        **ORDER,
    }


async def test_a_copy_follows_and_takes_nothing_old(database_url: str) -> None:
    broker, app = MemoryBroker(), order_copy.create_app(database_url)
    placed, confirmed = (told(it, it, seconds=n) for n, it in enumerate(("placed", "confirmed")))
    async with called(app) as client:

        async def copy_of(*messages: Message) -> object:
            await broker.publish(order_copy.ORDERS, messages)
            consumer = order_copy_consumer(broker, database_of(app))
            await handled(broker, consumer, order_copy.ORDERS, order_copy.GROUP)
            return (await client.get("/orders/1")).json()["status"]

        assert await copy_of(placed) == "placed"
        assert await copy_of(confirmed, confirmed) == "confirmed"
        # A dead letter that is replayed comes behind what happened after it.
        assert await copy_of(told("placed", "replayed", seconds=0)) == "confirmed"
        assert (await client.get("/orders/2")).status_code == 404


@pytest.mark.parametrize(
    ("problem", "told_as"),
    [
        (Refused(UNDONE, "It was undone."), Unacceptable),
        (in_progress(), Unavailable),
        (ProblemRaised(NOT_FOUND, "Nobody knows it."), ProblemRaised),
    ],
)
async def test_only_what_would_be_asked_again_over_http_is_waited_for(
    database_url: str, problem: ProblemRaised, told_as: type[Exception]
) -> None:
    app = notification.create_app(database_url)
    event = message(confirmation(), "1").event()
    async with called(app):
        with pytest.raises(Exception) as raised:  # noqa: PT011  its type is what is asked
            async with message_transaction(database_of(app))(event):
                raise problem
    assert type(raised.value) is told_as


@pytest.mark.parametrize(
    "theirs", [notification.CATALOGUE, payment_commands.CATALOGUE, order_copy.CATALOGUE]
)
async def test_the_services_know_what_our_catalogue_says(theirs: Catalogue) -> None:
    """Their copies are smaller, and read whatever ours sends where ours sends it."""
    known = {it.name: it for it in ours.CATALOGUE}
    for it in theirs:
        assert it.channel.name == known[it.name].channel.name
        assert it.version == known[it.name].version
        assert set(it.receivers) <= set(known[it.name].receivers)
        assert it.model.model_fields.keys() <= {*known[it.name].model.model_fields, "reason"}
