"""A consumer on RabbitMQ says when what it needs is away, and when it is back."""

import logging
from pathlib import Path
from uuid import uuid4

import pytest

from brokers.consumer import Unavailable
from brokers.opening import opened
from brokers.port import Channel, Subscription
from services.database import Database
from tests.brokers.desk import GROUP, MODELS, Desk, Failing, counted


async def test_an_outage_is_told_when_it_begins_and_when_it_ends(
    rabbitmq_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    channel = Channel(f"outage-{uuid4().hex[:8]}", groups=(GROUP,))
    database = Database(f"sqlite:///{tmp_path}/desk.db", MODELS)
    await database.open()
    async with opened(f"{rabbitmq_url}?partitions=1") as broker:
        desk = Desk(broker, database)
        await desk.publish(*map(counted, range(3)), channel=channel)
        with caplog.at_level(logging.INFO, "consumer"):
            failing = Failing(*[Unavailable("closed")] * 2)
            await desk.handled(failing, channel=channel)
        assert await desk.effects() == [0, 1, 2]
        told = [it for it in caplog.records if it.name == "consumer"]
        assert [it.levelname for it in told] == ["WARNING", "INFO"]

        # What tells one waiting message from another is the object.
        await desk.publish(counted(3), channel=channel)
        async with broker.subscribe(Subscription(channel, GROUP)) as deliveries:
            delivery = await anext(deliveries)
            assert delivery.message is delivery.message
            await delivery.ack()
    await database.close()
