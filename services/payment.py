"""The payment service: charges a card or a customer's account, refunds in full."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, ClassVar, Self
from uuid import uuid4

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from pydantic import Field as Constraint
from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from services import account_routes, ledger
from services.accounts import (
    ACCOUNT_EXISTS,
    ACCOUNT_UNKNOWN,
    CURRENCY_MISMATCH,
    INSUFFICIENT_FUNDS,
)
from services.application import Reading, Service
from services.barrier import Action, BarrierRoute, Undoing
from services.event_store import Snapshot, StoredEvent
from services.problems import (
    BARRIER_PROBLEMS,
    NOT_FOUND,
    ProblemRaised,
    ProblemType,
    Refused,
    documented,
)
from services.resources import Answer, Currency, FreeText, Id, Minor, Resource, Undo
from services.server import command_line, run_alone

CARD_DECLINED = ProblemType("urn:problem:payment:card-declined", "The card was declined", 402)
CARD_EXPIRED = ProblemType("urn:problem:payment:card-expired", "The card has expired", 402)
CARD_UNKNOWN = ProblemType("urn:problem:payment:card-unknown", "The card is unknown", 422)
ALREADY_EXISTS = ProblemType("urn:problem:payment:already-exists", "The payment exists", 409)
CHARGE_PROBLEMS = (
    CARD_DECLINED,
    INSUFFICIENT_FUNDS,
    CARD_EXPIRED,
    CARD_UNKNOWN,
    ACCOUNT_UNKNOWN,
    CURRENCY_MISMATCH,
    ALREADY_EXISTS,
)
PROBLEMS = (*CHARGE_PROBLEMS, ACCOUNT_EXISTS)

_DECLINED_TOKENS = {
    "tok_declined": CARD_DECLINED,
    "tok_insufficient_funds": INSUFFICIENT_FUNDS,
    "tok_expired": CARD_EXPIRED,
}


class PaymentStatus(StrEnum):
    """The states of a payment; `void` was refunded before it was made."""

    CAPTURED = "captured"
    REFUNDED = "refunded"
    VOID = "void"


class Payment(Resource, table=True):
    """A charge to a card or an account, in minor units of its currency."""

    __tablename__ = "payments"
    collection: ClassVar[str] = "/payments"

    order_id: str | None = None
    customer_id: str | None = None
    amount_minor: int = Field(default=0, sa_type=BigInteger)
    refunded_minor: int = Field(default=0, sa_type=BigInteger)
    currency: str | None = None
    transaction_id: str | None = None
    refund_reason: str | None = None


class ChargeRequest(BaseModel):
    """A charge of `amount_minor` minor units to the card or account behind a token."""

    payment_id: Id
    order_id: Id
    customer_id: Id
    amount_minor: Minor
    currency: Currency
    card_token: Annotated[
        FreeText, Constraint(description="`tok_...` is a card; `acct:<id>` draws on an account.")
    ]


class PaymentAnswer(Answer):
    """A payment as it stands."""

    payment_id: str
    status: PaymentStatus
    order_id: str | None
    customer_id: str | None
    amount_minor: int
    refunded_minor: int
    currency: str | None
    transaction_id: str | None

    @classmethod
    def of(cls, payment: Payment) -> Self:
        """Describe a payment."""
        return cls(
            payment_id=payment.id,
            status=PaymentStatus(payment.status),
            order_id=payment.order_id,
            customer_id=payment.customer_id,
            amount_minor=payment.amount_minor,
            refunded_minor=payment.refunded_minor,
            currency=payment.currency,
            transaction_id=payment.transaction_id,
            version=payment.version,
            occurred_at=payment.updated_at,
        )


router = APIRouter(tags=["payments"], route_class=BarrierRoute)


@router.post(
    "/payments", status_code=201, responses=documented(*BARRIER_PROBLEMS, *CHARGE_PROBLEMS)
)
async def charge(request: ChargeRequest, operation: Action) -> PaymentAnswer:
    """Charge a card or an account, once."""
    payment = Payment(
        id=request.payment_id,
        status=PaymentStatus.CAPTURED,
        order_id=request.order_id,
        customer_id=request.customer_id,
        amount_minor=request.amount_minor,
        currency=request.currency,
        transaction_id=f"txn_{uuid4().hex}",
        made_by=operation.key,
        created_at=operation.now,
        updated_at=operation.now,
    )
    await operation.create(payment, ALREADY_EXISTS)
    account_id = ledger.account_of(request.card_token)
    if account_id is None:
        _check_card(request.card_token)
    else:
        await ledger.withdraw(
            operation, account_id, payment.id, request.amount_minor, request.currency
        )
    return PaymentAnswer.of(payment)


@router.post("/payments/{payment_id}/refund", responses=documented(*BARRIER_PROBLEMS))
async def refund(payment_id: Id, request: Undo, operation: Undoing) -> PaymentAnswer:
    """Undo a charge: give all of it back, and never charge it again."""
    payment = await operation.undoing(Payment, payment_id)
    if payment.status == PaymentStatus.CAPTURED:
        await ledger.put_back(operation, payment.id)
        payment.status = PaymentStatus.REFUNDED
        payment.refunded_minor = payment.amount_minor
        payment.refund_reason = request.reason
        payment.changed(operation.now)
    return PaymentAnswer.of(payment)


@router.get("/payments/{payment_id}", responses=documented(NOT_FOUND))
async def get_payment(payment_id: Id, session: Reading) -> PaymentAnswer:
    """Show a payment."""
    payment = await session.get(Payment, payment_id)
    if payment is None:
        raise ProblemRaised(NOT_FOUND, f"There is no payment {payment_id}.")
    return PaymentAnswer.of(payment)


router.include_router(account_routes.router)


def create_app(
    database_url: str, *, faults: bool = False, also: Sequence[type[SQLModel]] = ()
) -> FastAPI:
    """Return the payment service on a database."""
    service = Service("payment", [Payment, StoredEvent, Snapshot], router, PROBLEMS)
    return service.application(database_url, faults=faults, also=also)


def _check_card(token: str) -> None:
    declined = _DECLINED_TOKENS.get(token)
    if declined is not None:
        raise Refused(declined, "The issuer refused the charge; nothing was taken.")
    if not token.startswith("tok_"):
        raise Refused(CARD_UNKNOWN, "The card token is not one of ours.")


def main() -> int:
    """Serve the payment service alone."""
    return run_alone(
        command_line("payment", 8002),
        lambda options: create_app(options.database_url, faults=options.faults),
    )


if __name__ == "__main__":
    sys.exit(main())
