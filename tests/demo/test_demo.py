"""The demo as its user runs it: a process, on ports and a SAGA_HOME of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from runtime.locks import Registration
from tests.integration.house import House

pytestmark = pytest.mark.slow

UNDONE = "stock {}, payment refunded, order cancelled"
COMPLETED = (
    "as told: completed; shipment created, stock reserved, payment captured, order confirmed"
)
OUTCOMES = [
    {COMPLETED},
    {"as told: compensated; order cancelled"},
    {"as told: compensated; payment refunded, order cancelled"},
    {f"as told: compensated; {UNDONE.format('released')}"},
    # Whether the cancel or the reservation came first.
    {f"as told: compensated; {UNDONE.format(status)}" for status in ("void", "released")},
    {COMPLETED},
]


@pytest_asyncio.fixture(loop_scope="session")
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    yield house
    await house.clear()


async def start(house: House, **variables: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "demo"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=house.variables | variables,
        start_new_session=True,
    )


async def run(house: House, **variables: str) -> tuple[int | None, list[str]]:
    demo = await start(house, **variables)
    output, _ = await demo.communicate()
    return demo.returncode, output.decode().splitlines()


async def test_all_goes_as_told(house: House) -> None:
    code, lines = await run(house)
    assert code == 0, lines
    outcomes = [line for line in lines if line.startswith("as told:")]
    assert len(outcomes) == len(OUTCOMES)
    for outcome, expected in zip(outcomes, OUTCOMES, strict=True):
        assert outcome in expected
    histories = [line for line in lines if line.startswith("history:")]
    address = f"http://127.0.0.1:{house.ui_port}/namespaces/default/workflows/order-demo-"
    assert len([line for line in histories if address in line]) == len(OUTCOMES)
    assert "6 orders: 4 compensated, 2 completed" in lines
    assert any(line.startswith("clean: logs and books agree") for line in lines)
    assert house.processes() == []


async def test_an_interrupted_demo_leaves_nothing_running(house: House) -> None:
    demo = await start(house)
    assert demo.stdout is not None
    while b"as told:" not in (line := await demo.stdout.readline()):
        assert line, "it has ended"
    # As a terminal does it: to everyone in the foreground.
    os.killpg(demo.pid, signal.SIGINT)
    await demo.communicate()
    assert demo.returncode == 130
    assert house.processes() == []


async def test_it_stays_away_from_a_home_that_is_in_use(house: House) -> None:
    registration = Registration.make(house.home)
    code, lines = await run(house)
    registration.release()
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith(f"demo: another worker runs on {house.home}")


async def test_it_stays_away_from_servers_that_are_not_its_own(house: House) -> None:
    code, lines = await run(
        house, TEMPORAL_ADDRESS="temporal.internal:7233", ORDER_SERVICE_URL="http://orders.internal"
    )
    assert (code, len(lines)) == (1, 1)
    assert "unset TEMPORAL_ADDRESS" in lines[0]
    assert "ORDER_SERVICE_URL" in lines[0]
