"""The same with confluent-kafka alone: an idempotent producer, offsets committed after the effects.

The topic is made as the adapter makes it. One partition's messages are handled one after the other,
the partitions side by side.
"""

import asyncio
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka import Message as WireMessage

from benchmarks.crowd import MeasurementFailed
from benchmarks.event_load import GROUP, PREFETCH, Books, OrderHappened, new_channel, take_in
from brokers.envelope import PREFIX, CloudEvent, Message
from brokers.kafka.layout import Layout
from brokers.kafka.topics import Topics
from brokers.kafka.wire import Headers, texts

_POLLS_FOR = 0.1
"""Seconds."""


class BareKafka:
    """One producer, and a consumer whenever it consumes."""

    def __init__(self, layout: Layout, topic: str) -> None:
        self._layout = layout
        self._topic = topic
        config = layout.config(enable_idempotence=True, acks="all", partitioner="murmur2_random")
        self._producer = Producer(config)

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str) -> AsyncIterator[Self]:
        """On a Kafka."""
        layout, channel = Layout.of_url(url), new_channel("bare")
        topics = Topics(layout)
        await topics.make(channel.name)
        topics.close()
        bare, ended = cls(layout, channel.name), threading.Event()
        listening = threading.Thread(target=bare._listen, args=(ended,), daemon=True)
        listening.start()
        yield bare
        ended.set()
        listening.join()

    def made(self, event: CloudEvent) -> Message:
        """In binary mode."""
        return Message.binary(event)

    async def publish(self, messages: Sequence[Message]) -> None:
        """All at once, and then the confirmations of all."""
        loop, left = asyncio.get_running_loop(), len(messages)
        confirmed: asyncio.Future[None] = loop.create_future()

        def delivered(error: KafkaError | None, _: WireMessage) -> None:
            nonlocal left
            left -= 1
            if error is not None:
                failed = MeasurementFailed(f"Kafka did not take a message: {error.str()}")
                loop.call_soon_threadsafe(confirmed.set_exception, failed)
            elif not left:
                loop.call_soon_threadsafe(confirmed.set_result, None)

        for it in messages:
            headers: Headers = [
                (name.replace(PREFIX, "ce_", 1), value.encode())
                for name, value in it.headers.items()
            ]
            self._producer.produce(
                self._topic, it.body, it.key.encode(), headers=headers, on_delivery=delivered
            )
        await confirmed

    @asynccontextmanager
    async def consuming(self, books: Books) -> AsyncIterator[None]:
        """A thread that polls, and a task for each partition."""
        config = self._layout.config(
            group_id=GROUP,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            enable_auto_offset_store=False,
        )
        consumer = Consumer(config)
        consumer.subscribe([self._topic])
        reading = _Reading(consumer, books)
        async with asyncio.TaskGroup() as group:
            polling = group.create_task(reading.poll(group))
            yield
            await reading.settled()
            polling.cancel()
            reading.end()
        await asyncio.to_thread(consumer.close)

    def _listen(self, ended: threading.Event) -> None:
        while not ended.is_set():
            self._producer.poll(_POLLS_FOR)


class _Reading:
    """What is under way of a consumer."""

    def __init__(self, consumer: Consumer, books: Books) -> None:
        self._consumer = consumer
        self._books = books
        self._room = asyncio.Semaphore(PREFETCH)
        self._partitions: dict[int, asyncio.Queue[WireMessage]] = defaultdict(asyncio.Queue)
        self._working: list[asyncio.Task[None]] = []
        self._done: dict[int, TopicPartition] = {}
        self._committing: asyncio.Task[None] | None = None

    async def poll(self, group: asyncio.TaskGroup) -> None:
        """Hand out what comes, as long as there is room."""
        while True:
            await self._room.acquire()
            free = 1
            while not self._room.locked():
                await self._room.acquire()
                free += 1
            came = await asyncio.to_thread(self._consumer.consume, free, _POLLS_FOR)
            for _ in range(free - len(came)):
                self._room.release()
            for message in came:
                number = message.partition()
                if number is None or message.error() is not None:
                    raise MeasurementFailed(f"Kafka says {message.error()}")
                if number not in self._partitions:
                    self._working.append(group.create_task(self._handle(number)))
                self._partitions[number].put_nowait(message)

    async def settled(self) -> None:
        """Return when everything that came is committed."""
        for waiting in list(self._partitions.values()):
            await waiting.join()
        while self._committing is not None:
            await asyncio.wait([self._committing])

    def end(self) -> None:
        """Let the tasks end."""
        for task in self._working:
            task.cancel()

    async def _handle(self, number: int) -> None:
        waiting = self._partitions[number]
        while True:
            message = await waiting.get()
            headers = dict(texts(message.headers()))
            event_id, event_type = headers["ce_id"], headers["ce_type"]
            data = OrderHappened.model_validate_json(message.value() or b"")
            await take_in(self._books, event_id, event_type, data)
            offset = (message.offset() or 0) + 1
            self._done[number] = TopicPartition(message.topic() or "", number, offset)
            if self._committing is None:
                self._committing = asyncio.create_task(self._commit())
            self._room.release()
            waiting.task_done()

    async def _commit(self) -> None:
        # One at a time; those that come meanwhile are in the next.
        while self._done:
            offsets, self._done = list(self._done.values()), {}
            await asyncio.to_thread(self._consumer.commit, offsets=offsets, asynchronous=False)
        self._committing = None
