"""Which of the client's errors mean that the broker is away, and which that settings do not fit."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

from brokers.kafka.layout import Layout
from brokers.port import BrokerUnreachable
from runtime.errors import SettingsError

ANSWERS_WITHIN = 5.0
"""Seconds for the broker to answer, or to confirm what it was given."""

SETTINGS = frozenset({
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.INVALID_REPLICATION_FACTOR,
    KafkaError.INVALID_PARTITIONS,
    KafkaError.POLICY_VIOLATION,
})  # fmt: skip
"""Codes of refusals that do not go away by themselves."""

Client = TypeVar("Client")


def made(make: Callable[[], Client]) -> Client:
    """A client; raises SettingsError for a property that librdkafka does not take."""
    try:
        return make()
    except KafkaException as error:
        raise SettingsError(f"EVENT_BROKER_URL: {error_of(error).str()}") from error


def error_of(error: KafkaException) -> KafkaError:
    """What it says."""
    told: KafkaError = error.args[0]
    return told


class LastProblem:
    """What a client last said of its connections, for when nothing comes in time."""

    def __init__(self) -> None:
        self._text = "no answer"

    def __call__(self, error: KafkaError) -> None:
        """The client's `error_cb`."""
        # That all are down is told after why each is.
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._text = error.str()

    def __str__(self) -> str:
        return self._text


@asynccontextmanager
async def told_apart(layout: Layout) -> AsyncIterator[None]:
    """Raises SettingsError where settings do not fit, BrokerUnreachable for all other errors."""
    try:
        yield
    except TimeoutError as error:
        raise BrokerUnreachable(f"Kafka at {layout.servers}: {error}") from error
    except KafkaException as error:
        told = error_of(error)
        if told.code() in SETTINGS:
            raise SettingsError(f"EVENT_BROKER_URL: Kafka refuses: {told.str()}") from error
        raise BrokerUnreachable(f"Kafka at {layout.servers}: {told.str()}") from error
