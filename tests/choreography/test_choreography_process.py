"""What happens around the orders: a loop of events, starting, stopping, starting again."""

import asyncio
import signal
import sys
from pathlib import Path

import httpx
from pydantic import BaseModel

from brokers.consumer import Handler, Received
from services.choreography.events import (
    CHOREOGRAPHY,
    SERVICES,
    OrderPlaced,
    PaymentFailed,
    PaymentRefunded,
    catalogue,
)
from services.choreography.participant import Participant, tell
from tests.choreography.twin import as_event, twin_in
from tests.integration.processes import ROOT, Child, environment, eventually
from tests.integration.stage import an_order
from tests.ports import free_ports


async def test_a_loop_of_events_ends_in_a_dead_letter(tmp_path: Path) -> None:
    known = catalogue("order")

    async def ping(got: Received[PaymentFailed]) -> None:
        await tell(known, got.session, got.event, PaymentRefunded(**got.data.model_dump()))

    async def pong(got: Received[OrderPlaced | PaymentRefunded]) -> None:
        it = PaymentFailed(order_id=got.data.order_id, reason="a loop")
        await tell(known, got.session, got.event, it)

    async with twin_in(tmp_path, {}) as twin:
        databases, broker = twin.house.databases, twin.broker
        await twin.house.place(as_event(an_order()))
        await twin.house.participants["order"].relay.publish_some()
        one = Participant("order", databases["order"], broker, known, {PaymentFailed: ping})
        answers: dict[type[BaseModel], Handler] = {OrderPlaced: pong, PaymentRefunded: pong}
        other = Participant("payment", databases["payment"], broker, known, answers)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(it.run()) for it in (one, other)]

            async def buried() -> bool:
                return any([await broker.dead_letters(CHOREOGRAPHY, name) for name in SERVICES])

            await eventually(buried)
            for task in tasks:
                task.cancel()
        depths = [message.event().chaindepth for message in broker.messages["choreography"]]
        assert depths == list(range(18))


async def test_orders_by_http_until_sigterm(tmp_path: Path) -> None:
    ports = dict(zip(SERVICES, free_ports(4), strict=True))
    options = [part for name, port in ports.items() for part in (f"--{name}-port", str(port))]
    argv = [sys.executable, "-m", "services.choreography", *options]
    env = environment(tmp_path)
    child = await Child.start(argv, tmp_path / "log", env=env, cwd=ROOT)
    try:
        url = f"http://127.0.0.1:{ports['order']}"
        await child.says("Shipping service on", seconds=50)
        order = as_event(an_order())
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            for _ in range(2):
                answer = await client.post(
                    "/choreography/orders",
                    json=order.model_dump(),
                    headers={"Idempotency-Key": "once"},
                )
                assert answer.status_code == 202

            async def confirmed() -> bool:
                found = await client.get(f"/orders/{order.order_id}")
                return bool(found.json()["status"] == "confirmed")

            await eventually(confirmed)
        child.send(signal.SIGTERM)
        assert await child.ended() == 0
    finally:
        await child.kill()


async def test_a_broker_nobody_knows_is_one_line(tmp_path: Path) -> None:
    env = environment(tmp_path) | {"EVENT_BROKER_URL": "pigeon://loft"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.choreography"),
        stderr=asyncio.subprocess.PIPE,
        env=env,
        cwd=ROOT,
    )
    _, err = await process.communicate()
    assert process.returncode == 2
    assert err.decode().startswith("EVENT_BROKER_URL: no broker for pigeon://")
    assert err.decode().count("\n") == 1
