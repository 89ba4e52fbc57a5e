"""No connection of RabbitMQ's client is left open, also where nobody answers."""

import asyncio
import gc
import socket

import pytest

from brokers.port import BrokerUnreachable, Channel
from brokers.rabbitmq import RabbitBroker, connecting
from tests.ports import free_port


def publish_in_vain(port: int) -> None:
    """Also collects what was dropped, while its loop is there and does not run."""

    async def publish() -> None:
        broker = RabbitBroker(f"amqp://guest:guest@127.0.0.1:{port}/")
        try:
            with pytest.raises(BrokerUnreachable):
                await broker.publish(Channel("orders"), [])
        finally:
            await broker.close()

    with asyncio.Runner() as runner:
        runner.run(publish())
        # A coroutine that is made here is never awaited, which fails the test.
        asyncio.set_event_loop(None)
        gc.collect()


def test_nothing_is_left_of_a_connection_that_was_refused() -> None:
    publish_in_vain(free_port())


def test_nothing_is_left_of_a_connection_that_got_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connecting, "CONNECT_WITHIN", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        publish_in_vain(silent.getsockname()[1])
