"""Writes a saga's newest state to its row: a pure function, then one statement."""

from datetime import datetime

from sqlalchemy import Insert, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from read_model.database import connection
from read_model.tables import TABLE, SagaRow
from saga.events import Status
from saga.identity import epoch_at
from saga.state import SagaState


def row_of(state: SagaState) -> SagaRow:
    """The row that shows a state."""
    headline = state.headline
    # What a person has to mend comes before what the saga is undone for.
    failure = next(iter(state.stuck.values()), state.failure)
    return SagaRow(
        saga_id=state.saga_id,
        saga_type=state.saga_type,
        business_id=headline.business_id,
        customer_id=headline.customer_id,
        status=state.status,
        cause=state.cause,
        current_step=state.current_step,
        failure_step=failure.step if failure else None,
        failure_type=failure.type if failure else None,
        failure_message=failure.message if failure else None,
        stuck=tuple(state.stuck.values()),
        stuck_since=state.stuck_since if state.stuck else None,
        amount_minor=headline.amount_minor,
        currency=headline.currency,
        item_count=headline.item_count,
        version=state.version,
        epoch=state.epoch,
        position=state.position,
        correlation_id=state.correlation_id,
        steps=dict(state.steps),
        started_at=state.started_at,
        updated_at=state.updated_at,
        closed_at=state.closed_at,
    )


class SagaProjector:
    """Projects states so that an older or a repeated one changes nothing."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._upsert = _upsert(engine.dialect.name)

    async def project(self, state: SagaState) -> None:
        """Write the state of one saga unless its row is as new; raises within 7 s.

        Raises:
            ServerUnreachable: the read database does not answer in time.
        """
        async with connection(self._engine) as connected:
            await connected.execute(self._upsert, row_of(state).model_dump())

    async def close(self, saga_id: str, closed_at: datetime) -> bool:
        """Have a row say that its saga was ended from outside; whether that changed the row.

        An outcome stays, and so does what a run has written that took the saga up after its end.

        Raises:
            ServerUnreachable: the read database does not answer in time.
        """
        ended = (
            update(TABLE)
            .where(TABLE.c.saga_id == saga_id)
            .where(TABLE.c.status.not_in([status for status in Status if status.final]))
            .where(TABLE.c.epoch <= epoch_at(closed_at))
            .values(status=Status.TERMINATED, closed_at=closed_at)
        )
        async with connection(self._engine) as connected:
            return (await connected.execute(ended)).rowcount == 1


def _upsert(dialect: str) -> Insert:
    # The two are alike, but of two classes.
    insert = postgresql.insert(TABLE) if dialect == "postgresql" else sqlite.insert(TABLE)
    new, old = insert.excluded, TABLE.c
    return insert.on_conflict_do_update(
        index_elements=[old.saga_id],
        set_={column.name: new[column.name] for column in TABLE.columns if not column.primary_key},
        where=tuple_(new.epoch, new.position, new.version)
        > tuple_(old.epoch, old.position, old.version),
    )
