"""A member's share of the messages, between the event loop and the thread that polls Kafka."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from confluent_kafka import Message as WireMessage

from brokers.envelope import Message
from brokers.kafka.partition import Partition, Record


class Share:
    """The partitions that are assigned to a member; every method may be called by either side."""

    def __init__(self, prefetch: int, came: Callable[[], None]) -> None:
        """`came` is called when there may be something to hand out, also by the thread."""
        self._prefetch = prefetch
        self.tell = came
        self._changed = threading.Condition()
        self._held: dict[int, Partition] = {}
        self._turns: deque[Partition] = deque()
        self._places: dict[int, int] = {}
        """By partition, before which record all is done, if that is to be committed."""
        self.left = False

    def begin(self, numbers: Iterable[int]) -> None:
        """Partitions were assigned."""
        with self._changed:
            for number in numbers:
                partition = self._held[number] = Partition(number, self._places.__setitem__)
                self._turns.append(partition)

    def take(self, number: int, offset: int, incoming: WireMessage) -> None:
        """A message has come; of a partition that is held no more, it is somebody else's."""
        with self._changed:
            if number in self._held:
                self._held[number].take(Record(incoming, offset))

    def next(self) -> "KafkaDelivery | None":
        """The next delivery, of each partition in turn, if there is one to be had."""
        with self._changed:
            if self._under_way() >= self._prefetch:
                return None
            for _ in range(len(self._turns)):
                partition = self._turns[0]
                self._turns.rotate(-1)
                if record := partition.hand_out():
                    self._changed.notify_all()
                    return KafkaDelivery(self, partition, record)
            return None

    def settle(self, partition: Partition, record: Record, *, done: bool) -> None:
        """A delivery has ended; one of a former assignment is not ours to say anything about."""
        with self._changed:
            if not partition.ended:
                partition.settle(record, done=done)
                self._changed.notify_all()
        self.tell()

    def wait_for_places(self, seconds: float) -> bool:
        """Wait until there is something to commit, as long as anything is under way.

        Returns:
            Whether anything is.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._places or self.left or not self._under_way(), seconds
            )
            return self._under_way() > 0

    def places(self) -> dict[int, int]:
        """What is to be committed, told once."""
        with self._changed:
            told = self._places.copy()
            self._places.clear()
            return told

    def wait_for_room(self, seconds: float) -> bool:
        """Whether more may come: as many as may be under way wait here, and not more."""
        with self._changed:
            return self._changed.wait_for(lambda: self._room() > 0 or self.left, seconds)

    def room(self) -> int:
        """How many more may come."""
        with self._changed:
            return self._room()

    def give_up(self, numbers: Iterable[int], within: float) -> None:
        """Hand out no more of the partitions, and let what is under way come to its end."""
        with self._changed:
            given = [self._held[number] for number in numbers if number in self._held]
            for it in given:
                it.leaving = True
            deadline = time.monotonic() + within
            while not self.left and any(it.under_way for it in given):
                if not self._changed.wait(deadline - time.monotonic()):
                    break
            self._end(given)

    def lose(self, numbers: Sequence[int]) -> None:
        """The partitions are somebody else's already."""
        with self._changed:
            self._end([self._held[number] for number in numbers if number in self._held])
            for number in numbers:
                self._places.pop(number, None)

    def give_up_all(self) -> None:
        """The client has ended."""
        with self._changed:
            self._end(list(self._turns))

    def leave(self) -> None:
        """Nothing is waited for any more."""
        with self._changed:
            self.left = True
            self._changed.notify_all()

    def _under_way(self) -> int:
        return sum(it.under_way for it in self._turns)

    def _room(self) -> int:
        return self._prefetch - sum(len(it.pending) for it in self._turns)

    def _end(self, partitions: list[Partition]) -> None:
        for it in partitions:
            it.ended = True
            it.pending.clear()
            del self._held[it.number]
            self._turns.remove(it)
        self._changed.notify_all()


@dataclass(eq=False)
class KafkaDelivery:
    """A message that this member was given."""

    _share: Share
    _partition: Partition
    _record: Record
    _settled: bool = False

    @property
    def message(self) -> Message:
        """What was published."""
        return self._record.message

    async def ack(self) -> None:
        """It is done with; its place is committed when all before it in its partition are done."""
        self._settle(done=True)

    async def release(self) -> None:
        """It comes again, before what has not gone out of its partition."""
        self._settle(done=False)

    def _settle(self, *, done: bool) -> None:
        if not self._settled:
            self._settled = True
            self._share.settle(self._partition, self._record, done=done)
