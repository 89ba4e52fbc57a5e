"""The read database, SQLite or PostgreSQL: its engine, and the one way to a connection."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiosqlite
import asyncpg
from sqlalchemy import URL, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from runtime.errors import RuntimeProblem, ServerUnreachable, SettingsError

TIME_LIMIT_SECONDS = 5.0
"""For waiting for a connection and using it; closing one that hangs takes 2 s more."""

_CONNECT_SECONDS = 4.0
_SQLITE_PATIENCE_SECONDS = 4.0
_POLL_SECONDS = 0.02
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
_SQLITE_UNUSABLE = ("SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_PERM", "SQLITE_READONLY")
_SQLITE_TAKEN = ("SQLITE_BUSY", "SQLITE_LOCKED")
_POSTGRES_AWAY = ("08", "53", "57")
"""Classes of SQLSTATE: connection lost, out of resources, shut down or starting."""


def open_database(url: str) -> AsyncEngine:
    """The engine of `sqlite:///path` or `postgresql://...`; nothing is connected yet.

    Each statement is a transaction of its own, which saves PostgreSQL two round trips; see
    `transaction`.

    Raises:
        SettingsError: the URL is of another kind, or SQLite's folder cannot be made.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise SettingsError(
            "READ_DATABASE_URL cannot be read: give sqlite:////path/read.db"
            " or postgresql://user:password@host/database"
        ) from None
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise SettingsError(
            f"READ_DATABASE_URL: {parsed.drivername} is neither sqlite nor postgresql"
        )
    parsed = parsed.set(drivername=driver)
    return _sqlite(parsed) if driver == "sqlite+aiosqlite" else _postgres(parsed)


@asynccontextmanager
async def connection(
    engine: AsyncEngine, seconds: float | None = TIME_LIMIT_SECONDS
) -> AsyncIterator[AsyncConnection]:
    """A connection, given back after `seconds` at the latest, whatever hangs; None: no limit.

    Raises:
        ServerUnreachable: the database does not answer, or another process holds it.
        SettingsError: what the URL names cannot be opened.
    """
    try:
        async with asyncio.timeout(seconds), engine.connect() as connected:
            yield connected
    except OSError as error:
        raise _unreachable(engine.url, error) from error
    except DBAPIError as error:
        problem = _problem(engine.url, error)
        if problem is None:
            raise
        raise problem from error


@asynccontextmanager
async def transaction(
    engine: AsyncEngine, seconds: float | None = TIME_LIMIT_SECONDS
) -> AsyncIterator[AsyncConnection]:
    """A connection whose statements are kept together or, after an error, not at all.

    Raises as `connection` does.
    """
    async with connection(engine, seconds) as connected:
        # At once the one that writes, or it could not become it while another one does.
        await _begin(connected, sqlite="BEGIN IMMEDIATE", postgresql="READ COMMITTED")
        yield connected
        await connected.commit()


@asynccontextmanager
async def snapshot(
    engine: AsyncEngine, seconds: float | None = TIME_LIMIT_SECONDS
) -> AsyncIterator[AsyncConnection]:
    """A connection whose queries all see one moment, that of the first; for reading only.

    Raises as `connection` does.
    """
    async with connection(engine, seconds) as connected:
        await _begin(connected, sqlite="BEGIN", postgresql="REPEATABLE READ")
        yield connected
        await connected.rollback()


async def _begin(connected: AsyncConnection, *, sqlite: str, postgresql: str) -> None:
    if connected.dialect.name == "sqlite":
        await connected.exec_driver_sql(sqlite)
    else:
        _ = await connected.execution_options(isolation_level=postgresql)
        # Else a session on it would take the transaction for its own, and end it.
        _ = await connected.begin()


async def close_database(engine: AsyncEngine) -> None:
    """Close it after what is being written, which goes on when its activity has given up."""
    pool = engine.pool
    if isinstance(pool, QueuePool) and engine.dialect.name == "sqlite" and pool.checkedout():
        # There is one connection, so its turn comes after that. One that hangs is left alone.
        with suppress(ServerUnreachable):
            async with connection(engine):
                pass
    await engine.dispose()


def _sqlite(url: URL) -> AsyncEngine:
    if url.database in {None, "", ":memory:"}:
        raise SettingsError("READ_DATABASE_URL: sqlite needs a file, as in sqlite:////data/read.db")
    assert url.database is not None
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(url, error.strerror or repr(error)) from error
    # SQLite has one writer at a time: queueing here costs nothing, queueing in its busy handler
    # would block a thread each and end in "database is locked".
    engine = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=1,
        max_overflow=0,
        connect_args={"timeout": _SQLITE_PATIENCE_SECONDS},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def tune(connected: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connected.run_async(_tune)

    return engine


async def _tune(connected: aiosqlite.Connection) -> None:
    await connected.execute("PRAGMA synchronous=NORMAL")
    clock = asyncio.get_running_loop().time
    deadline = clock() + _SQLITE_PATIENCE_SECONDS
    while True:
        try:
            await connected.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            # For this one lock SQLite itself doesn't wait: workers that start together would
            # fail where the file is new.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or clock() > deadline:
                raise
            await asyncio.sleep(_POLL_SECONDS)
        else:
            return


def _postgres(url: URL) -> AsyncEngine:
    # The driver reads the URL itself: what libpq's URLs may say (sslmode and the like) is
    # unknown to SQLAlchemy's dialect.
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)

    async def connect() -> asyncpg.Connection:
        try:
            return await asyncpg.connect(address, timeout=_CONNECT_SECONDS)
        except asyncpg.PostgresError as error:
            if (error.sqlstate or "").startswith(_POSTGRES_AWAY):
                raise _unreachable(url, error) from error
            raise _unusable(url, str(error)) from error
        except (asyncpg.InterfaceError, ValueError) as error:
            raise _unusable(url, str(error)) from error

    return create_async_engine(
        url.set(query={}),
        async_creator=connect,
        isolation_level="AUTOCOMMIT",
        pool_size=5,
        max_overflow=5,
        pool_pre_ping=True,
    )


def _problem(url: URL, error: DBAPIError) -> RuntimeProblem | None:
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        name = getattr(cause, "sqlite_errorname", "")
        if name.startswith(_SQLITE_UNUSABLE):
            return _unusable(url, str(cause))
        return _unreachable(url, cause) if name.startswith(_SQLITE_TAKEN) else None
    state = getattr(cause, "sqlstate", None) or ""
    if error.connection_invalidated or state.startswith(_POSTGRES_AWAY):
        return _unreachable(url, cause or error)
    return None


def _unreachable(url: URL, cause: BaseException) -> ServerUnreachable:
    why = str(cause) or "no answer in time"
    return ServerUnreachable(f"the read database {_shown(url)} does not answer: {why}")


def _unusable(url: URL, why: str) -> SettingsError:
    return SettingsError(f"READ_DATABASE_URL: {_shown(url)} cannot be used: {why}")


def _shown(url: URL) -> str:
    # Without its query, which may hold a password too.
    return url.set(query={}).render_as_string(hide_password=True)
