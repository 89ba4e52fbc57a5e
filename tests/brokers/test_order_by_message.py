"""An order that comes as a message, over a real broker, through processes of their own."""

import json
import signal
import sys
from pathlib import Path

import httpx
import pytest

from tests.cli.here import Here
from tests.integration.house import House
from tests.integration.processes import eventually, running
from tests.ports import free_ports

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.long]

ORDER = {
    "order_id": "o-1",
    "customer_id": "c-1",
    "card_token": "tok_visa",
    "ship_to": "1 Main St, Springfield",
    "items": [{"sku": "BOOK", "quantity": 2, "unit_price_minor": 1250}],
}
REFUND = {"order_id": "o-1", "payment_id": "payment-o-1", "reason": "broken"}


async def test_an_order_by_message(
    rabbitmq_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = {"EVENT_BROKER_URL": rabbitmq_url}
    house, here = House(tmp_path, settings=settings), Here(monkeypatch, capsys)
    try:
        # Sent before anyone takes it, and then once more.
        for _ in range(2):
            arguments = ("PlaceOrder", json.dumps(ORDER), "--id", "m-1")
            sent = await here.run(settings, "send", *arguments)
            assert (sent.code, sent.err) == (0, "")
            assert sent.out == "sent PlaceOrder m-1 to order-intake on order-commands\n"
        worker = await house.ready_worker("--consume")
        notified, copied = free_ports(2)
        argv = [sys.executable, "-m", "services.consumers"]
        argv += ["--notification-port", str(notified), "--order-copy-port", str(copied)]
        async with (
            running(argv, tmp_path / "consumers.log", env=house.variables) as consumers,
            httpx.AsyncClient(trust_env=False) as client,
        ):

            async def shown(url: str) -> dict[str, object] | None:
                try:
                    answer = await client.get(url)
                except httpx.TransportError:
                    return None
                document: dict[str, object] = answer.json()
                return document if answer.status_code == 200 else None

            confirmation = f"http://127.0.0.1:{notified}/confirmations/o-1"
            sent_to = await eventually(lambda: shown(confirmation), seconds=60)
            assert (sent_to["customer_id"], sent_to["correlation_id"]) == ("c-1", "order-o-1")

            async def confirmed() -> bool:
                order = await shown(f"http://127.0.0.1:{copied}/orders/o-1")
                return order is not None and order["status"] == "confirmed"

            await eventually(confirmed)
            refund = await here.run(settings, "send", "ProcessRefund", json.dumps(REFUND))
            assert (refund.code, refund.err) == (0, "")
            payment = f"{house.record.service_urls['payment']}/payments/payment-o-1"

            async def refunded() -> bool:
                paid = await shown(payment)
                return paid is not None and paid["status"] == "refunded"

            await eventually(refunded)
            consumers.send(signal.SIGTERM)
            assert await consumers.ended() == 0
            assert not any("Traceback" in line for line in consumers.lines)
        worker.send(signal.SIGTERM)
        assert await worker.ended() == 0
        assert not any("Traceback" in line for line in worker.lines)
        assert [line for line in worker.lines if "m-1 starts order-o-1" in line]
    finally:
        await house.clear()
