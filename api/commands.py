"""The side that commands: an order is placed in Temporal. It never asks the read database."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TypeAlias

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from temporalio.client import Client
from temporalio.service import RPCError

from api.correlation import Correlation
from api.problems import (
    DIFFERENT_ORDER,
    INVALID,
    NO_JSON,
    TOO_LARGE,
    UNAVAILABLE,
    Problem,
    documented,
)
from contracts.json_input import json_object
from contracts.order_document import GivenOrder, OrderDocument, order_of
from contracts.sagas import ORDER, PUBLICATION
from saga import DifferentCommand, Headline, Lane, SagaInput, Sagas, Status, saga_id
from saga.versions import NewerSchema

MAX_BYTES = 1_000_000
"""The size of the largest order that is read."""
TIME_LIMIT_SECONDS = 5.0
"""For each question to Temporal."""

_NOT_TAKEN = (
    "Temporal does not take the order now, or has not said so:"
    " repeat the request with this order_id, and it is placed once."
)
_NEWER = (
    "Newer code has placed order {}, and this code can't tell whether it is the same order:"
    " repeat the request once this service is of the newer version too."
)
_NOT_KNOWN = "Temporal does not answer, and only it knows whether this order was placed."

LongAgo: TypeAlias = Callable[[str], Awaitable[Headline | None]]
"""What is known of an order whose history Temporal may no longer have."""

log = logging.getLogger(__name__)


class Placed(BaseModel):
    """An order that was taken; whether it comes to pass, `GET /orders/{id}` tells."""

    order_id: str
    saga_id: str
    saga_type: str
    business_id: str
    new: bool
    """False when the same order had been placed under this id before."""


class Orders:
    """The orders in Temporal."""

    def __init__(
        self,
        client: Client,
        task_queue: str,
        *,
        published: bool,
        long_ago: LongAgo,
        lane: Lane,
    ) -> None:
        self._sagas = Sagas(client, task_queue, lane)
        self._sinks = (PUBLICATION,) if published else ()
        self._long_ago = long_ago

    async def place(self, given: GivenOrder, correlation_id: str) -> Placed:
        """Place an order once, however often it is asked for; raises Problem."""
        order_id = given.order.order_id
        start = SagaInput(command=given.order, correlation_id=correlation_id, sinks=self._sinks)
        old = await self._forgotten(order_id) if given.id_given else None
        if old is None:
            try:
                async with _answering(order_id, _NOT_TAKEN):
                    new = (await self._sagas.start(ORDER, start)).new
            except DifferentCommand:
                raise _different(order_id) from None
            except NewerSchema as newer:
                log.warning("order %s: %s", order_id, newer)
                raise Problem(UNAVAILABLE, _NEWER.format(order_id), order_id=order_id) from newer
        elif _essence(old) == _essence(given.order.headline()):
            new = False
        else:
            raise _different(order_id)
        return Placed(
            order_id=order_id,
            saga_id=saga_id(ORDER.name, order_id),
            saga_type=ORDER.name,
            business_id=order_id,
            new=new,
        )

    async def status(self, order_id: str) -> Status | None:
        """How an order stands that was placed; None if there is none in Temporal."""
        async with _answering(order_id, _NOT_KNOWN):
            found = await self._sagas.find(saga_id(ORDER.name, order_id))
        return found.status if found else None

    async def _forgotten(self, order_id: str) -> Headline | None:
        """Temporal forgets a closed workflow after its retention, and would take it anew."""
        known = await self._long_ago(order_id)
        return known if known and await self.status(order_id) is None else None


def command_routes(orders: Orders) -> APIRouter:
    """The routes of this side."""
    router = APIRouter(tags=["commands"])
    schema = OrderDocument.model_json_schema()
    # A reference would be one into the whole document.
    schema["properties"]["items"]["items"] = schema.pop("$defs")["OrderItem"]

    @router.post(
        "/orders",
        status_code=202,
        responses=documented(DIFFERENT_ORDER, TOO_LARGE, NO_JSON, INVALID, UNAVAILABLE),
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}
        },
    )
    async def place_order(request: Request, response: Response, correlation: Correlation) -> Placed:
        """Place an order; the same order under the same id is placed once.

        Without `order_id` each request is an order of its own. 202 says that the order was
        taken, not that it has come to pass: follow `Location`.
        """
        # Read as the command line reads it: exact prices, and nothing that is said twice.
        placed = await orders.place(
            order_of(json_object(await _body(request), "order", Decimal), {}), correlation
        )
        response.headers["Location"] = f"/orders/{placed.order_id}"
        return placed

    return router


async def _body(request: Request) -> bytes:
    # A page in a browser can send any other type to whom it likes, without asking first.
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(NO_JSON, "Send the order as application/json.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise Problem(TOO_LARGE, f"An order has at most {MAX_BYTES} bytes.")
    return bytes(body)


@asynccontextmanager
async def _answering(order_id: str, otherwise: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(TIME_LIMIT_SECONDS):
            yield
    except (RPCError, TimeoutError) as error:
        log.warning("Temporal does not take a request for order %s: %r", order_id, error)
        raise Problem(UNAVAILABLE, otherwise, order_id=order_id) from error


def _different(order_id: str) -> Problem:
    return Problem(
        DIFFERENT_ORDER,
        f"Order {order_id} was placed before with another content: give another order id.",
        order_id=order_id,
    )


def _essence(headline: Headline) -> tuple[str | None, int | None, str | None]:
    return headline.customer_id, headline.amount_minor, headline.currency
