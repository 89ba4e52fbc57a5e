"""What is asked of the read model."""

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from read_model.database import connection
from read_model.tables import SagaRow
from saga.events import Status


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

    async def _rows(self, query: SelectOfScalar[SagaRow]) -> list[SagaRow]:
        async with connection(self._engine) as connected, AsyncSession(connected) as session:
            return list(await session.exec(query))
