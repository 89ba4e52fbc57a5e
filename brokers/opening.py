"""The broker that a URL names."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from urllib.parse import urlsplit

from brokers.port import Broker
from runtime.errors import SettingsError

ADAPTERS = {
    "memory": ("brokers.memory", "MemoryBroker", None),
    "amqp": ("brokers.rabbitmq", "RabbitBroker", "rabbitmq"),
    "amqps": ("brokers.rabbitmq", "RabbitBroker", "rabbitmq"),
    "kafka": ("brokers.kafka", "KafkaBroker", "kafka"),
    "kafka+ssl": ("brokers.kafka", "KafkaBroker", "kafka"),
    "sns+sqs": ("brokers.sns_sqs", "SnsSqsBroker", "sns-sqs"),
}
"""By scheme: the module, the class, and the extra that installs its client."""


class BrokerUnusable(SettingsError):
    """EVENT_BROKER_URL names no broker that can be used here."""


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Broker]:
    """The broker that EVENT_BROKER_URL names, closed at the end; raises BrokerUnusable.

    Nothing is sent before it is used: a broker that is away is no reason not to start.
    """
    scheme = urlsplit(url).scheme
    if scheme not in ADAPTERS:
        known = ", ".join(f"{known}://" for known in ADAPTERS)
        raise BrokerUnusable(f"EVENT_BROKER_URL: no broker for {scheme}://, give one of {known}")
    module, name, extra = ADAPTERS[scheme]
    try:
        # What a broker needs is imported if it is used, since it is installed only then.
        adapter = getattr(await asyncio.to_thread(import_module, module), name)
    except ModuleNotFoundError as missing:
        raise BrokerUnusable(
            f"EVENT_BROKER_URL: {scheme}:// needs {missing.name}:"
            f" pip install 'durable-saga[{extra}]'"
        ) from missing
    broker: Broker = adapter() if scheme == "memory" else adapter(url)
    try:
        yield broker
    finally:
        await broker.close()
