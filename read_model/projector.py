"""Writes a saga's newest state to its row, and its events to theirs, in one transaction."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from read_model import statements
from read_model.database import connection, transaction
from read_model.event_store import event_row
from read_model.group_commit import GroupCommit
from read_model.tables import SagaRow
from saga.state import AnyEvent, SagaState


def row_of(state: SagaState) -> SagaRow:
    """The row that shows a state."""
    return SagaRow(**{**row_values(state), "stuck": tuple(state.stuck.values())})


def row_values(state: SagaState) -> dict[str, Any]:
    """The columns of `row_of`, far sooner."""
    headline = state.headline
    # What a person has to mend comes before what the saga is undone for.
    failure = next(iter(state.stuck.values()), state.failure)
    return {
        "saga_id": state.saga_id,
        "saga_type": state.saga_type,
        "business_id": headline.business_id,
        "customer_id": headline.customer_id,
        "status": state.status,
        "cause": state.cause,
        "current_step": state.current_step,
        "failure_step": failure.step if failure else None,
        "failure_type": failure.type if failure else None,
        "failure_message": failure.message if failure else None,
        "stuck": tuple(it.model_dump() for it in state.stuck.values()),
        "stuck_since": state.stuck_since if state.stuck else None,
        "amount_minor": headline.amount_minor,
        "currency": headline.currency,
        "item_count": headline.item_count,
        "version": state.version,
        "epoch": state.epoch,
        "position": state.position,
        "correlation_id": state.correlation_id,
        "steps": dict(state.steps),
        "started_at": state.started_at,
        "updated_at": state.updated_at,
        "closed_at": state.closed_at,
    }


class Told(NamedTuple):
    """What the log of one saga tells."""

    state: SagaState
    events: Sequence[AnyEvent] = ()


class SagaProjector:
    """Projects states and events so that what is older or repeated changes nothing."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._together = GroupCommit(self._write_sqlite)

    async def project(self, state: SagaState, events: Sequence[AnyEvent] = ()) -> None:
        """Append what is new of one saga's events, and write its state unless its row is as new.

        Both or neither; raises within 7 s of its turn.

        Raises:
            ServerUnreachable: the read database does not answer in time.
        """
        told = Told(state, events)
        if self._engine.dialect.name != "postgresql":
            await self._together.put(told)
            return
        # PostgreSQL needs one statement for it, and a transaction would be three round trips more.
        async with connection(self._engine) as connected:
            await write(connected, [told])

    async def _write_sqlite(self, told: Sequence[Told]) -> None:
        async with transaction(self._engine) as connected:
            await write(connected, told)


async def write(connected: AsyncConnection, told: Iterable[Told]) -> None:
    """Write the newer rows and the new events of several sagas, in the caller's transaction."""
    # In one order, so that two who write the same rows never wait for each other.
    ordered = sorted(told, key=lambda it: it.state.saga_id)
    if connected.dialect.name == "postgresql":
        await _write_postgres(connected, ordered)
    else:
        await _write_sqlite(connected, ordered)


async def _write_postgres(connected: AsyncConnection, told: Sequence[Told]) -> None:
    rows = [
        {
            **row_values(it.state),
            statements.GIVEN_EVENTS: [statements.as_json(event_row(event)) for event in it.events],
        }
        for it in told
    ]
    await connected.execute(statements.POSTGRES_WRITE, rows if len(rows) > 1 else rows[0])


async def _write_sqlite(connected: AsyncConnection, told: Sequence[Told]) -> None:
    # By their places, so that of two that tell one version the earlier has it.
    ordered = (sorted(it.events, key=lambda event: (event.epoch, event.position)) for it in told)
    events = [event_row(event) for log in ordered for event in log]
    if events:
        added = await connected.execute(statements.SQLITE_APPEND, events)
        if added.rowcount < len(events):
            # Known already, or of a version that another event has told.
            again = [{**event, "version": None} for event in events]
            await connected.execute(statements.SQLITE_APPEND, again)
    rows = [row_values(it.state) for it in told]
    await connected.execute(statements.SQLITE_UPSERT, rows)
