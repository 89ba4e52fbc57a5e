"""Many orders at once, placed and followed by one client."""

import asyncio
import time
from dataclasses import dataclass
from uuid import uuid4

from temporalio.client import Client

from contracts.commands import Line, PlaceOrder
from contracts.sagas import ORDER
from runtime.connection import connect
from runtime.settings import Settings
from saga import SagaInput, SagaOutcome, Sagas, Status

SKU = "BOOK"
ORDER_TIMEOUT = 120.0


class MeasurementFailed(Exception):
    """What was measured did not go as it should; `str()` is one line."""


@dataclass(frozen=True)
class Crowd:
    """Customers who each want one piece."""

    client: Client
    sagas: Sagas

    @classmethod
    async def gather(cls, settings: Settings) -> "Crowd":
        """Connect as one client."""
        client = await connect(settings)
        return cls(client, Sagas(client, settings.saga_task_queue))

    async def order(self, count: int, *, at_once: int) -> float:
        """Place orders until `count` workflows have closed; the sagas per second.

        Raises:
            MeasurementFailed: one was compensated.
        """
        left = iter(range(count))

        async def customer() -> None:
            for _ in left:
                await self._order()

        began = time.monotonic()
        async with asyncio.TaskGroup() as customers:
            for _ in range(at_once):
                customers.create_task(customer())
        return count / (time.monotonic() - began)

    async def _order(self) -> None:
        order = PlaceOrder(
            order_id=str(uuid4()),
            customer_id="crowd",
            items=(Line(sku=SKU, quantity=1, unit_price_minor=1250),),
            card_token="tok_visa",  # noqa: S106 - the reference payment service's
            ship_to="1 Main Street, Springfield",
        )
        started = await self.sagas.start(ORDER, SagaInput(command=order))
        handle = self.client.get_workflow_handle(started.saga_id, result_type=SagaOutcome)
        try:
            async with asyncio.timeout(ORDER_TIMEOUT):
                outcome = await handle.result()
        except TimeoutError:
            late = f"order {order.order_id} has not ended after {ORDER_TIMEOUT:.0f} s"
            raise MeasurementFailed(late) from None
        if outcome.status is not Status.COMPLETED:
            raise MeasurementFailed(
                f"order {order.order_id} was {outcome.status}: {outcome.failure}"
            )
