"""The order saga on Restate, as https://docs.restate.dev/guides/sagas has it.

Each step and each status row is a journalled `ctx.run_typed`; an undo is registered before its step
and a `TerminalError` runs them in reverse. Served by hypercorn as in restatedev/examples
(python/patterns-use-cases/sagas), in the process that the customers are in.

python -m benchmarks.contenders.restate_saga SETUP
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httpx
import hypercorn.asyncio
import hypercorn.config
import restate
from restate.exceptions import TerminalError

from benchmarks.contenders.order import DOING, LAST, UNDOING, Order, Refused, participants
from benchmarks.contenders.rows import Row, SqliteRows
from benchmarks.contenders.serving import Setup, Task, serve

checkout = restate.Service("Checkout")
setup = Setup.told()
rows = SqliteRows(setup.database)
called = {False: participants({}), True: participants(setup.services)}


async def call(step: str, order: dict[str, Any], services: bool) -> str:
    """One call of a participant; what is refused is not tried again."""
    try:
        return await called[services].call(step, Order(**order))
    except Refused as refusal:
        raise TerminalError(str(refusal)) from refusal


async def write(order: dict[str, Any], status: str, done: list[str]) -> None:
    """One status row."""
    await rows.put(Row.of(Order(**order), status, done))


@checkout.handler()
async def run(ctx: restate.Context, request: dict[str, Any]) -> bool:
    """Whether the order was completed."""
    order, services, every = request["order"], request["services"], request["rows"] == "every"
    done: list[str] = []
    compensations: list[Callable[[], Awaitable[None]]] = []

    async def act(step: str) -> None:
        await ctx.run_typed(step, call, step=step, order=order, services=services)
        done.append(step)

    async def show(status: str) -> None:
        if every or status in {"completed", "compensated"}:
            told = {"order": order, "status": status, "done": list(done)}
            await ctx.run_typed(f"{status} {len(done)}", write, **told)

    async def undo(step: str, *, last: bool) -> None:
        await act(UNDOING[step])
        await show("compensated" if last else "compensating")

    await show("running")
    try:
        for step in DOING:
            if step in UNDOING:
                compensations.append(partial(undo, step, last=step == DOING[0]))
            await act(step)
            await show("completed" if step == LAST else "running")
    except TerminalError:
        # The refused step has done nothing.
        compensations.pop()
        await show("compensating")
        for compensation in reversed(compensations):
            await compensation()
        return False
    return True


async def main() -> None:
    """Serve the handler, register it, and let customers in."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{port}"]
    # The example's own: one connection for all that is under way.
    config.h2_max_concurrent_streams = 2147483647
    config.keep_alive_max_requests = 2147483647
    config.keep_alive_timeout = 2147483647
    config.loglevel = "WARNING"
    config.graceful_timeout = 1
    app = restate.app([checkout])
    ended = asyncio.Event()
    serving = asyncio.create_task(hypercorn.asyncio.serve(app, config, shutdown_trigger=ended.wait))
    limits = httpx.Limits(max_connections=1000)
    async with httpx.AsyncClient(timeout=120.0, trust_env=False, limits=limits) as http:
        at = {"uri": f"http://127.0.0.1:{port}", "force": True}
        deployed = await http.post(f"{setup.restate['admin']}/deployments", json=at)
        deployed.raise_for_status()
        url = f"{setup.restate['ingress']}/Checkout/run"

        async def place(order: Order, task: Task) -> bool:
            asked = {"order": order.as_dict(), "services": task.services, "rows": task.rows}
            # The ingress holds an invocation once for each idempotency key.
            key = {"idempotency-key": order.order_id}
            answer = await http.post(url, json=asked, headers=key)
            answer.raise_for_status()
            return bool(answer.json())

        await serve(place)
    ended.set()
    await serving


if __name__ == "__main__":
    asyncio.run(main())
