"""Orchestrated or choreographed, an order leaves the same rows with the four services."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from brokers.envelope import Message
from contracts.commands import PlaceOrder
from saga import SagaState, Status
from services.choreography.events import CHOREOGRAPHY
from tests.choreography.faults import FAULTS
from tests.choreography.scenarios import SCENARIOS
from tests.choreography.twin import Rows, Twin, as_event, kept, twin_in
from tests.integration.processes import eventually
from tests.integration.shops import ENDPOINTS
from tests.integration.stage import NOWHERE, Stage, an_order

SHORT = {"none"}
"""The faults that `make test` has time for; `make test-long` has them all."""


@pytest.mark.parametrize(
    "name",
    [it if it in SHORT else pytest.param(it, marks=pytest.mark.long) for it in FAULTS],
)
async def test_the_same_rows(orchestrated: Stage, tmp_path: Path, name: str) -> None:
    shops, fault = orchestrated.shops, FAULTS[name]
    orders = {it: SCENARIOS[it].order(await shops.stock(10)) for it in SCENARIOS}
    stock = {order.items[0].sku: 10 for order in orders.values()}
    async with twin_in(tmp_path, stock, fault.broker()) as twin:
        for it, order in orders.items():
            for clients in (shops.clients, twin.clients):
                await SCENARIOS[it].before(clients, order)
        await fault.orchestrated(shops)
        # Placed twice, as with the twin.
        for order in orders.values():
            _ = await orchestrated.place(order)
        taken = [order for order in orders.values() if await twin.place(order)]
        assert [it for it, order in orders.items() if order not in taken] == ["order-taken"]
        fault.choreographed(twin)
        # Side by side, as each waits out its own outages.
        async with twin.house.reacting():
            ends = [orchestrated.end(order) for order in orders.values()]
            await asyncio.gather(twin.end(taken), *ends)
        if "drop_after_commit" in fault.rule:
            for step in set(ENDPOINTS) - {"cancel-shipment"}:
                assert await shops.drops_left(step) == 0, step
        for it, order in orders.items():
            assert kept(tmp_path, order.order_id) == theirs(orchestrated, order), it
            sku = order.items[0].sku
            assert twin.books.reserved(sku) == shops.books.reserved(sku), it
        ids = [order.order_id for order in orders.values()]
        assert twin.books.taken(ids) == shops.books.taken(ids)
        assert (await twin.letters(), await twin.unpublished()) == ([], 0)


async def test_the_last_piece_has_one_winner(orchestrated: Stage, tmp_path: Path) -> None:
    sku = await orchestrated.shops.stock(1)
    orders = [an_order(sku, quantity=1) for _ in range(5)]
    ids = [order.order_id for order in orders]
    await asyncio.gather(*(orchestrated.end(order) for order in orders))
    async with twin_in(tmp_path, {sku: 1}) as twin:
        async with twin.house.reacting():
            for order in orders:
                await twin.house.place(as_event(order))
            await twin.end(orders)
        # Which of them has it is chance; what becomes of the others is not.
        mine, other = (
            (sorted(str((books.of(it), books.versions(it))) for it in ids), books.taken(ids))
            for books in (twin.books, orchestrated.shops.books)
        )
        assert mine == other
        assert twin.books.reserved(sku) == orchestrated.shops.books.reserved(sku) == 1


@pytest.mark.parametrize("away", ["payment", "inventory", "shipping", "order"])
async def test_a_service_that_was_away_catches_up(
    orchestrated: Stage, tmp_path: Path, away: str
) -> None:
    order = an_order(await orchestrated.shops.stock(10))
    async with twin_in(tmp_path, {order.items[0].sku: 10}) as twin:
        await twin.house.place(as_event(order))
        if away == "order":
            await twin.house.participants["order"].relay.publish_some()
        async with without(twin, away):
            before = {"payment": 0, "inventory": 2, "shipping": 3, "order": 4}[away]

            async def waits() -> bool:
                return len(await twin.types(order.order_id)) >= before

            await eventually(waits)
        async with twin.house.reacting():
            await twin.end([order])
    steps = [step for step, (service, _) in ENDPOINTS.items() if service == away]
    for step in steps:
        await orchestrated.shops.fault(step, outage_seconds=1.0)
    await orchestrated.end(order)
    assert kept(tmp_path, order.order_id) == theirs(orchestrated, order)


async def test_an_order_that_cannot_be_confirmed_waits_for_a_person(
    orchestrated: Stage, tmp_path: Path
) -> None:
    order = an_order(await orchestrated.shops.stock(10))

    async def cancel_by_hand(client: httpx.AsyncClient) -> None:
        answer = await client.post(
            f"/orders/{order.order_id}/cancel",
            json={"reason": "by hand"},
            headers={"Idempotency-Key": "by-hand"},
        )
        assert answer.is_success, answer.text

    async with twin_in(tmp_path, {order.items[0].sku: 10}) as twin:
        await twin.house.place(as_event(order))
        async with without(twin, "shipping"):

            async def reserved() -> bool:
                return "InventoryReserved" in await twin.types(order.order_id)

            await eventually(reserved)
        await cancel_by_hand(twin.clients["order"])
        async with twin.house.reacting():
            await eventually(twin.letters)
            [letter] = await twin.letters()
            assert letter.headers["dead-letter-event-type"] == "ShipmentCreated"
    await orchestrated.shops.fault("create-shipment", outage_seconds=3600)
    handle = await orchestrated.place(order)

    async def tried() -> bool:
        pending = await orchestrated.pending(handle, "create-shipment")
        return pending is not None and pending.attempt > 1

    await eventually(tried)
    await cancel_by_hand(orchestrated.shops.clients["order"])
    await orchestrated.shops.heal()

    async def stuck() -> SagaState | None:
        state = await orchestrated.state(handle)
        return state if state.status is Status.STUCK else None

    await eventually(stuck)
    assert kept(tmp_path, order.order_id) == theirs(orchestrated, order)


async def test_a_crash_before_the_commit_and_one_before_the_mark(
    orchestrated: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = an_order(await orchestrated.shops.stock(10), ship_to=NOWHERE)
    await orchestrated.end(order)
    async with twin_in(tmp_path, {order.items[0].sku: 10}) as twin:
        await twin.house.place(as_event(order))
        relay, database = twin.house.participants["order"].relay, twin.house.databases["order"]

        async def crash() -> None:
            raise OSError("crashed")

        monkeypatch.setattr(database, "before_commit", crash)
        with pytest.raises(OSError, match="crashed"):
            await relay.publish_some()
        monkeypatch.undo()
        database = twin.house.databases["payment"]
        crashes = iter([True])

        async def crash_once() -> None:
            if next(crashes, False):
                raise OSError("crashed")

        monkeypatch.setattr(database, "before_commit", crash_once)
        async with twin.house.reacting():
            await twin.end([order])
        assert next(crashes, None) is None
        placed = [it.id for it in twin.broker.messages[CHOREOGRAPHY.name]]
        assert placed[0] == placed[1]
    assert kept(tmp_path, order.order_id) == theirs(orchestrated, order)


async def test_an_order_that_is_told_again_under_another_id_is_done_once(tmp_path: Path) -> None:
    """No inbox knows it; what a step is done by does."""
    order = an_order()
    async with twin_in(tmp_path, {"BOOK": 10}) as twin:
        messages = twin.broker.messages[CHOREOGRAPHY.name]
        await twin.house.place(as_event(order))
        async with twin.house.reacting():
            await twin.end([order])
            again = messages[0].event().model_copy(update={"id": "another"})
            await twin.broker.publish(CHOREOGRAPHY, [Message.structured(again)])

            async def confirmed_twice() -> bool:
                types = [it.event().type for it in messages]
                return types.count("OrderConfirmed") == 2 or bool(await twin.letters())

            await eventually(confirmed_twice)
        assert await twin.letters() == []
        assert twin.books.versions(order.order_id) == (2, 1, 1, 1)


async def test_a_broker_that_forgot_is_told_again(tmp_path: Path) -> None:
    order = an_order()
    async with twin_in(tmp_path, {"BOOK": 10}, forgets=True) as twin:
        await twin.house.place(as_event(order))
        assert await twin.house.participants["order"].relay.publish_some() == 1
    async with twin_in(tmp_path, {"BOOK": 10}, forgets=True) as twin:
        async with twin.house.reacting():
            await twin.end([order])
        assert twin.books.versions(order.order_id) == (2, 1, 1, 1)


def test_it_needs_no_temporal() -> None:
    code = "import sys, services.choreography.__main__; sys.exit('temporalio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def theirs(orchestrated: Stage, order: PlaceOrder) -> Rows:
    return kept(orchestrated.shops.books.home, order.order_id)


@asynccontextmanager
async def without(twin: Twin, away: str) -> AsyncIterator[None]:
    """All but one of the participants react."""
    others = [it for name, it in twin.house.participants.items() if name != away]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(it.run()) for it in others]
        yield
        for task in tasks:
            task.cancel()
