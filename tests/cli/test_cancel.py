"""`cancel` as a process."""

import asyncio
import json
from uuid import uuid4

import pytest

from tests.cli.shop import ORDER, Shop
from tests.integration.commands import Ran

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def placed(shop: Shop) -> str:
    ran = await shop.run("place-order", *ORDER, "--json")
    order_id: str = json.loads(ran.out)["order_id"]
    return order_id


async def test_an_order_that_is_under_way_is_undone(own_shop: Shop) -> None:
    held = own_shop.participants.hold("reserve-stock")
    order_id = await placed(own_shop)
    await held.reached.wait()
    ran = await own_shop.run("cancel", order_id, "--reason", "changed my mind", "--by", "C-1")
    assert ran == Ran(0, f"order {order_id}: cancel accepted, the saga is being undone\n", "")
    followed = await own_shop.run("place-order", *ORDER, "--order-id", order_id, "--wait")
    assert followed.code == 1
    assert followed.out.splitlines()[-1].startswith("compensated (cancelled")
    await own_shop.has_projected(order_id)
    assert own_shop.participants.standing == []
    late = await own_shop.run("cancel", order_id, "--reason", "x", "--json")
    assert (late.code, json.loads(late.out)["status"]) == (1, "compensated")
    history = await own_shop.env.client.get_workflow_handle(f"order-{order_id}").fetch_history()
    assert '"reason": "changed my mind"' in history.to_json() or b"changed my mind" in b"".join(
        event.SerializeToString() for event in history.events
    )


async def test_a_finished_order_is_too_late_to_cancel(shop: Shop) -> None:
    order_id = await placed(shop)
    await shop.has_projected(order_id)
    ran, document = await asyncio.gather(
        shop.run("cancel", order_id, "--reason", "x"),
        shop.run("cancel", order_id, "--reason", "x", "--json"),
    )
    assert ran == Ran(1, f"order {order_id}: too late: it is completed already\n", "")
    assert document.code == 1
    assert json.loads(document.out) == {
        "order_id": order_id,
        "saga_id": f"order-{order_id}",
        "saga_type": "order",
        "business_id": order_id,
        "accepted": False,
        "status": "completed",
        "message": "too late: it is completed already",
    }


async def test_while_the_shipment_is_made_the_answer_waits_for_it(own_shop: Shop) -> None:
    held = own_shop.participants.hold("create-shipment")
    order_id = await placed(own_shop)
    await held.reached.wait()
    async with own_shop.start("cancel", order_id, "--reason", "x") as process:
        assert process.stderr
        told = await process.stderr.readline()
        assert told == b"waiting for the answer of create-shipment\n"
        held.release()
        out, _ = await process.communicate()
        late = f"order {order_id}: too late: the saga has passed its pivot\n"
        assert (process.returncode, out.decode()) == (1, late)


async def test_an_unknown_order_is_told(shop: Shop) -> None:
    ran = await shop.run("cancel", "none", "--reason", "x")
    assert ran == Ran(1, "", "error: there is no order none; `sagas` lists those there are\n")


async def test_without_a_worker_it_waits_and_then_gives_up(closed_shop: Shop) -> None:
    order_id = await placed(closed_shop)
    ran = await closed_shop.run("cancel", order_id, "--reason", "x", "--timeout", "2s")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == (
        "waiting for a worker (python worker.py)\n"
        f"error: no worker answered within 2 s, so whether order {order_id} is cancelled is not"
        " known: start a worker (python worker.py) and ask again, or see `stuck --bugs`\n"
    )


async def test_it_is_answered_when_a_worker_comes(closed_shop: Shop) -> None:
    held = closed_shop.participants.hold("create-order")
    order_id = await placed(closed_shop)
    async with closed_shop.start("cancel", order_id, "--reason", "x") as process:
        assert process.stderr
        assert await process.stderr.readline() == b"waiting for a worker (python worker.py)\n"
        async with closed_shop.working():
            out, _ = await process.communicate()
            held.release()
            await closed_shop.has_projected(order_id)
        accepted = f"order {order_id}: cancel accepted, the saga is being undone\n"
        assert (process.returncode, out.decode()) == (0, accepted)


async def test_a_server_that_is_away_is_named(shop: Shop) -> None:
    ran = await shop.run("cancel", str(uuid4()), "--reason", "x", TEMPORAL_ADDRESS="127.0.0.1:1")
    assert (ran.code, ran.out) == (3, "")
    assert "no Temporal server answers at 127.0.0.1:1" in ran.err
