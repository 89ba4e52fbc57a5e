"""The order saga on DBOS Transact, as https://docs.dbos.dev/python/examples/widget-store has it.

Each call of a participant is a `@DBOS.step`, each status row a transaction of a datasource, which
keeps row and checkpoint in one commit; what is refused is backed out in reverse. All of it in
coroutines, as https://docs.dbos.dev/python/tutorials/workflow-tutorial wants it for a service that
is one.

python -m benchmarks.contenders.dbos_saga SETUP
"""

import asyncio
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, AsyncSQLAlchemyDatasource, DBOSConfig, SetWorkflowID

from benchmarks.contenders.order import DOING, LAST, UNDOING, Order, Refused, participants
from benchmarks.contenders.rows import TABLE, UPSERT, Row
from benchmarks.contenders.serving import Setup, Task, serve

setup = Setup.told()
called = {False: participants({}), True: participants(setup.services)}
sources: list[AsyncSQLAlchemyDatasource] = []
"""One, made in the loop that uses it."""


@DBOS.step(retries_allowed=True, max_attempts=10, should_retry=lambda e: not isinstance(e, Refused))
async def call(step: str, order: dict[str, Any], services: bool) -> str:
    """One call of a participant."""
    return await called[services].call(step, Order(**order))


async def write(row: dict[str, Any]) -> None:
    """One status row, in the transaction that is open."""
    await sources[0].sql_session().execute(sa.text(UPSERT), row)


@DBOS.workflow()
async def checkout(order: dict[str, Any], services: bool, every: bool) -> bool:
    """Whether the order was completed."""
    done: list[str] = []

    async def act(step: str) -> None:
        await call(step, order, services)
        done.append(step)

    async def show(status: str) -> None:
        if every or status in {"completed", "compensated"}:
            row = Row.of(Order(**order), status, done).as_dict()
            await sources[0].run_tx_step_async({"name": "write"}, write, row)

    await show("running")
    undoing: list[str] = []
    try:
        for step in DOING:
            await act(step)
            if step in UNDOING:
                undoing.append(step)
            await show("completed" if step == LAST else "running")
    except Refused:
        await show("compensating")
        for step in reversed(undoing):
            await act(UNDOING[step])
            await show("compensated" if step == undoing[0] else "compensating")
        return False
    return True


async def main() -> None:
    """Launch DBOS and let customers in."""
    url = setup.database.replace("postgresql:", "postgresql+psycopg:")
    config: DBOSConfig = {
        "name": "orders",
        "application_version": "1",
        "system_database_url": url,
        "log_level": "WARNING",
    }
    DBOS(config=config)
    sources.append(await AsyncSQLAlchemyDatasource.create(url))
    DBOS.launch()
    engine = sa.create_engine(url)
    with engine.begin() as connected:
        connected.execute(sa.text(TABLE))
    engine.dispose()

    async def place(order: Order, task: Task) -> bool:
        every = task.rows == "every"
        with SetWorkflowID(f"order-{order.order_id}"):
            handle = await DBOS.start_workflow_async(
                checkout, order.as_dict(), task.services, every
            )
        return bool(await handle.get_result())

    await serve(place)
    DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main())
