"""What SNS's and SQS's adapter does before anybody answers: the URL, names, batches, refusals."""

import os
import socket
from contextlib import aclosing
from pathlib import Path
from uuid import uuid4

import pytest

from brokers.envelope import Message
from brokers.port import BrokerUnreachable, Channel, NoLog, Subscription
from brokers.sns_sqs import SnsSqsBroker, topology
from brokers.sns_sqs.layout import queue_of
from brokers.sns_sqs.publishing import LARGEST, Addressed, batches, rounds
from brokers.sns_sqs.wire import to_wire
from runtime.errors import SettingsError
from tests.brokers.promises.place import event, some
from tests.brokers.sns_sqs_server import CREDENTIALS
from tests.ports import free_port


@pytest.fixture
def channel() -> Channel:
    return Channel(f"orders-{uuid4().hex[:8]}", ("copy",))


async def test_a_server_that_hangs_is_unreachable(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(topology, "ANSWERS_WITHIN", 0.3)
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        broker = SnsSqsBroker(f"sns+sqs://eu-west-1?endpoint=http://127.0.0.1:{port}")
        with pytest.raises(BrokerUnreachable, match="no answer"):
            await broker.publish(channel, some("a", range(1)))
        await broker.close()


def test_nothing_goes_out_that_sns_refuses() -> None:
    for body in (b"", b"a\x00b", "\ufffe".encode(), b"\xff"):
        wire = to_wire(Message(body, "\x00", "\x01", {"x": "\ufffe\x7f"}))
        for text in (wire.body, *wire.attributes.values()):
            assert text.isascii()
            assert text.isprintable()
    named = event("a").model_copy(update={"type": "\x00"})
    assert "event-type" not in to_wire(Message.structured(named)).attributes


async def test_nothing_is_read_twice(channel: Channel) -> None:
    broker = SnsSqsBroker("sns+sqs://eu-west-1")
    with pytest.raises(NoLog, match="archive"):
        async with aclosing(broker.log(channel)) as log:
            await anext(log)


def test_no_two_messages_of_a_key_are_in_a_batch() -> None:
    messages = [*some("a", range(3)), *(it for n in range(12) for it in some(f"k{n}", range(1)))]
    addressed = [Addressed.of(it, again=False) for it in messages]
    cut = [[it.repetition for it in batch] for one in rounds(addressed) for batch in batches(one)]
    assert [len(it) for it in cut] == [10, 3, 1, 1]
    assert [it[0] for it in (cut[0], *cut[2:])] == ["a-0", "a-1", "a-2"]

    large = [Message(b"x" * 100_000, f"k{number}", str(number)) for number in range(5)]
    addressed = [Addressed.of(it, again=False) for it in large]
    assert [len(it) for it in batches(addressed)] == [2, 2, 1]
    with pytest.raises(BrokerUnreachable, match="at most 262144 bytes"):
        Addressed.of(Message(b"x" * LARGEST, "k", "1"), again=False)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sns+sqs://", "sns\\+sqs://REGION"),
        ("sns+sqs://key:secret@eu-west-1", "AWS_PROFILE"),
        ("sns+sqs://eu-west-1?endpoint=127.0.0.1:5000", "endpoint is a URL"),
        ("sns+sqs://eu-west-1?wait=21", "wait is a number from 0 to 20"),
        ("sns+sqs://eu-west-1?visibility=long", "visibility is a number"),
        ("sns+sqs://eu-west-1?polling=1", "knows no polling"),
    ],
)
def test_a_url_that_says_nothing_usable_is_told(url: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        SnsSqsBroker(url)


async def test_names_that_aws_refuses_are_told() -> None:
    broker = SnsSqsBroker("sns+sqs://eu-west-1")
    with pytest.raises(SettingsError, match="at most 80 of"):
        await broker.waiting(Channel("orders"), "a" * 80)
    assert queue_of("a-b", "c") != queue_of("a", "b-c")


async def test_missing_credentials_are_told(
    channel: Channel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [it for it in os.environ if it.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    broker = SnsSqsBroker("sns+sqs://eu-west-1?endpoint=http://127.0.0.1:1")
    with pytest.raises(SettingsError, match=r"set AWS_ACCESS_KEY_ID .*takes any"):
        await broker.publish(channel, some("a", range(1)))
    with pytest.raises(SettingsError, match="AWS_ACCESS_KEY_ID"):
        async with broker.subscribe(Subscription(channel, "copy")):
            pass
    await broker.close()
