"""Sums of each day: what was started on it, how that stands today, and what it is about."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from read_model.projector import SagaProjector
from read_model.queries import AtRisk, BadRange, Days, DayTotal, ReadModel
from saga import Status
from tests.read_model.states import completed, stuck


@pytest.mark.asyncio
async def test_totals_are_by_day_status_and_currency(engine: AsyncEngine) -> None:
    projector, midnight = SagaProjector(engine), datetime(2026, 3, 2, tzinfo=UTC)
    starts = {
        "first": midnight - timedelta(days=1),
        "last": midnight - timedelta(microseconds=1),
        "next": midnight,
        "late": midnight + timedelta(hours=23),
    }
    for name, start in starts.items():
        await projector.project(completed(name, start=start)[-1])
    await projector.project(completed("trip", saga_type="trip", start=midnight)[-1])
    for number, money in enumerate([(2**63 - 1, "EUR"), (2**63 - 2, "EUR"), (7, "JPY"), None]):
        waits = stuck(business_id=f"s{number}", money=money, start=midnight)
        await projector.project(waits)
    queries, first, second = ReadModel(engine), date(2026, 3, 1), date(2026, 3, 2)
    done, needs = Status.COMPLETED, Status.STUCK
    on_second = [
        DayTotal(second, needs, None, 1, None),
        DayTotal(second, needs, "EUR", 2, 2**64 - 3),
        DayTotal(second, needs, "JPY", 1, 7),
        DayTotal(second, done, "USD", 3, 3 * 2820),
    ]
    on_first = [DayTotal(first, done, "USD", 2, 2 * 2820)]
    assert await queries.totals(Days(first, second)) == on_second + on_first
    assert await queries.totals(Days(first, first)) == on_first
    assert await queries.totals(Days(second, second)) == on_second
    trips = await queries.totals(Days(first, second), saga_type="trip")
    assert trips == [DayTotal(second, done, "USD", 1, 2820)]
    assert AtRisk("EUR", 2, 2**64 - 3) in await queries.at_risk()
    assert await queries.totals(Days(date.min, date.min)) == []
    assert await queries.totals(Days(date.max, date.max)) == []


def test_days_are_a_bounded_range() -> None:
    day = date(2026, 3, 1)
    assert Days.of(None, day) == Days(date(2026, 1, 31), day)
    assert Days.of(None, date.min) == Days(date.min, date.min)
    today = Days.of(day, None).until
    assert abs((datetime.now(UTC).date() - today).days) <= 1
    assert Days(day, day + timedelta(days=365)).since == day
    with pytest.raises(BadRange, match="is more than 366 days"):
        Days(day, day + timedelta(days=366))
    with pytest.raises(BadRange, match="no day is from 2026-03-01 until 2026-02-28"):
        Days(day, day - timedelta(days=1))
