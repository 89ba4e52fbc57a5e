"""The rules about effects: the right ones, the right amounts, and the same in log and books."""

from collections import Counter
from collections.abc import Iterator

from audit.entries import (
    Entry,
    OrderEntry,
    Participant,
    PaymentEntry,
    ReservationEntry,
    pieces_told,
)
from audit.findings import Finding, Kind, Standing
from audit.order import Order
from saga.identity import Direction
from saga.state import AnyEvent

CONFIRM = "confirm-order"
"""The step that makes nothing of its own: it changes the order."""

_NOUNS = {
    Participant.ORDER: "order",
    Participant.PAYMENT: "charge",
    Participant.INVENTORY: "reservation",
    Participant.SHIPPING: "shipment",
}
_TELLERS = {
    "Order": Participant.ORDER,
    "Payment": Participant.PAYMENT,
    "Reservation": Participant.INVENTORY,
    "Shipment": Participant.SHIPPING,
}


def amounts(order: Order) -> Iterator[Finding]:
    """At every moment: nothing twice, no other amount than the command's, nothing given away."""
    for entry in order.mine:
        expected, found = _said(order, entry), _has(entry)
        if expected is not None and expected != found:
            message = f"{entry.id} is about {found}, and the order's command says {expected}"
            yield _finding(order, entry, Kind.WRONG_AMOUNT, message, expected, found)
        if isinstance(entry, PaymentEntry) and entry.refunded_minor > entry.amount_minor:
            message = f"{entry.id} was charged {entry.charged} and gave {entry.refunded} back"
            told = str(entry.charged), str(entry.refunded)
            yield _finding(order, entry, Kind.REFUND_EXCEEDS_CHARGE, message, *told)
    for participant in Participant:
        there = order.standing_of(participant)
        if len(there) > 1 and order.standing is not Standing.COMPENSATED:
            message = f"{len(there)} {_NOUNS[participant]}s: {', '.join(it.told for it in there)}"
            yield _finding(order, there[-1], Kind.EFFECT_TWICE, message, "1", str(len(there)))
    yield from _shipped(order)


def _shipped(order: Order) -> Iterator[Finding]:
    shipments = order.standing_of(Participant.SHIPPING)
    if not shipments or order.undone_by_hand(shipments[0]):
        return
    payments = [it for it in order.mine if isinstance(it, PaymentEntry)]
    if not payments:
        yield Finding(
            kind=Kind.SHIPPED_WITHOUT_CHARGE,
            order_id=order.id,
            participant=Participant.PAYMENT,
            message=f"{shipments[0].told}, and nothing was charged for it",
            next=_next(Kind.SHIPPED_WITHOUT_CHARGE, order.id),
            amount=order.total,
        )
    elif order.standing is not Standing.COMPENSATED:
        for payment in payments:
            by_hand = order.undone_by_hand(payment) if payment.stands else None
            if payment.refunded_minor or by_hand:
                message = f"{shipments[0].told}, and "
                message += (
                    f"{payment.kept} was given back by hand, by {by_hand.by}"
                    if by_hand
                    else f"{payment.refunded} was given back"
                )
                yield _finding(order, payment, Kind.SHIPPED_AND_REFUNDED, message)


def outcome(order: Order) -> Iterator[Finding]:
    """Of a saga that has come to its outcome: all is in place, or nothing is."""
    if order.standing is Standing.COMPLETED:
        yield from _all(order)
    elif order.standing is Standing.COMPENSATED:
        yield from _nothing(order)


def _all(order: Order) -> Iterator[Finding]:
    assert order.log is not None
    for participant in Participant:
        # Before a reset a person may have undone by hand what the saga then built on.
        there = [it for it in order.standing_of(participant) if not order.undone_by_hand(it)]
        made = [it for it in order.mine if it.participant is participant]
        if participant is Participant.PAYMENT and order.shipped and not there:
            continue  # Told as shipped, without a charge or with a refund.
        if not there:
            found = ", ".join(f"{it.told}, undone by hand" if it.stands else it.told for it in made)
            message = f"it completed without its {_NOUNS[participant]}"
            message += f": {found}" if found else f", of which {participant} knows nothing"
            yield Finding(
                kind=Kind.EFFECT_MISSING,
                order_id=order.id,
                participant=participant,
                message=message,
                next=_next(Kind.EFFECT_MISSING, order.id),
                amount=order.total if participant is Participant.PAYMENT else None,
                expected=_NOUNS[participant],
                found=found or None,
            )
        elif (
            isinstance(there[0], OrderEntry)
            and not there[0].confirmed
            and (CONFIRM, Direction.DO) not in order.log.by_hand
        ):
            message = f"it completed, and its order was not confirmed: {there[0].told}"
            told = "confirmed", there[0].status
            yield _finding(order, there[0], Kind.EFFECT_MISSING, message, *told)


def _nothing(order: Order) -> Iterator[Finding]:
    for entry in order.mine:
        if entry.stands and not order.undone_by_hand(entry):
            message = f"it was compensated, and this still stands: {entry.told}"
            yield _finding(order, entry, Kind.EFFECT_LEFT, message, found=entry.status)


def log_against_books(order: Order) -> Iterator[Finding]:
    """What is told is so, and nothing is so that was never asked for."""
    assert order.log is not None
    for event in order.log.told():
        yield from _told(order, event)
    for entry in order.mine:
        for what, step, direction in _asked_for(order, entry):
            if not _asked(order, step, direction):
                message = f"{entry.told}, and its log has no command that {what} it"
                yield _finding(order, entry, Kind.EFFECT_NOT_IN_LOG, message)
                break


def _told(order: Order, event: AnyEvent) -> Iterator[Finding]:
    participant = _TELLERS.get(event.aggregate_type)
    if participant is None:
        return
    entry = next(
        (it for it in order.kept if it.id == event.aggregate_id and it.participant is participant),
        None,
    )
    if event.direction is Direction.UNDO:
        wrong = entry is not None and entry in order.mine and entry.stands
    else:
        wrong = entry is None or entry.void
    if wrong:
        has = entry.told if entry else f"no {event.aggregate_id}"
        yield Finding(
            kind=Kind.LOG_WITHOUT_EFFECT,
            order_id=order.id,
            participant=participant,
            message=f"its log tells {event.event_type}, and {participant} has {has}",
            next=_next(Kind.LOG_WITHOUT_EFFECT, order.id),
            expected=event.event_type,
            found=entry.status if entry else None,
        )


def _asked_for(order: Order, entry: Entry) -> Iterator[tuple[str, str, Direction]]:
    """The calls without which an entry can't be as it is."""
    step = order.step_of(entry)
    yield "made", step, Direction.DO
    if isinstance(entry, OrderEntry) and entry.confirmed:
        yield "confirmed", CONFIRM, Direction.DO
    elif not entry.stands:
        yield "undid", step, Direction.UNDO


def _asked(order: Order, step: str, direction: Direction) -> bool:
    assert order.log is not None
    # A run that recovers tells of its undos only, when the one before it is gone.
    return bool({(step, direction), (step, Direction.UNDO)} & order.log.sent)


def _said(order: Order, entry: Entry) -> str | None:
    """What the order's command says about such an entry."""
    if order.log is None or order.log.command is None:
        return None
    if isinstance(entry, PaymentEntry | OrderEntry):
        return str(order.total)
    if isinstance(entry, ReservationEntry):
        wanted: Counter[str] = Counter()
        for line in order.log.command.items:
            wanted[line.sku] += line.quantity
        return pieces_told(wanted)
    return None


def _has(entry: Entry) -> str:
    if isinstance(entry, PaymentEntry):
        return str(entry.charged)
    if isinstance(entry, OrderEntry):
        return str(entry.total)
    return pieces_told(entry.pieces) if isinstance(entry, ReservationEntry) else entry.status


def _finding(
    order: Order,
    entry: Entry,
    kind: Kind,
    message: str,
    expected: str | None = None,
    found: str | None = None,
) -> Finding:
    return Finding(
        kind=kind,
        order_id=order.id,
        participant=entry.participant,
        message=message,
        next=_next(kind, order.id),
        amount=entry.kept if isinstance(entry, PaymentEntry) else None,
        expected=expected,
        found=found,
    )


def _next(kind: Kind, order_id: str) -> str:
    return f"{_TO_DO[kind]}; its story: python starter.py audit {order_id}"


_TO_DO = {
    Kind.EFFECT_MISSING: "do by hand what is missing, or give the money back",
    Kind.EFFECT_LEFT: "take it back at the service, by hand",
    Kind.EFFECT_TWICE: "take back at the service what is there too often",
    Kind.WRONG_AMOUNT: "settle the difference at the service",
    Kind.REFUND_EXCEEDS_CHARGE: "claim back what was given away",
    Kind.SHIPPED_AND_REFUNDED: "charge again, or call the parcel back",
    Kind.SHIPPED_WITHOUT_CHARGE: "charge, or call the parcel back",
    Kind.EFFECT_NOT_IN_LOG: "ask the service who called it, with which key",
    Kind.LOG_WITHOUT_EFFECT: "ask the service what became of it; was a backup restored?",
}
