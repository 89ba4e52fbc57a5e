"""Sagas that were ended from outside: `status` and `reconcile` notice, `recover` is told of."""

import json
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest

from cli import ask
from read_model.database import open_database
from read_model.migration import migrate
from saga import NotRecoverable, Reply, Request, Sagas, Status
from tests.cli.here import Here
from tests.cli.shop import ORDER, Shop
from tests.integration.commands import Ran
from tests.integration.processes import eventually
from tests.resets import reset_run, workflow_tasks

pytestmark = pytest.mark.asyncio(loop_scope="session")

Recover = Callable[[Sagas, str, Request], Awaitable[Reply]]


async def terminated(shop: Shop, here: Here) -> str:
    """Place an order and terminate it while its stock is being reserved; no worker is left."""
    held = shop.participants.hold("reserve-stock")
    order_id = str(uuid4())
    async with shop.working():
        await here.run(shop.settings, "place-order", *ORDER, "--order-id", order_id)
        await held.reached.wait()

        async def is_projected() -> bool:
            ran = await here.run(shop.settings, "orders", "--json")
            return order_id in ran.out

        await eventually(is_projected)
        await shop.env.client.get_workflow_handle(f"order-{order_id}").terminate("by a test")
        held.release()
    return order_id


async def reset(shop: Shop, order_id: str) -> None:
    """Have a new run go on from the last workflow task."""
    client = shop.env.client
    history = await client.get_workflow_handle(f"order-{order_id}").fetch_history()
    await reset_run(client, f"order-{order_id}", to=workflow_tasks(history)[-1])


async def test_a_row_comes_to_say_that_its_saga_was_terminated(
    closed_shop: Shop, here: Here
) -> None:
    async def command(*arguments: str, **variables: str) -> Ran:
        return await here.run(closed_shop.settings, *arguments, **variables)

    order_id = await terminated(closed_shop, here)
    recover = f"python starter.py recover {order_id} --reason WHY"
    # Before the row does, `status` says so, if it can ask.
    shown, document = await command("status", order_id), await command("status", order_id, "--json")
    assert "terminated" in shown.out
    assert f"next         {recover}" in shown.out
    assert json.loads(document.out)["status"] == "terminated"
    alone = await command("status", order_id, TEMPORAL_ADDRESS="127.0.0.1:1")
    assert alone.code == 0
    assert "running" in alone.out
    assert alone.err.startswith("warning: as it was last projected; ")
    late = await command("cancel", order_id, "--reason", "x")
    ended = f"order {order_id}: it was ended from outside; bring it to its end: {recover}\n"
    assert late == Ran(1, ended, "")

    before = json.loads((await command("orders", "--json")).out)[0]
    assert before["status"] == "running"
    cruises = await command("reconcile", "--type", "cruise")
    assert cruises == Ran(0, "", "every row agrees with Temporal\n")

    async def found() -> str:
        ran = await command("reconcile")
        mine = [line for line in ran.out.splitlines() if line.startswith(f"order {order_id}: ")]
        assert not mine or (ran.code, ran.err) == (1, "")
        return "".join(mine)

    line = await eventually(found)
    assert line.startswith(f"order {order_id}: ended from outside at 2")
    assert line.endswith("; its row says so now")
    assert await found() == ""
    after = json.loads((await command("orders", "--json")).out)[0]
    assert after["closed_at"] == after["updated_at"] > before["updated_at"]
    assert after["version"] > before["version"]
    # The row had been behind; its history tells how far the saga had come.
    assert after["steps"][-1] == {"name": "reserve-stock", "status": "started"}
    changed = {name: after[name] for name in ("closed_at", "updated_at", "version", "steps")}
    assert after == {**before, **changed, "status": "terminated", "current_step": None}

    # A run that takes the saga up again replaces the row.
    await reset(closed_shop, order_id)
    async with closed_shop.working():
        await closed_shop.has_projected(order_id)
    assert json.loads((await command("orders", "--json")).out)[0]["status"] == "completed"
    assert await found() == ""


async def test_a_saga_that_was_taken_up_again_is_not_closed(closed_shop: Shop, here: Here) -> None:
    order_id = await terminated(closed_shop, here)
    await reset(closed_shop, order_id)  # The row knows nothing of it while there is no worker.
    listed = await here.run(closed_shop.settings, "reconcile", "--json")
    assert order_id not in listed.out
    shown = await here.run(closed_shop.settings, "status", order_id, "--json")
    assert json.loads(shown.out)["status"] == "running"
    await closed_shop.env.client.get_workflow_handle(f"order-{order_id}").terminate("by a test")
    listed = await here.run(closed_shop.settings, "reconcile", "--json")
    assert [it["row"] for it in json.loads(listed.out) if it["business_id"] == order_id] == [
        "terminated"
    ]


async def test_a_saga_that_has_no_row_gets_one(closed_shop: Shop, here: Here) -> None:
    engine = open_database(closed_shop.database_url)
    await migrate(engine)
    await engine.dispose()
    order_id = str(uuid4())
    await here.run(closed_shop.settings, "place-order", *ORDER, "--order-id", order_id)
    handle = closed_shop.env.client.get_workflow_handle(f"order-{order_id}")
    await handle.terminate("by a test")
    told_so = await here.run(closed_shop.settings, "status", order_id)
    assert (told_so.code, told_so.err) == (0, "not in the read database yet: from its history\n")
    assert "terminated" in told_so.out

    async def told() -> dict[str, object] | None:
        ran = await here.run(closed_shop.settings, "reconcile", "--json")
        mine = [it for it in json.loads(ran.out) if it["business_id"] == order_id]
        assert not mine or ran.code == 1
        return mine[0] if mine else None

    found = await eventually(told)
    assert str(found.pop("closed_at")).endswith("Z")
    assert found == {
        "order_id": order_id,
        "saga_id": f"order-{order_id}",
        "saga_type": "order",
        "business_id": order_id,
        "row": "terminated",
    }
    shown = await here.run(closed_shop.settings, "status", order_id, "--json")
    assert json.loads(shown.out)["status"] == "terminated"


def answering(answer: Reply | Exception) -> tuple[Recover, list[tuple[str, Request]]]:
    """An engine's `recover` that answers so, and what it was asked."""
    asked: list[tuple[str, Request]] = []

    async def recover(_sagas: Sagas, workflow_id: str, request: Request) -> Reply:
        asked.append((workflow_id, request))
        if isinstance(answer, Exception):
            raise answer
        return answer

    return recover, asked


async def test_a_recovery_is_asked_for_and_told(
    shop: Shop, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = Reply(accepted=True, status=Status.COMPENSATING, message="the saga is being undone")
    recover, asked = answering(reply)
    monkeypatch.setattr(ask, "REQUESTS", {"recover": recover})
    why = ("--by", "ada", "--reason", "it was terminated")
    ran = await here.run(shop.settings, "recover", "A1", *why)
    assert ran == Ran(0, "order A1: recover accepted, the saga is being undone\n", "")
    assert asked == [("order-A1", Request(by="ada", reason="it was terminated"))]


async def test_what_can_not_be_recovered_is_one_line(
    shop: Shop, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = await here.run(shop.settings, "place-order", *ORDER, "--json")
    order_id = json.loads(placed.out)["order_id"]
    await shop.has_projected(order_id)
    recover, _ = answering(NotRecoverable("it has ended by itself"))
    monkeypatch.setattr(ask, "REQUESTS", {"recover": recover})
    ran = await here.run(shop.settings, "recover", order_id, "--reason", "x")
    assert ran == Ran(1, f"order {order_id}: it has ended by itself\n", "")
    unknown = await here.run(shop.settings, "recover", "none", "--reason", "x")
    told = "error: there is no order none; `sagas` lists those there are\n"
    assert unknown == Ran(1, "", told)


async def test_a_terminated_order_is_undone(closed_shop: Shop, here: Here) -> None:
    order_id = await terminated(closed_shop, here)
    await here.run(closed_shop.settings, "reconcile")
    recover = ("recover", order_id, "--reason", "x", "--by", "ada")
    async with closed_shop.working():
        ran = await here.run(closed_shop.settings, *recover)
        assert (ran.code, ran.err) == (0, "")
        await closed_shop.has_projected(order_id)
        assert (await here.run(closed_shop.settings, *recover)).code == 1
    assert closed_shop.participants.standing == []
    shown = await here.run(closed_shop.settings, "status", order_id, "--json")
    assert json.loads(shown.out)["status"] == "compensated"
