"""Histories with payloads of the first version of the contracts are read in today's form.

They were recorded with `tests.replay.first_version`; what stands in them is looked at here first.
"""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from contracts.commands import CreateOrder, PlaceOrder
from contracts.events import OrderCreated
from contracts.money import Money
from read_model.event_store import event_of, event_row
from read_model.projector import row_of
from read_model.tables import EventRow
from saga import Batch, Call, Event, JsonObject, SagaInput, Status, fold
from saga.run_reader import read_run
from saga.versions import NewerSchema
from tests.replay.record import FIRST_VERSION, load


def payloads(message: Message) -> Iterator[Payload]:
    """Every payload of a message, however deep."""
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            yield from (it for one in value.values() for it in payloads(one))
        else:
            values = value if field.is_repeated else [value]
            yield from (it for one in values for it in payloads(one))


def decoded(payload: Payload, hint: Any) -> Any:
    return pydantic_data_converter.payload_converter.from_payload(payload, hint)


def contents(history: WorkflowHistory) -> list[Any]:
    """What stands in the payloads, as JSON."""
    plain = (it for event in history.events for it in payloads(event))
    return [json.loads(it.data) for it in plain if it.metadata["encoding"] == b"json/plain"]


def said_versions(value: Any) -> Iterator[str]:
    """Where a version is said: in envelopes only."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in items:
        if name == "schema_version":
            yield "envelope" if "position" in value else "message"
        if isinstance(item, (dict, list)):
            yield from said_versions(item)


def the_call(history: WorkflowHistory, activity: str) -> Payload:
    [scheduled] = (
        event.activity_task_scheduled_event_attributes
        for event in history.events
        if event.activity_task_scheduled_event_attributes.activity_type.name == activity
    )
    return scheduled.input.payloads[0]


def the_answer(history: WorkflowHistory, event_type: str) -> Payload:
    [answer] = (
        it
        for event in history.events
        for it in event.activity_task_completed_event_attributes.result.payloads
        if f'"event_type":"{event_type}"'.encode() in it.data
    )
    return answer


async def events_of(name: str) -> Sequence[Event[Any]]:
    """What the history's reader makes of it."""
    history = load(name)

    async def events() -> AsyncIterator[HistoryEvent]:
        for event in history.events:
            yield event

    started = history.events[0].workflow_execution_started_event_attributes
    return (await read_run(pydantic_data_converter, started.workflow_id, events())).events


def handed_over(history: WorkflowHistory) -> list[Event[Any]]:
    """What the projection was handed."""
    return [
        event
        for it in history.events
        if it.activity_task_scheduled_event_attributes.activity_type.name == "project_saga"
        for event in decoded(
            it.activity_task_scheduled_event_attributes.input.payloads[0], Batch
        ).events
    ]


@pytest.mark.parametrize("name", FIRST_VERSION)
def test_they_hold_what_the_first_version_wrote(name: str) -> None:
    history = load(name)
    told = json.loads(the_answer(history, "OrderCreated").data)
    assert told["schema_version"] == 1
    assert sorted(told["data"]) == ["amount_minor", "customer_id", "order_id"]
    assert {it for content in contents(history) for it in said_versions([content])} == {"envelope"}


@pytest.mark.parametrize("name", FIRST_VERSION)
def test_what_is_decoded_is_of_today(name: str) -> None:
    history = load(name)
    started = history.events[0].workflow_execution_started_event_attributes.input.payloads[0]
    order = decoded(started, SagaInput[PlaceOrder]).command
    created = decoded(the_answer(history, "OrderCreated"), Event[OrderCreated])
    assert created.schema_version == 2
    assert created.data == OrderCreated(
        order_id=order.order_id, customer_id="C-1", total=Money.of("25.00", "USD"), items=()
    )
    call = decoded(the_call(history, "create_order"), Call[CreateOrder])
    assert call.command == CreateOrder.of(order)


@pytest.mark.parametrize("name", FIRST_VERSION)
async def test_plain_json_is_of_today_too(name: str) -> None:
    created = decoded(the_answer(load(name), "OrderCreated"), Event[JsonObject])
    assert created.schema_version == created.data["schema_version"] == 2
    assert created.data["total"] == {"minor": 2500, "currency": "USD"}
    assert "amount_minor" not in created.data
    assert (await events_of(name))[0].data["command"]["schema_version"] == 1


@pytest.mark.parametrize(
    ("name", "status"),
    [("first_completed", Status.COMPLETED), ("first_undeliverable", Status.COMPENSATED)],
)
async def test_they_add_up_to_todays_state_and_row(name: str, status: Status) -> None:
    today = {"first_completed": "completed", "first_undeliverable": "undeliverable"}[name]
    events = await events_of(name)
    assert list(events) == sorted(handed_over(load(name)), key=lambda it: (it.epoch, it.position))
    state, of_today = fold(events), fold(await events_of(today))
    assert state.status is status
    own = {"saga_id", "epoch", "correlation_id", "started_at", "updated_at", "closed_at"}
    assert state.model_dump(exclude=own | {"headline"}) == of_today.model_dump(
        exclude=own | {"headline"}
    )
    own |= {"business_id"}
    assert row_of(state).model_dump(exclude=own) == row_of(of_today).model_dump(exclude=own)


def test_a_row_of_the_first_version_comes_back_in_todays_form() -> None:
    created = decoded(the_answer(load("first_completed"), "OrderCreated"), Event[JsonObject])
    told = json.loads(the_answer(load("first_completed"), "OrderCreated").data)
    today = event_row(created)
    kept_then: EventRow = {**today, "event_data": told["data"], "schema_version": 1}
    assert event_of(kept_then) == event_of(today) == created
    with pytest.raises(NewerSchema):
        event_of({**kept_then, "schema_version": 3})
