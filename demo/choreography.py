"""A few orders through the choreography, each shown as its chain of events."""

import asyncio
import sys
import tempfile
from pathlib import Path

from brokers.memory import MemoryBroker
from services.choreography.events import CHOREOGRAPHY, SERVICES
from services.choreography.house import Choreography, NewOrder
from services.order import OrderItem

_PATIENCE_SECONDS = 10
_ENDS = ("OrderConfirmed", "OrderCancelled")


def _order(
    order_id: str, sku: str = "BOOK", card: str = "tok_visa", to: str = "1 Main St"
) -> NewOrder:
    return NewOrder(
        order_id=order_id,
        customer_id="C-1",
        currency="USD",
        items=[OrderItem(sku=sku, quantity=1, unit_price_minor=1250)],
        total_minor=1250,
        card_token=card,
        ship_to=to,
    )


ORDERS = (
    (_order("completed"), "OrderConfirmed"),
    (_order("declined", card="tok_declined"), "OrderCancelled"),
    (_order("out-of-stock", sku="NOTHING"), "OrderCancelled"),
    (_order("undeliverable", to="Nowhere 1, Atlantis"), "OrderCancelled"),
)


async def _chain(broker: MemoryBroker, order_id: str) -> list[tuple[int, str, str]]:
    events = [message.event() async for message in broker.log(CHOREOGRAPHY)]
    return [
        (it.chaindepth, it.type, it.source.rpartition("/")[2])
        for it in events
        if it.subject == order_id
    ]


async def _whole_chain(broker: MemoryBroker, order_id: str) -> list[tuple[int, str, str]]:
    chain = await _chain(broker, order_id)
    while not chain or chain[-1][1] not in _ENDS:
        await asyncio.sleep(0.01)
        chain = await _chain(broker, order_id)
    return chain


async def _show(folder: Path) -> bool:
    broker = MemoryBroker()
    urls = {name: f"sqlite:///{folder / name}.db" for name in SERVICES}
    house = Choreography(broker, urls, stock={"BOOK": 10})
    await house.open()
    right = True
    try:
        async with house.reacting(), asyncio.timeout(_PATIENCE_SECONDS):
            for order, end in ORDERS:
                await house.place(order)
                chain = await _whole_chain(broker, order.order_id)
                print(f"\norder {order.order_id}")
                for depth, name, service in chain:
                    print(f"  {'  ' * depth}{name}  ({service})")
                right = right and chain[-1][1] == end
    finally:
        await house.close()
    return right


def main() -> int:
    """Place the orders; 0 if each ended as it should."""
    with tempfile.TemporaryDirectory() as folder:
        return 0 if asyncio.run(_show(Path(folder))) else 1


if __name__ == "__main__":
    sys.exit(main())
