"""What a newer version of the code wrote waits for it: nothing is called, undone or written."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import (
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.converter import PayloadCodec
from temporalio.testing import WorkflowEnvironment

from cli.bugs import find_bugs
from cli.temporal import TemporalSagas
from contracts.commands import ChargePayment, PlaceOrder
from contracts.events import OrderCreated
from contracts.sagas import ORDER
from runtime.search_attributes import SagaType
from runtime.settings import Settings
from saga import (
    DifferentCommand,
    Repair,
    RepairAction,
    SagaInput,
    SagaOutcome,
    Status,
    versions,
)
from saga.events import SagaStarted, StepFailed
from saga.identity import DIGEST
from saga.messages import Message
from tests.matrix.order_subject import place_order
from tests.orders import Order, new_order, working
from tests.replay.first_version import FirstVersion, with_codec

NEWER = 7

Matches = Callable[[dict[str, Any]], str | None]
"""The member of an object that holds the message in question; None if it has none."""


class NewerVersion(PayloadCodec):
    """Writes one message as newer code would."""

    def __init__(self, matches: Matches) -> None:
        self._matches = matches

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._written(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    def _written(self, payload: Payload) -> Payload:
        if payload.metadata["encoding"] != b"json/plain":
            return payload
        content = self._newer(json.loads(payload.data))
        return Payload(metadata=payload.metadata, data=json.dumps(content).encode())

    def _newer(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._newer(item) for item in value]
        if not isinstance(value, dict):
            return value
        newer = {name: self._newer(item) for name, item in value.items()}
        if (member := self._matches(value)) is not None:
            newer[member] = {**newer[member], "schema_version": NEWER}
        return newer


def event(event_type: str) -> Matches:
    return lambda value: "data" if value.get("event_type") == event_type else None


def command(name: str) -> Matches:
    return lambda value: "command" if "command" in value and value.get("name") == name else None


def saga_command(value: dict[str, Any]) -> str | None:
    return "command" if "sinks" in value else None


def deploy(monkeypatch: pytest.MonkeyPatch, message: type[Message], version: int = NEWER) -> None:
    """From now on this is newer code, whose form of a message is of that version."""
    monkeypatch.setitem(versions._known, message.__name__, version)
    monkeypatch.setattr(message, "schema_version", version)


@asynccontextmanager
async def writing(env: WorkflowEnvironment, codec: PayloadCodec) -> AsyncIterator[Order]:
    """An order that is written as the codec does; each task is run from the first event."""
    async with working(await with_codec(env, codec), max_cached_workflows=0) as order:
        yield order


async def placed(order: Order) -> WorkflowHandle[object, SagaOutcome]:
    """Found by its type even if it can't begin; a task that has failed is soon tried again."""
    return await order.env.client.start_workflow(
        ORDER.workflow,
        SagaInput(command=place_order(order.order_id)),
        id=order.saga_id,
        task_queue=order.task_queue,
        task_timeout=timedelta(seconds=1),
        search_attributes=TypedSearchAttributes([SearchAttributePair(SagaType, ORDER.name)]),
        result_type=SagaOutcome,
    )


async def message_of_the_bug(order: Order) -> str:
    """What `stuck --bugs` shows of it, once it is there."""
    sagas = TemporalSagas(order.env.client, Settings())
    while True:
        found = await find_bugs(sagas, None, 100)
        told = [bug.message for bug in found.bugs if bug.saga.workflow_id == order.saga_id]
        if told:
            return told[0]


async def failed_attempt(order: Order, activity: str) -> str:
    """Why an activity has failed that is tried again, with its cause, once it has."""
    handle = order.env.client.get_workflow_handle(order.saga_id)
    while True:
        for pending in (await handle.describe()).raw_description.pending_activities:
            if pending.activity_type.name == activity and pending.HasField("last_failure"):
                failure = pending.last_failure
                return f"{failure.message}: {failure.cause.message}"


async def test_an_order_of_the_first_version_is_carried_out_and_answers(
    dev_server: WorkflowEnvironment,
) -> None:
    async with writing(dev_server, FirstVersion()) as order:
        held = order.participants.hold("reserve-stock")
        order.participants.refuse("create-shipment")
        handle = await placed(order)
        await held.reached.wait()
        state = await order.state()
        assert state.status is Status.RUNNING
        assert state.headline == place_order(order.order_id).headline()
        held.release()
        assert (await handle.result()).status is Status.COMPENSATED
        assert order.participants.standing == []
        told = [it for batch in order.read_database.batches for it in batch.events]
        [created] = [it for it in told if it.event_type == "OrderCreated"]
        assert (created.schema_version, created.data["items"]) == (2, [])


async def test_an_order_repeated_in_a_newer_form_is_placed_once(
    dev_server: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = new_order(dev_server)
    start = SagaInput(command=place_order(order.order_id))
    old = start.model_dump(mode="json")
    old["command"]["address"] = old["command"].pop("ship_to")
    del old["command"]["schema_version"]
    await dev_server.client.start_workflow(
        ORDER.workflow,
        old,
        id=order.saga_id,
        task_queue=order.task_queue,
        memo={DIGEST: "of the old form"},
    )
    deploy(monkeypatch, PlaceOrder, 2)
    rename = {"address": "ship_to"}
    monkeypatch.setitem(
        versions._upcasters,
        ("PlaceOrder", 1),
        lambda it: {rename.get(member, member): value for member, value in it.items()},
    )
    assert not (await order.sagas.start(ORDER, start)).new
    other = start.command.model_copy(update={"ship_to": "elsewhere"})
    with pytest.raises(DifferentCommand):
        await order.sagas.start(ORDER, SagaInput(command=other))


async def test_a_repair_does_not_change_a_version(dev_server: WorkflowEnvironment) -> None:
    async with working(dev_server) as order:
        order.participants.refuse("confirm-order")
        handle = await order.place()
        await order.is_stuck()
        repair = Repair(
            by="ops",
            reason="x",
            step="confirm-order",
            action=RepairAction.REPLACE,
            changes={"schema_version": 1},
        )
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await order.sagas.repair(order.saga_id, repair)
        assert str(refused.value.cause) == (
            "NotRepairableSo: confirm-order: schema_version can't be changed: leave it out"
        )
        order.participants.recover("confirm-order")
        await order.sagas.repair(
            order.saga_id, repair.model_copy(update={"changes": {"shipment_id": "other"}})
        )
        await handle.result()


@pytest.mark.parametrize(
    ("message", "matches", "done"),
    [
        (PlaceOrder, saga_command, []),
        (OrderCreated, event("OrderCreated"), ["create-order"]),
        (StepFailed, event("StepFailed"), ["create-order"]),
    ],
)
async def test_a_workflow_waits_for_newer_code_at_its_place(
    dev_server: WorkflowEnvironment,
    monkeypatch: pytest.MonkeyPatch,
    message: type[Message],
    matches: Matches,
    done: list[str],
) -> None:
    async with writing(dev_server, NewerVersion(matches)) as order:
        order.participants.refuse("charge-payment")
        handle = await placed(order)
        told = await message_of_the_bug(order)
        assert f"{message.__name__} came in schema version {NEWER}, and this code" in told
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        assert order.ledger == done
        deploy(monkeypatch, message)
        assert (await handle.result()).status is Status.COMPENSATED
        assert order.participants.standing == []


async def test_a_participant_is_not_called_with_a_newer_command(
    dev_server: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = NewerVersion(command("charge-payment"))
    async with writing(dev_server, codec) as order:
        handle = await placed(order)
        told = await failed_attempt(order, "charge_payment")
        assert f"ChargePayment came in schema version {NEWER}, and this code knows 1" in told
        assert order.participants.calls == ["create-order"]
        deploy(monkeypatch, ChargePayment)
        assert (await handle.result()).status is Status.COMPLETED


async def test_nothing_is_projected_of_a_newer_event(
    dev_server: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = NewerVersion(event("SagaStarted"))
    async with writing(dev_server, codec) as order:
        handle = await placed(order)
        told = await failed_attempt(order, "project_saga")
        assert f"SagaStarted came in schema version {NEWER}, and this code knows 1" in told
        while "confirm-order" not in order.ledger:
            await asyncio.sleep(0.02)
        assert order.read_database.batches == []
        deploy(monkeypatch, SagaStarted)
        assert (await handle.result()).status is Status.COMPLETED
        assert order.read_database.batches[-1].state.status is Status.COMPLETED
