"""The read database goes away, or hangs: orders reach their outcome as fast as ever."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from statistics import median

import pytest
import pytest_asyncio
from sqlalchemy import make_url
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from contracts.commands import PlaceOrder
from saga import SagaState, Status
from tests.integration.processes import eventually
from tests.integration.proxy import Proxy, proxy_to
from tests.integration.shops import Shops
from tests.integration.stage import Handle, Stage, an_order, new_database, reading

ORDERS = 20
SLACK = 0.3
"""Seconds; two workers never get quite the same share of the machine."""

Mode = str
AWAY: list[Mode] = ["refuse", "hang"]


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(postgres_url: str) -> AsyncIterator[Proxy]:
    """A proxy in front of PostgreSQL, which listens on a Unix socket."""
    folder = make_url(postgres_url).query["host"]
    async with proxy_to(f"{folder}/.s.PGSQL.5432") as proxy:
        yield proxy


@pytest_asyncio.fixture(loop_scope="session")
async def stage(
    server: WorkflowEnvironment, shops: Shops, postgres_url: str, proxy: Proxy
) -> AsyncIterator[Stage]:
    """A stage without a worker yet, whose worker would project through the proxy."""
    async with new_database("postgresql", postgres_url, shops.books.home) as url:
        proxied = f"postgresql://postgres@127.0.0.1:{proxy.port}/{make_url(url).database}"
        async with reading(url) as reader:
            yield Stage(server.client, shops, proxied, reader)


@pytest.fixture
def beside(stage: Stage, postgres_url: str) -> Stage:
    """The same stage on a task queue of its own, whose worker would not use the proxy."""
    database = stage.reader.url.database
    assert database is not None
    return replace(
        stage,
        database_url=postgres_url.replace("/postgres?", f"/{database}?"),
        task_queue=f"{stage.task_queue}-beside",
    )


async def go_away(proxy: Proxy, mode: Mode) -> None:
    await (proxy.refuse() if mode == "refuse" else proxy.hang())


async def place(stage: Stage, orders: Sequence[PlaceOrder]) -> list[Handle]:
    return list(await asyncio.gather(*(stage.place(order) for order in orders)))


async def outcomes(stage: Stage, handles: Sequence[Handle]) -> list[SagaState]:
    """How the sagas ended by their own account, which comes before their rows."""
    return [await outcome(stage, handle) for handle in handles]


async def outcome(stage: Stage, handle: Handle) -> SagaState:
    async def ended() -> SagaState | None:
        state = await stage.state(handle)
        return state if state.status.final else None

    return await eventually(ended)


def seconds(states: Sequence[SagaState]) -> float:
    """How long it took from start to outcome, in the middle."""
    return median((it.closed_at - it.started_at).total_seconds() for it in states if it.closed_at)


async def check_waiting(handle: Handle) -> None:
    """The workflow stays open, and says what for."""
    described = await handle.describe()
    assert described.status is WorkflowExecutionStatus.RUNNING
    pending = described.raw_description.pending_activities
    assert [it.activity_type.name for it in pending] == ["project_saga"]
    metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    assert "waits for projection" in metadata.current_details


async def check_caught_up(
    stage: Stage, orders: Sequence[PlaceOrder], handles: Sequence[Handle]
) -> None:
    """The workflows close, and each row tells the outcome."""
    ended = await asyncio.gather(*(stage.closed(handle) for handle in handles))
    rows = [await stage.row(order) for order in orders]
    assert [row and row.status for row in rows] == [outcome.status for outcome in ended]


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param("refuse", marks=pytest.mark.long),
        pytest.param("hang", marks=pytest.mark.slow),
    ],
)
async def test_orders_are_as_fast_without_it(
    stage: Stage, beside: Stage, proxy: Proxy, mode: Mode
) -> None:
    # Side by side, so that whatever else the machine does slows both down.
    async with stage.working(), beside.working():
        # The pools are filled, so that what follows is no worker's first order.
        for it in (stage, beside):
            await it.end(an_order())

        await go_away(proxy, mode)
        orders = [an_order() for _ in range(ORDERS)]
        handles, others = await asyncio.gather(
            place(stage, orders), place(beside, [an_order() for _ in range(ORDERS)])
        )
        without, healthy = await asyncio.gather(outcomes(stage, handles), outcomes(beside, others))
        assert {state.status for state in without} == {Status.COMPLETED}
        assert seconds(without) < 1.5 * seconds(healthy) + SLACK
        for handle in handles:
            await check_waiting(handle)

        # Started anew, which cuts the connections that hang.
        await proxy.refuse()
        await proxy.forward()
        await check_caught_up(stage, orders, handles)


@pytest.mark.parametrize("mode", AWAY)
async def test_it_may_come_after_the_orders(
    stage: Stage, proxy: Proxy, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.sinks.READ_DATABASE_RETRY", 0.2)
    monkeypatch.setattr("read_model.database._CONNECT_SECONDS", 0.5)
    await go_away(proxy, mode)
    orders = [an_order(), an_order(card="tok_declined")]
    async with stage.working():
        handles = await place(stage, orders)
        states = await outcomes(stage, handles)
        assert [state.status for state in states] == [Status.COMPLETED, Status.COMPENSATED]
        for handle in handles:
            await check_waiting(handle)
        await proxy.forward()
        await check_caught_up(stage, orders, handles)
