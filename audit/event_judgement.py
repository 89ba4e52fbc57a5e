"""The judgement of the published events, by a ledger that has all ids side by side."""

from datetime import timedelta

from audit.event_findings import EventAudit, EventFinding, EventKind
from audit.event_ledger import Ledger
from audit.event_rows import About, NotTakenIn
from audit.saga_log import SagaLog

_AGAIN = "`audit --events --repair` publishes it with the same id"


def judge(
    book: Ledger, found: EventAudit, grace: timedelta, just_published: frozenset[str]
) -> None:
    """Add to an audit all that is wrong, and what is not there yet."""
    cutoff = found.at.timestamp() - grace.total_seconds()
    for missing in book.missing():
        if missing.open and missing.at >= cutoff:
            found.under_way += 1
        else:
            message = f"{missing.type} is not on the broker, and its saga's log says it"
            about = About(*missing[:4])
            found.findings.append(_finding(EventKind.MISSING, about, message, _AGAIN))
    found.findings += (_differs(it) for it in book.differing())
    found.twice += book.twice()
    found.findings += (_orphan(it) for it in book.orphans())
    for event_id, event_type, consumer in book.taken_from_nobody(cutoff):
        found.findings.append(_taken_from_nobody(event_id, event_type, consumer))
    for missed in book.not_taken_in():
        if missed.waiting or missed.at >= cutoff or missed.id in just_published:
            found.under_way += 1
        else:
            found.findings.append(_not_taken_in(missed))
    for letter in book.dead():
        about = About(letter.id, letter.type, letter.channel, letter.order_id)
        message = f"{letter.consumer} could not handle {letter.type}: dead letter {letter.letter}"
        advice = f"`dead-letters show {letter.letter}`, then replay or discard it"
        found.findings.append(_finding(EventKind.DEAD, about, message, advice, letter.consumer))


def log_unreadable(log: SagaLog) -> EventFinding:
    """The finding about a log of which is not known what it makes."""
    return EventFinding(
        kind=EventKind.LOG_UNREADABLE,
        message=f"what its saga must have published is not known: {log.unreadable}",
        next="read it with the version that wrote it, or a newer one",
        order_id=log.order_id,
    )


def _differs(about: About) -> EventFinding:
    message = f"{about.type} is on the broker with another content under this id"
    advice = "find out who published it: each consumer has taken in what came first"
    return _finding(EventKind.DIFFERS, about, message, advice)


def _orphan(about: About) -> EventFinding:
    message = f"{about.type} is on the broker, and neither a history nor the table of events has it"
    advice = "find out who publishes as the sagas do; consumers have acted on it"
    return _finding(EventKind.ORPHAN, about, message, advice)


def _taken_from_nobody(event_id: str, event_type: str, consumer: str) -> EventFinding:
    return EventFinding(
        kind=EventKind.ORPHAN,
        message=f"{consumer} has taken in {event_type}, and no log has it, nor has the broker",
        next=f"see what {consumer} has done on it, and who publishes as the sagas do",
        event_id=event_id,
        event_type=event_type,
        consumer=consumer,
    )


def _not_taken_in(missed: NotTakenIn) -> EventFinding:
    where = "has nothing more to get" if missed.held else "never got it, or has lost it"
    message = f"{missed.type} is not in the inbox of {missed.consumer}, which {where}"
    advice = f"{_AGAIN}; who has taken it in takes no notice"
    about = About(*missed[:4])
    return _finding(EventKind.NOT_TAKEN_IN, about, message, advice, missed.consumer)


def _finding(
    kind: EventKind, about: About, message: str, advice: str, consumer: str | None = None
) -> EventFinding:
    return EventFinding(
        kind=kind,
        message=message,
        next=advice,
        event_id=about.id,
        event_type=about.type,
        order_id=about.order_id,
        channel=about.channel,
        consumer=consumer,
    )
