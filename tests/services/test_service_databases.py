"""Which databases a service opens, and what it says of the others."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services import payment
from services.application import database_of
from services.database import DatabaseUnusable, async_url

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///payment.db", "sqlite+aiosqlite"),
        ("postgresql://host/payment", "postgresql+asyncpg"),
        ("postgres://host/payment", "postgresql+asyncpg"),
        ("postgresql+psycopg://host/payment", "postgresql+asyncpg"),
    ],
)
async def test_drivers(url: str, driver: str) -> None:
    assert async_url(url).drivername == driver


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://host/payment", "'mysql' is neither sqlite nor postgresql"),
        ("nonsense", "the database URL cannot be read"),
        ("postgresql://host:port/payment", "the database URL cannot be read"),
        ("sqlite://", "sqlite needs a file"),
        ("sqlite:///{folder}/file/payment.db", "cannot open sqlite"),
        ("sqlite:///{folder}/noise", "cannot open sqlite"),
    ],
)
async def test_unusable(url: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "noise").write_bytes(b"no database" * 1000)
    with pytest.raises(DatabaseUnusable, match=message) as raised:
        await database_of(payment.create_app(url.format(folder=tmp_path))).open()
    assert len(str(raised.value).splitlines()) == 1


async def test_waits_for_another_process_that_prepares_the_file(tmp_path: Path) -> None:
    path = tmp_path / "payment.db"
    database = database_of(payment.create_app(f"sqlite:///{path}"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        # SQLite's own patience does not cover the switch to WAL beside a writer.
        other.execute("BEGIN IMMEDIATE")
        opening = asyncio.create_task(database.open())
        done, _ = await asyncio.wait([opening], timeout=0.2)
        other.execute("COMMIT")
    await opening
    await database.close()
    assert not done


async def test_unknown_database(postgres_url: str) -> None:
    url = postgres_url.replace("/postgres?", "/missing?")
    with pytest.raises(DatabaseUnusable, match='"missing" does not exist'):
        await database_of(payment.create_app(url)).open()
