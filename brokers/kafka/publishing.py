"""Publishing by an idempotent producer: nothing is lost, doubled or overtaken on its way."""

import asyncio
import contextlib
import threading
from collections.abc import Iterable
from itertools import islice

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as WireMessage

from brokers.kafka.connecting import ANSWERS_WITHIN, LastProblem, made
from brokers.kafka.layout import Layout
from brokers.kafka.topics import Topics
from brokers.kafka.wire import Outgoing

BATCH = 10_000
"""How many records are with the client before they are waited for; it takes ten times that."""

ENDS_WITHIN = 2.0
"""Seconds for the thread of a producer to end."""

POLLS_FOR = 0.2
"""Seconds after which the thread looks whether it is to end."""


class Publisher:
    """One producer for all, made anew after each failure."""

    def __init__(self, layout: Layout, topics: Topics) -> None:
        self._layout = layout
        self._topics = topics
        self._sending: _Sending | None = None

    async def publish(
        self, topic: str, records: Iterable[Outgoing], count: int, *, letters: bool = False
    ) -> None:
        """Publish so many records to a topic, made if it is missing.

        Raises KafkaException, or TimeoutError with the reason.
        """
        await self._topics.make(topic, letters=letters)
        left = iter(records)
        for start in range(0, count, BATCH):
            if self._sending is None:
                self._sending = _Sending(self._layout)
            sending = self._sending
            try:
                await sending.send(topic, islice(left, BATCH), min(count - start, BATCH))
            except BaseException:
                # What is left of the batch must not arrive after what is published next.
                sending.stop()
                self._topics.forget(topic)
                if self._sending is sending:
                    self._sending = None
                raise

    async def close(self) -> None:
        """End the producer."""
        if self._sending is not None:
            sending, self._sending = self._sending, None
            sending.stop()
            await asyncio.to_thread(sending.join)


class _Sending:
    """A producer, and the thread that hears what became of its records."""

    def __init__(self, layout: Layout) -> None:
        self._problem = LastProblem()
        config = {
            **layout.config(enable_idempotence=True, acks="all", partitioner="murmur2_random"),
            "error_cb": self._problem,
        }
        config.setdefault("message.timeout.ms", int(ANSWERS_WITHIN * 1000))
        self._producer = made(lambda: Producer(config))
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True, name="kafka-producer")
        self._thread.start()

    async def send(self, topic: str, records: Iterable[Outgoing], count: int) -> None:
        batch = _Batch(count)
        for key, value, headers in records:
            self._producer.produce(topic, value, key, headers=headers, on_delivery=batch.delivered)
        error = await batch.settled
        if error is None:
            return
        if error.code() == KafkaError._MSG_TIMED_OUT:
            raise TimeoutError(str(self._problem))
        raise KafkaException(error)

    def stop(self) -> None:
        self._stopped.set()

    def join(self) -> None:
        self._thread.join(ENDS_WITHIN)

    def _listen(self) -> None:
        while not self._stopped.is_set():
            self._producer.poll(POLLS_FOR)
        self._producer.purge()
        self._producer.close()


class _Batch:
    """Records whose deliveries are counted."""

    def __init__(self, size: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._left = size
        self._error: KafkaError | None = None
        self.settled: asyncio.Future[KafkaError | None] = self._loop.create_future()
        """The first error, or None."""

    def delivered(self, error: KafkaError | None, _: WireMessage) -> None:
        """Called by the thread, in the order of the records of each partition."""
        self._left -= 1
        if self._error is None:
            self._error = error
        if error is not None or not self._left:
            # Nobody waits any more if the loop has ended.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if not self.settled.done():
            self.settled.set_result(self._error)
