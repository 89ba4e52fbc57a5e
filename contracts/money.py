"""Money: an exact amount in a currency, whole minor units, never a float."""

from decimal import Decimal, InvalidOperation
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

_EXPONENTS = {"JPY": 0, "KRW": 0, "CLP": 0, "VND": 0, "ISK": 0, "BHD": 3, "KWD": 3, "OMR": 3}
"""Digits after the point where they are not two (ISO 4217)."""

_MOST_DIGITS = 18


class Money(BaseModel):
    """An amount in whole minor units (cents) of its currency."""

    model_config = ConfigDict(frozen=True)

    minor: int = Field(ge=0)
    currency: str = Field(pattern=r"^[A-Z]{3}$")

    @classmethod
    def of(cls, amount: str | Decimal, currency: str) -> Self:
        """Money from a decimal amount such as `12.50`.

        Raises:
            ValueError: not a number, negative, or finer than the currency's smallest coin.
        """
        try:
            exact = Decimal(amount)
        except InvalidOperation:
            raise ValueError(f"{amount!r} is not an amount; write it like 12.50") from None
        if not exact.is_finite() or exact.adjusted() > _MOST_DIGITS:
            raise ValueError(f"{amount} {currency} is no amount that anyone pays")
        scaled = exact.scaleb(_EXPONENTS.get(currency, 2))
        if scaled != scaled.to_integral_value():
            raise ValueError(f"{amount} {currency} is finer than the smallest coin")
        if scaled < 0:
            raise ValueError(f"{amount} {currency} is negative")
        return cls(minor=int(scaled), currency=currency)

    @property
    def amount(self) -> Decimal:
        """The decimal amount, e.g. `28.20`."""
        return decimal_amount(self.minor, self.currency)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


def decimal_amount(minor: int, currency: str) -> Decimal:
    """The decimal amount of so many minor units, with the digits of its currency."""
    return Decimal(minor).scaleb(-_EXPONENTS.get(currency, 2))
