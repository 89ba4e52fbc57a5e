"""What an order costs, counted in what no machine makes faster: none of it may grow unnoticed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import Engine, event

from activities.projection import projection
from benchmarks.order_history import HistorySize
from contracts.commands import PlaceOrder
from saga import Lane, Status
from tests.integration.stage import NOWHERE, Stage, an_order

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("long_stage", ["sqlite"], indirect=True),
]


@dataclass
class Cost:
    """What was counted of one order."""

    history_events: int = 0
    workflow_tasks: int = 0
    http_calls: int = 0
    statements: int = 0
    """To the read database, transactions' beginnings included."""


@pytest.fixture
def gathering(monkeypatch: pytest.MonkeyPatch) -> None:
    """No timer of the projection fires, however slow the machine is."""
    monkeypatch.setitem(vars(projection), "interval", timedelta(hours=1))
    monkeypatch.setitem(vars(projection), "later_interval", timedelta(hours=1))


@contextmanager
def counting(cost: Cost, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Count what this process, which is the worker, sends to services and to the read database."""

    def executed(*_: object) -> None:
        cost.statements += 1

    send = httpx.AsyncClient.send

    async def counted(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
        cost.http_calls += 1
        return await send(client, request)

    with monkeypatch.context() as patch:
        patch.setattr(httpx.AsyncClient, "send", counted)
        event.listen(Engine, "before_cursor_execute", executed)
        try:
            yield
        finally:
            event.remove(Engine, "before_cursor_execute", executed)


ENDINGS: dict[Status, Callable[[str], PlaceOrder]] = {
    Status.COMPLETED: an_order,
    Status.COMPENSATED: lambda sku: an_order(sku, ship_to=NOWHERE),
}

LIMITS = {
    (Lane.STEPWISE, Status.COMPLETED): Cost(47, 7, http_calls=5, statements=3),
    (Lane.STEPWISE, Status.COMPENSATED): Cost(69, 10, http_calls=7, statements=6),
    (Lane.EXPRESS, Status.COMPLETED): Cost(16, 2, http_calls=5, statements=3),
    (Lane.EXPRESS, Status.COMPENSATED): Cost(25, 3, http_calls=7, statements=3),
}


@pytest.mark.parametrize(("lane", "ending"), list(LIMITS))
async def test_an_order_costs_no_more(
    stage: Stage, gathering: None, monkeypatch: pytest.MonkeyPatch, lane: Lane, ending: Status
) -> None:
    # The first one may find its read database without tables.
    await stage.end(an_order(await stage.shops.stock(10)))
    order = ENDINGS[ending](await stage.shops.stock(10))
    cost, limit = Cost(), LIMITS[lane, ending]
    with counting(cost, monkeypatch):
        handle = await stage.place(order, lane)
        outcome = await stage.closed(handle)
    assert outcome.status is ending
    size = HistorySize.of(await handle.fetch_history())
    cost.history_events, cost.workflow_tasks = size.events, size.workflow_tasks
    dearer = [had > may for had, may in zip(astuple(cost), astuple(limit), strict=True)]
    assert not any(dearer), f"{cost}, and it may be {limit}"
