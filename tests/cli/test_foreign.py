"""Workflows that are no sagas, and payloads that this process can't decode: one line each."""

import dataclasses
from collections.abc import Sequence
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import PayloadCodec
from temporalio.testing import WorkflowEnvironment
from typing_extensions import override

from contracts.sagas import ORDER
from saga import SagaInput, SagaPlugin, Sagas
from tests.cli.here import Here
from tests.cli.shop import ORDER as OPTIONS
from tests.cli.shop import Shop
from tests.integration.commands import Ran
from tests.matrix.order_subject import place_order

pytestmark = pytest.mark.asyncio(loop_scope="session")

RECOVER = ("recover", "--reason", "x")


class Sealed(PayloadCodec):
    """Stands for one that encrypts."""

    @override
    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        encoding = {"encoding": b"binary/encrypted"}
        return [Payload(metadata=encoding, data=it.SerializeToString()) for it in payloads]

    @override
    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(it.data) for it in payloads]


@pytest.mark.parametrize(
    "command", [("events",), ("events", "--follow"), ("status",), RECOVER], ids=" ".join
)
async def test_a_workflow_that_is_no_saga_is_told_as_such(
    server: WorkflowEnvironment, closed_shop: Shop, here: Here, command: tuple[str, ...]
) -> None:
    order_id = str(uuid4())
    handle = await server.client.start_workflow(
        "Report", {"month": "2026-11"}, id=f"order-{order_id}", task_queue="nobody"
    )
    if command is RECOVER:
        await handle.terminate("a mistake")
    ran = await here.run(closed_shop.settings, command[0], order_id, *command[1:])
    assert ran.code == 1
    assert "is no saga, but a Report" in ran.out + ran.err
    assert (ran.out + ran.err).count("\n") == 1
    if command is RECOVER:
        assert (await handle.describe()).status is WorkflowExecutionStatus.TERMINATED
    else:
        await handle.terminate("a test has ended")


@pytest.mark.parametrize("arguments", [(), ("now",), ({"month": "2026-11"},)], ids=len)
async def test_an_order_under_the_id_of_another_workflow_is_refused(
    server: WorkflowEnvironment, closed_shop: Shop, here: Here, arguments: tuple[object, ...]
) -> None:
    order_id = str(uuid4())
    handle = await server.client.start_workflow(
        "Report", args=arguments, id=f"order-{order_id}", task_queue="nobody"
    )
    ran = await here.run(closed_shop.settings, "place-order", *OPTIONS, "--order-id", order_id)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith("give another order id\n")
    await handle.terminate("a test has ended")


@pytest.mark.parametrize(
    "command",
    [("events",), ("events", "--follow"), ("status",), RECOVER, ("place-order", *OPTIONS)],
    ids=lambda command: " ".join(command[:2]),
)
async def test_what_another_codec_wrote_is_told_in_one_line(
    server: WorkflowEnvironment, closed_shop: Shop, here: Here, command: tuple[str, ...]
) -> None:
    converter = dataclasses.replace(pydantic_data_converter, payload_codec=Sealed())
    client = Client(server.client.service_client, data_converter=converter, plugins=[SagaPlugin()])
    order_id = str(uuid4())
    start = SagaInput(command=place_order(order_id))
    await Sagas(client, closed_shop.task_queue).start(ORDER, start)
    await client.get_workflow_handle(f"order-{order_id}").terminate("a test has ended")
    named = ("--order-id", order_id) if command[0] == "place-order" else (order_id,)
    ran = await here.run(closed_shop.settings, command[0], *named, *command[1:])
    assert ran == Ran(
        2,
        "",
        f"error: what Temporal has of order-{order_id} can't be decoded: set SAGA_PAYLOAD_CODEC"
        " as its worker has it (KeyError: 'Unknown payload encoding binary/encrypted')\n",
    )


@pytest.mark.parametrize(
    "wrong", [{"recovery": "yes"}, {"headline": "a trip", "command_type": "BookTrip"}], ids=min
)
async def test_an_input_that_is_none_of_a_saga_is_told_in_one_line(
    server: WorkflowEnvironment, closed_shop: Shop, here: Here, wrong: dict[str, str]
) -> None:
    order_id = str(uuid4())
    start = {"command": {"order_id": order_id}, **wrong}
    handle = await server.client.start_workflow(
        ORDER.workflow, start, id=f"order-{order_id}", task_queue="nobody"
    )
    await handle.terminate("a test has ended")
    for command in ("events", "recover", "status"):
        more = RECOVER[1:] if command == "recover" else ()
        ran = await here.run(closed_shop.settings, command, order_id, *more)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith(f"error: the history of order-{order_id} is none of a saga: ")
        assert ran.err.count("\n") == 1
