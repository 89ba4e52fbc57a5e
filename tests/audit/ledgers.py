"""Logs and books made by hand, for one order: 25.00 USD, two pieces of BOOK."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from audit.entries import Kept, OrderEntry, PaymentEntry, ReservationEntry, ShipmentEntry
from audit.saga_log import SagaLog, Source
from contracts import events as told
from contracts import ids
from contracts.commands import Line, PlaceOrder
from contracts.money import Money
from contracts.sagas import ORDER
from saga.envelope import Event, JsonObject
from saga.events import (
    Cause,
    CompensationStarted,
    FailureKind,
    RepairAction,
    SagaCompensated,
    SagaCompleted,
    SagaEvent,
    SagaStarted,
    SagaStuck,
    SagaTerminated,
    StepFailed,
    StepRepaired,
    StepStarted,
)
from saga.identity import Direction, saga_id
from saga.messages import DomainEvent

ID = "4711"
SAGA = saga_id(ORDER.name, ID)
PLACED = PlaceOrder(
    order_id=ID,
    customer_id="C-1",
    items=(Line(sku="BOOK", quantity=2, unit_price_minor=1250),),
    card_token="tok_visa",
    ship_to="1 Main St",
)
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
"""When everything happened."""
NOW = AT + timedelta(minutes=5)

_TOTAL = Money(minor=2500, currency="USD")
_DONE: dict[str, DomainEvent] = {
    "create-order": told.OrderCreated(
        order_id=ID, customer_id="C-1", total=_TOTAL, items=PLACED.items
    ),
    "charge-payment": told.PaymentProcessed(
        payment_id=ids.payment_id(ID), order_id=ID, amount=_TOTAL, transaction_id="t"
    ),
    "reserve-stock": told.InventoryReserved(reservation_id=ids.reservation_id(ID), order_id=ID),
    "create-shipment": told.ShipmentCreated(
        shipment_id=ids.shipment_id(ID), order_id=ID, tracking_number="T"
    ),
    "confirm-order": told.OrderConfirmed(order_id=ID, shipment_id=ids.shipment_id(ID)),
}
_UNDONE: dict[str, DomainEvent] = {
    "create-order": told.OrderCancelled(order_id=ID),
    "charge-payment": told.PaymentRefunded(
        payment_id=ids.payment_id(ID), order_id=ID, amount=_TOTAL
    ),
    "reserve-stock": told.InventoryReleased(reservation_id=ids.reservation_id(ID), order_id=ID),
    "create-shipment": told.ShipmentCancelled(shipment_id=ids.shipment_id(ID), order_id=ID),
}
STEPS = tuple(_DONE)


class Story:
    """A log, told event by event."""

    def __init__(
        self,
        saga_type: str = ORDER.name,
        command: JsonObject | None = None,
        command_type: str = "PlaceOrder",
    ) -> None:
        self._events: list[Event[JsonObject]] = []
        placed = PLACED.model_dump(mode="json") if command is None else command
        headline = PLACED.headline()
        self._tell(
            SagaStarted(
                saga_id=SAGA,
                saga_type=saga_type,
                headline=headline,
                command_type=command_type,
                command=placed,
            )
        )

    def did(self, *steps: str) -> "Story":
        """These steps were done."""
        for step in steps:
            self.sent(step)._tell(_DONE[step], step, Direction.DO)
        return self

    def undid(self, *steps: str) -> "Story":
        """These steps were undone."""
        for step in steps:
            self.sent(step, Direction.UNDO)._tell(_UNDONE[step], step, Direction.UNDO)
        return self

    def sent(self, step: str, direction: Direction = Direction.DO) -> "Story":
        """A call was made, and its answer is not known."""
        started = StepStarted(saga_id=SAGA, name=step, command_type="Any")
        return self._tell(started, step, direction)

    def failed(self, step: str) -> "Story":
        """The saga is being undone as a step was refused."""
        self.sent(step)._tell(_failure(step), step, Direction.DO)
        return self._tell(CompensationStarted(saga_id=SAGA, cause=Cause.FAILED))

    def stuck(self, step: str, direction: Direction) -> "Story":
        """A step needs a person."""
        return self._tell(SagaStuck(saga_id=SAGA, failure=_failure(step)), step, direction)

    def by_hand(self, step: str, direction: Direction) -> "Story":
        """A person has done it instead."""
        repaired = StepRepaired(
            saga_id=SAGA, name=step, action=RepairAction.SKIP, by="ann", reason="paid in cash"
        )
        return self.sent(step, direction)._tell(repaired, step, direction)

    def completed(self) -> SagaLog:
        """The log, at its good end."""
        return self._tell(SagaCompleted(saga_id=SAGA)).log()

    def compensated(self) -> SagaLog:
        """The log, at its other end."""
        return self._tell(SagaCompensated(saga_id=SAGA)).log()

    def terminated(self) -> SagaLog:
        """The log of a saga that was ended from outside."""
        return self._tell(SagaTerminated(saga_id=SAGA, how="terminated")).log()

    def log(self, source: Source = Source.HISTORY) -> SagaLog:
        """The log as it is."""
        return SagaLog(ID, SAGA, source, tuple(self._events))

    def _tell(
        self, event: DomainEvent, step: str | None = None, direction: Direction | None = None
    ) -> "Story":
        saga = isinstance(event, SagaEvent)
        self._events.append(
            Event[JsonObject](
                saga_id=SAGA,
                epoch=1,
                position=len(self._events),
                correlation_id=SAGA,
                event_type=type(event).__name__,
                aggregate_id=event.aggregate_id,
                aggregate_type=event.aggregate_type,
                version=len(self._events) if saga else 1,
                occurred_at=AT,
                step=step,
                direction=direction,
                data=event.model_dump(mode="json"),
            )
        )
        return self


def _failure(step: str) -> StepFailed:
    return StepFailed(
        saga_id=SAGA, name=step, kind=FailureKind.REFUSED, type="Refused", message="no"
    )


COMPLETED = Story().did(*STEPS).completed()
RUNNING = Story().did("create-order", "charge-payment").log()
"""Charged, and not yet further."""
COMPENSATED = (
    Story()
    .did("create-order", "charge-payment", "reserve-stock")
    .failed("create-shipment")
    .undid("reserve-stock", "charge-payment", "create-order")
    .compensated()
)


def made_by(step: str) -> str:
    """The key of a step's action."""
    return f"{SAGA}/{step}/do"


ORDERED = OrderEntry(
    id=ID,
    order_id=ID,
    status="confirmed",
    version=2,
    made_by=made_by("create-order"),
    created_at=AT,
    updated_at=AT,
    currency="USD",
    total_minor=2500,
    shipment_id=ids.shipment_id(ID),
)
CHARGED = PaymentEntry(
    id=ids.payment_id(ID),
    order_id=ID,
    status="captured",
    version=1,
    made_by=made_by("charge-payment"),
    created_at=AT,
    updated_at=AT,
    currency="USD",
    amount_minor=2500,
    refunded_minor=0,
)
RESERVED = ReservationEntry(
    id=ids.reservation_id(ID),
    order_id=ID,
    status="reserved",
    version=1,
    made_by=made_by("reserve-stock"),
    created_at=AT,
    updated_at=AT,
    pieces={"BOOK": 2},
)
SHIPPED = ShipmentEntry(
    id=ids.shipment_id(ID),
    order_id=ID,
    status="created",
    version=1,
    made_by=made_by("create-shipment"),
    created_at=AT,
    updated_at=AT,
)
CANCELLED = replace(ORDERED, status="cancelled", shipment_id=None)
PENDING = replace(ORDERED, status="pending", version=1, shipment_id=None)
REFUNDED = replace(CHARGED, status="refunded", version=2, refunded_minor=2500)
RELEASED = replace(RESERVED, status="released", version=2)
ALL = Kept((ORDERED,), (CHARGED,), (RESERVED,), (SHIPPED,))
"""What is kept for a completed order."""
NONE = Kept((CANCELLED,), (REFUNDED,), (RELEASED,))
"""What is kept for a compensated order."""
HALF = Kept((PENDING,), (CHARGED,))
"""What is kept for one that was charged, and is under way."""
