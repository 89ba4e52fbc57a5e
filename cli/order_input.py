"""Where an order comes from: the options, or a file."""

import re
import sys
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path

from cli.problems import BadInput, as_bad_input
from contracts.json_input import json_object
from contracts.mistakes import BadDocument
from contracts.order_document import Document, GivenOrder, order_of

MAX_BYTES = 1_000_000
"""The size of the largest file that is read."""

_ITEM = re.compile(r"(?P<sku>[^=@]+)=(?P<quantity>[^=@]+)@(?P<unit_price>[^=@]+)")
_WHOLE = re.compile(r"-?[0-9]{1,15}")
_OPTIONS = {
    "order_id": "--order-id",
    "customer_id": "--customer",
    "currency": "--currency",
    "items": "--item",
    "card_token": "--card",
    "ship_to": "--ship-to",
}


@dataclass(frozen=True)
class OrderOptions:
    """The options that say an order, under the names of the document's fields."""

    order_id: str | None
    customer_id: str | None
    currency: str | None
    items: tuple[str, ...]
    card_token: str | None
    ship_to: str | None

    @property
    def given(self) -> Document:
        """Those that were given."""
        return {field: value for field, value in asdict(self).items() if value not in {None, ()}}

    def order(self) -> GivenOrder:
        """The order that they say; raises BadInput."""
        needed = ("customer_id", "items", "card_token", "ship_to")
        missing = [_OPTIONS[field] for field in needed if field not in self.given]
        if missing:
            raise BadInput(f"give {', '.join(missing)} too, or the whole order with --file")
        names = dict(_OPTIONS)
        for index, item in enumerate(self.items):
            for field in ("sku", "quantity", "unit_price"):
                names[f"items[{index}].{field}"] = f"{field.replace('_', ' ')} of --item {item!r}"
        items = [_item(item) for item in self.items]
        with as_bad_input():
            return order_of({**self.given, "items": items}, names)

    def order_in(self, path: str) -> GivenOrder:
        """The order in a file, `-` for standard input; raises BadInput."""
        if self.given:
            also = ", ".join(_OPTIONS[field] for field in self.given)
            raise BadInput(f"--file says the whole order: leave out {also}, or --file")
        source = "standard input" if path == "-" else path
        try:
            return order_of(json_object(_read(path), "order", Decimal), {})
        except (BadInput, BadDocument) as problem:
            raise BadInput(f"{source}: {problem}") from None


def _item(text: str) -> Document:
    form = _ITEM.fullmatch(text)
    if form is None:
        raise BadInput(f"--item {text[:80]!r}: write it SKU=QUANTITY@PRICE, e.g. BOOK=2@12.50")
    quantity = form["quantity"]
    whole = _WHOLE.fullmatch(quantity) is not None
    return {**form.groupdict(), "quantity": int(quantity) if whole else quantity}


def _read(path: str) -> bytes:
    try:
        if path == "-":
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})") from None
    if len(content) > MAX_BYTES:
        raise BadInput(f"an order has at most {MAX_BYTES} bytes")
    return content
