"""A customer's account: its events, and the state that they add up to. Nothing here does I/O.

Money is in minor units of the account's currency. A command looks at the state and returns the
event that it makes, or refuses. Only `evolve` changes the state, now and when it is rebuilt.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from services.problems import ProblemType, Refused

ACCOUNT_UNKNOWN = ProblemType("urn:problem:payment:account-unknown", "The account is unknown", 422)
ACCOUNT_EXISTS = ProblemType("urn:problem:payment:account-exists", "The account exists", 409)
CURRENCY_MISMATCH = ProblemType(
    "urn:problem:payment:currency-mismatch", "The account is in another currency", 422
)
INSUFFICIENT_FUNDS = ProblemType(
    "urn:problem:payment:insufficient-funds", "The card has insufficient funds", 402
)

SHAPE = 1
"""The shape of `Account`: a snapshot of another one is not read."""

_NAMESPACE = UUID("5f0c1d0e-3b0a-5c62-9f5c-0a6f9d6a7d11")


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1


class Opened(_Event):
    """An account without money."""

    kind: Literal["opened"] = "opened"
    account_id: str
    customer_id: str
    currency: str


class Deposited(_Event):
    """Money came in, by the request of this key."""

    kind: Literal["deposited"] = "deposited"
    amount_minor: int = Field(gt=0)
    key: str


class Withdrawn(_Event):
    """A payment took money."""

    kind: Literal["withdrawn"] = "withdrawn"
    amount_minor: int = Field(ge=0)
    payment_id: str


class Refunded(_Event):
    """What a payment took was put back."""

    kind: Literal["refunded"] = "refunded"
    amount_minor: int = Field(ge=0)
    payment_id: str


AccountEvent = Opened | Deposited | Withdrawn | Refunded
EVENTS: TypeAdapter[AccountEvent] = TypeAdapter(
    Annotated[AccountEvent, Field(discriminator="kind")]
)


class Account(BaseModel):
    """An account as its events have left it."""

    model_config = ConfigDict(frozen=True)

    account_id: str
    customer_id: str
    currency: str
    balance_minor: int = 0
    drawn_minor: int = 0
    """What payments have taken and not put back."""
    version: int = 1
    changed_at: datetime

    def deposit(self, amount_minor: int, currency: str, key: str) -> Deposited:
        """Take money in; raise `Refused` for another currency, ValueError for no money."""
        self._check_currency(currency)
        return Deposited(amount_minor=amount_minor, key=key)

    def withdraw(self, amount_minor: int, currency: str, payment_id: str) -> Withdrawn:
        """Pay; raise `Refused` for another currency, or more than there is."""
        self._check_currency(currency)
        if amount_minor > self.balance_minor:
            raise Refused(INSUFFICIENT_FUNDS, "The account does not hold that much.")
        return Withdrawn(amount_minor=amount_minor, payment_id=payment_id)

    def put_back(self, taken: Withdrawn) -> Refunded:
        """Put back what a payment took; raise ValueError if it is more than all have taken."""
        if taken.amount_minor > self.drawn_minor:
            raise ValueError(f"{taken.payment_id} would get back more than payments have taken")
        return Refunded(amount_minor=taken.amount_minor, payment_id=taken.payment_id)

    def _check_currency(self, currency: str) -> None:
        if currency != self.currency:
            raise Refused(CURRENCY_MISMATCH, f"The account is in {self.currency}, not {currency}.")


def evolve(account: Account | None, event: AccountEvent, at: datetime) -> Account:
    """Return the account after an event; raise ValueError if it cannot have happened."""
    if isinstance(event, Opened):
        if account is not None:
            raise ValueError(f"{account.account_id} is opened twice")
        return Account(changed_at=at, **event.model_dump(exclude={"kind", "schema_version"}))
    if account is None:
        raise ValueError(f"{event.kind} comes before opened")
    taken = event.amount_minor if isinstance(event, Withdrawn) else -event.amount_minor
    drawn = 0 if isinstance(event, Deposited) else taken
    if account.balance_minor < taken or account.drawn_minor + drawn < 0:
        raise ValueError(f"{account.account_id} cannot have {event.kind} {event.amount_minor}")
    return account.model_copy(
        update={
            "balance_minor": account.balance_minor - taken,
            "drawn_minor": account.drawn_minor + drawn,
            "version": account.version + 1,
            "changed_at": at,
        }
    )


def fold(
    events: Iterable[tuple[AccountEvent, datetime]], account: Account | None = None
) -> Account | None:
    """Add up events and their times, from the first one on or from a snapshot on."""
    for event, at in events:
        account = evolve(account, event, at)
    return account


def identity(event: AccountEvent) -> str:
    """Return the event's id: two withdrawals, or two refunds, of one payment would share it."""
    if isinstance(event, Opened):
        return event_id(event.kind, event.account_id)
    if isinstance(event, Deposited):
        return event_id(event.kind, event.key)
    return event_id(event.kind, event.payment_id)


def event_id(kind: str, about: str) -> str:
    """Return the id of the one event of a kind about an account, a key or a payment."""
    return str(uuid5(_NAMESPACE, f"{kind}/{about}"))
