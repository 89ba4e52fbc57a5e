"""The documents of `audit --json`; docs/audit.md tells their members."""

from collections.abc import Iterable
from datetime import datetime

from audit.entries import (
    Amount,
    Entry,
    OrderEntry,
    PaymentEntry,
    ReservationEntry,
)
from audit.findings import AGES, Audit, Case, Finding, Risk, Sums, age_of
from audit.looking import Seen
from audit.saga_log import ByHand
from cli.events import document_of
from cli.saga_id import order_saga
from contracts.money import decimal_amount

Document = dict[str, object]


def audit_document(found: Audit) -> Document:
    """The audit of all orders."""
    return {
        "clean": found.clean,
        "audited_at": instant(found.at),
        "orders": found.standings.total(),
        "standings": {str(name): count for name, count in sorted(found.standings.items())},
        "logs": {str(name): count for name, count in sorted(found.sources.items())},
        "looked_again": found.looked_again,
        "moving": found.moving,
        "totals": totals(found.sums),
        "at_risk": [
            {"age": age, "orders": [_risk(it) for it in risks]}
            for age, risks in by_age(found.risks, found.at)
        ],
        "by_hand": [_by_hand(it) for it in found.by_hand],
        "skus": found.skus,
        "findings": [_finding(it) for it in found.findings],
    }


def story_document(seen: Seen, case: Case) -> Document:
    """All that is known of one order."""
    log = seen.log
    kept = seen.kept
    return {
        **order_saga(seen.order_id).members,
        "clean": not case.findings,
        "standing": str(case.standing),
        "moving": seen.moving,
        "log": None if log is None else str(log.source),
        "command": None
        if log is None or log.unreadable is not None or log.command is None
        else log.command.model_dump(mode="json"),
        "events": []
        if log is None
        else [{**document_of(it), "abandoned": it in log.abandoned} for it in log.every],
        "kept": {
            "order": [_entry(it) for it in kept.orders],
            "payment": [_entry(it) for it in kept.payments],
            "inventory": [_entry(it) for it in kept.reservations],
            "shipping": [_entry(it) for it in kept.shipments],
        },
        "totals": totals(case.sums),
        "at_risk": [_risk(it) for it in case.risks],
        "by_hand": [_by_hand(it) for it in case.by_hand],
        "findings": [_finding(it) for it in case.findings],
    }


def by_age(risks: Iterable[Risk], now: datetime) -> list[tuple[str, list[Risk]]]:
    """What is at risk, the oldest first, under the name of its age; each age is there."""
    ages: dict[str, list[Risk]] = {name: [] for name, _ in AGES}
    for risk in sorted(risks, key=lambda it: it.since):
        ages[age_of(risk, now)].append(risk)
    return list(ages.items())


def totals(sums: Sums) -> list[Document]:
    """The sums, by currency."""
    return [
        {
            "currency": currency,
            **{
                name: str(decimal_amount(counted[currency], currency))
                for name, counted in vars(sums).items()
            },
        }
        for currency in sums.currencies
    ]


def instant(at: datetime) -> str:
    """An instant as documents have it."""
    return at.isoformat().replace("+00:00", "Z")


def _amount(amount: Amount) -> Document:
    shown = str(decimal_amount(amount.minor, amount.currency))
    return {"amount": shown, "currency": amount.currency}


def _risk(risk: Risk) -> Document:
    return {
        "order_id": risk.order_id,
        **_amount(risk.amount),
        "since": instant(risk.since),
        "standing": str(risk.standing),
    }


def _by_hand(done: ByHand) -> Document:
    return {
        "order_id": done.order_id,
        "step": done.name,
        "by": done.by,
        "reason": done.reason,
        "at": instant(done.at),
    }


def _finding(finding: Finding) -> Document:
    return {
        "kind": str(finding.kind),
        "order_id": finding.order_id,
        "participant": finding.participant and str(finding.participant),
        "amount": finding.amount and _amount(finding.amount),
        "expected": finding.expected,
        "found": finding.found,
        "message": finding.message,
        "next": finding.next,
    }


def _entry(entry: Entry) -> Document:
    return {
        "id": entry.id,
        "status": entry.status,
        "version": entry.version,
        "made_by": entry.made_by,
        "created_at": instant(entry.created_at),
        "updated_at": instant(entry.updated_at),
        **_own(entry),
    }


def _own(entry: Entry) -> Document:
    if isinstance(entry, OrderEntry):
        return {"total": _amount(entry.total), "shipment_id": entry.shipment_id}
    if isinstance(entry, PaymentEntry):
        return {"charged": _amount(entry.charged), "refunded": _amount(entry.refunded)}
    if isinstance(entry, ReservationEntry):
        return {"pieces": dict(entry.pieces)}
    return {}
