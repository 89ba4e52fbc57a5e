"""What is published fits the catalogue, for every way in which an order can end."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from brokers.catalogue import SchemaRefused
from brokers.envelope import CloudEvent, Message
from contracts import catalogue
from contracts.catalogue import CATALOGUE, OrderMessage, OrderRejected, SendOrderConfirmation
from contracts.commands import Line, PlaceOrder
from contracts.integration import integration_messages
from saga import Cause, DomainEvent, Event, fold
from saga.events import (
    CancelRequested,
    CompensationStarted,
    DeadlinePassed,
    FailureKind,
    SagaCompensated,
    SagaCompleted,
    SagaStarted,
    SagaStuck,
    SagaTerminated,
    StepFailed,
    StepStarted,
)
from saga.state import AnyEvent

SAGA = "order-1"
PLACED = PlaceOrder(
    order_id="1",
    customer_id="C-1",
    items=(Line(sku="BOOK", quantity=2, unit_price_minor=1250),),
    card_token="tok_visa",
    ship_to="1 Main St, Springfield",
)
STARTED = SagaStarted(
    saga_id=SAGA,
    saga_type="order",
    headline=PLACED.headline(),
    command_type="PlaceOrder",
    command=PLACED.model_dump(mode="json"),
    chain_depth=3,
)
CHARGING = StepStarted(saga_id=SAGA, name="charge-payment", command_type="ChargePayment")
DECLINED = StepFailed(
    saga_id=SAGA,
    name="charge-payment",
    kind=FailureKind.REFUSED,
    type="urn:problem:payment:card-declined",
    message="no",
)
STUCK = SagaStuck(saga_id=SAGA, failure=DECLINED)
CANCELLED = CancelRequested(saga_id=SAGA, by="C-1", reason="changed their mind")
COMPENSATED = SagaCompensated(saga_id=SAGA)


def going_back(cause: Cause, failure: StepFailed | None = None) -> CompensationStarted:
    return CompensationStarted(saga_id=SAGA, cause=cause, failure=failure)


def log_of(told: Iterable[DomainEvent]) -> list[AnyEvent]:
    events: list[AnyEvent] = []
    for position, data in enumerate(told):
        events.append(
            Event[DomainEvent](
                event_type=type(data).__name__,
                saga_id=SAGA,
                epoch=1,
                position=position,
                aggregate_id=data.aggregate_id,
                aggregate_type=data.aggregate_type,
                version=position + 1,
                occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
                correlation_id="request-1",
                causation_id=events[-1].event_id if events else "message-1",
                step="charge-payment" if isinstance(data, StepStarted | StepFailed) else None,
                data=data,
            )
        )
    return events


def published(*told: DomainEvent) -> list[CloudEvent]:
    """What comes out at the other end of a broker."""
    log = log_of(told)
    messages = integration_messages(fold(log), log)
    return [Message.structured(event).event() for event in messages]


ENDS: dict[str, tuple[list[DomainEvent], list[str]]] = {
    "completed": (
        [SagaCompleted(saga_id=SAGA)],
        ["OrderPlaced", "OrderConfirmed", "SendOrderConfirmation"],
    ),
    "refused": (
        [CHARGING, DECLINED, going_back(Cause.FAILED, DECLINED), COMPENSATED],
        ["OrderPlaced", "OrderRejected"],
    ),
    "cancelled": (
        [CANCELLED, going_back(Cause.CANCELLED), COMPENSATED],
        ["OrderPlaced", "OrderCancelled"],
    ),
    "too late": (
        [DeadlinePassed(saga_id=SAGA, seconds=600), going_back(Cause.DEADLINE), COMPENSATED],
        ["OrderPlaced", "OrderRejected"],
    ),
    "stuck": (
        [CHARGING, DECLINED, going_back(Cause.FAILED, DECLINED), STUCK],
        ["OrderPlaced"],
    ),
    "terminated": ([SagaTerminated(saga_id=SAGA, how="terminated")], ["OrderPlaced"]),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_is_published_fits_the_catalogue(end: str) -> None:
    told, types = ENDS[end]
    events = published(STARTED, *told)
    assert [event.type for event in events] == types
    for event in events:
        data = CATALOGUE.decode(event)
        assert data.model_dump(mode="json") == event.data
        assert (event.subject, event.partitionkey, event.correlationid) == ("1", "1", "request-1")
        if isinstance(data, OrderMessage):
            assert (data.total_minor, data.currency, data.item_count) == (2500, "USD", 2)


def test_a_rejected_order_says_why() -> None:
    for end, reason in {"refused": DECLINED.type, "too late": "deadline"}.items():
        told = CATALOGUE.decode(published(STARTED, *ENDS[end][0])[-1])
        assert isinstance(told, OrderRejected)
        assert told.reason == reason


def test_a_command_follows_from_its_event_and_keeps_its_id() -> None:
    placed, confirmed, command = published(STARTED, SagaCompleted(saga_id=SAGA))
    assert placed.causationid == "message-1"
    assert (command.causationid, command.chaindepth) == (confirmed.id, 4)
    assert (placed.chaindepth, confirmed.chaindepth) == (3, 3)
    again = published(STARTED, SagaCompleted(saga_id=SAGA))
    assert [event.id for event in again] == [placed.id, confirmed.id, command.id]
    assert isinstance(CATALOGUE.decode(command), SendOrderConfirmation)


def test_a_command_has_one_receiver_and_an_event_whoever_listens() -> None:
    for known in CATALOGUE:
        assert known.receivers == known.channel.groups
        assert known.model.__name__ == known.name
        assert known.version == getattr(known.model, "schema_version", None)


def test_an_order_by_message_is_checked_as_any_order_is() -> None:
    document = PLACED.model_dump(mode="json", exclude={"schema_version"})
    del document["schema_version"]
    assert catalogue.PlaceOrder.model_validate(document).order() == PLACED
    dear = {"sku": "GOLD", "quantity": 10**6, "unit_price_minor": 10**12}
    wrongs: list[dict[str, object]] = [{"items": []}, {"card": "4111"}, {"items": [dear]}]
    for wrong in wrongs:
        with pytest.raises(ValidationError):
            catalogue.PlaceOrder.model_validate({**document, **wrong})


def test_newer_data_is_refused() -> None:
    event = published(STARTED)[0].model_copy(update={"schemaversion": 2})
    with pytest.raises(SchemaRefused, match="OrderPlaced came in schema version 2, and this code"):
        CATALOGUE.decode(event)
