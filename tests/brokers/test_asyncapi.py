"""The AsyncAPI document: what it is made of, and that the one in docs is today's."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from pydantic import BaseModel

from brokers.asyncapi import asyncapi
from brokers.catalogue import Catalogue, MessageType
from brokers.envelope import JsonObject, Message
from brokers.port import Channel
from contracts.asyncapi import order_messages
from contracts.catalogue import CATALOGUE, OrderConfirmed

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "tests/brokers/asyncapi/asyncapi-3.0.0.json").read_text())


class Line(BaseModel):
    """An inner model."""

    sku: str


class Sold(BaseModel):
    """Something was sold.

    More about it.
    """

    lines: list[Line] = []


class Pack(BaseModel):
    lines: list[Line]


OTHER = Catalogue(
    "/test",
    [
        MessageType(
            name="sold",
            model=Sold,
            kind="event",
            channel=Channel("sales"),
            sender="till",
            version=3,
        ),
        MessageType(
            name="Pack",
            model=Pack,
            kind="command",
            channel=Channel("packing", ("packer",)),
            sender="till",
            receivers=("packer",),
        ),
    ],
)


def document_of(catalogue: Catalogue) -> JsonObject:
    return asyncapi(catalogue, title="t", version="1", description="d")


def at(document: object, pointer: str) -> object:
    """What a reference leads to."""
    for name in pointer.removeprefix("#/").split("/"):
        assert isinstance(document, dict)
        document = document[name]
    return document


def references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_the_document_in_docs_is_today_s() -> None:
    written = json.loads((ROOT / "docs/asyncapi.json").read_text())
    assert written == order_messages(), "docs/asyncapi.json is stale: run `make asyncapi`"


@pytest.mark.parametrize("catalogue", [CATALOGUE, OTHER], ids=["orders", "other"])
def test_any_catalogue_makes_a_valid_document(catalogue: Catalogue) -> None:
    document = document_of(catalogue)
    Draft7Validator(SCHEMA).validate(document)
    found = list(references(document))
    assert len(found) > len(list(catalogue))
    for reference in found:
        assert at(document, reference)
    messages, schemas = (at(document, f"#/components/{it}") for it in ("messages", "schemas"))
    assert isinstance(messages, dict)
    assert isinstance(schemas, dict)
    assert list(messages) == [it.name for it in catalogue]
    for schema in schemas.values():
        Draft7Validator.check_schema(schema)


def test_it_says_who_sends_what_where() -> None:
    document = document_of(OTHER)
    assert at(document, "#/operations/till-send-sales/messages") == [
        {"$ref": "#/channels/sales/messages/sold"}
    ]
    assert at(document, "#/operations/packer-receive-packing/action") == "receive"
    assert at(document, "#/components/messages/sold/summary") == "Something was sold."
    version = at(document, "#/components/messages/sold/headers/properties/ce-schemaversion")
    assert version == {"const": "3"}


def test_a_message_is_as_the_document_says() -> None:
    document = document_of(CATALOGUE)
    data = OrderConfirmed(
        order_id="1", customer_id="C", total_minor=5, currency="USD", item_count=1
    )
    event = CATALOGUE.envelope(data, event_id="e", subject="1", correlation_id="c")
    message = Message.binary(event)
    headers = at(document, "#/components/messageTraits/CloudEvent/headers")
    own = at(document, "#/components/messages/OrderConfirmed/headers")
    for said in (headers, own):
        assert isinstance(said, dict)
        Draft7Validator(said).validate(dict(message.headers))
        # Nothing travels that is not described.
        assert said is own or message.headers.keys() <= said["properties"].keys()
    payload = {**document, "$ref": "#/components/schemas/OrderConfirmed"}
    Draft7Validator(payload).validate(json.loads(message.body))
    assert not Draft7Validator(payload).is_valid({**event.data, "status": "rejected"})


def test_names_are_fit_for_references() -> None:
    for reference in references(order_messages()):
        assert re.fullmatch(r"#(/[\w.-]+)+", reference)
