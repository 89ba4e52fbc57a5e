"""The documents about sagas that `starter.py` prints with `--json` and the HTTP API answers.

Their members stay as they are: one may be added, none is renamed, retyped or removed.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Self

from pydantic import BaseModel, ConfigDict
from typing_extensions import override

from contracts.money import decimal_amount
from contracts.sagas import ORDER
from read_model.queries import Days, DayTotal
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


class SagaView(View):
    """A saga, as far as it has come; instants are RFC 3339 in UTC."""

    saga_id: str
    saga_type: str
    business_id: str
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
        """The document about a row's saga."""
        return cls.model_validate(cls._members(row))

    @classmethod
    def _members(cls, row: SagaRow) -> dict[str, object]:
        return {
            "saga_id": row.saga_id,
            "saga_type": row.saga_type,
            "business_id": row.business_id,
            "customer_id": row.customer_id,
            "status": row.status,
            "cause": row.cause,
            "current_step": row.current_step,
            "failure": _failure(row),
            "total": total_of(row.amount_minor, row.currency),
            "item_count": row.item_count,
            "version": row.version,
            "correlation_id": row.correlation_id,
            "started_at": row.started_at,
            "updated_at": row.updated_at,
            "closed_at": row.closed_at,
            "steps": tuple(StepView(name=name, status=it) for name, it in row.steps.items()),
        }


class OrderView(SagaView):
    """An order, as far as its saga has come."""

    order_id: str

    @classmethod
    @override
    def _members(cls, row: SagaRow) -> dict[str, object]:
        return {"order_id": row.business_id, **super()._members(row)}


def view_of(row: SagaRow) -> SagaView:
    """The document about a saga of any type; an order's names the order too."""
    return OrderView.of(row) if row.saga_type == ORDER.name else SagaView.of(row)


class StuckView(View):
    """A saga that needs a person."""

    saga_id: str
    saga_type: str
    business_id: str
    customer_id: str | None
    stuck: tuple[FailureView, ...]
    """The steps that wait, under the names that `repair --step` takes."""
    since: datetime
    cause: Cause | None
    """Why the saga is being compensated; null when it goes forward."""
    at_risk: TotalView | None

    @classmethod
    def of(cls, row: SagaRow) -> Self:
        """The document about the row of a saga that is stuck."""
        first = _failure(row)
        stuck = [FailureView(**failure.model_dump()) for failure in row.stuck]
        return cls(
            saga_id=row.saga_id,
            saga_type=row.saga_type,
            business_id=row.business_id,
            customer_id=row.customer_id,
            stuck=tuple(stuck) or ((first,) if first else ()),
            since=row.stuck_since or row.updated_at,
            cause=row.cause,
            at_risk=total_of(row.amount_minor, row.currency),
        )


class DayTotalView(View):
    """The sagas that were started on one day, stand so now, and are about one currency."""

    day: date
    status: Status
    sagas: int
    total: TotalView | None
    """Their sum; null for those that are about no money."""


class TotalsView(View):
    """The sums of each day in UTC, from `since` until `until`, the newest day first."""

    since: date
    until: date
    totals: tuple[DayTotalView, ...]

    @classmethod
    def of(cls, days: Days, totals: Sequence[DayTotal]) -> Self:
        """The document about these days."""
        views = (
            DayTotalView(
                day=one.day,
                status=one.status,
                sagas=one.sagas,
                total=total_of(one.amount_minor, one.currency),
            )
            for one in totals
        )
        return cls(since=days.since, until=days.until, totals=tuple(views))


def _failure(row: SagaRow) -> FailureView | None:
    if row.failure_step is None or row.failure_type is None or row.failure_message is None:
        return None
    return FailureView(step=row.failure_step, type=row.failure_type, message=row.failure_message)


def total_of(amount_minor: int | None, currency: str | None) -> TotalView | None:
    """The amount, if there is one."""
    if amount_minor is None or currency is None:
        return None
    # Not as `Money`, which is stricter than a headline: one saga must not spoil a whole list.
    return TotalView(amount=decimal_amount(amount_minor, currency), currency=currency)
