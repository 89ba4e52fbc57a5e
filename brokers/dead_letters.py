"""Dead letters: messages that a group could not handle, kept for a person to look at.

A dead letter is the message as it came, body, key and headers, with these headers added:

dead-letter-error          the type of the error
dead-letter-text           what it says, one line, at most 500 characters
dead-letter-tries          how often it was tried
dead-letter-first-failure  when it first failed, RFC 3339
dead-letter-last-failure   and when last
dead-letter-channel        where it came from
dead-letter-group          who could not handle it
dead-letter-event-id       the message's id, which is the event's as far as that is known
dead-letter-event-type     if it could be read
dead-letter-id             the letter's own, a UUID; it is the letter's message id, too

A broker that moves a message by itself adds none of them: such a letter tells less.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from uuid import uuid4

from brokers.envelope import CloudEvent, Message, UnreadableMessage
from brokers.failures import first_line
from brokers.port import Broker, Channel

PREFIX = "dead-letter-"
REPLAY_FOR = "replay-for"
"""The header of a message that was published again for one group: others leave it alone."""


@dataclass(frozen=True)
class Failing:
    """How handling a message has failed so far."""

    error: Exception
    """The last one."""
    tries: int
    first: datetime
    last: datetime

    @classmethod
    def again(cls, before: "Failing | None", error: Exception) -> Self:
        """One more failure."""
        now = datetime.now(UTC)
        return (
            cls(error, before.tries + 1, before.first, now) if before else cls(error, 1, now, now)
        )


def letter_for(channel: Channel, group: str, message: Message, failing: Failing) -> Message:
    """The dead letter of a message, with an id of its own."""
    letter_id = str(uuid4())
    told = {
        "id": letter_id,
        "error": type(failing.error).__name__,
        "text": first_line(failing.error),
        "tries": str(failing.tries),
        "first-failure": failing.first.isoformat(),
        "last-failure": failing.last.isoformat(),
        "channel": channel.name,
        "group": group,
        "event-id": message.id,
    }
    if (event := _event_in(message)) is not None:
        told["event-type"] = event.type
    headers = {**_without_ours(message), **{PREFIX + name: it for name, it in told.items()}}
    return Message(body=message.body, key=message.key, id=letter_id, headers=headers)


@dataclass(frozen=True)
class DeadLetter:
    """A dead letter that was read; None where the broker that moved it has not told."""

    id: str
    channel: Channel
    group: str
    original: Message
    """What could not be handled: as it came, with its own id."""
    event: CloudEvent | None
    """None if it holds none."""
    error: str | None
    text: str | None
    tries: int | None
    first_failure: datetime | None
    last_failure: datetime | None

    @classmethod
    def read(cls, channel: Channel, group: str, letter: Message) -> Self:
        """A letter of a group, as the broker has it."""
        told = {
            name.removeprefix(PREFIX): value
            for name, value in letter.headers.items()
            if name.startswith(PREFIX)
        }
        original = Message(letter.body, letter.key, letter.id, _without_ours(letter))
        event = _event_in(original)
        event_id = told.get("event-id") or (event.id if event else letter.id)
        tries = told.get("tries", "")
        return cls(
            id=letter.id,
            channel=channel,
            group=group,
            original=Message(letter.body, letter.key, event_id, original.headers),
            event=event,
            error=told.get("error"),
            text=told.get("text"),
            tries=int(tries) if tries.isdecimal() else None,
            first_failure=_instant(told.get("first-failure")),
            last_failure=_instant(told.get("last-failure")),
        )


async def dead_letters(broker: Broker, channel: Channel, group: str) -> list[DeadLetter]:
    """A group's dead letters, oldest first; raises BrokerUnreachable."""
    letters = await broker.dead_letters(channel, group)
    return [DeadLetter.read(channel, group, letter) for letter in letters]


async def nothing_else() -> None:
    """Between the publication of a letter and its removal."""


async def replay(
    broker: Broker, letter: DeadLetter, meanwhile: Callable[[], Awaitable[None]] = nothing_else
) -> bool:
    """Publish a letter again for its group, under its own event's id, and take it away.

    If this ends on the way, the letter is still there: replayed twice, it is handled once.

    Args:
        broker: where it is; raises BrokerUnreachable.
        letter: what to replay.
        meanwhile: done when it was published, before it is taken away.

    Returns:
        Whether the letter was still there at the end.
    """
    headers = {**letter.original.headers, REPLAY_FOR: letter.group}
    message = Message(letter.original.body, letter.original.key, letter.original.id, headers)
    await broker.publish(letter.channel, [message], again=True)
    await meanwhile()
    return await broker.remove_dead_letter(letter.channel, letter.group, letter.id)


def _without_ours(message: Message) -> dict[str, str]:
    return {name: it for name, it in message.headers.items() if not name.startswith(PREFIX)}


def _event_in(message: Message) -> CloudEvent | None:
    try:
        return message.event()
    except UnreadableMessage:
        return None


def _instant(text: str | None) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
