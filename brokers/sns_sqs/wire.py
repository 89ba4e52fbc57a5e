"""Messages as SNS and SQS carry them: text of at most 256 KB, and at most ten attributes.

A CloudEvent goes as one JSON document, since it has more attributes than raw delivery lets through.
One attribute holds what else makes up a `Message`; three more are there for filter policies.
"""

import json
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from brokers.envelope import (
    CONTENT_TYPE,
    PREFIX,
    STRUCTURED,
    CloudEvent,
    Message,
    UnreadableMessage,
)

if TYPE_CHECKING:
    from types_aiobotocore_sqs.type_defs import (
        MessageAttributeValueOutputTypeDef,
        MessageTypeDef,
    )

ENVELOPE = "message"
"""The attribute with the message's id, key and headers, as JSON."""
ENCODING = "body-encoding"
"""The attribute that says `base64` of a body that is no text."""
_BASE64 = "base64,"

_REFUSED = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What is no character of XML 1.0, and so none of SNS and SQS."""


class _Envelope(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    key: str
    headers: dict[str, str]
    buried: int | None = None
    """Nanoseconds since 1970, of a dead letter."""


@dataclass(frozen=True)
class Wire:
    """What both services are given."""

    body: str
    attributes: Mapping[str, str]

    @property
    def size(self) -> int:
        """Bytes, as the services count them."""
        parts = [self.body]
        for name, value in self.attributes.items():
            parts += [name, "String", value]
        return sum(len(part.encode()) for part in parts)


@dataclass(frozen=True)
class Letter:
    """A message in a queue of dead letters."""

    message: Message
    buried: int | None
    """Nanoseconds since 1970; None of one that SQS has moved."""
    sent: int
    """Nanoseconds since 1970."""


def to_wire(message: Message, *, buried: int | None = None) -> Wire:
    """The message as a structured CloudEvent; what is none goes as it is."""
    event = _event(message)
    if event is not None:
        message = _structured(message, event)
    attributes: dict[str, str] = {}
    try:
        body = message.body.decode()
        plain = bool(body) and not _REFUSED.search(body)
    except UnicodeDecodeError:
        body, plain = "", False
    if not plain:
        body = _BASE64 + b64encode(message.body).decode()
        attributes[ENCODING] = "base64"
    envelope = _Envelope(
        id=message.id, key=message.key, headers=dict(message.headers), buried=buried
    )
    # Not pydantic's JSON, which leaves in it what SNS refuses.
    attributes[ENVELOPE] = json.dumps(envelope.model_dump(exclude_none=True), separators=(",", ":"))
    if event is not None:
        told = {
            "event-type": event.type,
            "event-id": event.id,
            "correlation-id": event.correlationid,
        }
        attributes.update({name: it for name, it in told.items() if not _REFUSED.search(it)})
    return Wire(body, attributes)


def buried_now(message: Message) -> Wire:
    """A dead letter that remembers when it became one."""
    return to_wire(message, buried=time.time_ns())


def from_wire(received: "MessageTypeDef") -> Message:
    """The message in a delivery, of whatever sender."""
    envelope = _envelope(received)
    body = _body(received)
    if envelope is not None:
        return Message(body, envelope.key, envelope.id, envelope.headers)
    key = received.get("Attributes", {}).get("MessageGroupId", "")
    foreign = Message(body, key, received.get("MessageId", ""), {CONTENT_TYPE: STRUCTURED})
    event = _event(foreign)
    return foreign if event is None else replace(foreign, id=event.id)


def letter_from_wire(received: "MessageTypeDef") -> Letter:
    """A dead letter; one that SQS has moved has SQS's own id of the message as its id."""
    message = from_wire(received)
    sent = int(received.get("Attributes", {}).get("SentTimestamp", "0")) * 1_000_000
    envelope = _envelope(received)
    if envelope is None or envelope.buried is None:
        return Letter(replace(message, id=received.get("MessageId", "")), None, sent)
    return Letter(message, envelope.buried, sent)


def _structured(message: Message, event: CloudEvent) -> Message:
    content_type = message.headers.get(CONTENT_TYPE, "").partition(";")[0].strip().lower()
    if content_type == STRUCTURED:
        return message
    # An attribute that CloudEvent does not know is not in its JSON: it stays a header.
    told = {PREFIX + name for name in CloudEvent.model_fields}
    others = {name: it for name, it in message.headers.items() if name not in told}
    return replace(Message.structured(event, others), key=message.key, id=message.id)


def _event(message: Message) -> CloudEvent | None:
    try:
        return message.event()
    except UnreadableMessage:
        return None


def _body(received: "MessageTypeDef") -> bytes:
    body = received.get("Body", "")
    if _attribute(received, ENCODING) == "base64" and body.startswith(_BASE64):
        # What somebody else sends may be marked so and be none: then it goes as it is.
        with suppress(ValueError):
            return b64decode(body.removeprefix(_BASE64), validate=True)
    return body.encode()


def _envelope(received: "MessageTypeDef") -> _Envelope | None:
    text = _attribute(received, ENVELOPE)
    try:
        return None if text is None else _Envelope.model_validate_json(text)
    except ValidationError:
        return None


def _attribute(received: "MessageTypeDef", name: str) -> str | None:
    attributes: Mapping[str, MessageAttributeValueOutputTypeDef]
    attributes = received.get("MessageAttributes", {})
    return attributes[name].get("StringValue") if name in attributes else None
