"""The side that answers: what the read database says. It knows nothing of Temporal."""

import logging
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, TypeAlias

from fastapi import APIRouter, FastAPI, Path, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy.exc import OperationalError, ProgrammingError

from api.correlation import Correlation
from api.problems import INVALID, UNAVAILABLE, UNKNOWN_ORDER, Problem, answer, documented
from contracts.commands import Id
from contracts.sagas import ORDER
from read_model.paging import BadCursor
from read_model.queries import BadRange, Days, ReadModel
from read_model.views import OrderView, SagaView, TotalsView, view_of
from runtime.errors import RuntimeProblem
from saga import Status, saga_id

SOON_SECONDS = 1
"""When an order that was taken is worth asking for again."""

Accepted: TypeAlias = Callable[[str], Awaitable[Status | None]]
"""How an order stands that has no row yet; None if it was never placed."""

log = logging.getLogger(__name__)

OrderId = Annotated[Id, Path(description="The order's id.")]
CustomerId = Annotated[Id, Path(description="The customer's id.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]
After = Annotated[str | None, Query(description="`next` of the page before.")]
OfStatus = Annotated[Status | None, Query(alias="status", description="Only those that stand so.")]
OfType = Annotated[Id | None, Query(alias="type", description="Only sagas of this type.")]
Since = Annotated[date | None, Query(description="The first day; thirty days if absent.")]
Until = Annotated[date | None, Query(description="The last day, in UTC; today if absent.")]


class AcceptedOrder(BaseModel):
    """An order that was placed and is not in the read database yet."""

    order_id: str
    saga_id: str
    saga_type: str
    business_id: str
    status: Status
    version: int = 0


class OrdersPage(BaseModel):
    """A part of a list of orders, the newest first."""

    orders: tuple[OrderView, ...]
    next: str | None
    """What to give as `after` for the page after this one; null when this is the last."""


class SagasPage(BaseModel):
    """A part of a list of sagas, the newest first."""

    sagas: tuple[OrderView | SagaView, ...]
    next: str | None
    """What to give as `after` for the page after this one; null when this is the last."""


def install_queries(app: FastAPI, model: ReadModel, accepted: Accepted) -> None:
    """Answer queries; whether an order without a row was placed is asked of `accepted`."""
    app.include_router(_routes(model, accepted))
    for unusable in (RuntimeProblem, OperationalError, ProgrammingError):
        app.add_exception_handler(unusable, _on_unusable)
    for mistake in (BadCursor, BadRange):
        app.add_exception_handler(mistake, _on_mistake)


def _routes(model: ReadModel, accepted: Accepted) -> APIRouter:
    router = APIRouter(tags=["queries"], responses=documented(INVALID, UNAVAILABLE))

    @router.get(
        "/orders/{order_id}",
        response_model=OrderView,
        responses={
            202: {"model": AcceptedOrder, "description": "It was placed; ask again in a moment."},
            **documented(UNKNOWN_ORDER),
        },
    )
    async def order(order_id: OrderId, _: Correlation) -> OrderView | Response:
        """Tell how an order stands; 202 while it is so new that it is not projected yet."""
        row = await model.by_id(saga_id(ORDER.name, order_id))
        if row is not None:
            return OrderView.of(row)
        status = await accepted(order_id)
        if status is None:
            raise Problem(UNKNOWN_ORDER, f"No order {order_id} was placed.")
        taken = AcceptedOrder(
            order_id=order_id,
            saga_id=saga_id(ORDER.name, order_id),
            saga_type=ORDER.name,
            business_id=order_id,
            status=status,
        )
        soon = {"Retry-After": str(SOON_SECONDS)}
        return Response(taken.model_dump_json(), 202, soon, "application/json")

    @router.get("/customers/{customer_id}/orders")
    async def orders(
        customer_id: CustomerId,
        _: Correlation,
        status: OfStatus = None,
        limit: Limit = 20,
        after: After = None,
    ) -> OrdersPage:
        """List a customer's orders, the newest first; a customer without any has an empty list."""
        page = await model.sagas(
            saga_type=ORDER.name, customer_id=customer_id, status=status, limit=limit, after=after
        )
        return OrdersPage(orders=tuple(OrderView.of(row) for row in page.rows), next=page.next)

    @router.get("/sagas")
    async def sagas(
        _: Correlation,
        saga_type: OfType = None,
        status: OfStatus = None,
        limit: Limit = 20,
        after: After = None,
    ) -> SagasPage:
        """List sagas of one type or of all, the newest first."""
        page = await model.sagas(saga_type=saga_type, status=status, limit=limit, after=after)
        return SagasPage(sagas=tuple(view_of(row) for row in page.rows), next=page.next)

    @router.get("/totals")
    async def totals(
        _: Correlation, saga_type: OfType = None, since: Since = None, until: Until = None
    ) -> TotalsView:
        """Add up sagas by the day they were started on, by status and currency."""
        days = Days.of(since, until)
        return TotalsView.of(days, await model.totals(days, saga_type=saga_type))

    return router


async def _on_unusable(request: Request, error: Exception) -> Response:
    # The address and the reason are for who runs this, not for who asks.
    log.warning("%s %s: %s", request.method, request.url.path, error)
    return answer(request, UNAVAILABLE, "The read database does not answer, or has no tables yet.")


async def _on_mistake(request: Request, error: Exception) -> Response:
    where = "query.after" if isinstance(error, BadCursor) else "query.since, query.until"
    return answer(request, INVALID, f"{where}: {error}")
