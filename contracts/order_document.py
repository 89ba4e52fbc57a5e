"""An order as a JSON document, checked and made into `PlaceOrder`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError, WithJsonSchema

from contracts.commands import MAX_ITEMS, Currency, Id, Line, PlaceOrder, Text
from contracts.mistakes import BadDocument, first_problem
from contracts.money import Money
from saga.messages import Message
from saga.versions import VERSION, NewerSchema

Document = Mapping[str, object]
"""A parsed JSON object, with decimal numbers as `Decimal`."""

_AMOUNT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
_MOST_DIGITS = 15


@dataclass(frozen=True)
class GivenOrder:
    """An order as it was given."""

    order: PlaceOrder
    id_given: bool
    """Whether its id was given too; else it is new, and so was never placed before."""


class OrderItem(BaseModel):
    """One line of an order."""

    model_config = ConfigDict(extra="forbid")

    sku: Id
    quantity: StrictInt = Field(ge=1, le=1_000_000)
    unit_price: Annotated[
        object,
        WithJsonSchema(
            {"type": ["string", "number"], "title": "Unit Price", "examples": ["12.50"]}
        ),
    ]


class OrderDocument(Message):
    """An order as it is written down: prices are decimals such as `12.50`, as texts or numbers."""

    model_config = ConfigDict(extra="forbid")

    order_id: Id | None = None
    customer_id: Id
    currency: Currency = "USD"
    items: tuple[OrderItem, ...] = Field(min_length=1, max_length=MAX_ITEMS)
    card_token: Id
    ship_to: Text


def order_of(document: Document, names: Mapping[str, str]) -> GivenOrder:
    """The order that a document says; `names` tells where a field was given, e.g. `--customer`.

    Raises:
        BadDocument: names the first field that is wrong.
    """
    try:
        given = OrderDocument.model_validate(document)
    except ValidationError as error:
        raise BadDocument(first_problem(error, names)) from None
    except NewerSchema as newer:
        # It comes from outside: its sender has to write another one.
        raise BadDocument(
            f"{VERSION}: {newer.version} is not known here, the newest is {newer.known}"
        ) from None
    lines = []
    for index, item in enumerate(given.items):
        try:
            price = _money(item.unit_price, given.currency).minor
            lines.append(Line(sku=item.sku, quantity=item.quantity, unit_price_minor=price))
        except ValueError as error:
            place = f"items[{index}].unit_price"
            why = str(error)
            if isinstance(error, ValidationError):
                why = first_problem(error, {"unit_price_minor": "in cents"})
            raise BadDocument(f"{names.get(place, place)}: {why}") from None
    order = PlaceOrder(
        order_id=given.order_id or str(uuid4()),
        customer_id=given.customer_id,
        currency=given.currency,
        items=tuple(lines),
        card_token=given.card_token,
        ship_to=given.ship_to,
    )
    return GivenOrder(order, id_given=given.order_id is not None)


def _money(price: object, currency: str) -> Money:
    amount = _amount(price)
    if amount is None:
        raise ValueError(f"{str(price)[:40]!r} is not an amount; write it like 12.50")
    return Money.of(amount, currency)


def _amount(price: object) -> Decimal | None:
    if isinstance(price, str):
        return Decimal(price) if _AMOUNT.fullmatch(price) else None
    if isinstance(price, bool) or not isinstance(price, (int, Decimal)):
        return None
    # An exponent of a few digits is enough for a number of many megabytes.
    amount = Decimal(price)
    return amount if amount.is_finite() and abs(amount.adjusted()) < _MOST_DIGITS else None
