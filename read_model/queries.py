"""What is asked of the read model, each question answered by way of an index."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import NamedTuple, Self

from sqlalchemy import ColumnElement, Date, Dialect, func, literal_column, or_, type_coerce
from sqlalchemy import select as select_columns
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from read_model.database import connection, snapshot
from read_model.paging import Listing, Page, Place
from read_model.tables import TABLE, SagaRow
from saga.events import Status
from saga.messages import Headline

MOST_DAYS = 366
"""For how many days totals are added up at most: all rows of these days are read."""
USUAL_DAYS = 30


_HALF = 2**32
# SQLite's sum fails beyond 64 bits; halves add up safely. The division is that of whole numbers.
_SUM = (
    func.sum(TABLE.c.amount_minor // _HALF),
    func.sum(TABLE.c.amount_minor % _HALF),
)
"""What all amounts add up to, for `_added_up`."""


class BadRange(ValueError):
    """There is no day between the two, or there are too many; the message is one line."""


@dataclass(frozen=True)
class Days:
    """Days in UTC, the first and the last of them included; raises BadRange."""

    since: date
    until: date

    def __post_init__(self) -> None:
        if self.until < self.since:
            raise BadRange(f"no day is from {self.since} until {self.until}")
        if (self.until - self.since).days >= MOST_DAYS:
            raise BadRange(f"{self.since} until {self.until} is more than {MOST_DAYS} days")

    @classmethod
    def of(cls, since: date | None, until: date | None) -> Self:
        """The days from `since`, else thirty of them, until `until`, else today."""
        last = until or datetime.now(UTC).date()
        if since is not None:
            return cls(since, last)
        return cls(date.fromordinal(max(1, last.toordinal() - USUAL_DAYS + 1)), last)


class AtRisk(NamedTuple):
    """How many sagas need a person, and what is at stake in them."""

    currency: str | None
    """None for the sagas that are about no money."""
    sagas: int
    amount_minor: int | None


class DayTotal(NamedTuple):
    """How many sagas of one day stand so today, and what they are about in one currency."""

    day: date
    """The day in UTC on which they were started."""
    status: Status
    currency: str | None
    """None for the sagas that are about no money."""
    sagas: int
    amount_minor: int | None


class ReadModel:
    """The sagas as last projected, which may be a moment behind the sagas themselves.

    Every query raises ServerUnreachable when the database does not answer in time.
    """

    def __init__(self, engine: AsyncEngine, moment: AsyncConnection | None = None) -> None:
        self._engine = engine
        self._moment = moment

    @classmethod
    @asynccontextmanager
    async def at_one_moment(cls, engine: AsyncEngine) -> AsyncIterator[Self]:
        """One whose answers fit together: whatever is projected meanwhile is in none of them."""
        async with snapshot(engine) as moment:
            yield cls(engine, moment)

    async def saga(self, saga_type: str, business_id: str) -> SagaRow | None:
        """The saga about one thing, e.g. the `order` saga of an order's id."""
        found = await self._rows(
            select(SagaRow).where(
                col(SagaRow.saga_type) == saga_type, col(SagaRow.business_id) == business_id
            )
        )
        return found[0] if found else None

    async def by_id(self, saga_id: str) -> SagaRow | None:
        """The saga with a workflow id."""
        found = await self._rows(select(SagaRow).where(col(SagaRow.saga_id) == saga_id))
        return found[0] if found else None

    async def headline(self, saga_id: str) -> Headline | None:
        """What the saga with a workflow id was about, also if Temporal has forgotten it."""
        row = await self.by_id(saga_id)
        if row is None:
            return None
        return Headline(
            business_id=row.business_id,
            customer_id=row.customer_id,
            amount_minor=row.amount_minor,
            currency=row.currency,
            item_count=row.item_count,
        )

    async def sagas(
        self,
        *,
        saga_type: str | None = None,
        customer_id: str | None = None,
        status: Status | None = None,
        limit: int = 20,
        after: str | None = None,
    ) -> Page:
        """The sagas that are as described, the last started first, from the cursor `after` on.

        Raises:
            BadCursor: `after` is no cursor of this list.
        """
        listing = Listing("sagas", saga_type, customer_id, status)
        started, saga_id = col(SagaRow.started_at), col(SagaRow.saga_id)
        kind: ColumnElement[str] = TABLE.c.saga_type
        stands: ColumnElement[Status] = TABLE.c.status
        query = select(SagaRow)
        if customer_id is not None:
            query = query.where(col(SagaRow.customer_id) == customer_id)
            if self._engine.dialect.name == "sqlite":
                # Without statistics it would rather read all orders than one customer's: an
                # expression is no column of an index.
                kind, stands = func.coalesce(kind, kind), func.coalesce(stands, stands)
        if saga_type is not None:
            query = query.where(kind == saga_type)
        if status is not None:
            query = query.where(stands == status)
        if after is not None:
            place = listing.place(after)
            # The first condition is for the index, the second only for what started at once.
            behind = or_(started < place.instant, saga_id > place.saga_id)
            query = query.where(started <= place.instant, behind)
        rows = await self._rows(query.order_by(started.desc(), saga_id).limit(limit + 1))
        return listing.page([(row, Place(row.started_at, row.saga_id)) for row in rows], limit)

    async def stuck(
        self, *, saga_type: str | None = None, limit: int = 20, after: str | None = None
    ) -> Page:
        """The sagas that need a person, those first that have needed one for the longest time.

        All that are stuck are read and put in order, which are few as long as someone repairs.

        Raises:
            BadCursor: `after` is no cursor of this list.
        """
        listing = Listing("stuck", saga_type)
        since = func.coalesce(col(SagaRow.stuck_since), col(SagaRow.updated_at))
        saga_id = col(SagaRow.saga_id)
        query = select(SagaRow).where(*_stuck(saga_type))
        if after is not None:
            place = listing.place(after)
            behind = or_(since > place.instant, saga_id > place.saga_id)
            query = query.where(since >= place.instant, behind)
        rows = await self._rows(query.order_by(since, saga_id).limit(limit + 1))
        places = [(row, Place(row.stuck_since or row.updated_at, row.saga_id)) for row in rows]
        return listing.page(places, limit)

    async def totals(self, days: Days, *, saga_type: str | None = None) -> list[DayTotal]:
        """Sums of each day, status and currency, the newest day first."""
        day, status, currency = _day(self._engine.dialect), TABLE.c.status, TABLE.c.currency
        started = TABLE.c.started_at
        sums = (
            select_columns(day, status, currency, func.count(), *_SUM)
            .where(started >= datetime.combine(days.since, time.min, UTC))
            .where(started <= datetime.combine(days.until, time.max, UTC))
            .group_by(day, status, currency)
        )
        if saga_type is not None:
            sums = sums.where(TABLE.c.saga_type == saga_type)
        async with self._connected() as connected:
            totals = [
                DayTotal(on, stands, name, count, _added_up(high, low))
                for on, stands, name, count, high, low in await connected.execute(sums)
            ]
        order = list(Status)
        return sorted(
            totals, key=lambda it: (-it.day.toordinal(), order.index(it.status), it.currency or "")
        )

    async def at_risk(self, *, saga_type: str | None = None) -> list[AtRisk]:
        """What is at stake in all sagas that need a person: a sum for each currency."""
        currency = TABLE.c.currency
        sums = (
            select_columns(currency, func.count(), *_SUM)
            .where(*_stuck(saga_type))
            .group_by(currency)
            .order_by(currency)
        )
        async with self._connected() as connected:
            return [
                AtRisk(name, count, _added_up(high, low))
                for name, count, high, low in await connected.execute(sums)
            ]

    async def correlated(self, correlation_id: str, limit: int = 1000) -> list[str]:
        """The ids of the sagas that one request has caused, the last started first."""
        query = select(TABLE.c.saga_id).where(TABLE.c.correlation_id == correlation_id)
        newest_first = query.order_by(TABLE.c.started_at.desc(), TABLE.c.saga_id).limit(limit)
        async with self._connected() as connected:
            return list(await connected.scalars(newest_first))

    async def statuses(self, saga_ids: Sequence[str]) -> dict[str, Status]:
        """How the sagas stand that have a row, by their ids; at most a thousand of them."""
        query = select(TABLE.c.saga_id, TABLE.c.status).where(TABLE.c.saga_id.in_(saga_ids))
        async with self._connected() as connected:
            return {row.saga_id: row.status for row in await connected.execute(query)}

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        if self._moment is not None:
            yield self._moment
            return
        async with connection(self._engine) as connected:
            yield connected

    async def _rows(self, query: SelectOfScalar[SagaRow]) -> list[SagaRow]:
        async with self._connected() as connected, AsyncSession(connected) as session:
            return list(await session.exec(query))


def _added_up(high: int | Decimal | None, low: int | Decimal | None) -> int | None:
    # PostgreSQL adds integers up to a decimal.
    return None if high is None or low is None else int(high) * _HALF + int(low)


def _stuck(saga_type: str | None) -> list[ColumnElement[bool]]:
    wanted = [col(SagaRow.status) == Status.STUCK]
    return wanted if saga_type is None else [*wanted, col(SagaRow.saga_type) == saga_type]


def _day(dialect: Dialect) -> ColumnElement[date]:
    """The day in UTC on which a saga was started."""
    started = TABLE.c.started_at
    if dialect.name == "postgresql":
        return type_coerce(func.date(func.timezone(literal_column("'UTC'"), started)), Date)
    return type_coerce(func.date(started), Date)
