"""The services as processes: how they start, end, fail to start, and die."""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.ports import free_port
from tests.services.calls import keyed, payment

pytestmark = pytest.mark.asyncio(loop_scope="module")

REPOSITORY = Path(__file__).parents[2]
SERVICES = ("order", "payment", "inventory", "shipping")


Start = Callable[..., Awaitable[Process]]


@pytest_asyncio.fixture(loop_scope="module")
async def start() -> AsyncIterator[Start]:
    """Start `python -m services...`; what a failing test leaves behind is killed."""
    started: list[Process] = []

    async def start(*arguments: str) -> Process:
        started.append(await _start(*arguments))
        return started[-1]

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def _start(*arguments: str) -> Process:
    kept = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, cwd=REPOSITORY, env=kept, stdout=DEVNULL, stderr=PIPE
    )


@asynccontextmanager
async def client_of(port: int) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service at a port, once it answers."""
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False
    ) as client:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                await client.get("/healthz")
                break
            await asyncio.sleep(0.02)
        yield client


def ports(numbers: Sequence[int]) -> list[str]:
    """Return the options that give each service its port."""
    return [
        option
        for name, number in zip(SERVICES, numbers, strict=True)
        for option in (f"--{name}-port", str(number))
    ]


async def one_line_of(process: Process) -> tuple[int | None, str]:
    """Return how a process ended and the one line that it said."""
    _, said = await process.communicate()
    [line] = said.decode().splitlines()
    return process.returncode, line


async def test_all_four_in_one_process(start: Start, tmp_path: Path) -> None:
    numbers = [free_port() for _ in SERVICES]
    process = await start(
        "services", *ports(numbers), "--home", str(tmp_path), "--seed", "MUG=7", "CUP=8"
    )
    for name, number in zip(SERVICES, numbers, strict=True):
        async with client_of(number) as client:
            assert (await client.get("/healthz")).json()["service"] == name
            assert (tmp_path / f"{name}.db").exists()
            if name == "inventory":
                stock = (await client.get("/stock")).json()
                assert {row["sku"]: row["on_hand"] for row in stock} == {"MUG": 7, "CUP": 8}
    taken = await start("services", *ports(numbers), "--home", str(tmp_path))
    assert await one_line_of(taken) == (
        2,
        f"cannot listen on 127.0.0.1:{numbers[0]}: Address already in use",
    )
    process.send_signal(signal.SIGTERM)
    _, said = await process.communicate()
    assert process.returncode == 0
    assert "Traceback" not in said.decode()


async def test_unusable_database(start: Start) -> None:
    url = "postgresql://someone:secret@127.0.0.1:1/x"
    options = ("services.payment", "--port", str(free_port()), "--database-url", url)
    code, line = await one_line_of(await start(*options))
    assert code == 3
    assert line.startswith("cannot open postgresql")
    assert "secret" not in line


async def test_kill_loses_nothing_committed(start: Start, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'payment.db'}"
    port = free_port()
    options = ("services.payment", "--port", str(port), "--database-url", url)
    process = await start(*options)
    answered: dict[str, bytes] = {}

    async def charge_until_killed(client: httpx.AsyncClient, lane: int) -> None:
        with suppress(httpx.TransportError):
            for number in range(10_000):
                name = f"p{lane}-{number}"
                answer = await client.post("/payments", json=payment(name), headers=keyed(name))
                answered[name] = answer.content
                if len(answered) == 60:
                    process.kill()

    async with client_of(port) as client:
        await asyncio.gather(*(charge_until_killed(client, lane) for lane in range(4)))
    await process.communicate()

    restarted = await start(*options)
    async with client_of(port) as client:
        assert len(answered) >= 60
        for name, body in answered.items():
            again = await client.post("/payments", json=payment(name), headers=keyed(name))
            assert again.content == body
    restarted.send_signal(signal.SIGINT)
    await restarted.communicate()
    assert restarted.returncode == 0
