"""The brokers that the tests run against, and the desk that handles their messages."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from brokers.port import Channel
from brokers.sns_sqs import broker, member
from tests.brokers.desk import Desk, desk_on
from tests.brokers.kafka_server import KafkaServer
from tests.brokers.rabbitmq_server import RabbitServer, installed
from tests.brokers.sns_sqs_server import CREDENTIALS, SnsSqsServer
from tests.postgres import postgres_database

pytest.register_assert_rewrite("tests.brokers.promises")


@contextmanager
def _own() -> Iterator[RabbitServer]:
    if os.environ.get("TEST_AMQP_URL"):
        pytest.skip("RabbitMQ: what needs a restart is not run, TEST_AMQP_URL is not ours")
    if not installed():
        told = "RabbitMQ: not run, it is not installed: apt-get install rabbitmq-server"
        if os.environ.get("CI") == "true":
            pytest.fail(told)
        pytest.skip(told)
    server = RabbitServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitServer]:
    """A RabbitMQ of our own, which may be killed."""
    with _own() as server:
        yield server


@pytest.fixture
def rabbitmq_alone() -> Iterator[RabbitServer]:
    """One that nobody else has ever used, and which may lose what it has."""
    with _own() as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq_url(request: pytest.FixtureRequest) -> str:
    """The URL of a RabbitMQ: TEST_AMQP_URL, or one of our own."""
    if given := os.environ.get("TEST_AMQP_URL"):
        return given
    server: RabbitServer = request.getfixturevalue("rabbitmq_server")
    return server.url


@pytest.fixture(scope="session")
def sns_sqs_server() -> Iterator[SnsSqsServer]:
    """An SNS and SQS of our own, which may be killed."""
    if os.environ.get("TEST_SNS_SQS_URL"):
        pytest.skip("SNS and SQS: what is moto's is not run, TEST_SNS_SQS_URL is not ours")
    server = SnsSqsServer()
    with pytest.MonkeyPatch.context() as patch:
        # moto gives no second answer when one was lost, so even a slow one is waited for.
        patch.setattr(member, "LEAVES_WITHIN", 30.0)
        patch.setattr(broker, "LEFT_WITHIN", 40.0)
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def sns_sqs_url(request: pytest.FixtureRequest) -> str:
    """The URL of an SNS and SQS: TEST_SNS_SQS_URL, or one of our own."""
    if given := os.environ.get("TEST_SNS_SQS_URL"):
        return given
    server: SnsSqsServer = request.getfixturevalue("sns_sqs_server")
    return server.url


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[KafkaServer]:
    """A Kafka of our own, which may be killed."""
    if os.environ.get("TEST_KAFKA_URL"):
        pytest.skip("Kafka: what needs a restart is not run, TEST_KAFKA_URL is not ours")
    with KafkaServer().running() as server:
        yield server


@pytest.fixture
def kafka_alone() -> Iterator[KafkaServer]:
    """One that nobody else has ever used, and which has nothing when it starts again."""
    with KafkaServer().running() as server:
        yield server


@pytest.fixture(scope="session")
def kafka_url(request: pytest.FixtureRequest) -> str:
    """The URL of a Kafka: TEST_KAFKA_URL, or one of our own."""
    if given := os.environ.get("TEST_KAFKA_URL"):
        return given
    server: KafkaServer = request.getfixturevalue("kafka_server")
    return server.url


@pytest.fixture
def channel() -> Channel:
    """One that nobody has used."""
    return Channel(f"orders-{uuid4().hex[:8]}")


@pytest_asyncio.fixture(loop_scope="session")
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_on(f"sqlite:///{tmp_path}/desk.db") as desk:
        yield desk


@pytest_asyncio.fixture(loop_scope="session", params=["sqlite", "postgresql"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk on each database system in turn."""
    if request.param == "sqlite":
        async with desk_on(f"sqlite:///{tmp_path}/desk.db") as desk:
            yield desk
        return
    server: str = request.getfixturevalue("postgres_url")
    async with postgres_database(server) as url, desk_on(url) as desk:
        yield desk
