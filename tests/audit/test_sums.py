"""Sums over orders: money that is charged, given back or at risk, and stock."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from audit.entries import Amount, StockEntry
from audit.findings import Kind
from audit.judgement import judge, judge_stock
from tests.audit.ledgers import (
    ALL,
    AT,
    CHARGED,
    COMPENSATED,
    COMPLETED,
    HALF,
    ID,
    NONE,
    NOW,
    RUNNING,
)


@pytest.mark.parametrize(("hours", "kinds"), [(23, []), (24, [Kind.MONEY_AT_RISK])])
def test_money_is_at_risk_for_so_long_only(hours: int, kinds: list[Kind]) -> None:
    case = judge(ID, RUNNING, HALF, AT + timedelta(hours=hours))
    assert [it.kind for it in case.findings] == kinds
    assert [it.amount for it in case.risks] == [Amount(2500, "USD")]
    limit = timedelta(hours=hours + 1)
    assert not judge(ID, RUNNING, HALF, AT + timedelta(hours=hours), limit).findings


def test_sums_add_up() -> None:
    completed = judge(ID, COMPLETED, ALL, NOW).sums
    assert (completed.charged, completed.shipped) == (Counter(USD=2500), Counter(USD=2500))
    assert not completed.at_risk
    compensated = judge(ID, COMPENSATED, NONE, NOW).sums
    assert (compensated.refunded, compensated.shipped) == (Counter(USD=2500), Counter())
    half = judge(ID, RUNNING, HALF, NOW).sums
    assert half.at_risk == Counter(USD=2500)


def test_too_much_charged_is_at_risk() -> None:
    kept = replace(ALL, payments=(replace(CHARGED, amount_minor=3000),))
    assert judge(ID, COMPLETED, kept, NOW).sums.at_risk == Counter(USD=500)


@pytest.mark.parametrize(
    ("stock", "reserved", "wrong"),
    [
        (StockEntry("BOOK", 10, 2), 2, False),
        (StockEntry("BOOK", 10, 3), 2, True),
        (StockEntry("BOOK", 10, 0), 2, True),
        (StockEntry("BOOK", 1, 2), 2, True),
        (StockEntry("BOOK", 10, -2), -2, True),
        (StockEntry("PEN", 10, 0), 2, True),
    ],
)
def test_stock_is_what_is_reserved(stock: StockEntry, reserved: int, wrong: bool) -> None:
    kinds = [it.kind for it in judge_stock([stock], Counter(BOOK=reserved))]
    assert kinds == [Kind.STOCK_MISMATCH] * wrong
