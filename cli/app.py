"""The commands and their options; what they do is imported when they run.

A command should answer at once, and most of what it takes to run is importing libraries.
"""

import asyncio
from typing import Annotated

import typer

from cli.durations import duration

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Place an order, look at it, list orders, cancel one.",
)

OrderId = Annotated[str, typer.Argument(metavar="ORDER_ID", help="The order's id.")]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON document to stdout.")]


@app.command("place-order")
def place_order(
    customer: Annotated[str | None, typer.Option(help="Whose order it is.")] = None,
    item: Annotated[
        list[str] | None,
        typer.Option(metavar="SKU=QTY@PRICE", help="A line, e.g. BOOK=2@12.50; repeatable."),
    ] = None,
    card: Annotated[str | None, typer.Option(help="The card's token, never its number.")] = None,
    ship_to: Annotated[str | None, typer.Option(help="The address.")] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217; USD when absent.")] = None,
    order_id: Annotated[str | None, typer.Option(help="A UUID is made when absent.")] = None,
    file: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The order as a JSON document; - for stdin."),
    ] = None,
    correlation_id: Annotated[
        str | None, typer.Option(help="Travels with every call and event.")
    ] = None,
    deadline: Annotated[
        str, typer.Option(metavar="TIME", help="Undone if not shipped in 90, 90s, 10m, 2h.")
    ] = "10m",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it to its end.")] = False,
    as_json: Json = False,
) -> None:
    """Place an order; the same order under the same id is placed once."""
    limit = duration("--deadline", deadline)
    from cli.order_input import OrderOptions
    from cli.place import Placing
    from cli.values import identifier

    options = OrderOptions(order_id, customer, currency, tuple(item or ()), card, ship_to)
    placing = Placing(
        options.order() if file is None else options.order_in(file),
        identifier("--correlation-id", correlation_id) if correlation_id is not None else None,
        limit,
        as_json=as_json,
    )
    raise typer.Exit(asyncio.run(placing.run(wait=wait)))


@app.command()
def status(order_id: OrderId, as_json: Json = False) -> None:
    """Show one order, as the read database has it."""
    from cli.look import show_order
    from cli.values import identifier

    wanted = identifier("ORDER_ID", order_id)
    raise typer.Exit(asyncio.run(show_order(wanted, as_json=as_json)))


@app.command()
def orders(
    customer: Annotated[str | None, typer.Option(help="Only this customer's.")] = None,
    status: Annotated[str | None, typer.Option(help="Only those that stand so.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The newest so many.")] = 20,
    as_json: Json = False,
) -> None:
    """List orders, the newest first, as the read database has them."""
    from cli.look import list_orders

    raise typer.Exit(asyncio.run(list_orders(customer, status, limit, as_json=as_json)))


@app.command()
def cancel(
    order_id: OrderId,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the order.")],
    by: Annotated[str | None, typer.Option(help="Who; you when absent.")] = None,
    timeout: Annotated[
        str, typer.Option(metavar="TIME", help="How long to wait for a worker: 60, 60s, 1m.")
    ] = "60s",
    as_json: Json = False,
) -> None:
    """Undo an order that has not been shipped yet."""
    patience = duration("--timeout", timeout)
    from cli.cancel import cancel_order
    from cli.values import identifier, me, text

    wanted = identifier("ORDER_ID", order_id)
    why, who = text("--reason", reason), text("--by", me() if by is None else by)
    raise typer.Exit(asyncio.run(cancel_order(wanted, who, why, patience, as_json=as_json)))
