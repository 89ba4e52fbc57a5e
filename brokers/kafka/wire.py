"""Messages as Kafka carries them: attributes with `ce_` before their names, as headers.

Source: the Kafka protocol binding for CloudEvents, version 1.0.2.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from confluent_kafka import Message as WireMessage

from brokers.envelope import PREFIX, Message

CE = "ce_"
ID = "message-id"
"""The header with a message's own id, where that is not the event's in `ce_id`."""
KEY = "message-key"
"""The header with what keeps messages in order, where the record's key is another."""
_EVENT_ID = f"{PREFIX}id"

Headers = list[tuple[str, str | bytes | None]]


class Outgoing(NamedTuple):
    """A record to produce; one without a value removes what was there under its key."""

    key: bytes
    value: bytes | None
    headers: Headers


def to_wire(message: Message, key: str | None = None) -> Outgoing:
    """The message as a record, under another key than its own if one is given."""
    headers: Headers = [
        (_wire_name(name), value.encode()) for name, value in message.headers.items()
    ]
    if message.id != message.headers.get(_EVENT_ID, ""):
        headers.append((ID, message.id.encode()))
    if key is not None:
        headers.append((KEY, message.key.encode()))
    return Outgoing((message.key if key is None else key).encode(), message.body, headers)


@lru_cache(maxsize=1024)
def _wire_name(name: str) -> str:
    # The same few for all messages, and half of what it costs to publish one.
    return CE + name.removeprefix(PREFIX) if name.startswith(PREFIX) else name


def from_wire(incoming: WireMessage) -> Message:
    """The message in a record, of whatever sender; what has no key is ordered by its partition."""
    headers = {
        PREFIX + name.removeprefix(CE) if name.startswith(CE) else name: value
        for name, value in texts(incoming.headers())
    }
    key = headers.pop(KEY) if KEY in headers else _text(incoming.key())
    if key is None:
        key = headers.get(f"{PREFIX}partitionkey", f"{incoming.topic()}.{incoming.partition()}")
    return Message(
        body=_bytes(incoming.value()),
        key=key,
        id=headers.pop(ID, "") or headers.get(f"{PREFIX}id", ""),
        headers=headers,
    )


def is_tombstone(incoming: WireMessage) -> bool:
    """Whether it removes what was there under its key."""
    value: bytes | None = incoming.value()
    return value is None


def texts(headers: object) -> Iterable[tuple[str, str]]:
    """The headers that have a value, in lower case; the last of one name counts."""
    for name, value in headers if isinstance(headers, list) else ():
        if value is not None:
            yield name.lower(), _text(value) or ""


def _text(value: str | bytes | None) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""
