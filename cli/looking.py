"""The commands that look: status, events, orders, sagas, totals, stuck, audit, trace and more."""

import asyncio
from typing import Annotated

import typer

from cli.durations import duration
from cli.options import ORDERS, After, AnyType, Customer, Id, Json, Limit, OnlyStatus, Type


def status(business_id: Id, saga_type: Type = ORDERS, as_json: Json = False) -> None:
    """Show one saga, as the read database has it."""
    from cli.look import show_saga
    from cli.values import saga_named

    saga = saga_named(saga_type, business_id)
    raise typer.Exit(asyncio.run(show_saga(saga, as_json=as_json)))


def orders(
    customer: Customer = None,
    status: OnlyStatus = None,
    limit: Limit = 20,
    after: After = None,
    as_json: Json = False,
) -> None:
    """List orders, the newest first, as the read database has them."""
    from cli.look import list_sagas

    listing = list_sagas(ORDERS, customer, status, limit, after, as_json=as_json)
    raise typer.Exit(asyncio.run(listing))


def sagas(
    saga_type: AnyType = None,
    customer: Customer = None,
    status: OnlyStatus = None,
    limit: Limit = 20,
    after: After = None,
    as_json: Json = False,
) -> None:
    """List sagas of any type, the newest first, as the read database has them."""
    from cli.look import list_sagas
    from cli.values import type_named

    listing = list_sagas(type_named(saga_type), customer, status, limit, after, as_json=as_json)
    raise typer.Exit(asyncio.run(listing))


def totals(
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help="The first day, such as 2026-11-24, in UTC.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DAY", help="The last day; today when absent.")
    ] = None,
    saga_type: AnyType = None,
    as_json: Json = False,
) -> None:
    """Add up sagas by the day they were started and by status; 30 days, or up to 366."""
    from cli.totals import show_totals
    from cli.values import type_named

    kind = type_named(saga_type)
    raise typer.Exit(asyncio.run(show_totals(since, until, kind, as_json=as_json)))


def stuck(
    saga_type: AnyType = None,
    bugs: Annotated[
        bool, typer.Option("--bugs", help="Those whose workflow tasks fail instead.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=10_000,
            help="The oldest 20 are shown; with --bugs the newest 1000 running sagas looked at.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the sagas that need a person; exit 1 when there is any."""
    from cli.values import type_named

    kind = type_named(saga_type)
    from cli.stuck import show_bugs, show_stuck

    if bugs:
        raise typer.Exit(asyncio.run(show_bugs(kind, limit or 1000, as_json=as_json)))
    raise typer.Exit(asyncio.run(show_stuck(kind, limit or 20, as_json=as_json)))


def audit(
    order_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One order, whose story is told.")
    ] = None,
    risk_age: Annotated[
        str,
        typer.Option(metavar="TIME", help="How long a saga that goes on may keep money: 24h, 10m."),
    ] = "24h",
    published: Annotated[
        bool,
        typer.Option("--events", help="Hold the broker and the consumers' inboxes against them."),
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="With --events: publish what is missing.")
    ] = False,
    inbox: Annotated[
        list[str] | None,
        typer.Option(metavar="CONSUMER=URL", help="A database with an inbox; repeatable."),
    ] = None,
    grace: Annotated[
        str,
        typer.Option(metavar="TIME", help="How long publishing and consuming may take: 5m, 30s."),
    ] = "5m",
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Older events may be gone from the broker: 7d as 168h."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Hold the services' databases against the sagas' logs; exit 1 when anything is wrong."""
    if published:
        from cli.audit_events import asked, audit_published

        given = asked(order_id, inbox or [], grace, since, repair=repair, as_json=as_json)
        raise typer.Exit(asyncio.run(audit_published(given)))
    if repair or inbox or since is not None:
        from cli.problems import BadInput

        raise BadInput("--repair, --inbox and --since go with --events")
    limit = duration("--risk-age", risk_age)
    from cli.audit import audit_all, audit_order
    from cli.values import saga_named

    if order_id is None:
        raise typer.Exit(asyncio.run(audit_all(limit, as_json=as_json)))
    saga = saga_named(ORDERS, order_id)
    raise typer.Exit(asyncio.run(audit_order(saga, limit, as_json=as_json)))


def trace(
    correlation_id: Annotated[
        str, typer.Argument(metavar="CORRELATION_ID", help="Given at the start, or a saga's id.")
    ],
    as_json: Json = False,
) -> None:
    """Show what one request has caused, in all sagas; exit 1 when nothing is known of it."""
    from cli.trace import show_trace
    from cli.values import any_id

    given = any_id("CORRELATION_ID", correlation_id)
    raise typer.Exit(asyncio.run(show_trace(given, as_json=as_json)))


def events(
    business_id: Id,
    saga_type: Type = ORDERS,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on as they come, until the saga has closed.")
    ] = False,
    every_run: Annotated[
        bool, typer.Option("--all-runs", help="Also what a reset has abandoned.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what happened to a saga, event by event, as its history has it."""
    from cli.events import follow_events, show_events
    from cli.values import saga_named

    saga = saga_named(saga_type, business_id)
    if follow:
        raise typer.Exit(asyncio.run(follow_events(saga, as_json=as_json)))
    raise typer.Exit(asyncio.run(show_events(saga, every_run=every_run, as_json=as_json)))


def reconcile(saga_type: AnyType = None, as_json: Json = False) -> None:
    """Have rows say which sagas were ended from outside; exit 1 when there was any."""
    from cli.reconcile import reconcile as reconciled
    from cli.values import type_named

    raise typer.Exit(asyncio.run(reconciled(type_named(saga_type), as_json=as_json)))


def rebuild(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what differs, and write nothing.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only sagas started or closed since: 24h, or ISO."),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this order, or saga of --type.")
    ] = None,
    saga_type: AnyType = None,
    as_json: Json = False,
) -> None:
    """Make the read database again from the histories; exit 1 if something can't be repaired."""
    from cli.durations import moment
    from cli.values import saga_named, type_named

    kind = type_named(saga_type)
    one = saga_named(kind or ORDERS, only) if only is not None else None
    start = moment("--since", since) if since is not None else None
    from cli.rebuild import Asked
    from cli.rebuild import rebuild as rebuilt

    raise typer.Exit(asyncio.run(rebuilt(Asked(one, kind, start, dry_run, as_json))))


def schedule_reconcile(
    at: Annotated[str | None, typer.Option(metavar="HH:MM", help="UTC; 03:00 when absent.")] = None,
    cron: Annotated[str | None, typer.Option(metavar="EXPR", help="Instead, in UTC.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="No longer.")] = False,
    as_json: Json = False,
) -> None:
    """Have Temporal compare the read database with all histories every night, and repair it."""
    from cli.schedule import Times, unschedule_reconcile
    from cli.schedule import schedule_reconcile as scheduled

    doing = (
        unschedule_reconcile(as_json=as_json)
        if remove
        else scheduled(Times.given(at, cron), as_json=as_json)
    )
    raise typer.Exit(asyncio.run(doing))
