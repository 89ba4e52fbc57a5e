"""Kafka's adapter keeps the port's promises."""

import os

import pytest

from brokers.kafka import KafkaBroker
from tests.brokers.conformance import InThisProcess, OverAServer
from tests.brokers.promises.carrying import Carrying
from tests.brokers.promises.holding import Holding
from tests.brokers.promises.letters import Letters
from tests.brokers.promises.outages import Outages
from tests.brokers.promises.place import Place
from tests.brokers.promises.redelivery import Crashes, Redelivery
from tests.brokers.promises.sharing import Sharing


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


# tansu takes three seconds for each joining of a group, so the classes run side by side.


class TestCarrying(Carrying, Holding, Letters):
    """What is carried, held and buried."""


class TestSharing(Sharing, Redelivery):
    """Who gets what, and what comes again."""


class TestOutages(Crashes, Outages):
    """What is outlived."""


def test_every_promise_is_asked() -> None:
    asked = {*TestCarrying.__mro__, *TestSharing.__mro__, *TestOutages.__mro__}
    assert set(OverAServer.__bases__) - {InThisProcess} <= asked
    assert set(InThisProcess.__bases__) <= asked
