"""Callers of the HTTP API, in the tests' own process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from temporalio.client import Client

from api.application import application
from read_model.database import open_database
from runtime.settings import Settings
from tests.cli.shop import Shop

ORDER: dict[str, object] = {
    "customer_id": "C-1",
    "items": [
        {"sku": "BOOK", "quantity": 2, "unit_price": "12.50"},
        {"sku": "PEN", "quantity": 1, "unit_price": 3.20},
    ],
    "card_token": "tok_visa",
    "ship_to": "1 Main St, Springfield",
}
PROBLEM = "application/problem+json"


def caller(app: FastAPI) -> httpx.AsyncClient:
    """A client of an application; a bug in it is answered, as it would be by a server."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://api")


@asynccontextmanager
async def api_of(
    shop: Shop, *, client: Client | None = None, database_url: str | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API of a shop."""
    settings = Settings(saga_home=shop.folder, saga_task_queue=shop.task_queue)
    database = open_database(database_url or shop.database_url)
    async with caller(application(client or shop.env.client, database, settings)) as api:
        yield api
    await database.dispose()


def problem_of(answer: httpx.Response) -> tuple[int, str, str]:
    """The status, the type and the detail of a problem."""
    assert answer.headers["content-type"] == PROBLEM, answer.text
    document = answer.json()
    assert document["status"] == answer.status_code
    assert document["title"]
    assert document["instance"] == answer.request.url.path
    return answer.status_code, document["type"], document["detail"]
