"""Every message says its schema version, and an older one is lifted wherever it is read."""

import json
from typing import Any, ClassVar

import pytest
from pydantic import TypeAdapter, ValidationError
from typing_extensions import override

from contracts import commands, events
from contracts.catalogue import lifted, message_name
from contracts.commands import CancelOrder, Line, PlaceOrder
from contracts.events import OrderCreated
from contracts.money import Money
from saga import (
    Call,
    Command,
    DomainEvent,
    Event,
    Headline,
    JsonObject,
    SagaCommand,
    SagaInput,
    Step,
    digest,
    versions,
)
from saga.entry import entries_of
from saga.envelope import SentCall
from saga.messages import Message
from saga.start import Recovery
from saga.versions import Content, NewerSchema, know, lift, upcaster

NEW_YEAR = "2026-01-01T00:00:00Z"
FIRST: Content = {"order_id": "1", "customer_id": "C-1", "amount_minor": 2500}
LIFTED = OrderCreated(
    order_id="1", customer_id="C-1", total=Money(minor=2500, currency="USD"), items=()
)
PLACE = {"saga_id": "s-1", "epoch": 1, "position": 1, "correlation_id": "s-1"}
ENVELOPE = {
    **PLACE,
    "event_type": "OrderCreated",
    "aggregate_id": "1",
    "aggregate_type": "Order",
    "version": 1,
    "occurred_at": NEW_YEAR,
    "schema_version": 1,
    "data": FIRST,
}
CALL = {
    **PLACE,
    "step": "pack",
    "direction": "do",
    "name": "pack",
    "run_id": "r",
    "sent_at": NEW_YEAR,
    "command_type": "PackParcel",
    "schema_version": 1,
}


@upcaster("PackParcel", 1)
def pack_2(old: Content) -> Content:
    return {"parcel_id": old["id"], "grams": old["kilos"]}


@upcaster("PackParcel", 2)
def pack_3(old: Content) -> Content:
    grams = old["grams"]
    assert isinstance(grams, int)
    return {**old, "grams": grams * 1000}


class PackParcel(SagaCommand):
    """A command in its third version."""

    schema_version: ClassVar[int] = 3
    parcel_id: str
    grams: int

    @override
    def headline(self) -> Headline:
        return Headline(business_id=self.parcel_id)


class Parcels:
    async def pack(self, call: Call[PackParcel]) -> Event[OrderCreated]:
        raise NotImplementedError


THEN: Content = {"id": "P", "kilos": 2}
NOW = PackParcel(parcel_id="P", grams=2000)


def read(kind: Any, content: object) -> Any:
    """As the data converter reads a payload."""
    return TypeAdapter(kind).validate_json(json.dumps(content))


def messages() -> list[type[Message]]:
    found = (it for room in (commands, events) for it in vars(room).values())
    return [
        it
        for it in found
        if isinstance(it, type)
        and issubclass(it, (Command, DomainEvent))
        and it.__module__.startswith("contracts.")
    ]


def test_every_message_of_the_contracts_says_its_version() -> None:
    assert len(messages()) > 15
    for kind in messages():
        assert lift(kind.__name__, {"schema_version": kind.schema_version}) == {
            "schema_version": kind.schema_version
        }
        with pytest.raises(NewerSchema):
            lift(kind.__name__, {"schema_version": kind.schema_version + 1})
    dumped = CancelOrder(order_id="1").model_dump(mode="json")
    assert dumped == {"schema_version": 1, "order_id": "1"}
    assert json.loads(LIFTED.model_dump_json())["schema_version"] == 2


def test_the_first_order_created_gets_a_currency_and_items() -> None:
    assert read(OrderCreated, FIRST) == LIFTED
    assert read(OrderCreated, {**FIRST, "schema_version": 1}) == LIFTED
    assert OrderCreated.model_validate({**FIRST, "schema_version": 1}) == LIFTED
    assert read(OrderCreated, json.loads(LIFTED.model_dump_json())) == LIFTED


def test_upcasters_are_chained() -> None:
    assert lift("PackParcel", THEN) == {"schema_version": 3, "parcel_id": "P", "grams": 2000}
    second: Content = {"schema_version": 2, "parcel_id": "P", "grams": 2}
    assert read(PackParcel, second) == NOW
    assert read(PackParcel, THEN) == NOW


def test_what_code_makes_is_of_today() -> None:
    assert PackParcel(parcel_id="P", grams=2000) == NOW
    assert PackParcel.model_validate({"parcel_id": "P", "grams": 2000}) == NOW


def test_a_saga_s_input_is_lifted() -> None:
    start = read(SagaInput[PackParcel], {"command": THEN})
    assert start.command == NOW
    assert json.loads(start.model_dump_json())["command"]["schema_version"] == 3


def test_a_call_is_lifted() -> None:
    call = read(Call[PackParcel], {**CALL, "command": THEN})
    assert (call.command, call.schema_version) == (NOW, 3)


def test_a_call_in_a_history_is_lifted_by_the_command_s_name() -> None:
    call = SentCall.model_validate({**CALL, "command": THEN})
    assert call.command == NOW.model_dump(mode="json")


@pytest.mark.parametrize("hint", [Event[OrderCreated], Event[JsonObject], Event[Any]])
def test_an_event_is_lifted_with_its_class_and_without(hint: type[Event[Any]]) -> None:
    for event in (read(hint, ENVELOPE), hint.model_validate(ENVELOPE)):
        data = event.data if isinstance(event.data, dict) else event.data.model_dump(mode="json")
        assert data == LIFTED.model_dump(mode="json")
        assert event.schema_version == 2
        assert read(hint, json.loads(event.model_dump_json())) == event


def test_the_command_that_an_event_holds_is_lifted_by_its_name() -> None:
    data = {"saga_id": "s-1", "command_type": "PackParcel", "command": THEN}
    event = read(Event[JsonObject], {**ENVELOPE, "event_type": "SagaStarted", "data": data})
    assert event.data["command"] == NOW.model_dump(mode="json")


def test_what_a_recovery_undoes_is_lifted() -> None:
    sent = {"step": "pack", "instance": "pack", "command": THEN}
    told = {"by": "ops", "reason": "x", "sent": [sent], "started_at": NEW_YEAR, "run_id": "r"}
    [entry] = entries_of(read(Recovery, told), [Step(action=Parcels.pack)])
    assert entry.command == NOW


def test_an_integration_event_is_lifted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lifted("OrderConfirmed", {"total": 5}, 1) == {"total": 5}
    name = message_name("OrderConfirmed")
    monkeypatch.setitem(versions._known, name, 2)
    monkeypatch.setitem(versions._upcasters, (name, 1), lambda old: {"cents": old["total"]})
    assert lifted("OrderConfirmed", {"total": 5}, 1) == {"cents": 5}
    with pytest.raises(NewerSchema, match="integration message OrderConfirmed came in schema"):
        lifted("OrderConfirmed", {"total": 5}, 3)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (OrderCreated, {**LIFTED.model_dump(), "schema_version": 3}),
        (Event[OrderCreated], {**ENVELOPE, "data": {**FIRST, "schema_version": 3}}),
        (Event[JsonObject], {**ENVELOPE, "data": {**FIRST, "schema_version": 3}}),
        (Call[CancelOrder], {**CALL, "command": {"order_id": "1", "schema_version": 2}}),
        (SagaInput[PackParcel], {"command": {"schema_version": 4}}),
    ],
)
def test_a_newer_version_is_refused(kind: Any, content: object) -> None:
    with pytest.raises(NewerSchema, match=r"^\w+ came in schema version \d, and this code knows"):
        read(kind, content)


def test_an_unknown_type_is_left_alone() -> None:
    content: Content = {"schema_version": 9, "a": 1}
    assert lift("NobodyKnowsIt", content) is content


@pytest.mark.parametrize("version", ["2", 0, -1, True, 1.5, None])
def test_what_is_no_version_is_said(version: Any) -> None:
    with pytest.raises(ValidationError, match="schema_version is a whole number from 1 on"):
        read(PackParcel, {**THEN, "schema_version": version})


def test_what_is_not_of_its_version_is_said() -> None:
    with pytest.raises(ValidationError, match=r"no PackParcel of schema version 1: KeyError: 'id'"):
        read(PackParcel, {"parcel_id": "P", "grams": 1})


def test_a_version_without_what_lifts_the_old_ones_cannot_be_defined() -> None:
    with pytest.raises(TypeError, match="Unliftable is of version 2, and nothing lifts version 1"):

        class Unliftable(Command):
            schema_version: ClassVar[int] = 2


def test_a_name_has_one_version_and_one_upcaster_each() -> None:
    with pytest.raises(TypeError, match="another message of that name of 3"):
        know("PackParcel", 2)
    with pytest.raises(TypeError, match="PackParcel is lifted from version 1 already"):
        upcaster("PackParcel", 1)(pack_3)
    upcaster("PackParcel", 1)(pack_2)  # As when a workflow's sandbox imports its module.
    with pytest.raises(TypeError, match="CancelOrder is of version 1: raise its `schema_version`"):
        upcaster("CancelOrder", 1)(pack_2)


def test_a_digest_says_what_is_said_and_not_how() -> None:
    order = PlaceOrder(
        order_id="1",
        customer_id="C-1",
        items=(Line(sku="BOOK", quantity=2, unit_price_minor=1250),),
        card_token="tok_visa",
        ship_to="x",
    )
    # As it was made before messages said their version: running orders have it in their memo.
    assert digest(order) == ("e7271c0b5c98d7278480474b70814fcba285685cfcb73754337587c71b52a4d6")
    assert digest(read(PackParcel, THEN)) == digest(NOW)
