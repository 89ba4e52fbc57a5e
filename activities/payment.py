"""The payment service's part: charge a card, refund it."""

import httpx
from temporalio import activity

from activities.participant import Answer, Participant
from contracts.commands import ChargePayment, RefundPayment
from contracts.events import PaymentProcessed, PaymentRefunded
from contracts.money import Money
from saga import Call, Event, JsonObject, answered

REFUSALS = frozenset(
    {
        "urn:problem:payment:card-declined",
        "urn:problem:payment:insufficient-funds",
        "urn:problem:payment:card-expired",
        "urn:problem:payment:card-unknown",
        "urn:problem:payment:account-unknown",
        "urn:problem:payment:currency-mismatch",
        "urn:problem:payment:already-exists",
    }
)


class Charged(Answer):
    """The payment service's answer to a charge."""

    transaction_id: str


class Refunded(Answer):
    """The payment service's answer to a refund."""

    refunded_minor: int


class PaymentActivities:
    """Calls the payment service."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._payments = Participant("payment service", client, REFUSALS)

    @activity.defn
    async def charge_payment(self, call: Call[ChargePayment]) -> Event[PaymentProcessed]:
        """Take the order's total from the card."""
        charge = call.command
        body: JsonObject = {
            "payment_id": charge.payment_id,
            "order_id": charge.order_id,
            "customer_id": charge.customer_id,
            "amount_minor": charge.total.minor,
            "currency": charge.total.currency,
            "card_token": charge.card_token,
        }
        answer = await self._payments.post(call, "/payments", body, Charged)
        event = PaymentProcessed(
            payment_id=charge.payment_id,
            order_id=charge.order_id,
            amount=charge.total,
            transaction_id=answer.transaction_id,
        )
        return answered(call, event, version=answer.version, occurred_at=answer.occurred_at)

    @activity.defn
    async def refund_payment(self, call: Call[RefundPayment]) -> Event[PaymentRefunded]:
        """Give back all that was charged."""
        refund = call.command
        body = {"reason": f"{call.saga_id} is compensated"}
        path = f"/payments/{refund.payment_id}/refund"
        answer = await self._payments.post(call, path, body, Refunded)
        event = PaymentRefunded(
            payment_id=refund.payment_id,
            order_id=refund.order_id,
            amount=Money(minor=answer.refunded_minor, currency=refund.total.currency),
        )
        return answered(call, event, version=answer.version, occurred_at=answer.occurred_at)
