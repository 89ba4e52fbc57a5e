"""What Kafka's producer is told, and what it tells."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from uuid import uuid4

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as WireMessage

from brokers.kafka import KafkaBroker, publishing
from brokers.kafka.connecting import told_apart
from brokers.kafka.layout import Layout
from brokers.kafka.publishing import _Batch
from brokers.port import Broker, BrokerUnreachable, Channel
from runtime.errors import SettingsError
from tests.brokers.promises.place import some, until

LAYOUT = Layout.of_url("kafka://shop:hidden@a:9092")


@pytest.fixture
async def broker(kafka_url: str) -> AsyncIterator[Broker]:
    broker = KafkaBroker(kafka_url)
    yield broker
    await broker.close()


async def test_the_producer_has_an_identity_by_which_the_broker_knows_its_repetitions(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def telling(config: Mapping[str, object]) -> Producer:
        return Producer({**config, "statistics.interval.ms": 20, "stats_cb": told.append})

    monkeypatch.setattr(publishing, "Producer", telling)
    await broker.publish(Channel(f"orders-{uuid4().hex[:8]}"), some("a", range(1)))
    # The next ones are of afterwards.
    enough = len(told) + 3
    await until(lambda: len(told) >= enough)
    state = json.loads(told[-1])["eos"]
    assert (state["idemp_state"], state["producer_id"] >= 0) == ("Assigned", True)


async def settled(batch: _Batch) -> bool:
    """Whether it is, once the loop has taken in what the thread has told."""
    await asyncio.sleep(0)
    return batch.settled.done()


async def test_a_batch_is_confirmed_when_all_of_it_is() -> None:
    batch, record = _Batch(3), WireMessage(topic="t")
    for _ in range(2):
        batch.delivered(None, record)
        assert not await settled(batch)
    batch.delivered(None, record)
    assert await settled(batch)
    assert await batch.settled is None


async def test_the_first_error_of_a_batch_is_told_at_once() -> None:
    batch, record = _Batch(3), WireMessage(topic="t")
    first = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
    batch.delivered(first, record)
    # Those behind it are thrown away because of it.
    batch.delivered(KafkaError(KafkaError._PURGE_QUEUE), record)
    assert await settled(batch)
    assert await batch.settled == first


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.POLICY_VIOLATION,
    ],
)
async def test_what_does_not_go_away_by_itself_is_a_matter_of_settings(code: int) -> None:
    with pytest.raises(SettingsError) as refused:
        async with told_apart(LAYOUT):
            raise KafkaException(KafkaError(code, "no"))
    assert str(refused.value) == "EVENT_BROKER_URL: Kafka refuses: no"


async def test_what_may_go_away_is_a_broker_that_is_away() -> None:
    for error in (KafkaException(KafkaError(KafkaError._TRANSPORT, "down")), TimeoutError("down")):
        with pytest.raises(BrokerUnreachable) as told:
            async with told_apart(LAYOUT):
                raise error
        assert str(told.value) == "Kafka at a:9092: down"
