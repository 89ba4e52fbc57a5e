"""Orders as a person reads them."""

from datetime import datetime

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.progress import told
from cli.terminal import one_line
from read_model.views import OrderView
from saga import Failure, Status

_STYLES = {
    Status.COMPLETED: "green",
    Status.COMPENSATED: "yellow",
    Status.TERMINATED: "red",
    Status.STUCK: "bold red",
}


def print_order(order: OrderView, url: str | None) -> None:
    """Print everything about one order."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    shown = {
        "order": order.order_id,
        "customer": order.customer_id,
        "status": _status(order),
        "step": order.current_step,
        "total": _total(order),
        "items": order.item_count,
        "failure": _failure(order),
        "started": _time(order.started_at),
        "updated": _time(order.updated_at),
        "closed": order.closed_at and _time(order.closed_at),
        "steps": "\n".join(f"{step.name}: {step.status}" for step in order.steps),
        "correlation": order.correlation_id,
        "Web UI": url,
    }
    for name, value in shown.items():
        if value is not None and value != "":
            rows.add_row(name, value if isinstance(value, Text) else Text(str(value)))
    _console().print(Panel.fit(rows))


def print_orders(orders: list[OrderView]) -> None:
    """Print a line about each order."""
    table = Table(box=None, pad_edge=False)
    for name in ("order", "customer", "status", "step", "total", "started", "failure"):
        table.add_column(name, no_wrap=name == "order", overflow="fold")
    for order in orders:
        table.add_row(
            order.order_id,
            Text(order.customer_id or ""),
            _status(order),
            order.current_step or "",
            _total(order),
            _time(order.started_at),
            Text(_failure(order)),
        )
    _console().print(table)


def _console() -> Console:
    console = Console(highlight=False, soft_wrap=False)
    # Whoever reads a file or a pipe wants whole lines, and finds no width to fit them in.
    return console if console.is_terminal else Console(highlight=False, width=200)


def _status(order: OrderView) -> Text:
    cause = f" ({order.cause})" if order.cause else ""
    return Text(f"{order.status}{cause}", style=_STYLES.get(order.status, ""))


def _total(order: OrderView) -> str:
    return f"{order.total.amount} {order.total.currency}" if order.total else ""


def _failure(order: OrderView) -> str:
    if order.failure is None:
        return ""
    failure = Failure(**order.failure.model_dump())
    return one_line(f"{failure.step}: {told(failure)}")


def _time(instant: datetime) -> str:
    return instant.astimezone().strftime("%Y-%m-%d %H:%M:%S")
