"""Reading a topic from somewhere to its end, as no member of any group."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar, cast

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka import Message as WireMessage

from brokers.kafka.connecting import ANSWERS_WITHIN, LastProblem, made
from brokers.kafka.layout import Layout

BATCH = 500
"""How many records come to the event loop at once."""

LOOKS_EVERY = 0.1
"""Seconds after which a reader that gets nothing looks at the clock."""

Result = TypeVar("Result")


async def read_to_end(layout: Layout, topic: str) -> AsyncGenerator[WireMessage]:
    """What the topic holds up to now, in the order of each partition; nothing if it is missing.

    Raises KafkaException, or TimeoutError with the reason.
    """
    async with _reader(layout, topic, topic) as reader:
        starts = dict.fromkeys(await reader.run(reader.partitions), OFFSET_BEGINNING)
        await reader.run(lambda: reader.start(starts))
        while not reader.finished:
            for record in await reader.run(reader.batch):
                yield record


async def count_uncommitted(layout: Layout, topic: str, group: str) -> int:
    """How many records are behind what the group has committed; raises as `read_to_end` does."""
    async with _reader(layout, topic, group) as reader:
        starts = await reader.run(reader.committed)
        await reader.run(lambda: reader.start(starts))
        # The broker tells with each answer where the partition ends, so one record is enough.
        # Asked for the end alone, tansu gives the beginning of the last batch.
        while reader.ends.keys() != starts.keys():
            await reader.run(lambda: reader.batch(1))
    return sum(end - reader.firsts[number] for number, end in reader.ends.items())


class _Reader:
    """Blocking, so that all of it happens on a thread of its own."""

    def __init__(self, layout: Layout, topic: str, group: str) -> None:
        self._problem = LastProblem()
        config = {
            **layout.config(group_id=group, enable_auto_commit=False, enable_partition_eof=True),
            "auto.offset.reset": "earliest",
            # Enough to find out where a partition ends.
            "fetch.wait.max.ms": 50,
            "queued.max.messages.kbytes": 8192,
            "error_cb": self._problem,
        }
        self._topic = topic
        self._consumer = made(lambda: Consumer(config))
        self._reading: set[int] = set()
        self._thread = ThreadPoolExecutor(1, "kafka-reader")
        self.firsts: dict[int, int] = {}
        """By partition, the offset of the first record, or the end if there is none."""
        self.ends: dict[int, int] = {}
        """By partition, where it ended when its first record came."""

    @property
    def finished(self) -> bool:
        return not self._reading

    async def run(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def partitions(self) -> list[int]:
        try:
            found = self._consumer.list_topics(self._topic, ANSWERS_WITHIN).topics[self._topic]
        except KafkaException as error:
            self._consumer.poll(0)  # Which hears of the problem.
            raise TimeoutError(str(self._problem)) from error
        if found.error is None:
            return sorted(found.partitions)
        if found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return []
        raise KafkaException(found.error)

    def committed(self) -> dict[int, int]:
        asked = [TopicPartition(self._topic, it) for it in self.partitions()]
        told = self._consumer.committed(asked, ANSWERS_WITHIN) if asked else []
        for it in told:
            if it.error is not None:
                raise KafkaException(it.error)
        return {
            it.partition: OFFSET_BEGINNING if it.offset == OFFSET_INVALID else it.offset
            for it in told
        }

    def start(self, starts: Mapping[int, int]) -> None:
        self._reading = set(starts)
        self._consumer.assign([TopicPartition(self._topic, *it) for it in starts.items()])

    def batch(self, most: int = BATCH) -> list[WireMessage]:
        """The next records; none if partitions have ended."""
        deadline = time.monotonic() + ANSWERS_WITHIN
        records: list[WireMessage] = []
        while self._reading and len(records) < most:
            incoming = self._consumer.poll(0 if records else LOOKS_EVERY)
            if incoming is None:
                if records:
                    break
                if time.monotonic() > deadline:
                    raise TimeoutError(str(self._problem))
            elif self._is_new(incoming):
                records.append(incoming)
        return records

    def _is_new(self, incoming: WireMessage) -> bool:
        """Whether it is a record of before this began."""
        error = incoming.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        number, offset = cast("int", incoming.partition()), cast("int", incoming.offset())
        if number not in self._reading:
            return False
        if number not in self.ends:
            self.firsts[number] = offset
            at = TopicPartition(self._topic, number)
            self.ends[number] = max(
                offset, self._consumer.get_watermark_offsets(at, cached=True)[1]
            )
        if error is not None or offset + 1 >= self.ends[number]:
            self._reading.discard(number)
        return error is None

    def close(self) -> None:
        self._thread.submit(self._consumer.close)
        self._thread.shutdown(wait=False)


@asynccontextmanager
async def _reader(layout: Layout, topic: str, group: str) -> AsyncIterator[_Reader]:
    reader = _Reader(layout, topic, group)
    try:
        yield reader
    finally:
        reader.close()
