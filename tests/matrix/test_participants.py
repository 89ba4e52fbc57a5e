"""The participants that are made of a saga's steps hold the barrier and have their faults."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from contracts.commands import ChargePayment, CreateOrder, RefundPayment
from saga import Call, Command, Direction, Event
from saga.steps import name_of
from saga.testing import Fault, How, Ledger, Moment, Participants, What, faults
from tests.matrix.order_subject import ORDER, place_order

SAGA = "order-A1"
CHARGE = ChargePayment.of(place_order("A1"))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


class Shop:
    """All participants, called as a worker would call them."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        participants = Participants(ORDER, ledger)
        self._activities = {_name(it): it for it in participants.activities()}

    async def call(self, name: str, command: Command, *, renewals: int = 0) -> Event[Any]:
        undoing = isinstance(command, RefundPayment)
        call = Call[Any](
            saga_id=SAGA,
            epoch=1,
            position=1,
            correlation_id=SAGA,
            step="charge-payment" if undoing else name,
            direction=Direction.UNDO if undoing else Direction.DO,
            name=name,
            renewals=renewals,
            run_id="run",
            sent_at=datetime.now(UTC),
            command_type=type(command).__name__,
            command=command,
        )
        answer: Event[Any] = await ActivityEnvironment().run(self._activities[name], call)
        return answer

    async def charge(self, command: Command = CHARGE) -> Event[Any]:
        return await self.call("charge-payment", command)

    async def refund(self, *, renewals: int = 0) -> Event[Any]:
        return await self.call("refund-payment", RefundPayment.undoing(CHARGE), renewals=renewals)

    def strike(self, fault: Fault) -> None:
        self.ledger.strike(SAGA, fault)

    @property
    def effects(self) -> list[str]:
        return self.ledger.effects(SAGA)


def _name(activity: Any) -> str:
    return str(activity.__temporal_activity_definition.name).replace("_", "-")


@pytest.fixture
def shop(ledger: Ledger) -> Shop:
    return Shop(ledger)


def type_of(raised: pytest.ExceptionInfo[ApplicationError]) -> str | None:
    return raised.value.type


async def test_every_activity_of_the_steps_is_there(shop: Shop) -> None:
    wanted = {step.name for step in ORDER.steps}
    wanted |= {name_of(step.undo.activity) for step in ORDER.steps if step.undo}
    wanted |= {name_of(step.probe) for step in ORDER.steps if step.probe}
    assert set(shop._activities) == wanted


async def test_answers_are_made_of_commands(shop: Shop) -> None:
    answer = await shop.charge()
    assert answer.event_type == "PaymentProcessed"
    assert (answer.data.payment_id, answer.data.amount) == (CHARGE.payment_id, CHARGE.total)
    assert answer.data.transaction_id == "transaction-id-1"
    created = await shop.call("create-order", CreateOrder.of(place_order("A1")))
    assert created.data.customer_id == "C-1"


async def test_a_key_has_one_effect_and_one_answer(shop: Shop) -> None:
    first, again = await shop.charge(), await shop.charge()
    assert (first.data, first.occurred_at) == (again.data, again.occurred_at)
    assert shop.effects == ["charge-payment"]


async def test_a_key_with_other_content_is_refused(shop: Shop) -> None:
    await shop.charge()
    with pytest.raises(ApplicationError) as raised:
        await shop.charge(CHARGE.model_copy(update={"card_token": "tok_other"}))
    assert type_of(raised) == "urn:problem:key-reused"


async def test_what_was_undone_stays_so(shop: Shop) -> None:
    await shop.charge()
    refunded, again = await shop.refund(), await shop.refund(renewals=1)
    assert refunded.data == again.data
    with pytest.raises(ApplicationError) as raised:
        await shop.charge()
    assert type_of(raised) == "urn:problem:undone"
    assert shop.effects == ["charge-payment", "refund-payment"]


async def test_an_undo_bars_an_action_that_never_came(shop: Shop) -> None:
    await shop.refund()
    with pytest.raises(ApplicationError):
        await shop.charge()
    assert shop.effects == []
    assert [it.what for it in shop.ledger.postings(SAGA)][:2] == [What.BEGAN, What.TOMBSTONE]


async def test_a_refusal_is_stored(shop: Shop) -> None:
    shop.strike(faults.refuse("charge-payment"))
    for _ in range(2):
        with pytest.raises(ApplicationError) as raised:
            await shop.charge()
        assert type_of(raised) == "urn:problem:charge-payment"
        shop.ledger.recover(SAGA)


@pytest.mark.parametrize(
    ("fault", "how", "effects"),
    [
        (faults.outage("charge-payment", times=2), How.OUTAGE, []),
        (faults.lose_answer("charge-payment", times=2), How.LOST, ["charge-payment"]),
    ],
)
async def test_an_outage_ends(shop: Shop, fault: Fault, how: How, effects: list[str]) -> None:
    shop.strike(fault)
    for _ in range(2):
        with pytest.raises(ApplicationError) as raised:
            await shop.charge()
        assert type_of(raised) == "Outage"
        assert shop.effects == effects
    await shop.charge()
    ends = [it.how for it in shop.ledger.postings(SAGA) if it.what is What.ENDED]
    assert ends == [how, how, How.ANSWERED]
    assert shop.effects == ["charge-payment"]


async def test_a_call_that_comes_several_times_has_one_effect(shop: Shop) -> None:
    shop.strike(faults.duplicate("charge-payment"))
    await shop.charge()
    assert shop.effects == ["charge-payment"]


async def test_a_late_copy_is_refused(shop: Shop) -> None:
    shop.strike(faults.late("charge-payment"))
    await shop.charge()
    await shop.refund()
    last = [it for it in shop.ledger.postings(SAGA) if it.role == "copy"]
    assert [it.how for it in last] == [None, How.REFUSED]
    assert shop.effects == ["charge-payment", "refund-payment"]


async def test_a_held_call_waits(shop: Shop) -> None:
    shop.strike(faults.hold("charge-payment", Moment.DURING))
    held = asyncio.create_task(shop.charge())
    while not shop.ledger.reached(SAGA, "charge-payment"):
        await asyncio.sleep(0.01)
    assert shop.effects == ["charge-payment"]
    assert not held.done()
    shop.ledger.recover(SAGA)
    await held


async def test_a_second_process_shares_the_books(shop: Shop, tmp_path: Path) -> None:
    await shop.charge()
    other = Ledger(tmp_path / "ledger.db")
    await Shop(other).refund()
    other.close()
    assert shop.effects == ["charge-payment", "refund-payment"]


async def test_only_a_mortal_worker_dies(shop: Shop) -> None:
    shop.strike(faults.kill("charge-payment", Moment.BEFORE))
    with pytest.raises(AssertionError, match="worker process of its own"):
        await shop.charge()
