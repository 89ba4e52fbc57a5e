"""Kafka's adapter keeps the port's promises."""

import os

import pytest

from brokers.kafka import KafkaBroker
from tests.brokers.conformance import OverAServer
from tests.brokers.promises.place import Place


@pytest.fixture(scope="module")
def place(kafka_url: str, request: pytest.FixtureRequest) -> Place:
    ours = not os.environ.get("TEST_KAFKA_URL")
    server = request.getfixturevalue("kafka_server") if ours else None
    return Place(
        lambda: KafkaBroker(kafka_url),
        kafka_url,
        server,
        remembers=False,
        tells_within=10,
        acks_at_once=False,
    )


class TestKafka(OverAServer):
    """Every promise."""
