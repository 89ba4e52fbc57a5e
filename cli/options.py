"""Arguments and options that several commands have."""

from typing import Annotated

import typer

ORDERS = "order"
"""The type of saga that is meant when none is given."""

Id = Annotated[str, typer.Argument(metavar="ID", help="What it is about, e.g. the order's id.")]
Type = Annotated[str, typer.Option("--type", metavar="TYPE", help="The type of saga.")]
AnyType = Annotated[
    str | None, typer.Option("--type", metavar="TYPE", help="Only sagas of this type.")
]
Customer = Annotated[str | None, typer.Option(help="Only this customer's.")]
OnlyStatus = Annotated[str | None, typer.Option("--status", help="Only those that stand so.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="The newest so many.")]
After = Annotated[
    str | None, typer.Option(metavar="CURSOR", help="Those behind a page, as it was told there.")
]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the saga.")]
By = Annotated[str | None, typer.Option(help="Who; you when absent.")]
Timeout = Annotated[
    str, typer.Option(metavar="TIME", help="How long to wait for a worker: 60, 60s, 1m.")
]
PATIENCE = "60s"
CorrelationId = Annotated[str | None, typer.Option(help="Travels with every call and event.")]
CausationId = Annotated[
    str | None, typer.Option(help="The event or command that caused it, see `trace`.")
]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON document to stdout.")]
