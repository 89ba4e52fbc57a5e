"""What the tests of the services send, how they serve an application, what they expect back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from services.application import database_of
from services.server import Listener, serve
from tests.ports import free_port


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an application over HTTP and yield a client of it."""
    port = free_port()
    stop = asyncio.Event()
    serving = asyncio.create_task(serve([Listener(app, "127.0.0.1", port)], stop))
    await asyncio.sleep(0)
    limits = httpx.Limits(max_connections=200)
    base_url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(
            base_url=base_url, limits=limits, timeout=20, trust_env=False
        ) as client:
            await client.get("/healthz")
            yield client
    finally:
        stop.set()
        await serving


@asynccontextmanager
async def called(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client that calls an application without a connection between, which is quicker."""
    database = database_of(app)
    await database.open()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client
    await database.close()


Headers = dict[str, str]


def keyed(key: str, undoes: str | None = None) -> Headers:
    """Return the headers of a mutating request."""
    return {"Idempotency-Key": key} | ({} if undoes is None else {"Undoes-Key": undoes})


Body = dict[str, object]


def payment(payment_id: str = "p1", **changes: object) -> Body:
    """Return the body of a charge."""
    body: Body = {
        "payment_id": payment_id,
        "order_id": "o1",
        "customer_id": "c1",
        "amount_minor": 2820,
        "currency": "USD",
        "card_token": "tok_visa",
    }
    return body | changes


def reservation(reservation_id: str = "r1", **pieces: int) -> Body:
    """Return the body of a reservation."""
    lines = [{"sku": sku, "quantity": quantity} for sku, quantity in pieces.items()]
    return {"reservation_id": reservation_id, "order_id": "o1", "lines": lines}


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    """Return status and type of a problem document, checked for its form."""
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() == {"type", "title", "status", "detail", "instance"}
    assert problem["status"] == answer.status_code
    assert problem["instance"] == answer.request.url.path
    return answer.status_code, problem["type"]
