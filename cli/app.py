"""The commands and their options; what they do is imported when they run.

A command should answer at once, and most of what it takes to run is importing libraries.
"""

import asyncio
from typing import Annotated

import typer

from cli.durations import duration
from cli.letters import dead_letters
from cli.looking import (
    audit,
    events,
    orders,
    rebuild,
    reconcile,
    sagas,
    schedule_reconcile,
    status,
    stuck,
    totals,
    trace,
)
from cli.options import CausationId, CorrelationId, Json
from cli.plane import catalogue, send
from cli.steering import cancel, pause, recover, repair, resume

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Place an order; look at sagas of any type, and steer them.",
)


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
    correlation_id: CorrelationId = None,
    causation_id: CausationId = None,
    deadline: Annotated[
        str, typer.Option(metavar="TIME", help="Undone if not shipped in 90, 90s, 10m, 2h.")
    ] = "10m",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it to its end.")] = False,
    as_json: Json = False,
) -> None:
    """Place an order; the same order under the same id is placed once."""
    limit = duration("--deadline", deadline)
    from cli.order_input import OrderOptions
    from cli.start import Starting
    from cli.values import optional_identifier
    from contracts.sagas import ORDER

    options = OrderOptions(order_id, customer, currency, tuple(item or ()), card, ship_to)
    given = options.order() if file is None else options.order_in(file)
    placing = Starting(
        ORDER,
        given.order,
        given.id_given,
        optional_identifier("--correlation-id", correlation_id),
        limit,
        as_json=as_json,
        causation_id=optional_identifier("--causation-id", causation_id),
    )
    raise typer.Exit(asyncio.run(placing.run(wait=wait)))


@app.command()
def start(
    saga: Annotated[str, typer.Argument(metavar="MODULE[:CLASS]", help="Where it is defined.")],
    command: Annotated[
        str, typer.Argument(metavar="COMMAND", help="Its command as a JSON object; - for stdin.")
    ],
    correlation_id: CorrelationId = None,
    causation_id: CausationId = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it to its end.")] = False,
    as_json: Json = False,
) -> None:
    """Start a saga of any type; the same command under the same id starts it once."""
    from cli.command_input import command_of
    from cli.start import Starting
    from cli.values import optional_identifier

    kind, given = command_of(saga, command)
    correlation = optional_identifier("--correlation-id", correlation_id)
    causation = optional_identifier("--causation-id", causation_id)
    starting = Starting(
        kind, given, True, correlation, None, as_json=as_json, causation_id=causation
    )
    raise typer.Exit(asyncio.run(starting.run(wait=wait)))


for command in (
    status,
    events,
    orders,
    sagas,
    totals,
    stuck,
    audit,
    trace,
    cancel,
    pause,
    resume,
    repair,
    recover,
    reconcile,
    rebuild,
    schedule_reconcile,
    catalogue,
    send,
):
    app.command()(command)
app.add_typer(dead_letters, name="dead-letters")
