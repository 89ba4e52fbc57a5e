"""What runs embedded beside others: ports that are taken, a server and services elsewhere."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable

import pytest
from temporalio.testing import WorkflowEnvironment

from runtime import embedded as supervisor
from runtime.connection import connect
from runtime.dev_server import temporal_server
from runtime.embedded import Embedded, needed_processes
from runtime.errors import PortTaken
from runtime.participants import participant_services
from runtime.record import Record, RecordedProcess, read_record
from runtime.settings import Settings
from tests.binaries import DEV_SERVER
from tests.runtime.embedding import Eventually, Standin, pids, retention_days


@pytest.mark.asyncio
async def test_services_move_from_a_taken_port_and_stay_there(
    settings: Settings,
    standin: Standin,
    eventually: Eventually,
    free_ports: Callable[[int], list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "WATCH_INTERVAL", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        embedded = Embedded(settings, [standin(ports=[taken, *free_ports(1)])])
        await embedded.__aenter__()
    try:
        urls = embedded.service_urls
        assert urls["order"] != f"http://127.0.0.1:{taken}"
        (pid,) = pids(settings).values()

        os.kill(pid, signal.SIGKILL)

        async def answers_again() -> bool:
            return pid not in pids(settings).values() and bool(pids(settings))

        await eventually(answers_again)
        assert read_record(settings).service_urls == urls
    finally:
        await embedded.__aexit__(None, None, None)


@pytest.mark.asyncio
async def test_homes_that_start_at_once_have_services_of_their_own(
    settings: Settings, standin: Standin
) -> None:
    process = standin()
    homes = [settings.model_copy(update={"saga_home": settings.saga_home / name}) for name in "abc"]
    embedded = [Embedded(home, [process]) for home in homes]
    await asyncio.gather(*(it.__aenter__() for it in embedded))
    try:
        urls = [url for it in embedded for url in it.service_urls.values()]
        assert len(set(urls)) == 2 * len(homes)
        assert all(it.listens() for home in homes for it in read_record(home).processes.values())
    finally:
        await asyncio.gather(*(it.__aexit__(None, None, None) for it in embedded))


@pytest.mark.asyncio
@pytest.mark.parametrize("variable", ["SAGA_TEMPORAL_PORT", "SAGA_UI_PORT"])
async def test_a_port_of_another_program_is_one_line(
    settings: Settings, standin: Standin, variable: str
) -> None:
    port = getattr(settings, variable.lower())
    with socket.create_server(("127.0.0.1", port)), pytest.raises(PortTaken) as caught:
        await Embedded(settings, [temporal_server(settings), standin()]).__aenter__()

    assert f"port {port} is taken" in str(caught.value)
    assert variable in str(caught.value)
    assert "\n" not in str(caught.value)
    assert Record.load(settings.saga_home).processes == {}


@pytest.mark.asyncio
async def test_a_server_already_running_is_used_and_left_alone(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    port = settings.saga_temporal_port
    settings.saga_home.mkdir()
    ended = RecordedProcess(pid=1, created=1.0, ports={"grpc": 1, "ui": 2}, argv=[])
    Record(processes={"temporal": ended}).save(settings.saga_home)
    async with await WorkflowEnvironment.start_local(
        port=port, dev_server_existing_path=DEV_SERVER
    ) as server:
        async with Embedded(settings, [temporal_server(settings)]) as embedded:
            assert embedded.temporal_address == f"localhost:{port}"
            assert embedded.ui_url is None
            assert pids(settings) == {}

        await connect(settings)
        assert await retention_days(server.client) < 30
    assert f"using the Temporal server already running on localhost:{port}" in caplog.text


@pytest.mark.asyncio
async def test_everything_configured_needs_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.internal:7233")
    for name in ("order", "payment", "inventory", "shipping"):
        monkeypatch.setenv(f"{name.upper()}_SERVICE_URL", f"http://{name}.internal")

    async with Embedded(Settings.from_environment()) as embedded:
        assert embedded.temporal_address == "temporal.internal:7233"
        assert embedded.service_urls["shipping"] == "http://shipping.internal"
    assert not settings.saga_home.exists()


@pytest.mark.asyncio
async def test_what_is_not_configured_is_needed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [it.name for it in needed_processes(settings)] == ["temporal", "services"]
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.internal:7233")
    assert [it.name for it in needed_processes(settings)] == ["services"]

    services = participant_services(settings, faults=True)
    argv = await services.argv(services.preferred_ports)
    assert argv[1:5] == ["-m", "services", "--order-port", "8001"]
    assert argv[-3:] == ["--home", str(settings.saga_home), "--faults"]
