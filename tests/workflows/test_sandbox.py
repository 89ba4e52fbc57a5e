"""The sandbox is asked which command a payload belongs to only where somebody needs to know."""

import dataclasses
from collections.abc import Sequence

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    ActivitySerializationContext,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
)
from temporalio.testing import WorkflowEnvironment
from temporalio.worker._command_aware_visitor import CommandInfo
from temporalio.worker.workflow_sandbox._in_sandbox import InSandbox

from saga import SagaPlugin
from tests.orders import Order, working

pytestmark = pytest.mark.asyncio(loop_scope="session")


class ByActivity(PayloadCodec, WithSerializationContext):
    """Marks each payload with the activity that it is of, and reads no other's."""

    def __init__(self, activity: str = "") -> None:
        self._activity = activity.encode()

    def with_context(self, context: SerializationContext) -> "ByActivity":
        """The codec for one activity's payloads."""
        if isinstance(context, ActivitySerializationContext):
            return ByActivity(context.activity_type or "")
        return ByActivity()

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Add the mark."""
        marked = [Payload.FromString(it.SerializeToString()) for it in payloads]
        for it in marked:
            it.metadata["activity"] = self._activity
        return marked

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Look at the mark."""
        for it in payloads:
            assert it.metadata["activity"] == self._activity, (it.metadata, self._activity)
        return list(payloads)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the sandbox is asked."""
    commands: list[object] = []
    answer = InSandbox.get_serialization_context

    def listening(self: InSandbox, command_info: CommandInfo | None) -> object:
        commands.append(command_info)
        return answer(self, command_info)

    monkeypatch.setattr(InSandbox, "get_serialization_context", listening)
    return commands


async def test_nobody_asks_usually(real_order: Order, asked: list[object]) -> None:
    await (await real_order.place()).result()
    assert asked == []


async def test_a_codec_by_command_is_told_the_command(
    dev_server: WorkflowEnvironment, asked: list[object]
) -> None:
    converter = dataclasses.replace(pydantic_data_converter, payload_codec=ByActivity())
    client = Client(
        dev_server.client.service_client, data_converter=converter, plugins=[SagaPlugin()]
    )
    async with working(WorkflowEnvironment.from_client(client)) as order:
        handle = await order.place()
        await handle.result()
        history = await handle.fetch_history()
    scheduled = [it.activity_task_scheduled_event_attributes for it in history.events]
    marks = {
        it.activity_type.name: it.input.payloads[0].metadata["activity"].decode()
        for it in scheduled
        if it.input.payloads
    }
    assert marks.items() >= {("charge_payment", "charge_payment"), ("create_order", "create_order")}
    assert asked
