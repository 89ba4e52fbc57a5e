"""Logs of real saga events, and the states that they add up to."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from saga import Cause, Direction, DomainEvent, Event, FailureKind, Headline, SagaState, fold
from saga.events import (
    CompensationStarted,
    SagaCompensated,
    SagaCompleted,
    SagaEvent,
    SagaStarted,
    SagaStuck,
    StepFailed,
    StepStarted,
)

START = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
EPOCH = 1_772_366_400_000
"""Milliseconds, as in a run's id: more than 32 bits."""

Log = list[Event[Any]]
Told = tuple[DomainEvent, str | None, Direction | None]


class Answer(DomainEvent):
    """What a participant tells."""

    aggregate_type = "Thing"

    @property
    def aggregate_id(self) -> str:
        return "thing-1"


def log_of(
    saga: str, told: Sequence[Told], *, epoch: int = EPOCH, start: datetime = START
) -> list[Event[Any]]:
    """The events, a second and a position apart."""
    return [
        Event[Any](
            saga_id=saga,
            epoch=epoch,
            position=position,
            correlation_id="request-7",
            event_type=type(data).__name__,
            aggregate_id=data.aggregate_id,
            aggregate_type=data.aggregate_type,
            version=position + 1,
            occurred_at=start + timedelta(seconds=position),
            step=step,
            direction=direction,
            data=data,
        )
        for position, (data, step, direction) in enumerate(told)
    ]


def begun(
    business_id: str, saga_type: str = "order", customer_id: str | None = "c-1"
) -> SagaStarted:
    """The first event of a saga about money and items."""
    return SagaStarted(
        saga_id=f"{saga_type}-{business_id}",
        saga_type=saga_type,
        headline=Headline(
            business_id=business_id,
            customer_id=customer_id,
            amount_minor=2820,
            currency="USD",
            item_count=3,
        ),
        command_type="PlaceOrder",
        command={"schema_version": 1},
    )


def failed(saga: str, name: str, message: str = "no") -> StepFailed:
    """A participant's refusal."""
    return StepFailed(
        saga_id=saga,
        name=name,
        kind=FailureKind.REFUSED,
        type="urn:problem:payment:card-declined",
        message=message,
    )


def sent(saga: str, step: str, direction: Direction = Direction.DO) -> Told:
    """A command to a participant."""
    return StepStarted(saga_id=saga, name=step, command_type="Any"), step, direction


def of_saga(event: SagaEvent) -> Told:
    """An event that belongs to no step."""
    return event, None, None


def completed(
    business_id: str = "o-1",
    *,
    saga_type: str = "order",
    customer_id: str | None = "c-1",
    epoch: int = EPOCH,
    start: datetime = START,
) -> list[SagaState]:
    """Every state of a saga with two steps, named against their alphabet, the last completed."""
    saga = f"{saga_type}-{business_id}"
    told: list[Told] = [
        of_saga(begun(business_id, saga_type, customer_id)),
        sent(saga, "zip"),
        (Answer(), "zip", Direction.DO),
        sent(saga, "apply"),
        (Answer(), "apply", Direction.DO),
        of_saga(SagaCompleted(saga_id=saga)),
    ]
    log = log_of(saga, told, epoch=epoch, start=start)
    return [fold(log[:count]) for count in range(1, len(log) + 1)]


def compensated(message: str = "no") -> SagaState:
    """A saga whose second step was refused, all undone."""
    saga = "order-o-2"
    refusal = failed(saga, "charge", message)
    told: list[Told] = [
        of_saga(begun("o-2")),
        sent(saga, "create"),
        (Answer(), "create", Direction.DO),
        sent(saga, "charge"),
        (refusal, "charge", Direction.DO),
        of_saga(CompensationStarted(saga_id=saga, cause=Cause.FAILED, failure=refusal)),
        sent(saga, "create", Direction.UNDO),
        (Answer(), "create", Direction.UNDO),
        of_saga(SagaCompensated(saga_id=saga)),
    ]
    return fold(log_of(saga, told))


def stuck(
    message: str = "no",
    *,
    business_id: str = "o-3",
    saga_type: str = "order",
    start: datetime = START,
    money: tuple[int, str] | None = (2820, "USD"),
    also: tuple[str, ...] = (),
) -> SagaState:
    """A saga that waits for a person at a step after its pivot, and at others too."""
    saga = f"{saga_type}-{business_id}"
    refusal = failed(saga, "confirm", message)
    amount, currency = money or (None, None)
    beginning = begun(business_id, saga_type)
    headline = beginning.headline.model_copy(update={"amount_minor": amount, "currency": currency})
    told: list[Told] = [
        of_saga(beginning.model_copy(update={"headline": headline})),
        sent(saga, "confirm"),
        (SagaStuck(saga_id=saga, failure=refusal), "confirm", Direction.DO),
        *(
            (SagaStuck(saga_id=saga, failure=failed(saga, name)), name, Direction.DO)
            for name in also
        ),
    ]
    return fold(log_of(saga, told, start=start))


class Booked(Answer):
    """A fact about one of several things."""

    aggregate_type = "Booking"
    thing: str
    note: object = None

    @property
    def aggregate_id(self) -> str:
        return self.thing


def a_log(business_id: str = "o-1", *, epoch: int = EPOCH) -> Log:
    """A whole saga; what it booked is its own."""
    saga = f"order-{business_id}"
    return log_of(
        saga,
        [
            of_saga(begun(business_id)),
            sent(saga, "zip"),
            (Booked(thing=f"{business_id}/zip"), "zip", Direction.DO),
            sent(saga, "apply"),
            (Booked(thing=f"{business_id}/apply"), "apply", Direction.DO),
            of_saga(SagaCompleted(saga_id=saga)),
        ],
        epoch=epoch,
    )
