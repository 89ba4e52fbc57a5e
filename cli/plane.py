"""The commands about messages between services: catalogue and send."""

import asyncio
from typing import Annotated

import typer

from cli.options import CausationId, CorrelationId, Json


def catalogue(
    as_json: Json = False,
    as_asyncapi: Annotated[
        bool, typer.Option("--asyncapi", help="Write the AsyncAPI document instead.")
    ] = False,
) -> None:
    """Show what goes over the brokers: each event and command, who sends it and who gets it."""
    from cli.catalogue import show_catalogue

    show_catalogue(as_json=as_json, as_asyncapi=as_asyncapi)


def send(
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="See `catalogue`.")],
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="What it says, a JSON object; - for stdin.")
    ],
    message_id: Annotated[
        str | None, typer.Option("--id", help="The same for every repetition; new when absent.")
    ] = None,
    correlation_id: CorrelationId = None,
    causation_id: CausationId = None,
    as_json: Json = False,
) -> None:
    """Send a command as a message, over the broker of EVENT_BROKER_URL."""
    from cli.send import Sending

    sending = Sending.of(command, data, message_id, correlation_id, causation_id)
    asyncio.run(sending.run(as_json=as_json))
