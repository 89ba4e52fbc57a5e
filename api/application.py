"""Both sides in one application; only here they meet."""

import asyncio
import logging
from datetime import timedelta
from typing import Literal

from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.service import RPCError

from api.commands import Orders, command_routes
from api.correlation import CorrelationMiddleware
from api.problems import UNAVAILABLE, Problem, documented, install_problems
from api.queries import install_queries
from brokers.envelope import JsonObject
from contracts.asyncapi import order_messages
from contracts.sagas import ORDER
from read_model.database import connection
from read_model.queries import ReadModel
from runtime.errors import RuntimeProblem
from runtime.settings import Settings
from saga import Headline, Lane, saga_id

HEALTH_SECONDS = 2.0

log = logging.getLogger(__name__)


class Health(BaseModel):
    """The answer of `GET /healthz`."""

    status: Literal["ok"] = "ok"


def application(client: Client, database: AsyncEngine, settings: Settings) -> FastAPI:
    """The HTTP API on a Temporal namespace and a read database, which stay the caller's."""
    model = ReadModel(database)

    async def long_ago(order_id: str) -> Headline | None:
        try:
            return await model.headline(saga_id(ORDER.name, order_id))
        except (RuntimeProblem, DBAPIError) as away:
            # As with `place-order`: an order is placed without the read database, too.
            log.warning("whether order %s was placed long ago is not known: %s", order_id, away)
            return None

    app = FastAPI(
        title="durable-saga",
        description="Places orders, and tells how they and other sagas stand.",
        version="1",
    )
    published = settings.event_broker_url is not None
    orders = Orders(
        client,
        settings.saga_task_queue,
        published=published,
        long_ago=long_ago,
        lane=Lane(settings.saga_lane),
    )
    install_problems(app)
    app.include_router(command_routes(orders))
    install_queries(app, model, orders.status)

    @app.get("/healthz", tags=["service"], responses=documented(UNAVAILABLE))
    async def health() -> Health:
        """Answer if Temporal and the read database do."""
        away = await asyncio.gather(_temporal_away(client), _database_away(database))
        if any(away):
            raise Problem(UNAVAILABLE, f"No answer from {' and '.join(filter(None, away))}.")
        return Health()

    messages = order_messages()

    @app.get("/asyncapi.json", tags=["service"])
    async def asyncapi() -> JsonObject:
        """Describe, as an AsyncAPI document, what goes over the brokers."""
        return messages

    app.add_middleware(CorrelationMiddleware)
    return app


async def _temporal_away(client: Client) -> str | None:
    try:
        timeout = timedelta(seconds=HEALTH_SECONDS)
        serving = await client.service_client.check_health(timeout=timeout)
    except RPCError as error:
        log.warning("Temporal does not answer: %s", error)
        serving = False
    return None if serving else "Temporal"


async def _database_away(database: AsyncEngine) -> str | None:
    try:
        async with connection(database, HEALTH_SECONDS) as connected:
            await connected.execute(text("SELECT 1"))
    except (RuntimeProblem, DBAPIError) as error:
        log.warning("%s", error)
        return "the read database"
    return None
