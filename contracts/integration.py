"""What the outside is told of orders: integration events, made of the saga's own.

They say as much as a subscriber needs and nothing of how the saga came there.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from saga.envelope import JsonObject
from saga.events import Cause
from saga.state import AnyEvent, SagaState
from saga.versions import VERSION, know, lift

SOURCE = "/durable-saga/orders"

VERSIONS = {"OrderPlaced": 1, "OrderConfirmed": 1, "OrderCancelled": 1, "OrderRejected": 1}
"""Today's schema version of each type's data."""


def message_name(event_type: str) -> str:
    """Its name for upcasters: two of the types are called as domain events are."""
    return f"integration event {event_type}"


for _type, _version in VERSIONS.items():
    know(message_name(_type), _version)


class CloudEvent(BaseModel):
    """An integration event as a CloudEvent 1.0; the extension attributes are in lower case."""

    model_config = ConfigDict(frozen=True)

    specversion: Literal["1.0"] = "1.0"
    id: str
    """The domain event's id: publishing it again is no new event."""
    source: str = SOURCE
    type: str
    subject: str
    """The order's id."""
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    correlationid: str
    causationid: str | None
    schemaversion: int = 1
    """The data's."""
    partitionkey: str
    """The order's id: events of one order stay in order."""
    data: JsonObject

    @model_validator(mode="before")
    @classmethod
    def _lifted(cls, content: object) -> object:
        if not isinstance(content, dict) or content.get("type") not in VERSIONS:
            return content
        said = {**content.get("data", {}), VERSION: content.get("schemaversion", 1)}
        data = lift(message_name(content["type"]), said)
        return {**content, "schemaversion": data.pop(VERSION), "data": data}


def integration_events(state: SagaState, events: Iterable[AnyEvent]) -> list[CloudEvent]:
    """What these events of an order's saga tell the outside, in their order."""
    return [
        _told(kind, state, event) for event in events if (kind := _kind(state, event)) is not None
    ]


def _kind(state: SagaState, event: AnyEvent) -> str | None:
    match event.event_type:
        case "SagaStarted":
            return "OrderPlaced"
        case "SagaCompleted":
            return "OrderConfirmed"
        case "SagaCompensated":
            return "OrderCancelled" if state.cause is Cause.CANCELLED else "OrderRejected"
        case _:
            return None


def _told(kind: str, state: SagaState, event: AnyEvent) -> CloudEvent:
    headline = state.headline
    data: JsonObject = {
        "order_id": headline.business_id,
        "customer_id": headline.customer_id,
        "total_minor": headline.amount_minor,
        "currency": headline.currency,
        "item_count": headline.item_count,
    }
    if kind == "OrderRejected":
        data["reason"] = state.failure.type if state.failure else state.cause
    return CloudEvent(
        id=event.event_id,
        type=kind,
        subject=headline.business_id,
        time=event.occurred_at,
        correlationid=event.correlation_id,
        causationid=event.causation_id,
        schemaversion=VERSIONS[kind],
        partitionkey=headline.business_id,
        data=data,
    )
