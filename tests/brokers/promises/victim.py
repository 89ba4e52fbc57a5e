"""A consumer that acknowledges its first message, keeps the next ones, and waits to be killed."""

import asyncio
import sys

from brokers.opening import opened
from brokers.port import Channel, Subscription


async def main(url: str, channel: str, group: str) -> None:
    # With more room it would itself take again what it has lost.
    subscription = Subscription(Channel(channel, (group,)), group, prefetch=3)
    async with opened(url) as broker, broker.subscribe(subscription) as deliveries:
        acknowledged = False
        async for delivery in deliveries:
            if not acknowledged:
                await delivery.ack()
                acknowledged = True
            print(delivery.message.id, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
