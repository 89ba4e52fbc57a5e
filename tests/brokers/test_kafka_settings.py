"""What a kafka:// URL says, and what it may not say."""

import pytest

from brokers.kafka import KafkaBroker
from brokers.kafka.layout import KEPT_PROMISES, Layout, letters_of, topic_of
from brokers.port import Channel
from runtime.errors import SettingsError


def test_a_url_names_servers_and_what_topics_are_made_like() -> None:
    layout = Layout.of_url("kafka://a:9092,b.example:9093,[::1]:9094/?partitions=12&replication=3")
    assert layout.servers == "a:9092,b.example:9093,[::1]:9094"
    assert (layout.partitions, layout.replication) == (12, 3)
    assert layout.config()["security.protocol"] == "PLAINTEXT"
    # The broker's own defaults.
    plain = Layout.of_url("kafka://a")
    assert (plain.partitions, plain.replication) == (-1, -1)


def test_credentials_and_encryption_are_the_client_s() -> None:
    config = Layout.of_url("kafka+ssl://shop:p%40ss@a:9093?ssl.ca.location=ca.pem").config()
    assert config["security.protocol"] == "SASL_SSL"
    assert (config["sasl.username"], config["sasl.password"]) == ("shop", "p@ss")
    assert (config["sasl.mechanism"], config["ssl.ca.location"]) == ("PLAIN", "ca.pem")
    assert Layout.of_url("kafka+ssl://a").config()["security.protocol"] == "SSL"
    scram = Layout.of_url("kafka://shop:x@a?sasl.mechanism=SCRAM-SHA-512").config()
    assert scram["security.protocol"] == "SASL_PLAINTEXT"
    assert scram["sasl.mechanism"] == "SCRAM-SHA-512"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("kafka://", "HOST:PORT"),
        ("kafka://a:b", "HOST:PORT"),
        ("kafka://a,,b", "HOST:PORT"),
        ("kafka://a/topic", "HOST:PORT"),
        ("kafka://a?partitions=0", "partitions is a number"),
        ("kafka://a?replication=many", "replication is a number"),
        ("kafka://a?retention=1", "knows no retention"),
        *((f"kafka://a?{name}=1", "is not to be changed") for name in sorted(KEPT_PROMISES)),
    ],
)
def test_what_cannot_be_is_refused(url: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as refused:
        KafkaBroker(url)
    assert str(refused.value).startswith("EVENT_BROKER_URL: ")


@pytest.mark.parametrize("rest", ["a:b", "a/topic", "a?retention=1", "a?acks=1", "a?partitions=0"])
def test_a_password_is_told_to_nobody(rest: str) -> None:
    with pytest.raises(SettingsError) as refused:
        KafkaBroker(f"kafka://shop:hidden@{rest}")
    assert "hidden" not in str(refused.value)
    assert "hidden" not in repr(Layout.of_url("kafka://shop:hidden@a"))


async def test_a_property_that_the_client_does_not_know_is_refused() -> None:
    broker = KafkaBroker("kafka://a?session.time=1")
    with pytest.raises(SettingsError, match=r'EVENT_BROKER_URL: .*"session\.time"'):
        await broker.publish(Channel("orders"), [])
    await broker.close()


def test_names_that_kafka_does_not_know_are_refused() -> None:
    assert letters_of("orders", "copy") == "orders.copy.dead-letters"
    for name in ("", "a b", "a" * 250):
        with pytest.raises(SettingsError, match="is no name for Kafka"):
            topic_of(name)
