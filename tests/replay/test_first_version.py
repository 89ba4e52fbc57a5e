"""Histories with payloads of the first version of the contracts are read in today's form.

They were recorded with `tests.replay.first_version`; what stands in them is looked at here first.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from contracts.commands import CreateOrder, PlaceOrder
from contracts.events import OrderCreated
from contracts.money import Money
from read_model.projector import row_of
from saga import Batch, Call, Event, JsonObject, SagaInput, Status, fold
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


def events_of(history: WorkflowHistory) -> list[Event[Any]]:
    """What was handed to the projection: every event, as it stands there."""
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
def test_plain_json_is_of_today_too(name: str) -> None:
    created = decoded(the_answer(load(name), "OrderCreated"), Event[JsonObject])
    assert created.schema_version == created.data["schema_version"] == 2
    assert created.data["total"] == {"minor": 2500, "currency": "USD"}
    assert "amount_minor" not in created.data
    started = events_of(load(name))[0]
    assert started.data["command"]["schema_version"] == 1


@pytest.mark.parametrize(
    ("name", "status"),
    [("first_completed", Status.COMPLETED), ("first_undeliverable", Status.COMPENSATED)],
)
def test_they_add_up_to_todays_state_and_row(name: str, status: Status) -> None:
    today = {"first_completed": "completed", "first_undeliverable": "undeliverable"}[name]
    state, of_today = fold(events_of(load(name))), fold(events_of(load(today)))
    assert state.status is status
    own = {"saga_id", "epoch", "correlation_id", "started_at", "updated_at", "closed_at"}
    assert state.model_dump(exclude=own | {"headline"}) == of_today.model_dump(
        exclude=own | {"headline"}
    )
    own |= {"business_id"}
    assert row_of(state).model_dump(exclude=own) == row_of(of_today).model_dump(exclude=own)
