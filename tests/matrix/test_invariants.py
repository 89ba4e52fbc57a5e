"""Each invariant finds what it is there for, and nothing in a saga that went well."""

from typing import Any

import pytest

from saga import Status
from saga.testing import Definition, How, Observed, Posting, Role, What, violations
from tests.matrix.order_subject import ORDER

FORWARD = tuple(step.name for step in ORDER.steps)
UNDO_OF = {step.undo.name: step.name for step in ORDER.steps if step.undo}
DEFINITION = Definition.of(ORDER, FORWARD)
COMPLETED = Observed(closed=True, claims=Status.COMPLETED)
COMPENSATED = Observed(closed=True, claims=Status.COMPENSATED)


class Writer:
    """Writes a ledger by hand: `do`, `undo` of whole calls, or single postings."""

    def __init__(self) -> None:
        self.postings: list[Posting] = []

    def post(self, what: What, name: str, **more: Any) -> Posting:
        step = UNDO_OF.get(name, name)
        role = Role.UNDO if name in UNDO_OF else Role.ACTION
        number = len(self.postings) + 1
        fields: dict[str, Any] = {"key": f"order-1/{step}/{role}", "call": number} | more
        posting = Posting(
            number=number, saga_id="order-1", what=what, role=role, name=name, step=step, **fields
        )
        self.postings.append(posting)
        return posting

    def began(self, name: str) -> Posting:
        return self.post(What.BEGAN, name)

    def call(self, *names: str, how: How = How.ANSWERED, **more: Any) -> None:
        for name in names:
            call = self.began(name).number
            if how in {How.ANSWERED, How.LOST}:
                self.post(What.EFFECT, name, call=call, **more)
            self.post(What.ENDED, name, call=call, how=how)

    def violations(self, observed: Observed) -> list[str]:
        return violations(DEFINITION, self.postings, observed)


@pytest.fixture
def books() -> Writer:
    return Writer()


def test_a_completed_saga(books: Writer) -> None:
    books.call(*FORWARD)
    assert books.violations(COMPLETED) == []


def test_a_compensated_saga(books: Writer) -> None:
    books.call("create-order", "charge-payment", minor=2500, currency="USD")
    books.call("reserve-stock", how=How.REFUSED)
    books.call("refund-payment", "cancel-order", minor=2500, currency="USD")
    assert books.violations(COMPENSATED) == []


def test_an_effect_that_happens_twice(books: Writer) -> None:
    books.call(*FORWARD)
    books.call("charge-payment", key="another")
    assert books.violations(COMPLETED) == [
        "charge-payment was done 2 times, by the keys order-1/charge-payment/action, another"
    ]


def test_what_stands_though_the_saga_has_ended_otherwise(books: Writer) -> None:
    books.call("create-order", "charge-payment", "cancel-order")
    assert (
        "the saga has ended and says compensated, but charge-payment still stands"
        in books.violations(COMPENSATED)
    )


def test_what_is_missing_though_the_saga_says_completed(books: Writer) -> None:
    books.call(*FORWARD[:-1])
    assert books.violations(COMPLETED) == [
        "the saga says completed, but confirm-order was never done"
    ]


def test_what_was_undone_though_the_saga_says_completed(books: Writer) -> None:
    books.call(*FORWARD[:2], "refund-payment")
    assert "the saga says completed, but charge-payment was undone" in books.violations(COMPLETED)


def test_undone_in_forward_order(books: Writer) -> None:
    books.call("create-order", "charge-payment", "cancel-order", "refund-payment")
    assert books.violations(COMPENSATED) == [
        "cancel-order began before refund-payment had undone the later charge-payment"
    ]


def test_undos_that_nobody_waited_for(books: Writer) -> None:
    books.call("create-order", "charge-payment")
    refund, cancel = books.began("refund-payment"), books.began("cancel-order")
    for call in (refund, cancel):
        books.post(What.EFFECT, call.name, call=call.number)
        books.post(What.ENDED, call.name, call=call.number, how=How.ANSWERED)
    assert books.violations(COMPENSATED) == [
        "cancel-order began before refund-payment had undone the later charge-payment"
    ]


def test_an_undo_that_overtakes_its_action(books: Writer) -> None:
    books.began("charge-payment")
    undo = books.began("refund-payment").number
    books.post(What.TOMBSTONE, "refund-payment", call=undo)
    books.post(What.ENDED, "refund-payment", call=undo, how=How.ANSWERED)
    assert books.violations(COMPENSATED) == [
        "refund-payment began while charge-payment was still under way"
    ]


def test_an_action_after_its_undo(books: Writer) -> None:
    undo = books.began("refund-payment").number
    books.post(What.TOMBSTONE, "refund-payment", call=undo)
    books.post(What.ENDED, "refund-payment", call=undo, how=How.ANSWERED)
    books.call("charge-payment")
    assert "charge-payment was done after it had been undone" in books.violations(COMPENSATED)


def test_undone_after_the_pivot(books: Writer) -> None:
    books.call(*FORWARD[:4], "refund-payment")
    assert (
        "refund-payment undid charge-payment after the pivot create-shipment was done"
        in books.violations(COMPENSATED)
    )


def test_a_pivot_whose_answer_was_lost_may_be_undone(books: Writer) -> None:
    books.call(*FORWARD[:3])
    books.call("create-shipment", how=How.LOST)
    books.call(*list(UNDO_OF)[::-1])
    assert books.violations(COMPENSATED) == []


def test_money_that_is_not_all_given_back(books: Writer) -> None:
    books.call("charge-payment", minor=2500, currency="USD")
    books.call("refund-payment", minor=25, currency="USD")
    assert books.violations(COMPENSATED) == [
        "charge-payment moved 2500 USD (minor units) and refund-payment 25 USD back"
    ]


def test_statuses_that_differ(books: Writer) -> None:
    observed = Observed(closed=True, claims=Status.COMPLETED, attribute="running")
    books.call(*FORWARD)
    assert books.violations(observed) == [
        "the status is not one: its result says completed, the search attribute says running"
    ]


def test_a_workflow_that_does_not_close(books: Writer) -> None:
    assert books.violations(Observed(closed=False)) == [
        "the workflow did not close: it says nothing"
    ]
