"""`python worker.py` as a process: it brings what it needs, and leaves nothing behind."""

import json
import signal
import socket
import time

import httpx
import pytest
from temporalio.testing import WorkflowEnvironment

from saga import Status
from tests.integration.house import House, options_of
from tests.integration.processes import eventually
from tests.integration.shops import Shops
from tests.integration.stage import an_order
from tests.ports import free_ports
from workers.sagas import POLLS

READY_WITHIN = 6.0
"""Seconds from the command to the first order, everything embedded."""


async def leaves(house: House, number: signal.Signals = signal.SIGTERM) -> None:
    """The last worker ends well on a signal, and all that it brought along with it."""
    house.workers[-1].send(number)
    assert await house.workers[-1].ended() == 0
    assert not any("Traceback" in line for line in house.workers[-1].lines)
    assert house.processes() == []
    assert house.record.processes == {}


def polls(metrics: str, of: str) -> int:
    """How many polls wait for the sagas' tasks, by the SDK's metrics."""
    labels = (f'poller_type="{of}"', 'task_queue="sagas"')
    lines = [line for line in metrics.splitlines() if line.startswith("temporal_num_pollers{")]
    [line] = [line for line in lines if all(label in line for label in labels)]
    return int(float(line.rpartition(" ")[2]))


@pytest.mark.alone
async def test_one_command_and_orders_are_taken(house: House) -> None:
    [metrics] = free_ports(1)
    began = time.monotonic()
    await house.ready_worker("--metrics", f"127.0.0.1:{metrics}")
    assert time.monotonic() - began < READY_WITHIN

    order = an_order()
    placed = await house.starter("place-order", *options_of(order), "--wait", "--json")
    assert (placed.code, placed.err) == (0, "")
    assert json.loads(placed.out)["status"] == Status.COMPLETED

    async def projected() -> bool:
        shown = await house.starter("status", order.order_id, "--json")
        return shown.code == 0 and json.loads(shown.out)["status"] == Status.COMPLETED

    await eventually(projected)
    async with httpx.AsyncClient(trust_env=False) as client:
        told = (await client.get(f"http://127.0.0.1:{metrics}/metrics")).text
    assert 'activity_type="charge_payment"' in told
    # Of a backlog it takes in no more than it works off.
    assert polls(told, "workflow_task") == 1
    assert polls(told, "sticky_workflow_task") == POLLS - 1
    await leaves(house, signal.SIGINT)


@pytest.mark.long
async def test_a_saga_of_ones_own_needs_no_more_than_its_module(house: House) -> None:
    await house.ready_worker("--saga", "examples.trip")
    trip = json.dumps({"trip_id": "17", "hotel": "Ritz", "flight": "full"})
    start = ("start", "examples.trip", trip)
    told = await house.starter(*start, "--wait")
    assert (told.code, told.err) == (1, "")
    assert "undo book-hotel" in told.out
    again = await house.starter(*start)
    assert (again.code, again.out.splitlines()[0]) == (
        1,
        "trip 17 was already started: compensated",
    )
    other = await house.starter("start", "examples.trip", trip.replace("Ritz", "Astoria"))
    assert (other.code, other.out) == (2, "")
    assert "trip 17 was started before with another content" in other.err

    async def projected() -> bool:
        shown = await house.starter("status", "17", "--type", "trip", "--json")
        return shown.code == 0 and json.loads(shown.out)["status"] == Status.COMPENSATED

    await eventually(projected)
    await leaves(house, signal.SIGINT)


@pytest.mark.long
async def test_an_order_under_way_outlasts_its_worker(house: House) -> None:
    await house.ready_worker("--faults")
    order = an_order()
    async with house.stage() as stage:
        await stage.shops.fault("charge-payment", latency_ms=1000)
        handle = await stage.place(order)
        await eventually(lambda: stage.pending(handle, "charge-payment"))
        await leaves(house)
        assert stage.shops.books.of(order.order_id) == {"order": "pending", "payment": "captured"}

    await house.ready_worker()
    async with house.stage() as stage:
        handle = await stage.place(order)
        assert (await stage.closed(handle)).status is Status.COMPLETED
        assert stage.shops.books.versions(order.order_id) == (2, 1, 1, 1)
    await leaves(house)


@pytest.mark.long
async def test_the_last_one_out_puts_out_the_lights(house: House) -> None:
    first = await house.ready_worker()
    brought = house.pids
    second = await house.ready_worker()
    assert house.pids == brought

    first.send(signal.SIGTERM)
    assert await first.ended() == 0
    assert house.pids == brought
    assert second.process.returncode is None
    async with house.stage() as stage:
        assert (await stage.end(an_order())).status is Status.COMPLETED
    await leaves(house)


async def test_a_taken_port_is_one_line(house: House) -> None:
    with socket.create_server(("127.0.0.1", house.temporal_port)):
        worker = await house.worker(SAGA_LOG_LEVEL="ERROR")
        assert await worker.ended() == 2
    [line] = worker.lines
    assert f"port {house.temporal_port} is taken" in line
    assert "SAGA_TEMPORAL_PORT" in line
    assert house.processes() == []


async def test_an_unusable_read_database_is_one_line(
    house: House, server: WorkflowEnvironment, shops: Shops, postgres_url: str
) -> None:
    (house.home / "no-database").write_text("A text, and long enough to be taken for a database.")
    elsewhere = {f"{name.upper()}_SERVICE_URL": url for name, url in shops.urls.items()}
    elsewhere["TEMPORAL_ADDRESS"] = server.client.service_client.config.target_host
    urls = (
        "mysql://127.0.0.1/read",
        f"sqlite:///{house.home}",
        f"sqlite:///{house.home}/no-database",
        postgres_url.replace("/postgres?", "/nobody-made-this?"),
    )
    workers = [
        await house.worker(READ_DATABASE_URL=url, SAGA_LOG_LEVEL="ERROR", **elsewhere)
        for url in urls
    ]
    for url, worker in zip(urls, workers, strict=True):
        assert await worker.ended() == 2, url
        [line] = worker.lines
        assert "READ_DATABASE_URL" in line
