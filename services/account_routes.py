"""The accounts of the payment service over HTTP: open one, pay money in, look at it."""

from typing import Annotated, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, StringConstraints
from pydantic import Field as Constraint

from services import ledger
from services.accounts import ACCOUNT_EXISTS, CURRENCY_MISMATCH, Account
from services.application import Reading
from services.barrier import Action, BarrierRoute
from services.event_store import Data, StoredEvent
from services.problems import BARRIER_PROBLEMS, NOT_FOUND, ProblemRaised, documented
from services.resources import Answer, Currency, Id

# It is a part of card tokens, which callers keep short and plain.
AccountId = Annotated[
    str, StringConstraints(max_length=95, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")
]
PositiveMinor = Annotated[int, Constraint(strict=True, ge=1, le=10**15)]


class OpenRequest(BaseModel):
    """A new account without money; the card token `acct:<account_id>` draws on it."""

    account_id: AccountId
    customer_id: Id
    currency: Currency


class DepositRequest(BaseModel):
    """Money for an account, in minor units of its currency."""

    amount_minor: PositiveMinor
    currency: Currency


class AccountAnswer(Answer):
    """An account as it stands; `version` counts its events."""

    account_id: str
    customer_id: str
    currency: str
    balance_minor: int

    @classmethod
    def of(cls, account: Account) -> Self:
        """Describe an account."""
        return cls(
            account_id=account.account_id,
            customer_id=account.customer_id,
            currency=account.currency,
            balance_minor=account.balance_minor,
            version=account.version,
            occurred_at=account.changed_at,
        )


class EventAnswer(Answer):
    """One event of an account: `opened`, `deposited`, `withdrawn` or `refunded`."""

    event_id: str
    event_type: str
    data: Data

    @classmethod
    def of(cls, event: StoredEvent) -> Self:
        """Describe an event."""
        return cls(
            event_id=event.event_id,
            event_type=event.event_type,
            data=event.event_data,
            version=event.version,
            occurred_at=event.occurred_at,
        )


router = APIRouter(prefix="/accounts", tags=["accounts"], route_class=BarrierRoute)


@router.post("", status_code=201, responses=documented(*BARRIER_PROBLEMS, ACCOUNT_EXISTS))
async def open_account(request: OpenRequest, operation: Action) -> AccountAnswer:
    """Open an account."""
    account = await ledger.open_account(
        operation, request.account_id, request.customer_id, request.currency
    )
    return AccountAnswer.of(account)


@router.post(
    "/{account_id}/deposits",
    status_code=201,
    responses=documented(*BARRIER_PROBLEMS, NOT_FOUND, CURRENCY_MISMATCH),
)
async def deposit(account_id: Id, request: DepositRequest, operation: Action) -> AccountAnswer:
    """Pay money in."""
    account = await ledger.change(
        operation,
        account_id,
        lambda account: account.deposit(request.amount_minor, request.currency, operation.key),
        _unknown(account_id),
    )
    return AccountAnswer.of(account)


@router.get("/{account_id}", responses=documented(NOT_FOUND))
async def get_account(account_id: Id, session: Reading) -> AccountAnswer:
    """Show an account."""
    account = await ledger.load(session, account_id)
    if account is None:
        raise _unknown(account_id)
    return AccountAnswer.of(account)


@router.get("/{account_id}/events", responses=documented(NOT_FOUND))
async def list_events(
    account_id: Id,
    session: Reading,
    after: Annotated[
        int, Query(ge=0, le=2**31 - 1, description="Only those of later versions.")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[EventAnswer]:
    """Show the events of an account, oldest first."""
    events = await ledger.history(session, account_id, after=after, limit=limit)
    if not events and await ledger.load(session, account_id) is None:
        raise _unknown(account_id)
    return [EventAnswer.of(event) for event in events]


def _unknown(account_id: str) -> ProblemRaised:
    return ProblemRaised(NOT_FOUND, f"There is no account {account_id}.")
