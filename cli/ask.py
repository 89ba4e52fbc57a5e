"""`cancel`: ask for an order to be undone, and wait for the answer."""

import asyncio
from datetime import timedelta
from time import monotonic

from cli.follow import WAITING
from cli.problems import NoAnswer, UnknownOrder
from cli.temporal import OrderSagas, saga_of
from cli.terminal import note, say, say_json
from runtime.settings import Settings
from saga import Reply, Request

_SOON = 1.0
"""Seconds after which the person is told what the answer waits for."""


async def cancel_order(
    order_id: str, by: str, reason: str, patience: timedelta, *, as_json: bool
) -> int:
    """Cancel an order; returns the exit code.

    Raises:
        UnknownOrder: there is no such order.
        NoAnswer: for as long as `patience` no worker answered, or the server is away.
    """
    sagas = await OrderSagas.connect(Settings.from_environment())
    asking = asyncio.create_task(sagas.cancel(order_id, Request(by=by, reason=reason)))
    await _wait(asking, sagas, order_id, patience)
    reply = asking.result() or await _too_late(sagas, order_id)
    if as_json:
        answer = reply.model_dump(mode="json")
        say_json({"order_id": order_id, "saga_id": saga_of(order_id), **answer})
    elif reply.accepted:
        say(f"order {order_id}: cancel accepted, {reply.message}")
    else:
        say(f"order {order_id}: {reply.message}")
    return 0 if reply.accepted else 1


async def _wait(
    asking: asyncio.Task[Reply | None], sagas: OrderSagas, order_id: str, patience: timedelta
) -> None:
    told: set[str] = set()
    alive = monotonic()
    while not (await asyncio.wait({asking}, timeout=_SOON))[0]:
        state = await sagas.state(order_id)
        if state is not None:
            # A worker is there: the answer comes, however long the shipment takes.
            alive = monotonic()
            waiting = f"waiting for the answer of {state.current_step or 'the saga'}"
        else:
            waiting = WAITING
        if not asking.done() and waiting not in told:
            note(waiting)
            told.add(waiting)
        if monotonic() - alive > patience.total_seconds():
            raise NoAnswer(
                f"no worker answered within {patience.total_seconds():.0f} s, so whether order"
                f" {order_id} is cancelled is not known: start one (python worker.py) and ask again"
            )


async def _too_late(sagas: OrderSagas, order_id: str) -> Reply:
    found = await sagas.find(order_id)
    if found is None:
        raise UnknownOrder(order_id)
    return Reply(
        accepted=False, status=found.status, message=f"too late: it is {found.status} already"
    )
