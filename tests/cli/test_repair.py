"""`stuck` and `repair`: a refund that is refused, and what a person decides."""

import json
from uuid import uuid4

import pytest

from saga import Sagas, Status
from tests.cli.here import Here
from tests.cli.shop import ORDER, Shop
from tests.integration.commands import Ran
from tests.integration.processes import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

AWAY = "postgresql://reader:secret@127.0.0.1:1/orders"
REPAIR = ("--step", "refund-payment", "--reason", "x", "--by", "ada")


async def stuck_order(shop: Shop, here: Here) -> str:
    """Place an order that is refused, and whose refund is refused too."""
    shop.participants.refuse("reserve-stock")
    shop.participants.refuse("refund-payment")
    order_id = str(uuid4())
    placed = await here.run(shop.settings, "place-order", *ORDER, "--order-id", order_id)
    assert placed.code == 0

    async def listed() -> bool:
        return order_id in (await here.run(shop.settings, "stuck")).out

    await eventually(listed)
    return order_id


async def test_a_refused_refund_is_shown_tried_again_and_skipped(
    own_shop: Shop, here: Here
) -> None:
    order_id = await stuck_order(own_shop, here)
    document = json.loads((await here.run(own_shop.settings, "stuck", "--json")).out)
    [saga] = document.pop("sagas")
    assert document == {
        "count": 1,
        "at_risk": [{"sagas": 1, "amount": "28.20", "currency": "USD"}],
    }
    assert saga.pop("since").endswith("Z")
    assert saga == {
        "saga_id": f"order-{order_id}",
        "saga_type": "order",
        "business_id": order_id,
        "customer_id": "C-1",
        "cause": "failed",
        "at_risk": {"amount": "28.20", "currency": "USD"},
        "stuck": [
            {
                "step": "refund-payment",
                "type": "urn:problem:refund-payment",
                "message": "refund-payment refused",
            }
        ],
    }
    retried = await own_shop.run("repair", order_id, *REPAIR, "--retry")
    assert retried == Ran(0, f"order {order_id}: repair accepted, refund-payment: retry\n", "")
    sagas = Sagas(own_shop.env.client, own_shop.task_queue)

    async def stuck_again() -> bool:
        refused = own_shop.participants.calls.count("refund-payment") == 2
        return refused and (await sagas.state(f"order-{order_id}")).status is Status.STUCK

    await eventually(stuck_again)
    skipped = await here.run(own_shop.settings, "repair", order_id, *REPAIR, "--skip", "--json")
    assert json.loads(skipped.out) == {
        "order_id": order_id,
        "saga_id": f"order-{order_id}",
        "saga_type": "order",
        "business_id": order_id,
        "accepted": True,
        "status": "compensating",
        "message": "refund-payment: skip",
    }
    await own_shop.has_projected(order_id)
    assert "charge-payment: skipped" in (await here.run(own_shop.settings, "status", order_id)).out
    assert await here.run(own_shop.settings, "stuck") == Ran(0, "", "nothing is stuck\n")
    late = await here.run(own_shop.settings, "repair", order_id, *REPAIR, "--retry")
    assert late == Ran(1, f"order {order_id}: too late: it is compensated already\n", "")


async def test_a_refund_is_done_with_another_amount(own_shop: Shop, here: Here) -> None:
    order_id = await stuck_order(own_shop, here)
    own_shop.participants.recover("refund-payment")
    changes = '{"total": {"minor": 5, "currency": "USD"}}'
    ran = await here.run(own_shop.settings, "repair", order_id, *REPAIR, "--with", changes)
    assert ran == Ran(0, f"order {order_id}: repair accepted, refund-payment: replace\n", "")
    await own_shop.has_projected(order_id)
    history = await own_shop.env.client.get_workflow_handle(f"order-{order_id}").fetch_history()
    recorded = b"".join(event.SerializeToString() for event in history.events)
    assert b'"by":"ada","reason":"x","changes":{"total":{"minor":5,"currency":"USD"}}' in recorded


async def test_what_a_saga_does_not_take_is_one_line(own_shop: Shop, here: Here) -> None:
    order_id = await stuck_order(own_shop, here)
    refused = {
        ("--step", "confirm-order", "--retry"): "confirm-order is not stuck",
        ("--step", "refund-payment", "--with", '{"amount_minor": 5}'): (
            "refund-payment: amount_minor: Extra inputs are not permitted"
        ),
    }
    for options, why in refused.items():
        ran = await here.run(own_shop.settings, "repair", order_id, *options, "--reason", "x")
        assert ran == Ran(1, f"order {order_id}: {why}\n", "")
    document = await here.run(
        own_shop.settings,
        *("repair", order_id, "--step", "x", "--retry", "--reason", "x", "--json"),
    )
    assert (document.code, document.err) == (1, "")
    answer = json.loads(document.out)
    assert (answer["accepted"], answer["status"]) == (False, "stuck")
    assert answer["message"] == "x is not stuck"
    unknown = await here.run(own_shop.settings, "repair", "none", *REPAIR, "--retry")
    told = "error: there is no order none; `sagas` lists those there are\n"
    assert unknown == Ran(1, "", told)
    # It is no worse for it.
    own_shop.participants.recover("refund-payment")
    await here.run(own_shop.settings, "repair", order_id, *REPAIR, "--retry")
    await own_shop.has_projected(order_id)


async def test_the_oldest_come_first_and_what_is_cut_is_told(own_shop: Shop, here: Here) -> None:
    first, second = await stuck_order(own_shop, here), await stuck_order(own_shop, here)
    whole = await here.run(own_shop.settings, "stuck")
    assert [line.split()[1] for line in whole.out.splitlines()[1:3]] == [first, second]
    cut = await here.run(own_shop.settings, "stuck", "--limit", "1")
    assert (cut.code, second in cut.out) == (1, False)
    # The sums are those of all.
    assert cut.out.splitlines()[-1] == "at risk: 56.40 USD in 2 sagas"
    assert cut.err == "these are the 1 oldest of 2; --limit shows more\n"
    for order_id in (first, second):
        await here.run(own_shop.settings, "repair", order_id, *REPAIR, "--skip")
        await own_shop.has_projected(order_id)


async def test_without_the_read_database_it_says_so(shop: Shop, here: Here) -> None:
    ran = await here.run(shop.settings, "stuck", READ_DATABASE_URL=AWAY)
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("error: the read database postgresql")
    assert ran.err.endswith("temporal workflow list --query 'SagaStatus=\"stuck\"'\n")
    assert "secret" not in ran.err


async def test_without_a_worker_a_repair_gives_up(closed_shop: Shop, here: Here) -> None:
    placed = await here.run(closed_shop.settings, "place-order", *ORDER, "--json")
    order_id = json.loads(placed.out)["order_id"]
    ran = await here.run(
        closed_shop.settings, "repair", order_id, *REPAIR, "--retry", "--timeout", "1s"
    )
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.splitlines()[-1] == (
        f"error: no worker answered within 1 s, so whether order {order_id} is repaired is not"
        " known: start a worker (python worker.py) and ask again, or see `stuck --bugs`"
    )


async def test_a_paused_order_waits_and_a_finished_one_is_too_late(
    own_shop: Shop, here: Here
) -> None:
    held = own_shop.participants.hold("charge-payment")
    order_id = str(uuid4())
    await here.run(own_shop.settings, "place-order", *ORDER, "--order-id", order_id)
    await held.reached.wait()
    for _ in range(2):  # Twice is as good as once.
        paused = await here.run(own_shop.settings, "pause", order_id, "--reason", "x")
        assert paused == Ran(0, f"order {order_id}: pause accepted, the saga is paused\n", "")
    held.release()
    sagas = Sagas(own_shop.env.client, own_shop.task_queue)
    await eventually(lambda: _charged(sagas, order_id))
    assert "reserve-stock" not in own_shop.participants.calls
    resumed = await own_shop.run("resume", order_id, "--reason", "x")
    assert resumed == Ran(0, f"order {order_id}: resume accepted, the saga goes on\n", "")
    await own_shop.has_projected(order_id)
    for command in ("pause", "resume"):
        late = await here.run(own_shop.settings, command, order_id, "--reason", "x")
        assert late == Ran(1, f"order {order_id}: too late: it is completed already\n", "")


async def _charged(sagas: Sagas, order_id: str) -> bool:
    state = await sagas.state(f"order-{order_id}")
    return state.steps["charge-payment"] == "done"
