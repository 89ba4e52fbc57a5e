"""Orders beside closed ones, beside open ones, and by more workers."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.closed_copies import closed_orders, copy_closed
from benchmarks.contenders.serving import Task
from benchmarks.crowd import MeasurementFailed
from benchmarks.grown import Report
from benchmarks.growth_beside import Side, Team, compared, turns
from benchmarks.growth_store import Store, an_order, by_a_crowd, queue_of_orders
from contracts.sagas import ORDER
from saga import Request, Sagas

_BLOCK, _CROWD = 250, 50
_PAUSE = Request(by="benchmark", reason="to wait")


async def closed(
    folder: Path, levels: Sequence[int], real: int, task: Task, rounds: int, report: Report
) -> None:
    """Orders beside so many closed ones, of which `real` were carried out and others copied."""
    grown = Store.new(folder, "closed")
    for level in sorted(levels):
        left = min(level, real) - await asyncio.to_thread(closed_orders, grown.file)
        async with grown.serving(), grown.working() as worker:
            while left > 0:
                await worker.carry_out(Task(min(_BLOCK, left), min(_CROWD, left), rows="own"))
                left -= _BLOCK
        copies = level - await asyncio.to_thread(closed_orders, grown.file)
        if copies > 0:
            await asyncio.to_thread(copy_closed, grown.file, copies)
            report.note(f"{level} closed: {copies} of them are copies of rows, not carried out")
        async with grown.serving() as client:
            seen = (await client.count_workflows("ExecutionStatus = 'Completed'")).count
        if seen < level:
            raise MeasurementFailed(f"the server knows {seen} closed orders instead of {level}")
        report.note(
            f"{level} closed: {grown.file.stat().st_size / 1e6:.0f} MB in the server's file"
        )
        # A new one each time: it holds what is measured on it, and nothing else.
        empty = Store.new(folder, f"closed-none-{level}")
        await _beside(empty, grown, "closed", f"{level} closed", task, rounds, report)


async def open_ones(folder: Path, count: int, task: Task, rounds: int, report: Report) -> None:
    """Orders beside so many that are paused, of the same task queue."""
    empty, grown = Store.new(folder, "open-none"), Store.new(folder, "open")
    async with grown.serving() as client:
        sagas = Sagas(client, queue_of_orders())
        waiting: list[str] = []

        async def place() -> None:
            waiting.append((await sagas.start(ORDER, an_order("patient"))).saga_id)

        await by_a_crowd(count, min(_CROWD, count), place)
        # They are asked before there is a worker, so each hears of it before it calls anybody.
        asked = [asyncio.create_task(sagas.pause(it, _PAUSE)) for it in waiting]
        async with grown.working():
            paused = sum(reply.accepted for reply in await asyncio.gather(*asked))
    await _beside(empty, grown, "open", f"{paused} open", task, rounds, report)


async def _beside(
    empty: Store, grown: Store, part: str, what: str, task: Task, rounds: int, report: Report
) -> None:
    async with AsyncExitStack() as stack:
        sides = []
        for name, store in (("empty", empty), ("grown", grown)):
            await stack.enter_async_context(store.serving())
            worker = await stack.enter_async_context(store.working())
            sides.append(Side(name, worker, store.server))
        blocks = await turns(sides, task, rounds)
    report.add(compared(part, what, blocks["empty"], blocks["grown"], judged=True))


async def workers(
    folder: Path, teams: Sequence[int], task: Task, rounds: int, report: Report
) -> None:
    """Orders by so many worker processes, on one server; the others are idle meanwhile."""
    store = Store.new(folder, "workers")
    async with store.serving(), AsyncExitStack() as stack:
        sides = []
        for size in teams:
            queue = f"workers-{size}"
            members = [await stack.enter_async_context(store.working(queue)) for _ in range(size)]
            sides.append(Side(str(size), Team(members), store.server))
        blocks = await turns(sides, task, rounds)
    one, *more = teams
    for size in more:
        what = f"{size} workers for {one}"
        small, grown = blocks[str(one)], blocks[str(size)]
        report.add(compared("workers", what, small, grown, judged=False))
