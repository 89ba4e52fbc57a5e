"""Orders end to end, judged by what the services and the read database have stored."""

import pytest

from saga import Cause, Status
from tests.integration.checks import check_completed, check_undone
from tests.integration.processes import eventually
from tests.integration.stage import NOWHERE, Stage, an_order


async def test_an_order_completes(stage: Stage) -> None:
    order = an_order(await stage.shops.stock(10))
    outcome = await stage.end(order)
    assert outcome.status is Status.COMPLETED
    await check_completed(stage, order)


async def test_the_bank_declines(stage: Stage) -> None:
    order = an_order(await stage.shops.stock(10), card="tok_declined")
    await stage.end(order)
    row = await check_undone(stage, order, Cause.FAILED, {"order": "cancelled"})
    assert (row.failure_step, row.failure_type) == (
        "charge-payment",
        "urn:problem:payment:card-declined",
    )


async def test_out_of_stock(stage: Stage) -> None:
    order = an_order(await stage.shops.stock(1))
    await stage.end(order)
    await check_undone(stage, order, Cause.FAILED, {"order": "cancelled", "payment": "refunded"})


@pytest.mark.parametrize("drops", [0, 1], ids=["answered", "answers-lost"])
async def test_what_cannot_be_shipped_is_undone_in_reverse(stage: Stage, drops: int) -> None:
    order = an_order(await stage.shops.stock(10), ship_to=NOWHERE)
    undos = ("release-stock", "refund-payment", "cancel-order")
    for undo in undos:
        await stage.shops.fault(undo, drop_after_commit=drops)
    await stage.end(order)
    await check_undone(
        stage,
        order,
        Cause.FAILED,
        {"order": "cancelled", "payment": "refunded", "reservation": "released"},
    )
    books = stage.shops.books
    assert books.versions(order.order_id) == (2, 2, 2, 0)
    kept = [find(order.order_id) for find in (books.reservation, books.payment, books.order)]
    undone_at = [entry.changed_at for entry in kept if entry is not None]
    assert undone_at == sorted(set(undone_at))
    assert [await stage.shops.drops_left(undo) for undo in undos] == [0, 0, 0]


@pytest.mark.parametrize(
    "fault", [{"latency_ms": 4000}, {"outage_seconds": 3600}], ids=["in-a-call", "between-calls"]
)
async def test_cancelled_on_the_way(stage: Stage, fault: dict[str, float]) -> None:
    order = an_order(await stage.shops.stock(10))
    await stage.shops.fault("reserve-stock", **fault)
    handle = await stage.place(order)
    await eventually(lambda: stage.pending(handle, "reserve-stock"))
    reply = await stage.cancel(handle)
    assert reply.accepted
    await stage.closed(handle)
    await check_undone(
        stage,
        order,
        Cause.CANCELLED,
        {"order": "cancelled", "payment": "refunded", "reservation": "void"},
    )
