"""RabbitMQ's adapter keeps the port's promises."""

import os

import pytest

from brokers.rabbitmq import RabbitBroker
from tests.brokers.conformance import OverAServer
from tests.brokers.promises.place import Place


@pytest.fixture(scope="module")
def place(rabbitmq_url: str, request: pytest.FixtureRequest) -> Place:
    ours = not os.environ.get("TEST_AMQP_URL")
    server = request.getfixturevalue("rabbitmq_server") if ours else None
    return Place(lambda: RabbitBroker(rabbitmq_url), rabbitmq_url, server)


class TestRabbitMQ(OverAServer):
    """Every promise."""
