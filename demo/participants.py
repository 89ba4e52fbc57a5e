"""The embedded services as the demo and the measurements use them, over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from uuid import uuid4

import httpx
from pydantic import BaseModel

from contracts import ids
from runtime.record import read_record
from runtime.settings import Settings


class ServiceTrouble(Exception):
    """A service does not answer, or not as it should; `str()` is one line."""


class Kept(BaseModel):
    """What a service keeps for an order."""

    status: str
    version: int
    """How often it was written: 1 for an effect, 2 for one that was taken back."""
    occurred_at: datetime


class Participants:
    """The four services of a SAGA_HOME; every method raises ServiceTrouble."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._http = httpx.Client(trust_env=False)

    def heal(self) -> None:
        """Remove every fault; the worker was started with `--faults`."""
        for service in self._settings.service_urls:
            self._call("DELETE", service, "/faults")

    @contextmanager
    def holding(self, service: str, endpoint: str, seconds: float) -> Iterator[None]:
        """Let an endpoint, e.g. `POST /payments`, take its time before it does anything."""
        rule = {"endpoint": endpoint, "latency_ms": int(seconds * 1000)}
        self._call("PUT", service, "/faults", rule)
        try:
            yield
        finally:
            # A service that is gone has no faults either.
            with suppress(ServiceTrouble):
                self._call("DELETE", service, "/faults")

    def stock(self, sku: str, pieces: int) -> int:
        """See to it that so many pieces can be had; how many there are then."""
        found = self._call("GET", "inventory", f"/stock/{sku}")
        available = int(found.json()["available"]) if found.is_success else 0
        if available < pieces:
            self._call("POST", "inventory", f"/stock/{sku}/restock", {"quantity": pieces})
            available += pieces
        return available

    def kept(self, order_id: str) -> dict[str, Kept]:
        """What they keep for an order, what is made last first."""
        places = {
            "shipment": ("shipping", f"/shipments/{ids.shipment_id(order_id)}"),
            "stock": ("inventory", f"/reservations/{ids.reservation_id(order_id)}"),
            "payment": ("payment", f"/payments/{ids.payment_id(order_id)}"),
            "order": ("order", f"/orders/{order_id}"),
        }
        found = {name: self._call("GET", *place) for name, place in places.items()}
        return {
            name: Kept.model_validate_json(answer.content)
            for name, answer in found.items()
            if answer.is_success
        }

    def _call(self, method: str, service: str, path: str, body: object = None) -> httpx.Response:
        url = read_record(self._settings).service_urls.get(service)
        if url is None:
            raise ServiceTrouble(f"the {service} service does not run any more")
        headers = {"Idempotency-Key": f"{service}/{uuid4()}"}
        try:
            response = self._http.request(method, url + path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise ServiceTrouble(f"{service} service, {method} {path}: {error!r}") from error
        if response.is_error and response.status_code != httpx.codes.NOT_FOUND:
            raise ServiceTrouble(f"{service} service, {method} {path}: {response.status_code}")
        return response
