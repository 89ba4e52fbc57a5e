"""A partition that a member has, from one assignment to the next: what came and what is done."""

from bisect import insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from confluent_kafka import Message as WireMessage

from brokers.envelope import Message
from brokers.kafka.wire import from_wire


@dataclass(frozen=True)
class Record:
    """A record, and its place."""

    incoming: WireMessage
    offset: int

    @cached_property
    def message(self) -> Message:
        """What was published."""
        return from_wire(self.incoming)


@dataclass(eq=False)
class Partition:
    """Kafka keeps one place for a group in it: all before that is done."""

    number: int
    moved: Callable[[int, int], None]
    """Called with the number and the place before which all is done, when that changes."""
    pending: deque[Record] = field(default_factory=deque)
    """What has come and was not handed out, in order."""
    under_way: int = 0
    leaving: bool = False
    """Nothing more of it is handed out."""
    ended: bool = False
    """It is somebody else's: what was under way comes again, to them."""
    _open: deque[int] = field(default_factory=deque)
    """Offsets from the first that is not done, in order; those in `_done` are, all the same."""
    _done: set[int] = field(default_factory=set)

    def take(self, record: Record) -> None:
        """The next one has come."""
        self.pending.append(record)
        self._open.append(record.offset)

    def hand_out(self) -> Record | None:
        """The next one, if there is one to be had."""
        if self.leaving or not self.pending:
            return None
        self.under_way += 1
        return self.pending.popleft()

    def settle(self, record: Record, *, done: bool) -> None:
        """One that was handed out is done, or goes out again in its place."""
        self.under_way -= 1
        if not done:
            insort(self.pending, record, key=lambda it: it.offset)
            return
        self._done.add(record.offset)
        if self._open[0] != record.offset:
            return
        place = record.offset + 1
        while self._open and self._open[0] in self._done:
            place = self._open.popleft() + 1
            self._done.remove(place - 1)
        self.moved(self.number, place)
