import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from runtime import embedded as supervisor
from runtime.connection import connect
from runtime.dev_server import temporal_server
from runtime.embedded import Embedded, needed_processes
from runtime.errors import PortTaken, StartFailed
from runtime.participants import all_answer, participant_services
from runtime.processes import EmbeddedProcess, Port, Ports
from runtime.record import Record, RecordedProcess, read_record
from runtime.settings import Settings
from tests.binaries import DEV_SERVER

Standin = Callable[..., EmbeddedProcess]
Eventually = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]

PROJECT = Path(supervisor.__file__).parent.parent


def pids(settings: Settings) -> dict[str, int]:
    return {name: it.pid for name, it in read_record(settings).processes.items()}


def runs(pid: int) -> bool:
    """Whether the process does more than wait to be reaped by init."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def retention_days(client: Client) -> float:
    request = DescribeNamespaceRequest(namespace=client.namespace)
    described = await client.workflow_service.describe_namespace(request)
    return described.config.workflow_execution_retention_ttl.seconds / 86400


@pytest.mark.asyncio
async def test_the_first_starts_the_second_shares_the_last_stops(
    settings: Settings, standin: Standin
) -> None:
    processes = [temporal_server(settings), standin()]
    async with Embedded(settings, processes) as second:
        async with Embedded(settings, processes) as first:
            started = pids(settings)
            assert set(started) == {"temporal", "services"}
            assert first.temporal_address == f"127.0.0.1:{settings.saga_temporal_port}"
            assert first.ui_url == f"http://127.0.0.1:{settings.saga_ui_port}"
            assert first.service_urls == second.service_urls == read_record(settings).service_urls

        assert pids(settings) == started
        client = await connect(settings)
        assert client.service_client.config.target_host == second.temporal_address
        assert await retention_days(client) == 30

    assert not any(runs(pid) for pid in started.values())
    assert Record.load(settings.saga_home).processes == {}
    assert list((settings.saga_home / "workers").iterdir()) == []


@pytest.mark.asyncio
async def test_those_who_attach_at_once_start_one(settings: Settings, standin: Standin) -> None:
    process = standin()
    workers = [Embedded(settings, [process]) for _ in range(4)]

    await asyncio.gather(*(worker.__aenter__() for worker in workers))
    alike = {tuple(sorted(worker.service_urls.items())) for worker in workers}
    (pid,) = pids(settings).values()
    await asyncio.gather(*(worker.__aexit__(None, None, None) for worker in workers))

    assert len(alike) == 1
    assert not runs(pid)


@pytest.mark.asyncio
async def test_a_killed_worker_leaves_all_running_for_the_next(settings: Settings) -> None:
    worker = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("attach.py")],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
    )
    assert worker.stdout is not None
    with worker.stdout as output:
        assert await asyncio.to_thread(output.readline) == b"attached\n"
    client = await connect(settings)
    await client.start_workflow("PlaceOrder", id="order-1", task_queue="nobody")
    left = pids(settings)

    worker.kill()
    worker.wait()

    assert len(list((settings.saga_home / "workers").iterdir())) == 1
    async with Embedded(settings, [temporal_server(settings)]):
        assert pids(settings) == left
        assert await retention_days(client) == 30
        described = await (await connect(settings)).get_workflow_handle("order-1").describe()
        assert described.workflow_type == "PlaceOrder"
    assert not runs(left["temporal"])


@pytest.mark.asyncio
async def test_a_crashed_process_is_started_again_where_it_was(
    settings: Settings,
    standin: Standin,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "WATCH_INTERVAL", 0.1)
    async with Embedded(settings, [temporal_server(settings), standin()]) as embedded:
        before, urls = pids(settings), embedded.service_urls
        client = await connect(settings)
        await client.start_workflow("PlaceOrder", id="order-1", task_queue="nobody")

        for pid in before.values():
            os.kill(pid, signal.SIGKILL)

        async def all_are_new() -> bool:
            now = pids(settings)
            return set(now) == set(before) and not set(now.values()) & set(before.values())

        await eventually(all_are_new)
        await eventually(lambda: all_answer(read_record(settings).processes["services"].ports))
        assert read_record(settings).service_urls == urls
        described = await client.get_workflow_handle("order-1").describe()
        assert described.workflow_type == "PlaceOrder"


@pytest.mark.asyncio
async def test_a_silent_process_is_replaced(
    settings: Settings,
    standin: Standin,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "WATCH_INTERVAL", 0.1)
    monkeypatch.setattr(supervisor, "ANSWER_TIMEOUT", 0.2)
    monkeypatch.setattr("runtime.processes.STOP_TIMEOUT", 0.2)
    async with Embedded(settings, [standin()]):
        (silent,) = pids(settings).values()
        os.kill(silent, signal.SIGSTOP)

        async def replaced() -> bool:
            return silent not in pids(settings).values() and len(pids(settings)) == 1

        await eventually(replaced)
        assert not runs(silent)


@pytest.mark.asyncio
async def test_a_recycled_pid_is_not_ours(settings: Settings, standin: Standin) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        process = standin()
        settings.saga_home.mkdir()
        created = psutil.Process(bystander.pid).create_time() - 60
        argv = list(await process.argv(process.preferred_ports))
        recorded = RecordedProcess(
            pid=bystander.pid, created=created, ports=process.preferred_ports, argv=argv
        )
        Record(processes={"services": recorded}).save(settings.saga_home)

        assert pids(settings) == {}
        async with Embedded(settings, [process]):
            assert bystander.pid not in pids(settings).values()

        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.asyncio
async def test_what_was_never_recorded_is_found_and_stopped(
    settings: Settings, standin: Standin
) -> None:
    process = standin()
    async with Embedded(settings, [process]):
        (unrecorded,) = pids(settings).values()
        (settings.saga_home / "embedded.json").unlink()
        async with Embedded(settings, [process]):
            assert not runs(unrecorded)
            assert len(pids(settings)) == 1


@pytest.mark.asyncio
async def test_one_left_with_other_options_is_replaced_unless_shared(
    settings: Settings, standin: Standin
) -> None:
    old = standin()

    async def argv(ports: Ports) -> Sequence[str]:
        python, *arguments = await old.argv(ports)
        return [python, "-u", *arguments]

    new = replace(old, argv=argv)
    async with Embedded(settings, [old]):
        started = pids(settings)
        async with Embedded(settings, [new]):
            assert pids(settings) == started

        for registration in (settings.saga_home / "workers").iterdir():
            registration.unlink()  # as a kill leaves it: held by nobody
        async with Embedded(settings, [new]):
            assert pids(settings) != started


@pytest.mark.asyncio
async def test_they_end_in_reverse_and_out_of_reach_of_ctrl_c(
    settings: Settings, standin: Standin, tmp_path: Path
) -> None:
    # Looking for one that already runs makes it the last to start.
    server = replace(standin("server"), joins_at="order")
    async with Embedded(settings, [server, standin("client")]):
        assert [os.getsid(pid) for pid in pids(settings).values()] == list(pids(settings).values())

    assert (tmp_path / "diary").read_text() == "client ended\nserver ended\n"


@pytest.mark.asyncio
async def test_credentials_stay_with_the_worker(
    settings: Settings, standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_API_KEY", "secret")
    monkeypatch.setenv("READ_DATABASE_URL", "postgresql://user:secret@host/db")

    async with Embedded(settings, [standin()]):
        (pid,) = pids(settings).values()
        assert "secret" not in str(psutil.Process(pid).environ())


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
async def test_a_process_that_fails_shows_its_last_words(settings: Settings) -> None:
    async def argv(_ports: object) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit('no such table')"]

    broken = EmbeddedProcess("services", {"order": Port(1)}, argv, all_answer)

    with pytest.raises(StartFailed, match=r"services did not start \(no such table\): see /"):
        await Embedded(settings, [broken]).__aenter__()
    assert list((settings.saga_home / "workers").iterdir()) == []


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
