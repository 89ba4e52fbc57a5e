"""A consumer as a process of its own, to be killed: it handles messages until it is."""

import asyncio

from brokers.opening import opened
from brokers.port import Channel
from services.database import Database
from tests.brokers.desk import GROUP, MODELS, Desk


def consume(broker_url: str, database_url: str, channel: str) -> None:
    """Consume a channel as the desk does; never returns."""
    asyncio.run(_consume(broker_url, database_url, Channel(channel, groups=(GROUP,))))


async def _consume(broker_url: str, database_url: str, channel: Channel) -> None:
    async with opened(broker_url) as broker:
        await Desk(broker, Database(database_url, MODELS)).consumer(channel=channel).run()
