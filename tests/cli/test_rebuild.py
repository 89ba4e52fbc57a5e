"""`rebuild` on a real server: what is lost or altered comes back, from histories or from events."""

import json
import sqlite3
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import delete, text, update
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.service import RPCError

from read_model.database import open_database
from read_model.tables import EVENTS, TABLE
from saga import Status
from tests.cli.here import Here
from tests.cli.shop import ORDER, Shop
from tests.integration.commands import Ran
from tests.integration.processes import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def placed(shop: Shop, here: Here, count: int = 1, *more: str) -> list[str]:
    """Orders that have completed, and are listed."""
    ids = [str(uuid4()) for _ in range(count)]
    for order_id in ids:
        await here.run(shop.settings, "place-order", *ORDER, "--order-id", order_id, *more)
    for order_id in ids:
        await shop.has_projected(order_id)
    for order_id in ids:
        await listed(shop, order_id)
    return ids


async def listed(shop: Shop, order_id: str) -> None:
    async def is_listed() -> bool:
        query = f"WorkflowId = 'order-{order_id}' AND ExecutionStatus != 'Running'"
        return (await shop.env.client.count_workflows(query)).count > 0

    await eventually(is_listed)


async def execute(shop: Shop, *statements: Any) -> None:
    engine = open_database(shop.database_url)
    async with engine.connect() as connected:
        for statement in statements:
            assert (await connected.execute(statement)).rowcount > 0
    await engine.dispose()


async def everything(shop: Shop) -> list[list[dict[str, Any]]]:
    """All that the database holds."""
    engine = open_database(shop.database_url)
    async with engine.connect() as connected:
        sagas = await connected.execute(text("SELECT * FROM sagas ORDER BY saga_id"))
        events = await connected.execute(text("SELECT * FROM events ORDER BY event_id"))
        held = [[dict(row) for row in it.mappings()] for it in (sagas, events)]
    await engine.dispose()
    return held


async def test_what_was_lost_or_altered_comes_back(working: Shop, here: Here) -> None:
    lost, altered, bare = await placed(working, here, 3)
    before = await everything(working)
    await execute(
        working,
        delete(TABLE).where(TABLE.c.business_id == lost),
        update(TABLE).where(TABLE.c.business_id == altered).values(status=Status.PAUSED),
        delete(EVENTS).where(EVENTS.c.saga_id == f"order-{bare}"),
    )
    broken = await everything(working)
    only = ("rebuild", "--since", "1h", "--dry-run")

    rehearsed = await here.run(working.settings, *only)
    lines = rehearsed.out.splitlines()
    assert rehearsed.code == 1
    # Its history names it, and its events do too.
    assert lines.count(f"order-{lost}: there is no row, it should say completed") == 1
    assert f"order-{altered}: status is 'paused', should be 'completed'" in lines
    assert any(line.startswith(f"order-{bare}: event ") for line in lines)
    # Others' sagas, too, are on the server, and this database has no row of them.
    assert await everything(working) == broken

    for order_id in (lost, altered, bare):
        ran = await here.run(working.settings, "rebuild", "--only", order_id, "--json")
        document = json.loads(ran.out)
        assert ran.code == 0
        assert (document["dry_run"], document["sagas"], document["repaired"]) == (False, 1, 1)
        assert {it["saga_id"] for it in document["drift"]} == {f"order-{order_id}"}
    assert await everything(working) == before
    for order_id in (lost, altered, bare):
        again = await here.run(working.settings, "rebuild", "--only", order_id, "--dry-run")
        told = "1 saga looked at: the read database agrees with all of them\n"
        assert again == Ran(0, "", told)


async def test_a_database_that_is_gone_is_made_again(working: Shop, here: Here) -> None:
    [order_id] = await placed(working, here)
    before = await everything(working)
    anew = {"READ_DATABASE_URL": f"sqlite:///{working.folder / 'anew.db'}"}
    rehearsed = await here.run(working.settings, "rebuild", "--dry-run", **anew)
    assert rehearsed.code == 3
    ran = await here.run(working.settings, "rebuild", "--only", order_id, **anew)
    assert ran.code == 0
    assert f"order-{order_id}: there is no row, it should say completed\n" in ran.out
    assert ran.err == "1 of 1 saga repaired\n"
    engine = open_database(anew["READ_DATABASE_URL"])
    async with engine.connect() as connected:
        rows = [
            dict(it) for it in (await connected.execute(text("SELECT * FROM sagas"))).mappings()
        ]
    await engine.dispose()
    assert rows == before[0]


async def test_without_its_history_a_saga_comes_back_from_its_events(
    working: Shop, here: Here
) -> None:
    held = working.participants.hold("reserve-stock")
    order_id = str(uuid4())
    await here.run(working.settings, "place-order", *ORDER, "--order-id", order_id)
    await held.reached.wait()
    client = working.env.client
    await client.get_workflow_handle(f"order-{order_id}").terminate("by a test")
    held.release()
    first = await here.run(working.settings, "rebuild", "--only", order_id)
    assert (first.code, first.out.count("is missing: SagaTerminated")) == (0, 1)
    before = await everything(working)

    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=f"order-{order_id}"),
        )
    )

    async def is_gone() -> bool:
        try:
            await client.get_workflow_handle(f"order-{order_id}").describe()
        except RPCError:
            return True
        return False

    await eventually(is_gone)
    await execute(working, delete(TABLE).where(TABLE.c.business_id == order_id))
    # All of them, as nothing but its events names it any more.
    ran = await here.run(working.settings, "rebuild", "--type", "order", "--json")
    mine = [it for it in json.loads(ran.out)["drift"] if it["saga_id"] == f"order-{order_id}"]
    assert [(it["kind"], it["should_be"]) for it in mine] == [("missing-row", "terminated")]
    after = await everything(working)
    assert [row for row in after[0] if row["business_id"] == order_id] == [
        row for row in before[0] if row["business_id"] == order_id
    ]

    await execute(working, delete(EVENTS).where(EVENTS.c.saga_id == f"order-{order_id}"))
    ran = await here.run(working.settings, "rebuild", "--only", order_id)
    told = (
        f"order-{order_id}: orphan: neither a history nor an event knows of its row (terminated)\n"
    )
    assert (ran.code, ran.out) == (1, told)
    assert [row for row in (await everything(working))[0] if row["business_id"] == order_id]


async def test_a_saga_that_nobody_knows(working: Shop, here: Here) -> None:
    ran = await here.run(working.settings, "rebuild", "--only", "none")
    assert ran == Ran(1, "", "error: there is no order none; `sagas` lists those there are\n")
    late = await here.run(working.settings, "rebuild", "--since", "yesterday")
    told = "error: --since 'yesterday': write it like 24h or 2026-11-24T03:00Z\n"
    assert late == Ran(2, "", told)


SLOW = """CREATE TRIGGER slow AFTER INSERT ON sagas WHEN (SELECT count(*) FROM sagas) = 3
BEGIN
  SELECT count(*) FROM (
    WITH RECURSIVE counting(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counting LIMIT 10000000000)
    SELECT n FROM counting
  );
END"""
"""Never ends, in the middle of a transaction."""


@pytest.mark.long
async def test_killed_on_the_way_and_started_again_it_ends_the_same(
    working: Shop, here: Here
) -> None:
    order_ids = await placed(working, here, 5)
    before = await everything(working)
    await execute(working, delete(TABLE), delete(EVENTS))
    database = sqlite3.connect(working.folder / "read.db", timeout=0, isolation_level=None)
    database.execute(SLOW)
    async with working.start("rebuild", "--since", "1h") as process:

        async def is_writing() -> bool:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            database.execute("ROLLBACK")
            return False

        await eventually(is_writing)
        # Not only begun: it stays there.
        assert await is_writing()
        process.kill()
        await process.wait()
    assert database.execute("SELECT count(*) FROM events").fetchone() == (0,)
    database.execute("DROP TRIGGER slow")
    database.close()
    for order_id in order_ids:
        assert (await here.run(working.settings, "rebuild", "--only", order_id)).code == 0
    assert await everything(working) == before


async def test_workers_that_write_meanwhile_are_no_drift(
    working: Shop, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Twice the projection's interval.
    monkeypatch.setattr("read_model.rebuild.LAG", 1.0)
    order_ids = [str(uuid4()) for _ in range(4)]
    for order_id in order_ids:
        await here.run(working.settings, "place-order", *ORDER, "--order-id", order_id)
    ran = await here.run(working.settings, "rebuild", "--since", "2s", "--json")
    mine = {f"order-{order_id}" for order_id in order_ids}
    assert not [it for it in json.loads(ran.out)["drift"] if it["saga_id"] in mine]
    for order_id in order_ids:
        await working.has_projected(order_id)
