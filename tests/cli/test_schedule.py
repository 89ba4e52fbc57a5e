"""The nightly reconciliation: its schedule, and what its workflow finds, repairs and counts."""

import dataclasses
import json

import pytest
from sqlalchemy import delete
from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    ScheduleOverlapPolicy,
)
from temporalio.runtime import MetricBuffer, Runtime, TelemetryConfig
from temporalio.testing import ActivityEnvironment

from activities.reconciliation import Reconciled, ReconciliationActivities
from read_model.database import open_database
from read_model.drift import DriftKind
from read_model.sources import Phase, Position
from read_model.tables import TABLE
from saga import SagaPlugin
from tests.cli.here import Here
from tests.cli.shop import Shop
from tests.cli.test_rebuild import everything, execute, placed
from tests.integration.commands import Ran
from tests.integration.processes import eventually
from workflows.reconcile import SCHEDULE

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_schedule_is_made_changed_and_removed(closed_shop: Shop, here: Here) -> None:
    async def command(*arguments: str) -> Ran:
        return await here.run(closed_shop.settings, "schedule-reconcile", *arguments)

    assert (await command()).out.startswith(f"schedule {SCHEDULE}: 0 3 * * * (UTC), next at 2")
    handle = closed_shop.env.client.get_schedule_handle(SCHEDULE)
    assert (await handle.describe()).schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    await handle.pause()
    changed = json.loads((await command("--at", "4:30", "--json")).out)
    assert changed["next"].endswith("T04:30:00Z")
    assert changed == {
        "schedule": SCHEDULE,
        "cron": "30 4 * * *",
        "next": changed["next"],
        "paused": True,
    }
    assert (await command("--cron", "15 5 * * 1")).code == 0
    gone = f"schedule {SCHEDULE}: there is none any more\n"
    for _ in range(2):
        assert await command("--remove") == Ran(0, gone, "")


@pytest.mark.parametrize(
    "arguments, told",
    [
        (("--at", "25:00"), "--at '25:00': write it like 03:00, in UTC"),
        (("--at", "3:00", "--cron", "0 3 * * *"), "--at and --cron: give one of them"),
        (("--cron", "now and then"), "--cron 'now and then': "),
    ],
)
async def test_when_is_not_understood(
    closed_shop: Shop, here: Here, arguments: tuple[str, ...], told: str
) -> None:
    ran = await here.run(closed_shop.settings, "schedule-reconcile", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {told}")


@pytest.mark.long
async def test_a_scheduled_run_repairs_what_differs(working: Shop, here: Here) -> None:
    await placed(working, here)
    before = await everything(working)
    await execute(working, delete(TABLE))
    await here.run(working.settings, "schedule-reconcile")
    client = working.env.client
    handle = client.get_schedule_handle(SCHEDULE)
    await handle.trigger()

    async def result() -> Reconciled | None:
        actions = (await handle.describe()).info.recent_actions
        if not actions:
            return None
        run = actions[-1].action
        assert isinstance(run, ScheduleActionExecutionStartWorkflow)
        workflow = client.get_workflow_handle(run.workflow_id, result_type=Reconciled)
        done: Reconciled = await workflow.result()
        return done

    found = await eventually(result)
    await handle.delete()
    assert found.drift[DriftKind.MISSING_ROW] >= 1
    mine = {row["saga_id"] for row in before[0]}
    assert [row for row in (await everything(working))[0] if row["saga_id"] in mine] == before[0]


async def test_an_attempt_goes_on_where_the_one_before_has_ended(
    working: Shop, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_ids = await placed(working, here, 4)
    monkeypatch.setattr("read_model.sources.PAGE", 1)
    metrics = MetricBuffer(1000)
    runtime = Runtime(telemetry=TelemetryConfig(metrics=metrics))
    address = working.env.client.service_client.config.target_host
    client = await Client.connect(address, plugins=[SagaPlugin()], runtime=runtime)
    engine = open_database(working.database_url)
    for order_id in order_ids:
        await working.forgotten_twin(order_id)
    activities = ReconciliationActivities(client, engine)

    async def attempt(before: Reconciled) -> tuple[Reconciled, list[Reconciled]]:
        environment, told = ActivityEnvironment(), list[Reconciled]()
        details = [before.model_dump(mode="json")]
        environment.info = dataclasses.replace(environment.info, heartbeat_details=details)
        environment.metric_meter = runtime.metric_meter
        environment.on_heartbeat = told.append
        return await environment.run(activities.reconcile_read_model, Position()), told

    whole, told = await attempt(Reconciled(position=Position(phase=Phase.ROWS)))
    assert (whole.drift, whole.repaired) == ({DriftKind.ORPHAN: 4}, 0)
    assert told[-1] == whole
    counted = [it for it in metrics.retrieve_updates() if "drift" in it.metric.name]
    assert {it.metric.name: it.attributes["kind"] for it in counted} == {
        "saga_read_model_drift": "orphan"
    }
    assert sum(it.value for it in counted) == 4

    half = told[len(told) // 2]
    rest, told_of_rest = await attempt(half)
    assert rest == whole
    assert len(told_of_rest) < len(told)
    await engine.dispose()
