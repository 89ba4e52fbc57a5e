"""`status` and `orders` as processes."""

import asyncio
import json
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.cli.shop import ORDER, Shop
from tests.integration.commands import Ran

pytestmark = pytest.mark.asyncio(loop_scope="session")

AWAY = "postgresql://reader:secret@127.0.0.1:1/orders"


async def placed(shop: Shop, *arguments: str) -> str:
    """Place an order and wait until its row is final."""
    ran = await shop.run("place-order", *ORDER, *arguments, "--json")
    order_id: str = json.loads(ran.out)["order_id"]
    await shop.has_projected(order_id)
    return order_id


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def order_id(shop: Shop) -> str:
    """A completed order."""
    return await placed(shop, "--customer", f"C-{uuid4()}")


async def test_an_order_is_shown(shop: Shop, order_id: str) -> None:
    # Only the read database is needed.
    ran = await shop.run("status", order_id, TEMPORAL_ADDRESS="127.0.0.1:1")
    assert (ran.code, ran.err) == (0, "")
    for shown in (order_id, "completed", "28.20 USD", "charge-payment: done"):
        assert shown in ran.out


async def test_an_order_is_a_document(shop: Shop, order_id: str) -> None:
    ran = await shop.run("status", order_id, "--json", TEMPORAL_ADDRESS="127.0.0.1:1")
    document = json.loads(ran.out)
    assert (ran.code, ran.err) == (0, "")
    assert (document["order_id"], document["status"]) == (order_id, "completed")
    assert document["total"] == {"amount": "28.20", "currency": "USD"}


async def test_a_failure_is_shown(own_shop: Shop) -> None:
    own_shop.participants.refuse("reserve-stock")
    order_id = await placed(own_shop)
    ran, listed = await asyncio.gather(own_shop.run("status", order_id), own_shop.run("orders"))
    assert "compensated (failed)" in ran.out
    assert "reserve-stock: reserve-stock: reserve-stock refused" in ran.out
    assert "compensated (failed)" in listed.out


async def test_orders_are_found_by_customer_and_status(shop: Shop) -> None:
    mine = f"C-{uuid4()}"
    first = await placed(shop, "--customer", mine)
    second = await placed(shop, "--customer", mine)
    by_customer = ("orders", "--customer", mine)
    every, newest, none, text = await asyncio.gather(
        shop.run(*by_customer, "--json", "--status", "completed"),
        shop.run(*by_customer, "--json", "--limit", "1"),
        shop.run(*by_customer, "--json", "--status", "stuck"),
        shop.run(*by_customer),
    )
    assert [it["order_id"] for it in json.loads(every.out)] == [second, first]
    assert [it["order_id"] for it in json.loads(newest.out)] == [second]
    assert (none.code, json.loads(none.out)) == (0, [])
    assert [line.split()[0] for line in text.out.splitlines()] == ["order", second, first]


async def test_an_unknown_order_is_told(shop: Shop) -> None:
    assert await shop.run("status", "none") == Ran(1, "", "no order none\n")


async def test_an_order_may_be_too_new_for_the_read_database(closed_shop: Shop) -> None:
    ran = await closed_shop.run("place-order", *ORDER, "--json")
    order_id = json.loads(ran.out)["order_id"]
    said, document, listed, away = await asyncio.gather(
        closed_shop.run("status", order_id),
        closed_shop.run("status", order_id, "--json"),
        closed_shop.run("orders"),
        closed_shop.run("status", order_id, TEMPORAL_ADDRESS="127.0.0.1:1"),
    )
    accepted = f"order {order_id}: running; accepted, not in the read database yet\n"
    assert said == Ran(0, accepted, "")
    assert document.code == 0
    assert json.loads(document.out) == {
        "order_id": order_id,
        "saga_id": f"order-{order_id}",
        "saga_type": "order",
        "business_id": order_id,
        "status": "running",
        "version": 0,
    }
    assert listed == Ran(0, "", "no orders\n")
    assert (away.code, away.out) == (3, "")
    assert away.err.startswith(f"error: order {order_id} is not in the read database, and no ")


async def test_a_read_database_that_is_away_is_named(shop: Shop, order_id: str) -> None:
    for ran in await asyncio.gather(
        shop.run("status", order_id, READ_DATABASE_URL=AWAY),
        shop.run("orders", "--json", READ_DATABASE_URL=AWAY),
    ):
        assert (ran.code, ran.out) == (3, "")
        assert len(ran.err.splitlines()) == 1
        assert ran.err.startswith("error: the read database postgresql")
        assert "secret" not in ran.err
