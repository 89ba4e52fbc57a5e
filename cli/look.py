"""`status` and `orders`: what the read database says."""

from cli.problems import BadInput, NoAnswer
from cli.read_database import read_order, read_orders
from cli.terminal import note, say, say_json
from runtime.errors import RuntimeProblem
from runtime.settings import Settings
from saga import Status


async def show_order(order_id: str, *, as_json: bool) -> int:
    """Show one order; returns the exit code."""
    settings = Settings.from_environment()
    order = await read_order(settings, order_id)
    if order is None:
        return await _not_projected(settings, order_id, as_json=as_json)
    if as_json:
        say_json(order.model_dump(mode="json"))
        return 0
    from cli.tables import print_order
    from cli.temporal import web_ui

    print_order(order, web_ui(settings, order_id))
    return 0


async def list_orders(
    customer_id: str | None, status: str | None, limit: int, *, as_json: bool
) -> int:
    """List orders; returns the exit code."""
    found = await read_orders(
        Settings.from_environment(), customer_id=customer_id, status=_status(status), limit=limit
    )
    if as_json:
        say_json([order.model_dump(mode="json") for order in found])
    elif found:
        from cli.tables import print_orders

        print_orders(found)
    else:
        note("no orders")
    return 0


def _status(given: str | None) -> Status | None:
    try:
        return None if given is None else Status(given)
    except ValueError:
        raise BadInput(f"--status {given!r}: give one of {', '.join(Status)}") from None


async def _not_projected(settings: Settings, order_id: str, *, as_json: bool) -> int:
    """An order may be so new that only Temporal knows it."""
    from cli.temporal import OrderSagas, saga_of

    try:
        found = await (await OrderSagas.connect(settings)).find(order_id)
    except (RuntimeProblem, NoAnswer) as problem:
        raise NoAnswer(f"order {order_id} is not in the read database, and {problem}") from problem
    if found is None:
        note(f"no order {order_id}")
        return 1
    if as_json:
        saga_id = saga_of(order_id)
        say_json({"order_id": order_id, "saga_id": saga_id, "status": found.status, "version": 0})
    else:
        say(f"order {order_id}: {found.status}; accepted, not in the read database yet")
    return 0
