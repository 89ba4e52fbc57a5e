"""What runs embedded: shared by all who attach, watched, and stopped by the last."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from runtime import embedded as supervisor
from runtime.connection import connect
from runtime.dev_server import temporal_server
from runtime.embedded import Embedded
from runtime.errors import StartFailed
from runtime.participants import all_answer
from runtime.processes import EmbeddedProcess, Port, Ports
from runtime.record import Record, RecordedProcess, read_record
from runtime.settings import Settings
from tests.runtime.embedding import Eventually, Standin, pids, retention_days

PROJECT = Path(supervisor.__file__).parent.parent


def runs(pid: int) -> bool:
    """Whether the process does more than wait to be reaped by init."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


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
async def test_a_process_that_fails_shows_its_last_words(settings: Settings) -> None:
    async def argv(_ports: object) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit('no such table')"]

    broken = EmbeddedProcess("services", {"order": Port(1)}, argv, all_answer)

    with pytest.raises(StartFailed, match=r"services did not start \(no such table\): see /"):
        await Embedded(settings, [broken]).__aenter__()
    assert list((settings.saga_home / "workers").iterdir()) == []
