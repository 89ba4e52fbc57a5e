"""The API as a process: in a worker's, and alone."""

import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from api.address import Address, listening
from runtime.errors import PortTaken, SettingsError
from tests.api.callers import ORDER
from tests.integration.house import House
from tests.integration.processes import Child, eventually, running
from tests.ports import free_ports


@pytest_asyncio.fixture(loop_scope="session")
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house without anyone in it."""
    house = House(tmp_path)
    yield house
    await house.clear()


def alone(*options: str) -> list[str]:
    return [sys.executable, "-m", "api", *options]


async def last_words(child: Child) -> tuple[int, str]:
    """The exit code and the one line of a process that ends by itself."""
    code = await child.ended()
    [line] = child.lines
    return code, line


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.long
async def test_the_api_in_a_workers_process_and_alone(house: House, tmp_path: Path) -> None:
    first, second = free_ports(2)
    here, there = f"127.0.0.1:{first}", f"127.0.0.1:{second}"
    worker = await house.ready_worker("--api", here)
    async with httpx.AsyncClient(trust_env=False) as client:
        placed = await client.post(f"http://{here}/orders", json=ORDER)
        assert placed.status_code == 202
        path = placed.headers["location"]

        async def completed() -> bool:
            order = (await client.get(f"http://{here}{path}")).json()
            return bool(order["status"] == "completed")

        await eventually(completed)
        # Where nothing is configured, what the worker has started is used.
        async with running(
            alone("--listen", there), tmp_path / "alone.log", env=house.variables
        ) as child:
            await child.says("HTTP API")
            order = await client.get(f"http://{there}{path}")
            assert (order.status_code, order.json()["status"]) == (200, "completed")
            assert (await client.get(f"http://{there}/healthz")).status_code == 200
            child.send(signal.SIGTERM)
            assert await child.ended() == 0
            assert not any("Traceback" in line for line in child.lines)
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0
    assert not any("Traceback" in line for line in worker.lines)
    assert house.processes() == []


@pytest.mark.asyncio(loop_scope="session")
async def test_alone_it_needs_a_server(house: House, tmp_path: Path) -> None:
    [port] = free_ports(1)
    argv = alone("--listen", f"127.0.0.1:{port}")
    async with running(argv, tmp_path / "alone.log", env=house.variables) as child:
        code, line = await last_words(child)
    assert code == 3
    assert line.startswith("api: no Temporal server answers at localhost:")


def test_a_port_that_is_taken_is_told() -> None:
    address = Address("127.0.0.1", free_ports(1)[0])
    told = rf"cannot listen on {address} \(Address already in use\): give another HOST:PORT"
    with listening(address), pytest.raises(PortTaken, match=told), listening(address):
        pass
    with listening(address):
        pass


def test_a_host_of_another_machine_is_told() -> None:
    with pytest.raises(SettingsError, match=r"cannot listen on 192\.0\.2\.1:80"):
        listening(Address("192.0.2.1", 80)).__enter__()


@pytest.mark.parametrize(
    ("text", "address", "local"),
    [
        ("127.0.0.1:8000", Address("127.0.0.1", 8000), True),
        ("[::1]:80", Address("::1", 80), True),
        ("localhost:1", Address("localhost", 1), True),
        ("0.0.0.0:8000", Address("0.0.0.0", 8000), False),
        ("[::]:8000", Address("::", 8000), False),
        ("api.internal:8000", Address("api.internal", 8000), False),
    ],
)
def test_addresses(text: str, address: Address, local: bool) -> None:
    assert Address.of(text) == address
    assert str(address) == text
    assert address.local is local


@pytest.mark.parametrize("text", ["", "8000", ":8000", "host:", "host:x", "host:65536", "host:-1"])
def test_what_is_no_address_is_told(text: str) -> None:
    with pytest.raises(SettingsError, match="give HOST:PORT"):
        Address.of(text)
