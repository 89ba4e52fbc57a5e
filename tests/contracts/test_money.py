"""Money is exact, and an order's total is one that every database can hold."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from contracts.commands import Line, PlaceOrder
from contracts.money import Money


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("12.50", "USD", 1250), ("0", "USD", 0), ("7", "JPY", 7), ("1.234", "KWD", 1234)],
)
def test_an_amount_is_kept_in_minor_units(amount: str, currency: str, minor: int) -> None:
    money = Money.of(amount, currency)
    assert money.minor == minor
    assert money.amount == Decimal(amount)


@pytest.mark.parametrize(
    ("amount", "currency", "message"),
    [
        ("12.505", "USD", "finer than the smallest coin"),
        ("1.5", "JPY", "finer than the smallest coin"),
        ("-1", "USD", "negative"),
        ("twelve", "USD", "not an amount"),
        ("NaN", "USD", "no amount that anyone pays"),
        ("1e999999", "USD", "no amount that anyone pays"),
    ],
)
def test_what_is_no_amount_is_refused(amount: str, currency: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Money.of(amount, currency)


def test_a_total_that_no_database_holds_is_refused() -> None:
    line = Line(sku="GOLD", quantity=1_000_000, unit_price_minor=10**12)
    with pytest.raises(ValidationError, match="the total is over"):
        PlaceOrder(
            order_id="1", customer_id="C-1", items=(line,), card_token="tok_visa", ship_to="x"
        )
