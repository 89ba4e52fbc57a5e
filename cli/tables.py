"""Sagas as a person reads them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from brokers.catalogue import MessageType
from cli.durations import age
from cli.progress import told
from cli.saga_id import SagaId
from cli.terminal import one_line, say
from read_model.queries import AtRisk
from read_model.views import FailureView, SagaView, StuckView, TotalsView, TotalView, total_of
from saga import Failure, Status

if TYPE_CHECKING:
    from cli.bugs import Bug

_STYLES = {
    Status.COMPLETED: "green",
    Status.COMPENSATED: "yellow",
    Status.TERMINATED: "red",
    Status.STUCK: "bold red",
}


def print_saga(saga: SagaId, view: SagaView, step: str | None, url: str | None) -> None:
    """Print everything about one saga; `step` is what a person can do next."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    shown = {
        saga.type: view.business_id,
        "customer": view.customer_id,
        "status": _status(view),
        "step": view.current_step,
        "total": _total(view.total),
        "items": view.item_count,
        "failure": _failure(view.failure),
        "started": _time(view.started_at),
        "updated": _time(view.updated_at),
        "closed": view.closed_at and _time(view.closed_at),
        "steps": "\n".join(f"{step.name}: {step.status}" for step in view.steps),
        "correlation": view.correlation_id,
        "next": step,
        "Web UI": url,
    }
    for name, value in shown.items():
        if value is not None and value != "":
            rows.add_row(Text(name), value if isinstance(value, Text) else Text(str(value)))
    console().print(Panel.fit(rows))


def print_sagas(views: Sequence[SagaView], saga_type: str | None) -> None:
    """Print a line about each saga; those of one type under its name, else with their types."""
    names = ("customer", "status", "step", "total", "started", "failure")
    table = _table(saga_type or "saga", *names)
    for view in views:
        table.add_row(
            Text(view.business_id if saga_type else f"{view.saga_type} {view.business_id}"),
            Text(view.customer_id or ""),
            _status(view),
            Text(view.current_step or ""),
            _total(view.total),
            _time(view.started_at),
            Text(_failure(view.failure)),
        )
    console().print(table)


def print_totals(view: TotalsView) -> None:
    """Print a line for each day, status and currency."""
    table = _table("day", "status", "sagas", "total")
    for one in view.totals:
        status = Text(one.status, style=_STYLES.get(one.status, ""))
        table.add_row(Text(str(one.day)), status, str(one.sagas), _total(one.total))
    console().print(table)


def print_catalogue(types: Iterable[MessageType]) -> None:
    """Print a line about each type of message."""
    table = _table("message", "version", "kind", "channel", "sender", "receivers")
    for it in types:
        receivers = ", ".join(it.receivers)
        table.add_row(it.name, str(it.version), it.kind, it.channel.name, it.sender, receivers)
    console().print(table)


def print_stuck(views: Sequence[StuckView], sums: Sequence[AtRisk]) -> None:
    """Print a line for each step that waits, and the sums at risk."""
    table = _table("saga", "stuck on", "for", "at risk", "problem")
    for view in views:
        name, total = f"{view.saga_type} {view.business_id}", _total(view.at_risk)
        for failure in view.stuck:
            problem = Text(one_line(f"{failure.type}: {failure.message}"))
            table.add_row(Text(name), Text(failure.step), age(view.since), total, problem)
            name = total = ""
    console().print(table)
    for one in sums:
        total = _total(total_of(one.amount_minor, one.currency))
        say(
            f"at risk: {total or 'no money'} in {one.sagas} {'saga' if one.sagas == 1 else 'sagas'}"
        )


def print_bugs(bugs: "Sequence[Bug]") -> None:
    """Print a line about each saga that a bug in workflow code holds."""
    table = _table("saga", "fails for", "attempts", "cause", "message")
    for bug in bugs:
        fails = (Text(str(bug.saga)), age(bug.since), str(bug.attempts))
        table.add_row(*fails, bug.cause, Text(bug.message))
    console().print(table)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(Text(first), no_wrap=True, overflow="fold")
    for name in others:
        table.add_column(name, overflow="fold")
    return table


def console() -> Console:
    """Where tables are printed."""
    terminal = Console(highlight=False, soft_wrap=False)
    # Whoever reads a file or a pipe wants whole lines, and finds no width to fit them in.
    return terminal if terminal.is_terminal else Console(highlight=False, width=200)


def _status(view: SagaView) -> Text:
    cause = f" ({view.cause})" if view.cause else ""
    return Text(f"{view.status}{cause}", style=_STYLES.get(view.status, ""))


def _total(total: TotalView | None) -> str:
    return f"{total.amount} {total.currency}" if total else ""


def _failure(failure: FailureView | None) -> str:
    if failure is None:
        return ""
    return one_line(f"{failure.step}: {told(Failure(**failure.model_dump()))}")


def _time(instant: datetime) -> str:
    return instant.astimezone().strftime("%Y-%m-%d %H:%M:%S")
