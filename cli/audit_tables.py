"""The audit as a person reads it."""

from collections.abc import Iterable
from datetime import datetime

from rich.table import Table
from rich.text import Text

from audit.findings import Audit, Case, Finding, Sums
from audit.looking import Seen
from audit.saga_log import ByHand, Source
from cli.audit_documents import by_age
from cli.event_table import print_events
from cli.tables import console
from cli.terminal import note, one_line, say
from contracts.money import decimal_amount

_AT_RISK_SHOWN = 5
"""Orders of one age; `--json` has all."""
_SOURCES = {
    Source.HISTORY: "from histories",
    Source.EVENTS: "from the table of events, as the history is gone",
}


def print_audit(found: Audit) -> None:
    """Print the sums, what is at risk, what was done by hand, and the findings."""
    standings = ", ".join(f"{count} {name}" for name, count in sorted(found.standings.items()))
    count = found.standings.total()
    say(f"{count} {'order' if count == 1 else 'orders'}{standings and f': {standings}'}")
    logs = (f"{count} {_SOURCES[name]}" for name, count in sorted(found.sources.items()))
    say(f"logs: {'; '.join(logs) or 'none'}")
    _print_sums(found.sums)
    _print_risks(found)
    _print_by_hand(found.by_hand)
    if found.moving:
        note(f"{found.moving} kept moving while they were looked at, and were not judged")
    _print_findings(found.findings)
    if found.clean:
        say(f"clean: logs and books agree, and the stock of {found.skus} SKUs adds up")


def print_story(seen: Seen, case: Case) -> None:
    """Print what happened to one order, what each participant keeps, and the verdict."""
    log = seen.log
    told = "no log anywhere" if log is None else f"its log is {_SOURCES[log.source]}"
    say(f"order {seen.order_id}: {case.standing}; {told}")
    if log is not None and log.every:
        print_events(log.every, abandoned={it.event_id for it in log.abandoned})
    if [*seen.kept]:
        entries = _table("kept by", "what", "version", "since", "changed", "made by")
        for entry in seen.kept:
            since, changed = _time(entry.created_at), _time(entry.updated_at)
            what, key = Text(one_line(entry.told)), Text(one_line(entry.made_by))
            entries.add_row(entry.participant, what, str(entry.version), since, changed, key)
        console().print(entries)
    else:
        say("no participant keeps anything for it")
    _print_sums(case.sums)
    _print_by_hand(case.by_hand)
    _print_findings(case.findings)
    if seen.moving:
        say("it kept moving while it was looked at, and was not judged: ask again")
    elif not case.findings:
        say("clean: its log and the books agree")


def _print_sums(sums: Sums) -> None:
    if not sums.currencies:
        return
    names = tuple(vars(sums))
    shown = _table("", *(name.replace("_", " ") for name in names))
    for currency in sums.currencies:
        cells = (decimal_amount(getattr(sums, name)[currency], currency) for name in names)
        shown.add_row(currency, *(str(cell) for cell in cells))
    console().print(shown)


def _print_risks(found: Audit) -> None:
    for name, risks in by_age(found.risks, found.at):
        if risks:
            listed = ", ".join(f"{it.order_id} ({it.amount})" for it in risks[:_AT_RISK_SHOWN])
            more = len(risks) - _AT_RISK_SHOWN
            say(f"at risk, {name}: {listed}{f' and {more} more' if more > 0 else ''}")


def _print_by_hand(by_hand: Iterable[ByHand]) -> None:
    for done in by_hand:
        say(
            f"by hand: {done.name} of order {done.order_id}, by {done.by}"
            f" at {_time(done.at)}: {done.reason}"
        )


def _print_findings(findings: Iterable[Finding]) -> None:
    for finding in findings:
        order = f"order {finding.order_id}: " if finding.order_id else ""
        say(f"{finding.kind}: {order}{finding.message}")
        say(f"  next: {finding.next}")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _time(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S.%f}"[:-3]
