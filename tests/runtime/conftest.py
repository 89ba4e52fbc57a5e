"""Settings on free ports and a home of its own, and a process that stands in for the services."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from runtime.participants import all_answer
from runtime.processes import EmbeddedProcess, Port, Ports
from runtime.settings import Settings
from tests import ports
from tests.runtime.embedding import Eventually, Standin


@pytest.fixture
def free_ports() -> Callable[[int], list[int]]:
    return ports.free_ports


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = {name.upper() for name in Settings.model_fields}
    for name in list(os.environ):
        if name.startswith("TEMPORAL_") or name in own:
            monkeypatch.delenv(name)
    # Nor a configuration file of the person who runs the tests.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@pytest.fixture
def settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_ports: Callable[[int], list[int]]
) -> Iterator[Settings]:
    temporal, ui = free_ports(2)
    monkeypatch.setenv("SAGA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SAGA_TEMPORAL_PORT", str(temporal))
    monkeypatch.setenv("SAGA_UI_PORT", str(ui))
    settings = Settings.from_environment()
    yield settings
    # A test that failed half-way must not leave servers behind.
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("SAGA_EMBEDDED", "").startswith(str(settings.saga_home)):
                process.kill()


@pytest.fixture
def standin(tmp_path: Path, free_ports: Callable[[int], list[int]]) -> Standin:
    def make(name: str = "services", ports: Sequence[int] = ()) -> EmbeddedProcess:
        wanted = dict(zip(("order", "payment"), ports or free_ports(2), strict=True))

        async def argv(ports: Ports) -> Sequence[str]:
            script = Path(__file__).with_name("standin.py")
            numbers = [str(port) for port in ports.values()]
            return [sys.executable, str(script), name, str(tmp_path / "diary"), *numbers]

        return EmbeddedProcess(
            name=name,
            ports={name: Port(port) for name, port in wanted.items()},
            argv=argv,
            healthy=all_answer,
        )

    return make


@pytest.fixture
def eventually() -> Eventually:
    async def poll(condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(10):
            while not await condition():
                await asyncio.sleep(0.02)

    return poll
