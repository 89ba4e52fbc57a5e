"""The order intake: a `PlaceOrder` that comes as a message starts the order's saga."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy.exc import DBAPIError
from temporalio.client import Client
from temporalio.service import RPCError

from brokers.consumer import Consumer, Received, Unacceptable, Unavailable
from brokers.port import Broker, Subscription
from contracts.catalogue import CATALOGUE, ORDER_COMMANDS, PlaceOrder
from contracts.commands import PlaceOrder as StartOrder
from contracts.sagas import ORDER, PUBLICATION
from read_model.queries import ReadModel
from runtime.errors import RuntimeProblem
from saga import DifferentCommand, Headline, Lane, SagaInput, Sagas, saga_id
from saga.versions import NewerSchema

GROUP = "order-intake"
TIME_LIMIT_SECONDS = 10.0
"""For each question to Temporal."""

log = logging.getLogger("consumer")


class OrderIntake:
    """Starts sagas of orders.

    It needs no inbox: the workflow's id is the order's, so a message that comes twice starts
    nothing the second time.
    """

    def __init__(
        self,
        client: Client,
        task_queue: str,
        read_model: ReadModel,
        lane: Lane = Lane.STEPWISE,
    ) -> None:
        self._sagas = Sagas(client, task_queue, lane)
        self._read_model = read_model

    async def place(self, received: Received[PlaceOrder]) -> None:
        """Start the order's saga, once; it belongs to the message and what that belongs to.

        Raises:
            Unacceptable: another order was placed under this id.
            Unavailable: Temporal does not answer, or newer code has to.
        """
        event, order = received.event, received.data.order()
        if await self._was_placed_long_ago(order):
            log.info("message %s: order %s was placed long ago", event.id, order.order_id)
            return
        start = SagaInput(
            command=order,
            correlation_id=event.correlationid,
            causation_id=event.id,
            chain_depth=event.chaindepth + 1,
            # It came over a broker, so there is one.
            sinks=(PUBLICATION,),
        )
        try:
            async with _answering():
                started = await self._sagas.start(ORDER, start)
        except DifferentCommand:
            raise _different(order) from None
        except NewerSchema as newer:
            raise Unavailable(f"order {order.order_id}: {newer}") from newer
        how = "starts" if started.new else "had started already"
        log.info("message %s %s %s", event.id, how, started.saga_id)

    async def _was_placed_long_ago(self, order: StartOrder) -> bool:
        """Temporal forgets a closed workflow after its retention, and would take it anew."""
        workflow_id = saga_id(ORDER.name, order.order_id)
        try:
            known = await self._read_model.headline(workflow_id)
        except (RuntimeProblem, DBAPIError) as away:
            # As over HTTP: an order is placed without the read database, too.
            text = "whether order %s was placed long ago is not known: %s"
            log.warning(text, order.order_id, away)
            return False
        if known is None:
            return False
        async with _answering():
            if await self._sagas.find(workflow_id) is not None:
                return False
        if _essence(known) != _essence(order.headline()):
            raise _different(order)
        return True


def order_intake(
    broker: Broker,
    client: Client,
    task_queue: str,
    read_model: ReadModel,
    *,
    lane: Lane = Lane.STEPWISE,
    count_letter: Callable[[str, str], None] | None = None,
) -> Consumer:
    """The consumer of the commands to place an order."""
    intake = OrderIntake(client, task_queue, read_model, lane)
    return Consumer(
        broker,
        Subscription(ORDER_COMMANDS, GROUP),
        CATALOGUE,
        {PlaceOrder: intake.place},
        transaction=None,
        count_letter=count_letter,
    )


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(TIME_LIMIT_SECONDS):
            yield
    except (RPCError, TimeoutError) as error:
        raise Unavailable(f"Temporal does not take orders now: {error!r}") from error


def _different(order: StartOrder) -> Unacceptable:
    return Unacceptable(f"order {order.order_id} was placed before with another content")


def _essence(headline: Headline) -> tuple[str | None, int | None, str | None]:
    return headline.customer_id, headline.amount_minor, headline.currency
