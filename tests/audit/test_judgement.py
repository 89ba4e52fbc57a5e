"""The judgement of one order: each kind of finding, with sound cases beside."""

from collections import Counter
from dataclasses import replace

import pytest

from audit.entries import Amount, Kept, Participant
from audit.findings import Kind, Standing
from audit.judgement import judge
from audit.saga_log import SagaLog, Source, understood
from contracts.commands import Line
from saga.envelope import JsonObject
from saga.identity import Direction
from tests.audit.ledgers import (
    ALL,
    CANCELLED,
    CHARGED,
    COMPENSATED,
    COMPLETED,
    HALF,
    ID,
    NONE,
    NOW,
    ORDERED,
    PENDING,
    PLACED,
    REFUNDED,
    RELEASED,
    RESERVED,
    RUNNING,
    SHIPPED,
    STEPS,
    Story,
)

ORDER, PAYMENT, INVENTORY, SHIPPING = Participant
DO, UNDO = Direction
UNDOING = (
    Story()
    .did("create-order", "charge-payment", "reserve-stock", "create-shipment")
    .failed("create-shipment")
)
LATE = (
    Story()
    .did("create-order")
    .failed("charge-payment")
    .undid("charge-payment", "create-order")
    .compensated()
)
"""The charge had no answer, and its undo came first."""
VOID = replace(CHARGED, status="void", amount_minor=0, currency="")


def found(log: SagaLog | None, kept: Kept) -> list[tuple[Kind, Participant | None]]:
    """The kinds of what is found, and at whom."""
    return [(it.kind, it.participant) for it in judge(ID, log, kept, NOW).findings]


@pytest.mark.parametrize(
    ("log", "kept"),
    [
        (COMPLETED, ALL),
        (COMPLETED, replace(ALL, shipments=(replace(SHIPPED, status="dispatched"),))),
        (COMPENSATED, NONE),
        (LATE, Kept((CANCELLED,), (VOID,))),
        (Story().failed("create-order").compensated(), Kept()),
        (SagaLog(ID, "order-4711", Source.HISTORY), Kept()),
        (Story().log(), Kept()),
        (RUNNING, HALF),
        (Story().did("create-order").sent("charge-payment").log(), HALF),
        (Story().did("create-order").sent("charge-payment").log(), Kept((PENDING,))),
        (UNDOING.log(), replace(ALL, orders=(PENDING,))),
        (None, Kept(payments=(VOID,))),
    ],
    ids=range(12),
)
def test_what_is_sound_is_clean(log: SagaLog | None, kept: Kept) -> None:
    assert found(log, kept) == []


@pytest.mark.parametrize(
    ("kept", "participant"),
    [
        (replace(ALL, orders=()), ORDER),
        (replace(ALL, orders=(PENDING,)), ORDER),
        (replace(ALL, orders=(CANCELLED,)), ORDER),
        (replace(ALL, reservations=()), INVENTORY),
        (replace(ALL, reservations=(RELEASED,)), INVENTORY),
        (replace(ALL, shipments=()), SHIPPING),
    ],
)
def test_a_completed_saga_has_every_effect(kept: Kept, participant: Participant) -> None:
    assert found(COMPLETED, kept) == [(Kind.EFFECT_MISSING, participant)]


def test_a_completed_saga_without_charge_and_shipment_lacks_both() -> None:
    kept = Kept((ORDERED,), (REFUNDED,), (RESERVED,))
    assert found(COMPLETED, kept) == [
        (Kind.EFFECT_MISSING, PAYMENT),
        (Kind.EFFECT_MISSING, SHIPPING),
    ]


@pytest.mark.parametrize(
    ("kept", "participant"),
    [
        (replace(NONE, orders=(PENDING,)), ORDER),
        (replace(NONE, orders=(ORDERED,)), ORDER),
        (replace(NONE, payments=(CHARGED,)), PAYMENT),
        (replace(NONE, payments=(replace(REFUNDED, refunded_minor=2000),)), PAYMENT),
        (replace(NONE, reservations=(RESERVED,)), INVENTORY),
        (replace(NONE, shipments=(SHIPPED,)), SHIPPING),
    ],
)
def test_a_compensated_saga_has_none(kept: Kept, participant: Participant) -> None:
    assert found(COMPENSATED, kept) == [(Kind.EFFECT_LEFT, participant)]


@pytest.mark.parametrize(
    ("kept", "participant"),
    [
        (replace(ALL, orders=(replace(ORDERED, total_minor=2400),)), ORDER),
        (replace(ALL, payments=(replace(CHARGED, amount_minor=2501),)), PAYMENT),
        (replace(ALL, payments=(replace(CHARGED, currency="EUR"),)), PAYMENT),
        (replace(ALL, reservations=(replace(RESERVED, pieces={"BOOK": 3}),)), INVENTORY),
    ],
)
def test_every_amount_is_the_commands(kept: Kept, participant: Participant) -> None:
    assert found(COMPLETED, kept) == [(Kind.WRONG_AMOUNT, participant)]


def test_lines_of_one_article_are_summed() -> None:
    line = PLACED.items[0]
    command = PLACED.model_copy(update={"items": (line.model_copy(update={"quantity": 1}),) * 2})
    log = Story(command=command.model_dump(mode="json")).did(*STEPS).completed()
    assert found(log, ALL) == []


def test_an_amount_is_wrong_while_the_saga_runs_too() -> None:
    kept = replace(HALF, payments=(replace(CHARGED, amount_minor=5000),))
    assert found(RUNNING, kept) == [(Kind.WRONG_AMOUNT, PAYMENT)]


def test_an_order_may_cost_nothing() -> None:
    lines = (Line(sku="BOOK", quantity=2, unit_price_minor=0),)
    free = PLACED.model_copy(update={"items": lines}).model_dump(mode="json")
    nothing = replace(CHARGED, amount_minor=0)
    kept = Kept((replace(ORDERED, total_minor=0),), (nothing,), (RESERVED,), (SHIPPED,))
    assert found(Story(command=free).did(*STEPS).completed(), kept) == []
    made = replace(PENDING, total_minor=0)
    charged = ("create-order", "charge-payment")
    assert found(Story(command=free).did(*charged).log(), Kept((made,), (nothing,))) == []
    undone = Story(command=free).did(*charged).failed("reserve-stock").undid(*charged[::-1])
    cancelled = replace(made, status="cancelled")
    refunded = replace(nothing, status="refunded")
    assert found(undone.compensated(), Kept((cancelled,), (refunded,))) == []
    left = found(undone.compensated(), Kept((cancelled,), (nothing,)))
    assert left == [(Kind.EFFECT_LEFT, PAYMENT)]


def test_nothing_is_charged_twice() -> None:
    twice = (CHARGED, replace(CHARGED, id="payment-4711b"))
    case = judge(ID, COMPLETED, replace(ALL, payments=twice), NOW)
    assert [(it.kind, it.participant) for it in case.findings] == [(Kind.EFFECT_TWICE, PAYMENT)]
    assert [it.amount for it in case.risks] == [Amount(2500, "USD")]


def test_nobody_gives_back_more_than_was_charged() -> None:
    kept = replace(NONE, payments=(replace(REFUNDED, refunded_minor=2600),))
    assert found(COMPENSATED, kept) == [(Kind.REFUND_EXCEEDS_CHARGE, PAYMENT)]


@pytest.mark.parametrize("refunded", [2500, 1])
def test_what_is_shipped_is_not_refunded(refunded: int) -> None:
    kept = replace(ALL, payments=(replace(REFUNDED, refunded_minor=refunded),))
    assert found(COMPLETED, kept) == [(Kind.SHIPPED_AND_REFUNDED, PAYMENT)]
    log = UNDOING.log()
    assert (Kind.SHIPPED_AND_REFUNDED, PAYMENT) in found(log, replace(kept, orders=(PENDING,)))


def test_what_is_shipped_is_charged() -> None:
    assert found(COMPLETED, replace(ALL, payments=())) == [(Kind.SHIPPED_WITHOUT_CHARGE, PAYMENT)]


def test_an_effect_has_a_saga() -> None:
    assert found(None, ALL) == [(Kind.EFFECT_WITHOUT_SAGA, it) for it in Participant]


def test_an_effect_for_an_order_was_made_by_its_own_saga() -> None:
    other = replace(CHARGED, id="payment-b", made_by="order-4712/charge-payment/do")
    kept = replace(ALL, payments=(CHARGED, other))
    assert found(COMPLETED, kept) == [(Kind.EFFECT_WITHOUT_SAGA, PAYMENT)]


def test_a_prefix_of_an_orders_id_is_another_order() -> None:
    entry = replace(CHARGED, order_id="47", id="payment-47")
    case = judge("47", None, Kept(payments=(entry,)), NOW)
    assert [it.kind for it in case.findings] == [Kind.EFFECT_WITHOUT_SAGA]
    log = replace(RUNNING, order_id="47", saga_id="order-47")
    case = judge("47", log, Kept(payments=(entry,)), NOW)
    assert Kind.EFFECT_WITHOUT_SAGA in [it.kind for it in case.findings]


@pytest.mark.parametrize(
    ("kept", "participant"),
    [
        (replace(HALF, reservations=(RESERVED,)), INVENTORY),
        (replace(HALF, payments=(REFUNDED,)), PAYMENT),
        (replace(HALF, orders=(ORDERED,)), ORDER),
    ],
)
def test_nothing_is_done_that_the_log_never_asked_for(kept: Kept, participant: Participant) -> None:
    assert found(RUNNING, kept) == [(Kind.EFFECT_NOT_IN_LOG, participant)]


def test_what_an_abandoned_run_has_asked_for_is_in_the_log() -> None:
    before = Story().did("create-order", "charge-payment", "reserve-stock").log()
    log = replace(RUNNING, abandoned=before.events)
    assert found(log, replace(HALF, reservations=(RESERVED,))) == []


def test_what_the_log_tells_is_there() -> None:
    assert found(RUNNING, Kept((PENDING,))) == [(Kind.LOG_WITHOUT_EFFECT, PAYMENT)]
    log = UNDOING.undid("create-shipment", "reserve-stock").log()
    kept = Kept((PENDING,), (CHARGED,), (RESERVED,), (replace(SHIPPED, status="cancelled"),))
    assert found(log, kept) == [(Kind.LOG_WITHOUT_EFFECT, INVENTORY)]


def test_a_saga_ended_from_outside_leaves_nothing() -> None:
    log = Story().did("create-order", "charge-payment").terminated()
    case = judge(ID, log, HALF, NOW)
    assert [it.kind for it in case.findings] == [Kind.ENDED_WITH_EFFECTS]
    assert [(it.amount, it.standing) for it in case.risks] == [
        (Amount(2500, "USD"), Standing.TERMINATED)
    ]
    assert found(Story().sent("create-order").terminated(), Kept()) == []


def test_a_log_without_outcome_has_a_workflow() -> None:
    log = Story().did("create-order", "charge-payment").log(Source.EVENTS)
    assert found(log, HALF) == [(Kind.SAGA_LOST, None)]
    assert found(replace(COMPLETED, source=Source.EVENTS), ALL) == []


def test_a_stuck_saga_waits_for_a_person() -> None:
    log = (
        Story()
        .did("create-order", "charge-payment")
        .failed("reserve-stock")
        .sent("charge-payment", UNDO)
        .stuck("charge-payment", UNDO)
        .log()
    )
    assert found(log, HALF) == [(Kind.STUCK, None)]


def test_what_was_done_by_hand_is_no_breach() -> None:
    log = (
        Story()
        .did("create-order", "charge-payment")
        .failed("reserve-stock")
        .by_hand("charge-payment", UNDO)
        .undid("create-order")
        .compensated()
    )
    case = judge(ID, log, Kept((CANCELLED,), (CHARGED,)), NOW)
    assert (case.findings, case.risks) == ((), ())
    assert [(it.by, it.reason) for it in case.by_hand] == [("ann", "paid in cash")]
    assert case.sums.by_hand == Counter(USD=2500)
    # Only what was skipped.
    assert found(log, Kept((PENDING,), (CHARGED,))) == [(Kind.EFFECT_LEFT, ORDER)]


@pytest.mark.parametrize(
    ("step", "kind", "participant"),
    [
        ("create-order", Kind.EFFECT_MISSING, ORDER),
        ("charge-payment", Kind.SHIPPED_AND_REFUNDED, PAYMENT),
        ("reserve-stock", Kind.EFFECT_MISSING, INVENTORY),
        ("create-shipment", Kind.EFFECT_MISSING, SHIPPING),
    ],
)
def test_what_was_undone_by_hand_before_a_reset_is_not_there(
    step: str, kind: Kind, participant: Participant
) -> None:
    by_hand = Story().by_hand(step, UNDO).log().events[1:]
    assert found(replace(COMPLETED, abandoned=by_hand), ALL) == [(kind, participant)]


def test_an_order_may_be_confirmed_by_hand() -> None:
    log = Story().did(*STEPS[:-1]).by_hand("confirm-order", DO).completed()
    assert found(log, replace(ALL, orders=(PENDING,))) == []


def test_a_log_that_cant_be_understood_is_told() -> None:
    log = understood(Story(command={"order_id": ID}).did("create-order").log())
    assert log is not None
    assert found(log, Kept((PENDING,))) == [(Kind.LOG_UNREADABLE, None)]
    other: JsonObject = {**PLACED.model_dump(mode="json"), "schema_version": 9}
    newer = understood(Story(command=other, command_type="PlaceGift").log())
    assert found(newer, Kept((PENDING,))) == [(Kind.LOG_UNREADABLE, None)]
    headless = replace(COMPLETED, events=COMPLETED.events[1:])
    assert found(understood(headless), ALL) == [(Kind.LOG_UNREADABLE, None)]


def test_another_type_of_saga_is_no_order() -> None:
    assert understood(Story("order-return").log()) is None
