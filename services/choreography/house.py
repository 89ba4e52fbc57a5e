"""The four services around one broker: their HTTP, their consumers, their relays."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime

from fastapi import APIRouter, BackgroundTasks, FastAPI
from sqlmodel import SQLModel

from brokers.draining import running
from brokers.inbox import ProcessedEvent
from brokers.port import Broker
from services import inventory, order, payment, shipping
from services.application import database_of
from services.barrier import Action, BarrierRoute, Operation
from services.choreography.events import SERVICES, OrderPlaced, catalogue
from services.choreography.outbox import OutboxEntry, put
from services.choreography.participant import Participant, event_id, key
from services.choreography.reactions import Reactions
from services.resources import FreeText
from services.stock import DEFAULT_STOCK

TABLES: tuple[type[SQLModel], ...] = (ProcessedEvent, OutboxEntry)


class NewOrder(order.OrderRequest):
    """An order with what its payment and its shipment need."""

    card_token: FreeText
    ship_to: FreeText


async def place(request: NewOrder, operation: Operation) -> order.OrderAnswer:
    """Store an order and OrderPlaced in one transaction; raises Refused."""
    answer = await order.create_order(
        request, replace(operation, key=key(request.order_id, "create-order"))
    )
    placed = OrderPlaced.model_validate(request.model_dump())
    known = catalogue("order")
    new_id = event_id(request.order_id, OrderPlaced.__name__)
    now = datetime.now(UTC)
    event = known.envelope(placed, event_id=new_id, subject=request.order_id, time=now)
    await put(operation.session, event)
    return answer


class Choreography:
    """The four applications and participants."""

    def __init__(
        self,
        broker: Broker,
        urls: Mapping[str, str],
        *,
        broker_forgets: bool = False,
        faults: bool = False,
        stock: Mapping[str, int] = DEFAULT_STOCK,
    ) -> None:
        """Four services that do not react yet; raises DatabaseUnusable.

        Args:
            broker: what the events go over.
            urls: of the databases, by service.
            broker_forgets: it begins empty, so what was published is kept and published again.
            faults: whether the services have their fault switches.
            stock: pieces by SKU, for a new database.
        """
        self.broker = broker
        self._broker_forgets = broker_forgets
        self.apps: dict[str, FastAPI] = {
            "order": order.create_app(urls["order"], faults=faults, also=TABLES),
            "payment": payment.create_app(urls["payment"], faults=faults, also=TABLES),
            "inventory": inventory.create_app(
                urls["inventory"], faults=faults, stock=stock, also=TABLES
            ),
            "shipping": shipping.create_app(urls["shipping"], faults=faults, also=TABLES),
        }
        self.databases = {name: database_of(app) for name, app in self.apps.items()}
        self.participants = {
            name: Participant(
                name,
                self.databases[name],
                broker,
                catalogue(name),
                Reactions(name).handlers,
                broker_forgets=broker_forgets,
            )
            for name in SERVICES
        }
        self.apps["order"].include_router(self._router())

    async def open(self) -> None:
        """Open the databases; what the broker has forgotten is to be published again."""
        for name, database in self.databases.items():
            await database.open()
            if self._broker_forgets:
                await self.participants[name].relay.start_over()

    def reacting(self) -> AbstractAsyncContextManager[None]:
        """Have all four react, once; at the end what is under way is finished."""
        return running(self.participants.values())

    async def place(self, request: NewOrder) -> None:
        """Place an order without HTTP; raises Refused."""
        own = f"place-{request.order_id}"
        async with self.databases["order"].write([own]) as session:
            await place(request, Operation(session, own, None, datetime.now(UTC)))
        self.participants["order"].relay.wake()

    async def close(self) -> None:
        """Close the databases."""
        for database in self.databases.values():
            await database.close()

    def _router(self) -> APIRouter:
        router = APIRouter(tags=["choreography"], route_class=BarrierRoute)

        @router.post("/choreography/orders", status_code=202)
        async def place_order(
            request: NewOrder, operation: Action, afterwards: BackgroundTasks
        ) -> order.OrderAnswer:
            """Place an order; the other services hear of it."""
            afterwards.add_task(self.participants["order"].relay.wake)
            return await place(request, operation)

        return router
