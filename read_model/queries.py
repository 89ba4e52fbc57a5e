"""What is asked of the read model."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, func
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from read_model.database import connection
from read_model.tables import TABLE, SagaRow
from saga.events import Status


class AtRisk(NamedTuple):
    """How many sagas need a person, and what is at stake in them."""

    currency: str | None
    """None for the sagas that are about no money."""
    sagas: int
    amount_minor: int | None


class ReadModel:
    """The sagas as last projected, which may be a moment behind the sagas themselves.

    Every query raises ServerUnreachable when the database does not answer in time.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

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

    async def sagas(
        self,
        *,
        saga_type: str | None = None,
        customer_id: str | None = None,
        status: Status | None = None,
        limit: int = 20,
    ) -> list[SagaRow]:
        """The newest sagas that are as described, the last started first."""
        query = select(SagaRow)
        if saga_type is not None:
            query = query.where(col(SagaRow.saga_type) == saga_type)
        if customer_id is not None:
            query = query.where(col(SagaRow.customer_id) == customer_id)
        if status is not None:
            query = query.where(col(SagaRow.status) == status)
        newest_first = query.order_by(col(SagaRow.started_at).desc(), col(SagaRow.saga_id))
        return await self._rows(newest_first.limit(limit))

    async def stuck(self, *, saga_type: str | None = None, limit: int = 20) -> list[SagaRow]:
        """The sagas that need a person, those first that have needed one for the longest time."""
        since = func.coalesce(col(SagaRow.stuck_since), col(SagaRow.updated_at))
        query = select(SagaRow).where(*_stuck(saga_type))
        return await self._rows(query.order_by(since, col(SagaRow.saga_id)).limit(limit))

    async def at_risk(self, *, saga_type: str | None = None) -> list[AtRisk]:
        """What is at stake in all sagas that need a person: a sum for each currency."""
        currency = TABLE.c.currency
        sums = (
            select(currency, func.count(), func.sum(TABLE.c.amount_minor))
            .where(*_stuck(saga_type))
            .group_by(currency)
            .order_by(currency)
        )
        async with connection(self._engine) as connected:
            return [
                # PostgreSQL adds integers up to a decimal.
                AtRisk(name, count, None if amount is None else int(amount))
                for name, count, amount in await connected.execute(sums)
            ]

    async def correlated(self, correlation_id: str, limit: int = 1000) -> list[str]:
        """The ids of the sagas that one request has caused, the last started first."""
        query = select(TABLE.c.saga_id).where(TABLE.c.correlation_id == correlation_id)
        newest_first = query.order_by(TABLE.c.started_at.desc(), TABLE.c.saga_id).limit(limit)
        async with connection(self._engine) as connected:
            return list(await connected.scalars(newest_first))

    async def statuses(self, saga_ids: Sequence[str]) -> dict[str, Status]:
        """How the sagas stand that have a row, by their ids; at most a thousand of them."""
        query = select(TABLE.c.saga_id, TABLE.c.status).where(TABLE.c.saga_id.in_(saga_ids))
        async with connection(self._engine) as connected:
            return {row.saga_id: row.status for row in await connected.execute(query)}

    async def _rows(self, query: SelectOfScalar[SagaRow]) -> list[SagaRow]:
        async with connection(self._engine) as connected, AsyncSession(connected) as session:
            return list(await session.exec(query))


def _stuck(saga_type: str | None) -> list[ColumnElement[bool]]:
    wanted = [col(SagaRow.status) == Status.STUCK]
    return wanted if saga_type is None else [*wanted, col(SagaRow.saga_type) == saga_type]
