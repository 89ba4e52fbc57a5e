"""What a caller's ids reach: activities, workflows, sagas, requests, log records."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import HeaderCodecBehavior
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import PayloadCodec
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from runtime.correlation import Correlation, correlated
from runtime.telemetry import CorrelationFilter
from saga import (
    Repair,
    RepairAction,
    Request,
    SagaInput,
    SagaPlugin,
    Sagas,
)
from saga.history import read_saga
from tests.agency import Agency
from tests.orders import Order
from tests.trips import BookTrip
from tests.workflows.outer import FaultySaga, Ids, Inner, Outer, notify

CALLER = Correlation("request-7", "command-9")


Run = Callable[[Correlation], asyncio.Task[list[Ids]]]


class Backwards(PayloadCodec):
    """A codec that no one can read without it."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload(metadata={}, data=it.SerializeToString()[::-1]) for it in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(it.data[::-1]) for it in payloads]


@asynccontextmanager
async def working(
    client: Client,
) -> AsyncIterator[Callable[[Correlation], asyncio.Task[list[Ids]]]]:
    """A worker; what is yielded runs an `Outer`."""
    queue = f"outer-{uuid4()}"

    async def run(caller: Correlation) -> list[Ids]:
        with correlated(caller):
            handle = await client.start_workflow(
                Outer.run, "hello", id=f"outer-{uuid4()}", task_queue=queue
            )
            with correlated(replace(caller, causation_id="command-10")):
                await handle.signal(Outer.ask)
        return await handle.result()

    async with Worker(
        client,
        task_queue=queue,
        workflows=[Outer, Inner],
        activities=[notify],
    ):
        yield lambda caller: asyncio.create_task(run(caller))


@pytest.mark.parametrize("behaviour", [HeaderCodecBehavior.NO_CODEC, HeaderCodecBehavior.CODEC])
async def test_headers_carry_them_where_no_payload_does(
    dev_server: WorkflowEnvironment, behaviour: HeaderCodecBehavior
) -> None:
    client = await Client.connect(
        dev_server.client.service_client.config.target_host,
        plugins=[SagaPlugin()],
        header_codec_behavior=behaviour,
    )
    config = client.config(active_config=True)
    config["data_converter"] = replace(pydantic_data_converter, payload_codec=Backwards())
    async with working(Client(**config)) as run:
        ids = {"correlation_id": "request-7", "causation_id": "command-9"}
        asked = ids | {"causation_id": "command-10"}
        assert await run(CALLER) == [ids, ids, ids, ids, asked]


async def test_workflows_at_once_each_have_their_own(dev_server: WorkflowEnvironment) -> None:
    async with working(dev_server.client) as run:
        callers = [Correlation(f"request-{number}") for number in range(5)]
        told = await asyncio.gather(*(run(caller) for caller in callers))
    for caller, ids in zip(callers, told, strict=True):
        assert [it["correlation_id"] for it in ids] == [caller.correlation_id] * 5


async def test_without_a_caller_there_is_nothing_to_carry(dev_server: WorkflowEnvironment) -> None:
    async with working(dev_server.client) as run:
        assert await run(Correlation()) == [{}, {}, {}, {}, {}]


async def test_a_saga_that_is_started_inherits_what_its_input_leaves_open(
    real_order: Order,
) -> None:
    with correlated(CALLER):
        handle = await real_order.place()
    await handle.result()
    history = await read_saga(real_order.env.client, real_order.saga_id)
    assert history is not None
    assert {event.correlation_id for event in history.events} == {"request-7"}
    assert history.events[0].causation_id == "command-9"
    # Calls and batches say it themselves: no header is made a second time.
    scheduled = [
        event.activity_task_scheduled_event_attributes
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert scheduled
    assert not any(it.header.fields for it in scheduled)


async def test_who_cancels_is_the_cause_and_else_the_event_before(real_order: Order) -> None:
    held = real_order.participants.hold("charge-payment")
    await real_order.place()
    await held.reached.wait()
    await real_order.sagas.pause(real_order.saga_id, Request(by="ada", reason="lunch"))
    with correlated(CALLER):
        assert (await real_order.cancel()).accepted
    await real_order.sagas.resume(real_order.saga_id, Request(by="ada", reason="back"))
    handle = real_order.env.client.get_workflow_handle(real_order.saga_id)
    await handle.result()
    history = await read_saga(real_order.env.client, real_order.saga_id)
    assert history is not None
    events = list(history.all_events)
    told = {event.event_type: event for event in events}
    assert told["CancelRequested"].causation_id == "command-9"
    assert told["CancelRequested"].correlation_id == real_order.saga_id
    ids = {event.event_id for event in events}
    assert told["SagaPaused"].causation_id in ids
    assert told["SagaResumed"].causation_id in ids
    assert told["CompensationStarted"].causation_id in ids


class Records(logging.Handler):
    """What the process logs, with what each record belongs to."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[logging.LogRecord] = []
        self.addFilter(CorrelationFilter())

    def emit(self, record: logging.LogRecord) -> None:
        self.all.append(record)


@pytest.fixture
def records() -> Iterator[Records]:
    records = Records()
    logging.getLogger().addHandler(records)
    yield records
    logging.getLogger().removeHandler(records)


async def test_a_bug_in_an_activity_is_logged_with_its_ids(
    real_order: Order, records: Records
) -> None:
    real_order.participants.have_a_bug("charge-payment")
    with correlated(CALLER):
        handle = await real_order.place()
    bug = await _logged(records, "a bug in an activity")
    assert bug["correlation_id"] == "request-7"
    assert (bug["saga_id"], bug["step"]) == (real_order.saga_id, "charge-payment")
    stuck = await _logged(records, "stuck: ")
    assert (stuck["correlation_id"], stuck["step"]) == ("request-7", "charge-payment")
    repair = Repair(step="charge-payment", action=RepairAction.RETRY, by="ada", reason="mended")
    with correlated(Correlation("call-3", "command-12")):
        await real_order.sagas.repair(real_order.saga_id, repair)
    await handle.result()
    history = await read_saga(real_order.env.client, real_order.saga_id)
    assert history is not None
    [repaired] = [event for event in history.events if event.event_type == "StepRepaired"]
    assert (repaired.correlation_id, repaired.causation_id) == ("request-7", "command-12")


async def test_a_bug_in_a_flow_is_logged_with_its_ids(
    dev_server: WorkflowEnvironment, records: Records
) -> None:
    queue, trip_id = f"faulty-{uuid4()}", str(uuid4())
    async with Worker(
        dev_server.client,
        task_queue=queue,
        workflows=[FaultySaga],
        activities=Agency().activities,
    ):
        start = SagaInput(
            command=BookTrip(trip_id=trip_id, plan="none"), correlation_id="request-7"
        )
        await Sagas(dev_server.client, queue).start(FaultySaga.kind, start)
        failed = await _logged(records, "Failed activation on workflow")
        await dev_server.client.get_workflow_handle(f"faulty-{trip_id}").terminate()
    assert failed["correlation_id"] == "request-7"
    assert failed["saga_id"] == f"faulty-{trip_id}"


async def _logged(records: Records, message: str) -> dict[str, object]:
    async with asyncio.timeout(20):
        while True:
            for record in records.all:
                if record.getMessage().startswith(message):
                    return vars(record)
            await asyncio.sleep(0.01)
