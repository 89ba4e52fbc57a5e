"""The commands that steer a saga: cancel, pause, resume, repair, recover."""

import asyncio
from typing import Annotated, NoReturn

import typer

from cli.durations import duration
from cli.options import ORDERS, PATIENCE, By, Id, Json, Reason, Timeout, Type


def cancel(
    business_id: Id,
    reason: Reason,
    by: By = None,
    saga_type: Type = ORDERS,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Undo a saga that has not passed its pivot, such as an order that is not shipped yet."""
    _request("cancel", business_id, saga_type, by, reason, timeout, as_json=as_json)


def pause(
    business_id: Id,
    reason: Reason,
    by: By = None,
    saga_type: Type = ORDERS,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Hold a saga before its next call; its deadline stands still."""
    _request("pause", business_id, saga_type, by, reason, timeout, as_json=as_json)


def resume(
    business_id: Id,
    reason: Reason,
    by: By = None,
    saga_type: Type = ORDERS,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Let a paused saga go on."""
    _request("resume", business_id, saga_type, by, reason, timeout, as_json=as_json)


def recover(
    business_id: Id,
    reason: Reason,
    by: By = None,
    saga_type: Type = ORDERS,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Bring a saga to its end that was terminated from outside: undone, or else completed."""
    _request("recover", business_id, saga_type, by, reason, timeout, as_json=as_json)


def repair(
    business_id: Id,
    step: Annotated[str, typer.Option(help="The stuck step or undo, as `stuck` shows it.")],
    reason: Reason,
    retry: Annotated[bool, typer.Option("--retry", help="Try it again, now.")] = False,
    skip: Annotated[bool, typer.Option("--skip", help="It was done by hand: go on.")] = False,
    changes: Annotated[
        str | None,
        typer.Option("--with", metavar="JSON", help="Do it with these members changed."),
    ] = None,
    by: By = None,
    saga_type: Type = ORDERS,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Decide how a stuck step goes on: exactly one of --retry, --skip and --with."""
    patience = duration("--timeout", timeout)
    from cli.ask import Asking
    from cli.repair import repair_of
    from cli.values import me, saga_named, text

    saga = saga_named(saga_type, business_id)
    named, who = text("--step", step), text("--by", me() if by is None else by)
    why = text("--reason", reason)
    decided = repair_of(named, who, why, retry=retry, skip=skip, changes=changes)
    asking = Asking(
        saga, "repair", lambda sagas, it: sagas.repair(it, decided), patience, as_json=as_json
    )
    raise typer.Exit(asyncio.run(asking.run()))


def _request(
    command: str,
    business_id: str,
    saga_type: str,
    by: str | None,
    reason: str,
    timeout: str,
    *,
    as_json: bool,
) -> NoReturn:
    patience = duration("--timeout", timeout)
    from cli.ask import REQUESTS, Asking
    from cli.values import me, saga_named, text
    from saga import Request

    saga, why = saga_named(saga_type, business_id), text("--reason", reason)
    request = Request(by=text("--by", me() if by is None else by), reason=why)
    ask = REQUESTS[command]
    asking = Asking(
        saga, command, lambda sagas, it: ask(sagas, it, request), patience, as_json=as_json
    )
    raise typer.Exit(asyncio.run(asking.run()))
