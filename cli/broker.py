"""The broker of a command."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from brokers.opening import opened
from brokers.port import Broker
from cli.problems import BadInput, NoAnswer
from runtime.settings import Settings


@asynccontextmanager
async def configured_broker(
    settings: Settings, seconds: float | None, *, undone: str = "look again"
) -> AsyncIterator[Broker]:
    """The broker of EVENT_BROKER_URL, for `seconds`; None: no limit.

    `undone` is what to do when it has not answered until then.

    Raises BadInput where there is none, or only this process's, SettingsError, NoAnswer; whoever
    uses it raises BrokerUnreachable.
    """
    url = settings.event_broker_url
    if url is None:
        raise BadInput("no broker is configured: set EVENT_BROKER_URL, e.g. amqp://host:5672")
    if url.startswith("memory:"):
        raise BadInput("EVENT_BROKER_URL: nobody else is in this process's memory://")
    # What a broker's client would log of an outage is told in one line by the exception.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        async with opened(url) as broker, asyncio.timeout(seconds):
            yield broker
    except TimeoutError:
        raise NoAnswer(f"the broker has not answered for {seconds:.0f} s; {undone}") from None
