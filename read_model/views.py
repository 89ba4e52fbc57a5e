"""The documents that `starter.py status --json` and `orders --json` print.

Their members stay as they are: one may be added, none is renamed, retyped or removed.
"""

from datetime import datetime
from decimal import Decimal
from typing import Self

from pydantic import BaseModel, ConfigDict

from contracts.money import Money
from read_model.tables import SagaRow
from saga.events import Cause, Status
from saga.state import StepStatus


class View(BaseModel):
    """A document for readers outside; `model_dump_json` makes it."""

    model_config = ConfigDict(frozen=True)


class TotalView(View):
    """An amount of money: a decimal string such as `28.20`, and its currency (ISO 4217)."""

    amount: Decimal
    currency: str


class FailureView(View):
    """What caused the compensation, or what a person has to repair."""

    step: str
    type: str
    message: str


class StepView(View):
    """How one step stands."""

    name: str
    status: StepStatus


class OrderView(View):
    """An order, as far as its saga has come; instants are RFC 3339 in UTC."""

    order_id: str
    customer_id: str | None
    status: Status
    cause: Cause | None
    current_step: str | None
    failure: FailureView | None
    total: TotalView | None
    item_count: int | None
    version: int
    correlation_id: str
    started_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    steps: tuple[StepView, ...]
    """In the order in which they started."""

    @classmethod
    def of(cls, row: SagaRow) -> Self:
        """The document about the order of an order saga's row."""
        return cls(
            order_id=row.business_id,
            customer_id=row.customer_id,
            status=row.status,
            cause=row.cause,
            current_step=row.current_step,
            failure=_failure(row),
            total=_total(row),
            item_count=row.item_count,
            version=row.version,
            correlation_id=row.correlation_id,
            started_at=row.started_at,
            updated_at=row.updated_at,
            closed_at=row.closed_at,
            steps=tuple(StepView(name=name, status=it) for name, it in row.steps.items()),
        )


def _failure(row: SagaRow) -> FailureView | None:
    if row.failure_step is None or row.failure_type is None or row.failure_message is None:
        return None
    return FailureView(step=row.failure_step, type=row.failure_type, message=row.failure_message)


def _total(row: SagaRow) -> TotalView | None:
    if row.amount_minor is None or row.currency is None:
        return None
    money = Money(minor=row.amount_minor, currency=row.currency)
    return TotalView(amount=money.amount, currency=money.currency)
