"""What the outside is told of orders: integration messages, made of the saga's own events.

They say as much as a subscriber needs and nothing of how the saga came there.
"""

from collections.abc import Iterable
from uuid import UUID, uuid5

from brokers.envelope import CloudEvent
from contracts.catalogue import (
    CATALOGUE,
    OrderCancelled,
    OrderConfirmed,
    OrderMessage,
    OrderPlaced,
    OrderRejected,
    SendOrderConfirmation,
)
from saga.events import Cause, SagaCompensated, SagaCompleted, SagaStarted
from saga.state import AnyEvent, SagaState

_COMMANDS = UUID("6f2c1a3e-54f7-5d0c-9a55-3f0e8d1c7b42")
"""The namespace of the ids of commands that follow from an event."""


def integration_messages(state: SagaState, events: Iterable[AnyEvent]) -> list[CloudEvent]:
    """What these events of an order's saga tell the outside, in their order.

    Each event is followed by the command that it causes, if any. Ids depend on the saga's event
    alone, so what is published again is known again.
    """
    told = []
    for event in events:
        data = _told(state, event)
        if data is None:
            continue
        envelope = CATALOGUE.envelope(
            data,
            event_id=event.event_id,
            subject=data.order_id,
            correlation_id=event.correlation_id,
            time=event.occurred_at,
        )
        # What caused it is the saga's affair, and no message; what led to the saga may be one.
        inherited = {"causationid": event.causation_id, "chaindepth": state.chain_depth}
        envelope = envelope.model_copy(update=inherited)
        told.append(envelope)
        if isinstance(data, OrderConfirmed):
            told.append(_confirmation(data, envelope))
    return told


def _told(state: SagaState, event: AnyEvent) -> OrderMessage | None:
    headline = state.headline
    order = {
        "order_id": headline.business_id,
        "customer_id": headline.customer_id,
        "total_minor": headline.amount_minor,
        "currency": headline.currency,
        "item_count": headline.item_count,
    }
    match event.event_type:
        case SagaStarted.__name__:
            return OrderPlaced.model_validate(order)
        case SagaCompleted.__name__:
            return OrderConfirmed.model_validate(order)
        case SagaCompensated.__name__ if state.cause is Cause.CANCELLED:
            return OrderCancelled.model_validate(order)
        case SagaCompensated.__name__:
            reason = state.failure.type if state.failure else state.cause
            return OrderRejected.model_validate({**order, "reason": reason})
        case _:
            return None


def _confirmation(order: OrderConfirmed, cause: CloudEvent) -> CloudEvent:
    return CATALOGUE.envelope(
        SendOrderConfirmation(
            order_id=order.order_id,
            customer_id=order.customer_id,
            total_minor=order.total_minor,
            currency=order.currency,
        ),
        event_id=str(uuid5(_COMMANDS, f"{cause.id}/{SendOrderConfirmation.__name__}")),
        subject=order.order_id,
        cause=cause,
        time=cause.time,
    )
