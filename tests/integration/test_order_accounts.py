"""Orders that are paid from an account: what is taken, and what is put back."""

from collections.abc import Mapping
from typing import Self

import pytest

from saga import Cause, Status
from tests.integration.checks import check_completed, check_undone
from tests.integration.stage import Stage, an_order

pytestmark = pytest.mark.parametrize("long_stage", ["sqlite"], indirect=True)


class Account:
    """An account at the payment service."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.payments = stage.shops.clients["payment"]
        self.name = name
        self.path = f"/accounts/{name}"

    @classmethod
    async def opened(cls, stage: Stage, name: str, amount: int, currency: str = "USD") -> Self:
        """One with some money in it."""
        account = cls(stage, name)
        about = {"account_id": name, "customer_id": "C-1", "currency": currency}
        await account.post("/accounts", about)
        money = {"amount_minor": amount, "currency": currency}
        await account.post(f"{account.path}/deposits", money)
        return account

    async def post(self, path: str, body: Mapping[str, object]) -> None:
        headers = {"Idempotency-Key": f"{self.name} {path}"}
        (await self.payments.post(path, json=body, headers=headers)).raise_for_status()

    async def balance(self) -> int:
        """What is in it."""
        return int((await self.payments.get(self.path)).json()["balance_minor"])

    async def events(self) -> list[str]:
        """What has happened to it."""
        listed = (await self.payments.get(f"{self.path}/events")).json()
        return [event["event_type"] for event in listed]


async def test_paid_until_the_money_is_gone(stage: Stage) -> None:
    account = await Account.opened(stage, "until-gone", 4000)
    first, second = [
        an_order(await stage.shops.stock(10), card="acct:until-gone", price=1250) for _ in "ab"
    ]
    outcome = await stage.end(first)
    assert outcome.status is Status.COMPLETED
    await check_completed(stage, first)
    assert await account.balance() == 1500

    await stage.end(second)
    row = await check_undone(stage, second, Cause.FAILED, {"order": "cancelled"})
    assert (row.failure_step, row.failure_type) == (
        "charge-payment",
        "urn:problem:payment:insufficient-funds",
    )
    assert await account.balance() == 1500
    assert await account.events() == ["opened", "deposited", "withdrawn"]


@pytest.mark.parametrize("drops", [0, 1], ids=["answered", "answers-lost"])
async def test_put_back_once_when_there_is_no_stock(stage: Stage, drops: int) -> None:
    account = await Account.opened(stage, f"no-stock-{drops}", 4000)
    for step in ("charge-payment", "refund-payment"):
        await stage.shops.fault(step, drop_after_commit=drops)
    order = an_order(await stage.shops.stock(1), card=f"acct:no-stock-{drops}")
    await stage.end(order)
    await check_undone(stage, order, Cause.FAILED, {"order": "cancelled", "payment": "refunded"})
    assert await account.balance() == 4000
    assert await account.events() == ["opened", "deposited", "withdrawn", "refunded"]


@pytest.mark.parametrize(
    ("card", "problem"),
    [
        ("acct:nobody", "urn:problem:payment:account-unknown"),
        ("acct:euros", "urn:problem:payment:currency-mismatch"),
    ],
)
async def test_refused_accounts(stage: Stage, card: str, problem: str) -> None:
    await Account.opened(stage, "euros", 4000, "EUR")
    order = an_order(await stage.shops.stock(10), card=card)
    await stage.end(order)
    row = await check_undone(stage, order, Cause.FAILED, {"order": "cancelled"})
    assert row.failure_type == problem
