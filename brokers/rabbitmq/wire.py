"""Messages as RabbitMQ carries them: attributes with `ce-` before their names, and properties.

Source: the CloudEvents binding for RabbitMQ (AMQP 0.9.1) of knative-extensions/eventing-rabbitmq.
"""

from collections.abc import Mapping
from datetime import datetime

from aio_pika import DeliveryMode
from aio_pika import Message as WireMessage
from aio_pika.abc import AbstractIncomingMessage, HeadersType

from brokers.envelope import CONTENT_TYPE, PREFIX, Message

KEY = "message-key"
"""The header with what keeps messages in order, which AMQP has no property for."""

ID = "message-id"
"""The header with an id that is too long for the property, or with none."""

LONGEST = 255
"""Bytes of a property."""


def to_wire(message: Message) -> WireMessage:
    """The message with what other clients of RabbitMQ look for: type, ids and time."""
    headers: HeadersType = {**message.headers, KEY: message.key}
    content_type = _property(message.headers.get(CONTENT_TYPE))
    if content_type is not None:
        del headers[CONTENT_TYPE]
    message_id = _property(message.id)
    if not message_id:
        # The client makes up one for the property.
        headers[ID] = message.id
    attributes = message.attributes()
    return WireMessage(
        body=message.body,
        headers=headers,
        content_type=content_type,
        delivery_mode=DeliveryMode.PERSISTENT,
        message_id=message_id,
        type=_property(attributes.get("type")),
        correlation_id=_property(attributes.get("correlationid")),
        timestamp=_time(attributes.get("time")),
    )


def from_wire(incoming: AbstractIncomingMessage) -> Message:
    """The message in a delivery, of whatever sender; what has no key is ordered by its route."""
    headers = _texts(incoming.headers)
    key = headers.pop(KEY, None) or headers.get(f"{PREFIX}partitionkey")
    message_id = headers.pop(ID, incoming.message_id) or ""
    if incoming.content_type is not None:
        headers[CONTENT_TYPE] = incoming.content_type
    return Message(
        body=incoming.body,
        key=key or incoming.routing_key or "",
        id=message_id,
        headers=headers,
    )


def _property(text: object) -> str | None:
    return text if isinstance(text, str) and len(text.encode()) <= LONGEST else None


def _time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(text))
        # AMQP's begins in 1970.
        return time if time.timestamp() >= 0 else None
    except (ValueError, OverflowError):
        return None


def _texts(headers: Mapping[str, object]) -> dict[str, str]:
    # The broker adds tables and numbers of its own, such as `x-death` and `x-stream-offset`.
    return {name.lower(): value for name, value in headers.items() if isinstance(value, str)}
