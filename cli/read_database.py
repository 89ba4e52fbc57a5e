"""The sagas in the read database."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.problems import BadInput, NoAnswer
from cli.saga_id import SagaId
from read_model.database import open_database
from read_model.event_store import EventStore
from read_model.paging import BadCursor
from read_model.queries import AtRisk, Days, ReadModel
from read_model.views import SagaView, StuckView, TotalsView, view_of
from runtime.settings import Settings
from saga import Event, JsonObject, Status

AnswerT = TypeVar("AnswerT")


async def read_saga(settings: Settings, saga: SagaId) -> SagaView | None:
    """One saga; raises ServerUnreachable, SettingsError or NoAnswer."""
    row = await _ask(settings, lambda engine: ReadModel(engine).by_id(saga.workflow_id))
    return None if row is None else view_of(row)


async def read_sagas(
    settings: Settings,
    *,
    saga_type: str | None,
    customer_id: str | None,
    status: Status | None,
    limit: int,
    after: str | None,
) -> tuple[list[SagaView], str | None]:
    """The newest sagas that are as described, from a cursor on, and the cursor of the rest.

    Raises BadInput for a cursor of another list, else like `read_saga`.
    """
    try:
        page = await _ask(
            settings,
            lambda engine: ReadModel(engine).sagas(
                saga_type=saga_type,
                customer_id=customer_id,
                status=status,
                limit=limit,
                after=after,
            ),
        )
    except BadCursor as problem:
        raise BadInput(f"--after: {problem}") from None
    return ([view_of(row) for row in page.rows], page.next) if page else ([], None)


async def read_totals(settings: Settings, days: Days, saga_type: str | None) -> TotalsView:
    """The sums of each day; raises like `read_saga`."""
    totals = await _ask(
        settings, lambda engine: ReadModel(engine).totals(days, saga_type=saga_type)
    )
    return TotalsView.of(days, totals or ())


async def read_stuck(
    settings: Settings, saga_type: str | None, limit: int
) -> tuple[list[StuckView], list[AtRisk]]:
    """The sagas that have been stuck longest, and the sums of all; raises like `read_saga`."""

    async def both(engine: AsyncEngine) -> tuple[list[StuckView], list[AtRisk]]:
        async with ReadModel.at_one_moment(engine) as model:
            page = await model.stuck(saga_type=saga_type, limit=limit)
            sums = await model.at_risk(saga_type=saga_type)
        return [StuckView.of(row) for row in page.rows], sums

    return await _ask(settings, both) or ([], [])


async def read_events(settings: Settings, saga: SagaId) -> list[Event[JsonObject]]:
    """All events of one saga by their places, those of abandoned runs too; like `read_saga`."""
    return await _ask(settings, lambda engine: EventStore(engine).events_of(saga.workflow_id)) or []


@asynccontextmanager
async def read_database(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The read database itself; whoever uses it raises like `read_saga`."""
    engine = open_database(settings.read_database_url)
    try:
        yield engine
    except DBAPIError as error:
        raise NoAnswer(
            f"the read database cannot be used ({error.orig}):"
            " start a worker (python worker.py), which brings its tables up to date"
        ) from error
    finally:
        await engine.dispose()


async def _ask(
    settings: Settings, question: Callable[[AsyncEngine], Awaitable[AnswerT]]
) -> AnswerT | None:
    async with read_database(settings) as engine:
        try:
            return await question(engine)
        except DBAPIError as error:
            if _has_no_tables(error):
                return None
            raise


def _has_no_tables(error: DBAPIError) -> bool:
    # The first worker makes them.
    undefined_table = getattr(error.orig, "sqlstate", None) == "42P01"
    return undefined_table or str(error.orig).startswith("no such table")
