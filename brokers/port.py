"""The port to a message broker: publish, subscribe, what a channel still holds, dead letters.

Every broker keeps these promises; tests/brokers/conformance.py holds each adapter to them:

- `publish` returns when the broker has the messages for certain, and may bring them twice.
- Messages of one key come in the order in which they were published, to each group.
- Each group gets every message; the consumers of a group share them, a key's with one at a time.
- A delivery that is not acknowledged when its consumer ends comes again.
- A subscription outlives a restart of the broker, and a slow consumer holds at most `prefetch`
  deliveries.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from brokers.envelope import Message
from runtime.errors import RuntimeProblem as RuntimeProblem  # noqa: PLC0414  services stand on brokers alone


class BrokerUnreachable(RuntimeProblem):
    """No broker answers, or it did not take what it was given."""

    exit_code = 3


class NoLog(RuntimeProblem):
    """This kind of broker keeps no messages that everyone has got."""

    exit_code = 2


@dataclass(frozen=True)
class Channel:
    """A named stream of messages: events for whoever listens, or commands for one receiver."""

    name: str
    """Letters, digits, `-`; such as `orders` or `payment-commands`."""
    groups: tuple[str, ...] = ()
    """Those that get everything, also what was published before they first listened."""


@dataclass(frozen=True)
class Subscription:
    """What a consumer wants to get."""

    channel: Channel
    group: str
    """Consumers of the same group share the messages."""
    prefetch: int = 64
    """How many deliveries may be under way at once."""


class Delivery(Protocol):
    """A message that was handed to this consumer, and to nobody else in its group."""

    @property
    def message(self) -> Message:
        """What was published."""

    async def ack(self) -> None:
        """It is done with; to be called when its effects are stored.

        If the broker can't be told, this returns all the same, and the message comes again.
        """

    async def release(self) -> None:
        """It is not done with: it comes again, before later ones of its key."""


class Broker(Protocol):
    """A message broker."""

    async def publish(
        self, channel: Channel, messages: Sequence[Message], *, again: bool = False
    ) -> None:
        """Publish in order, at least once; raises BrokerUnreachable.

        Args:
            channel: made with its groups if it is not there.
            messages: any number.
            again: bring them also where the broker would take them for repetitions.
        """

    def subscribe(
        self, subscription: Subscription
    ) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        """Deliveries without end, while the context is open.

        A group that was not there before begins with the oldest message that the broker has.
        """

    def log(self, channel: Channel) -> AsyncGenerator[Message]:
        """What the channel holds, consumed or not, oldest first, up to now.

        Raises BrokerUnreachable, or NoLog where the broker keeps only what is not consumed.
        """

    async def waiting(self, channel: Channel, group: str) -> int:
        """About how many messages the group has still to get or to acknowledge."""

    async def bury(self, channel: Channel, group: str, message: Message) -> None:
        """Put a dead letter where the group's are; its id is its own. Raises BrokerUnreachable."""

    async def dead_letters(self, channel: Channel, group: str) -> list[Message]:
        """The group's dead letters, oldest first; they stay. Raises BrokerUnreachable."""

    async def remove_dead_letter(self, channel: Channel, group: str, letter_id: str) -> bool:
        """Take one away; whether it was there. Raises BrokerUnreachable."""

    async def close(self) -> None:
        """Let go of every connection."""
