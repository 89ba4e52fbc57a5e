"""Brings the read database's tables up to date; developers make new revisions with it too.

`python -m read_model.migration [--url URL]` migrates; with `--make MESSAGE` it then writes a new
revision for what `read_model.tables` says and the database lacks.
"""

import argparse
import asyncio
import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, func, inspect, select, table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from read_model.database import connection, open_database
from runtime.errors import SettingsError
from runtime.settings import Settings

VERSION_TABLE = "read_model_version"
_ADVISORY_LOCK = 0x7361676173
_POLL_SECONDS = 0.05

log = logging.getLogger(__name__)


async def migrate(engine: AsyncEngine) -> None:
    """Bring the tables up to date, once however many workers start; nothing when they are.

    One database at a time in one process: Alembic's context is the process's.

    Raises:
        SettingsError: the database was migrated by a newer version of this program.
        ServerUnreachable: the database does not answer.
    """
    async with connection(engine) as connected:
        if await connected.run_sync(_pending) is None:
            return
    # Without a limit: a change of a large table takes its time, and so may who is first.
    async with connection(engine, seconds=None) as connected:
        await _begin_alone(connected)
        if (revision := await connected.run_sync(_pending)) is not None:
            log.info("migrating the read database to revision %s", revision)
            await connected.run_sync(_upgrade)
        await connected.commit()


async def _begin_alone(connected: AsyncConnection) -> None:
    """Begin a transaction that holds off all other migrations until it ends."""
    if connected.dialect.name == "sqlite":
        await connected.exec_driver_sql("BEGIN EXCLUSIVE")
        return
    connected = await connected.execution_options(isolation_level="READ COMMITTED")
    # Polled, because a statement that waits keeps a snapshot, and CREATE INDEX CONCURRENTLY
    # waits for those.
    while True:
        if await connected.scalar(select(func.pg_try_advisory_xact_lock(_ADVISORY_LOCK))):
            return
        await asyncio.sleep(_POLL_SECONDS)


def _pending(connected: Connection) -> str | None:
    """The revision to migrate to, or None when the database is there."""
    script = ScriptDirectory.from_config(_config())
    current = None
    if inspect(connected).has_table(VERSION_TABLE):
        current = connected.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    if current not in {None, *(known.revision for known in script.walk_revisions())}:
        raise SettingsError(
            f"READ_DATABASE_URL: the database is at revision {current}, which this version does"
            " not know; deploy the version that migrated it, or a newer one"
        )
    newest = script.get_current_head()
    return None if current == newest else newest


def _upgrade(connected: Connection) -> None:
    command.upgrade(_config(connected), "head")


def _config(connected: Connection | None = None) -> Config:
    config = Config(attributes={"connection": connected})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


async def _develop(url: str, message: str | None) -> None:
    engine = open_database(url)
    await migrate(engine)
    if message is not None:
        async with connection(engine) as connected:
            await connected.run_sync(_make, message)
    await engine.dispose()


def _make(connected: Connection, message: str) -> None:
    config = _config(connected)
    count = len(list(ScriptDirectory.from_config(config).walk_revisions()))
    command.revision(config, message, autogenerate=True, rev_id=f"{count + 1:04}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Migrate the read database.")
    parser.add_argument("--url", default=None, help="instead of READ_DATABASE_URL")
    parser.add_argument("--make", metavar="MESSAGE", help="write a new revision")
    arguments = parser.parse_args()
    asyncio.run(
        _develop(arguments.url or Settings.from_environment().read_database_url, arguments.make)
    )
