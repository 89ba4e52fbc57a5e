"""A URL that cannot be used is told in one line, and a database that hangs hangs nobody."""

import asyncio
import gc
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from read_model import database
from read_model.database import close_database, connection, open_database
from read_model.migration import migrate
from read_model.projector import SagaProjector
from read_model.queries import ReadModel
from runtime.errors import ServerUnreachable, SettingsError
from tests.read_model.states import completed


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://host/sagas",
        "postgresql+psycopg://host/sagas",
        "postgresql://user:hunter2@host:port/sagas",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////proc/nowhere/read.db",
    ],
)
def test_a_bad_url_is_one_line_that_keeps_the_password(url: str) -> None:
    with pytest.raises(SettingsError, match="READ_DATABASE_URL") as caught:
        open_database(url)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///{}/read.db", "sqlite+aiosqlite"),
        ("sqlite+aiosqlite:///{}/read.db", "sqlite+aiosqlite"),
        ("postgres://host/sagas", "postgresql+asyncpg"),
        ("postgresql://host/sagas?sslmode=require", "postgresql+asyncpg"),
    ],
)
def test_a_good_url_gets_its_driver(url: str, driver: str, tmp_path: Path) -> None:
    assert open_database(url.format(tmp_path)).url.drivername == driver


@pytest.mark.asyncio
async def test_a_database_that_does_not_exist(postgres_url: str) -> None:
    engine = open_database(postgres_url.replace("/postgres?", "/nowhere?"))
    with pytest.raises(SettingsError, match=r'READ_DATABASE_URL.*"nowhere" does not exist'):
        await migrate(engine)


@pytest.mark.asyncio
async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "read.db"
    path.write_bytes(b"a letter to mother" * 100)
    engine = open_database(f"sqlite:///{path}")
    with pytest.raises(SettingsError, match=r"READ_DATABASE_URL.*not a database"):
        await migrate(engine)
    await engine.dispose()


@pytest.mark.asyncio
async def test_nobody_listens() -> None:
    engine = open_database("postgresql://me:hunter2@127.0.0.1:1/sagas")
    for call in (partial(migrate, engine), ReadModel(engine).sagas):
        with pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1:1/sagas") as caught:
            await call()
        assert "hunter2" not in str(caught.value)


@pytest.mark.asyncio
async def test_sqlite_held_by_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_SQLITE_PATIENCE_SECONDS", 0.1)
    engine = open_database(f"sqlite:///{tmp_path}/read.db")
    await migrate(engine)
    other = sqlite3.connect(tmp_path / "read.db")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ServerUnreachable, match="locked"):
        await SagaProjector(engine).project(completed()[-1])
    assert (await ReadModel(engine).sagas()).rows == []
    other.close()
    await SagaProjector(engine).project(completed()[-1])
    await engine.dispose()


@pytest.mark.asyncio
@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_a_connection_that_the_server_closed_is_replaced(
    engine: AsyncEngine, database_url: str
) -> None:
    await SagaProjector(engine).project(completed()[0])
    admin = await asyncpg.connect(database_url)
    await admin.execute(
        "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await admin.close()
    await SagaProjector(engine).project(completed()[-1])


@pytest.mark.asyncio
async def test_a_new_file_that_another_process_holds_is_waited_for(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "read.db")
    other.execute("BEGIN IMMEDIATE")
    engine = open_database(f"sqlite:///{tmp_path}/read.db")
    migrating = asyncio.create_task(migrate(engine))
    await asyncio.wait([migrating], timeout=0.3)
    assert not migrating.done()
    other.close()
    await migrating
    await engine.dispose()


class Line:
    """A TCP line to a PostgreSQL server that can go silent."""

    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path
        self._tasks: set[asyncio.Task[None]] = set()
        self.open = asyncio.Event()
        self.open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.open.wait()
        far_reader, far_writer = await asyncio.open_unix_connection(self._socket_path)
        await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self.open.wait()
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest_asyncio.fixture
async def line(postgres_url: str) -> AsyncIterator[tuple[Line, AsyncEngine]]:
    """A line, and a migrated database at its other end."""
    socket_folder = parse_qs(urlsplit(postgres_url).query)["host"][0]
    line = Line(f"{socket_folder}/.s.PGSQL.5432")
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    engine = open_database(f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable")
    yield line, engine
    line.open.set()
    await engine.dispose()
    server.close()
    await asyncio.sleep(0.1)


@pytest.mark.asyncio
async def test_a_server_that_never_answers_fails_every_projection_in_time(
    line: tuple[Line, AsyncEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_CONNECT_SECONDS", 0.5)
    silent, engine = line
    silent.open.clear()
    began = time.monotonic()
    with pytest.raises(ServerUnreachable, match="does not answer"):
        await SagaProjector(engine).project(completed()[-1])
    assert time.monotonic() - began < 1.5


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_server_that_falls_silent_fails_every_projection_in_time(
    line: tuple[Line, AsyncEngine],
) -> None:
    silent, engine = line
    await migrate(engine)
    projector = SagaProjector(engine)
    # More than there are connections in the pool, so that some wait for one.
    await asyncio.gather(*(projector.project(completed(f"{n}")[-1]) for n in range(30)))
    silent.open.clear()
    began = time.monotonic()
    ends = await asyncio.gather(
        *(projector.project(completed(f"{n}")[-1]) for n in range(30)), return_exceptions=True
    )
    assert time.monotonic() - began < 10
    assert {type(end) for end in ends} == {ServerUnreachable}
    silent.open.set()
    await projector.project(completed("late")[-1])


@pytest.mark.asyncio
async def test_a_connection_without_a_limit_may_take_its_time(
    engine: AsyncEngine,
) -> None:
    async with connection(engine, seconds=None):
        await asyncio.sleep(0.05)
    with pytest.raises(ServerUnreachable):
        async with connection(engine, seconds=0.01):
            await asyncio.sleep(0.05)


@pytest.mark.asyncio
async def test_it_is_closed_after_what_is_still_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_open: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", left_open.append)
    engine = open_database(f"sqlite:///{tmp_path}/read.db")
    await migrate(engine)
    state = completed("o-1")[-1]
    with closing(sqlite3.connect(tmp_path / "read.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        projecting = asyncio.create_task(SagaProjector(engine).project(state))
        pool = engine.pool
        assert isinstance(pool, QueuePool)
        while not pool.checkedout():
            await asyncio.sleep(0)
        projecting.cancel()
        await asyncio.wait([projecting])
        closing_it = asyncio.create_task(close_database(engine))
        await asyncio.sleep(0)
        other.execute("COMMIT")
        await closing_it
        assert other.execute("SELECT count(*) FROM sagas").fetchone() == (1,)
    del engine, pool, projecting, closing_it
    gc.collect()
    assert left_open == []
