"""A client that takes part in a group, and the thread that polls it.

The client blocks, and another thread that calls it meanwhile may wait for a rebalance, which waits
for that thread: so one polls it, and nothing else calls it.

Kafka gives a partition to one member at a time, and with it all messages of a key. When it wants
one back, nothing more of it is handed out, and what is under way is waited for, so that no key is
with two members.
"""

import time
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from brokers.kafka.connecting import made
from brokers.kafka.layout import Layout
from brokers.kafka.share import Share

POLLS_FOR = 0.1
"""Seconds for which it waits for messages, while nothing is under way."""

POLLS_AGAIN_AFTER = 0.01
"""Seconds after which it looks for messages, while it waits for what is under way."""

PAUSES_AFTER = 1.0
"""Seconds without room after which nothing is fetched any more.

The client throws away what it has fetched ahead when it pauses, so a consumer that is merely
slower than Kafka would fetch everything several times.
"""

COMMITS_AGAIN_AFTER = 500
"""Milliseconds after which a place that could not be committed is tried again."""

GIVES_UP_WITHIN = 5.0
"""Seconds in which what is under way may end when another member gets its partition."""


class Polling:
    """One client; made, polled and closed by `run`."""

    def __init__(self, layout: Layout, group: str, topic: str, share: Share) -> None:
        """Raises SettingsError."""
        self._topic = topic
        self._share = share
        self._paused = False
        self._full_since: float | None = None
        self._committing = self._streaming = False
        config = {
            **layout.config(group_id=group, enable_auto_offset_store=False),
            "auto.offset.reset": "earliest",
            # What is stored as done is committed at once; this is for what went wrong with that,
            # and for the end of an assignment.
            "enable.auto.commit": True,
            "auto.commit.interval.ms": COMMITS_AGAIN_AFTER,
            "on_commit": self._committed,
            # What the client fetches ahead; its default is 64 MB a consumer.
            "queued.max.messages.kbytes": 8192,
            "queued.min.messages": 1000,
        }
        # Only what changes hands stands still for that.
        config.setdefault("partition.assignment.strategy", "cooperative-sticky")
        self._client = made(lambda: Consumer(config))

    def run(self) -> None:
        """Until the share is left; raises KafkaException if another client is needed."""
        try:
            self._client.subscribe(
                [self._topic],
                on_assign=self._assigned,
                on_revoke=self._revoked,
                on_lost=self._lost,
            )
            while not self._share.left:
                if self._share.room() > 0:
                    self._resume()
                    self._take(self._wait())
                else:
                    self._hold_back()
                self._commit()
        finally:
            self._share.give_up_all()
            self._store()
            # Which commits what is stored.
            self._client.close()

    def _wait(self) -> float:
        """How long to poll; what is done meanwhile is waited for first, to be committed at once."""
        if self._committing or self._streaming:
            return POLLS_AGAIN_AFTER
        return 0 if self._share.wait_for_places(POLLS_AGAIN_AFTER) else POLLS_FOR

    def _hold_back(self) -> None:
        """Wait for room; who does not poll hears of no commit, and of no change in its group."""
        self._full_since = self._full_since or time.monotonic()
        if self._share.wait_for_room(POLLS_AGAIN_AFTER):
            return
        if time.monotonic() - self._full_since > PAUSES_AFTER:
            self._pause()
            self._take_one(0)
        elif self._committing:
            # Which may bring one that there is no room for yet, until it pauses.
            self._take_one(0)

    def _take(self, wait: float) -> None:
        room = self._share.room()
        self._streaming = False
        while room > 0 and self._take_one(0 if self._streaming else wait):
            room -= 1
            self._streaming = True
        self._share.tell()

    def _take_one(self, seconds: float) -> bool:
        incoming = self._client.poll(seconds)
        if incoming is None:
            return False
        if (error := incoming.error()) is not None:
            if error.retriable() or error.code() == KafkaError._MAX_POLL_EXCEEDED:
                return False
            raise KafkaException(error)
        number, offset = cast("int", incoming.partition()), cast("int", incoming.offset())
        self._share.take(number, offset, incoming)
        return True

    def _pause(self) -> None:
        # Again each time: what was assigned meanwhile is not paused.
        self._client.pause(self._client.assignment())
        self._paused = True

    def _resume(self) -> None:
        self._full_since = None
        if self._paused:
            self._client.resume(self._client.assignment())
            self._paused = False

    def _assigned(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._share.begin([it.partition for it in partitions])

    def _revoked(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._share.give_up([it.partition for it in partitions], GIVES_UP_WITHIN)
        # Committed by the client before somebody else has them.
        self._store()

    def _lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._share.lose([it.partition for it in partitions])

    def _store(self) -> bool:
        """Whether there was anything to store."""
        offsets = [TopicPartition(self._topic, *it) for it in self._share.places().items()]
        if offsets:
            self._client.store_offsets(offsets=offsets)
        return bool(offsets)

    def _commit(self) -> None:
        # One at a time: what is done meanwhile goes together, at the latest by the client's clock.
        if not self._committing and self._store():
            self._committing = True
            self._client.commit(asynchronous=True)

    def _committed(self, _: KafkaError | None, __: list[TopicPartition]) -> None:
        self._committing = False
