"""A book is read in one state, and never written."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from audit.database import BookDatabase
from runtime.errors import SettingsError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database in the mode that the services use."""
    path = tmp_path / "a folder, 100% odd" / "payment.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE payments (id TEXT)")
        made.commit()
    return path


async def test_sqlite_is_read_in_one_state(file: Path) -> None:
    database = BookDatabase("payment", f"sqlite:///{file}")
    count = text("SELECT count(*) FROM payments")
    async with database.snapshot() as snapshot:
        assert await snapshot.scalar(count) == 0
        with closing(sqlite3.connect(file)) as writing:
            writing.execute("INSERT INTO payments VALUES ('new')")
            writing.commit()
        assert await snapshot.scalar(count) == 0
    async with database.snapshot() as snapshot:
        assert await snapshot.scalar(count) == 1
    await database.close()


async def test_sqlite_is_not_written(file: Path) -> None:
    database = BookDatabase("payment", f"sqlite:///{file}")
    with pytest.raises(SettingsError, match="readonly"), database.answering():
        async with database.snapshot() as snapshot:
            await snapshot.execute(text("INSERT INTO payments VALUES ('mine')"))
    await database.close()


async def test_postgresql_is_read_in_one_state_and_not_written(postgres_url: str) -> None:
    database = BookDatabase("payment", postgres_url)
    async with database.snapshot() as snapshot:
        assert await snapshot.scalar(text("SHOW transaction_isolation")) == "repeatable read"
        assert await snapshot.scalar(text("SHOW transaction_read_only")) == "on"
    await database.close()
