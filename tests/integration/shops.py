"""The four services as one real process, with their fault switches and their books."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx

from tests.integration.books import Books
from tests.integration.processes import Child, environment, eventually, running
from tests.ports import free_ports

NAMES = ("order", "payment", "inventory", "shipping")

ENDPOINTS = {
    "create-order": ("order", "POST /orders"),
    "charge-payment": ("payment", "POST /payments"),
    "reserve-stock": ("inventory", "POST /reservations"),
    "create-shipment": ("shipping", "POST /shipments"),
    "confirm-order": ("order", "POST /orders/{order_id}/confirm"),
    "cancel-order": ("order", "POST /orders/{order_id}/cancel"),
    "refund-payment": ("payment", "POST /payments/{payment_id}/refund"),
    "release-stock": ("inventory", "POST /reservations/{reservation_id}/release"),
    "cancel-shipment": ("shipping", "POST /shipments/{shipment_id}/cancel"),
}
"""Where each step and undo of the order saga arrives."""


@dataclass(frozen=True)
class Shops:
    """The services at their addresses, made to fail and looked into by tests."""

    clients: dict[str, httpx.AsyncClient]
    books: Books

    @property
    def urls(self) -> dict[str, str]:
        """The base URLs by name."""
        return {name: str(client.base_url) for name, client in self.clients.items()}

    async def fault(self, step: str, **rule: float) -> None:
        """Make the calls of a step or undo fail; see `services.faults.FaultRule`."""
        service, endpoint = ENDPOINTS[step]
        put = await self.clients[service].put("/faults", json={"endpoint": endpoint, **rule})
        put.raise_for_status()

    async def drops_left(self, step: str) -> int:
        """How many answers of a step are still to be lost."""
        service, endpoint = ENDPOINTS[step]
        rules = (await self.clients[service].get("/faults")).json()
        [left] = [it["drop_after_commit"] for it in rules if it["endpoint"] == endpoint]
        return int(left)

    async def heal(self) -> None:
        """Take all faults back."""
        for client in self.clients.values():
            (await client.delete("/faults")).raise_for_status()

    async def answer(self) -> bool:
        """Whether all of them take calls."""
        with suppress(httpx.TransportError):
            health = [await client.get("/healthz") for client in self.clients.values()]
            return all(answer.is_success for answer in health)
        return False

    async def stock(self, pieces: int) -> str:
        """The name of a new SKU of which there are so many pieces."""
        sku = f"SKU-{uuid4().hex[:8]}"
        answer = await self.clients["inventory"].post(
            f"/stock/{sku}/restock", json={"quantity": pieces}, headers={"Idempotency-Key": sku}
        )
        answer.raise_for_status()
        return sku


@asynccontextmanager
async def clients_of(urls: dict[str, str]) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """A client for each service."""
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(
                httpx.AsyncClient(base_url=url, timeout=10, trust_env=False)
            )
            for name, url in urls.items()
        }


@asynccontextmanager
async def open_shops(home: Path, **variables: str) -> AsyncIterator[Shops]:
    """The services as `python -m services`, on free ports, with more of an environment."""
    ports = dict(zip(NAMES, free_ports(len(NAMES)), strict=True))
    options = [part for name in NAMES for part in (f"--{name}-port", str(ports[name]))]
    argv = [sys.executable, "-m", "services", *options, "--home", str(home), "--faults"]
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    async with (
        running(argv, home / "services.log", env=environment(home) | variables) as child,
        clients_of(urls) as clients,
    ):
        shops = Shops(clients, Books(home))
        await eventually(lambda: _up(child, shops))
        yield shops


async def _up(child: Child, shops: Shops) -> bool:
    assert child.process.returncode is None, child.lines
    return await shops.answer()
