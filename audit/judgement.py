"""The judgement: a saga's log against what the participants keep for its order. Pure.

The two must belong to one moment; see `audit.looking`. A saga that has come to its outcome is held
to the letter. Of one under way only that is said which holds at every moment of an order saga.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from audit.effects import amounts, log_against_books, outcome
from audit.entries import Kept, PaymentEntry, StockEntry
from audit.findings import Case, Finding, Kind, Standing
from audit.order import Order
from audit.saga_log import SagaLog

RISK_AGE = timedelta(hours=24)
"""How long a saga that goes on may keep money before that is a finding."""


def judge(
    order_id: str, log: SagaLog | None, kept: Kept, now: datetime, risk_age: timedelta = RISK_AGE
) -> Case:
    """What is wrong with one order, and what it adds to the sums."""
    order = Order(order_id, log, kept)
    found = [*_whose(order)]
    if order.log is not None and order.log.unreadable is None:
        found += amounts(order)
        found += outcome(order)
        accused = {it.participant for it in found}
        found += (it for it in log_against_books(order) if it.participant not in accused)
        found += _person(order, now, risk_age)
    return Case(
        order_id,
        order.standing,
        None if log is None else log.source,
        tuple(found),
        order.sums(),
        order.risks,
        () if log is None else tuple(log.by_hand.values()),
    )


def judge_stock(stock: Iterable[StockEntry], reserved: Counter[str]) -> Iterator[Finding]:
    """What is wrong with the stock, given the pieces of all open reservations by SKU."""
    left = Counter(reserved)
    for entry in stock:
        expected = left.pop(entry.sku, 0)
        if entry.reserved != expected:
            yield _stock(entry.sku, entry.reserved, expected)
        elif not 0 <= entry.reserved <= entry.on_hand:
            message = f"{entry.sku}: {entry.reserved} reserved of {entry.on_hand} on hand"
            yield Finding(
                kind=Kind.STOCK_MISMATCH,
                message=message,
                next="count the pieces and correct the stock at the inventory service",
                found=str(entry.reserved),
            )
    for sku, expected in sorted(left.items()):
        yield _stock(sku, 0, expected)


def _stock(sku: str, reserved: int, expected: int) -> Finding:
    return Finding(
        kind=Kind.STOCK_MISMATCH,
        message=f"{sku}: the stock says {reserved} reserved, its open reservations {expected}",
        next="correct the stock's `reserved` at the inventory service; something else wrote it",
        expected=str(expected),
        found=str(reserved),
    )


def _whose(order: Order) -> Iterator[Finding]:
    """What no saga has made, or none that can be read."""
    if order.log is not None and order.log.unreadable is not None:
        yield Finding(
            kind=Kind.LOG_UNREADABLE,
            order_id=order.id,
            message=f"its log can't be understood: {order.log.unreadable}",
            next="audit with the version that wrote it; nothing else is known of this order",
        )
        return
    for entry in order.entries if order.log is None else order.foreign:
        saga = "no saga" if order.log is None else "not its saga"
        yield Finding(
            kind=Kind.EFFECT_WITHOUT_SAGA,
            order_id=order.id,
            participant=entry.participant,
            message=f"{entry.participant} has {entry.told}, which {saga} made",
            next=f"ask who called with the key {entry.made_by}, and take it back at the service",
            amount=entry.kept if isinstance(entry, PaymentEntry) else None,
            found=entry.told,
        )


def _person(order: Order, now: datetime, risk_age: timedelta) -> Iterator[Finding]:
    """What waits for a person."""
    log, risk = order.log, order.at_risk
    assert log is not None
    told = f"; {risk} is at risk" if risk else ""
    standing = [entry for entry in order.mine if entry.stands and not order.undone_by_hand(entry)]
    there = ", ".join(entry.told for entry in standing)
    if order.standing is Standing.STUCK and log.state is not None:
        why = "; ".join(f"{it.step}: {it.type}: {it.message}" for it in log.state.stuck.values())
        yield Finding(
            kind=Kind.STUCK,
            order_id=order.id,
            message=f"it waits for a person: {why}{told}",
            next=f"python starter.py repair {order.id} --step"
            f" {next(iter(log.state.stuck.values())).step} --retry --reason WHY",
            amount=order.risks[0].amount if order.risks else None,
        )
    elif order.standing is Standing.TERMINATED and standing:
        yield Finding(
            kind=Kind.ENDED_WITH_EFFECTS,
            order_id=order.id,
            message=f"it was ended from outside and left {there}{told}",
            next=f"python starter.py recover {order.id} --reason WHY",
            amount=order.risks[0].amount if order.risks else None,
            found=there,
        )
    elif order.standing is Standing.LOST:
        yield Finding(
            kind=Kind.SAGA_LOST,
            order_id=order.id,
            message=f"its log has no outcome and its workflow is gone; it left {there or 'nothing'}"
            + told,
            next="take back at each service what it left, by hand" if there else "nothing is left",
            amount=order.risks[0].amount if order.risks else None,
            found=there or None,
        )
    elif order.standing is Standing.UNDER_WAY:
        old = [it for it in order.risks if now - it.since >= risk_age]
        if old:
            yield Finding(
                kind=Kind.MONEY_AT_RISK,
                order_id=order.id,
                message=f"{log.status} with {risk} charged {_age(now - old[0].since)} ago"
                " and neither shipped nor given back",
                next=f"see what it waits for: python starter.py status {order.id}",
                amount=order.risks[0].amount if order.risks else None,
            )


def _age(age: timedelta) -> str:
    hours = int(age.total_seconds() // 3600)
    return f"{hours // 24} days" if hours >= 48 else f"{hours} hours"
