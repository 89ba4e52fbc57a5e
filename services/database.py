"""One service's database, SQLite or PostgreSQL: its URL, its schema, its transactions."""

import asyncio
import hashlib
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from pathlib import Path

from sqlalchemy import URL, Connection, Table, event, inspect, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from services.problems import IN_PROGRESS, ProblemRaised

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
_SCHEMA_LOCK = "services/schema"
_SQLITE_PATIENCE_SECONDS = 30

Seed = Callable[[AsyncSession], Awaitable[None]]


class DatabaseUnusable(Exception):
    """The database URL is wrong, or what it names cannot be opened; the message is one line."""


def async_url(url: str) -> URL:
    """Return `url` with its asynchronous driver; raise `DatabaseUnusable` for any other kind."""
    try:
        parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    except (ArgumentError, ValueError):
        raise DatabaseUnusable("the database URL cannot be read") from None
    backend = parsed.drivername.split("+")[0]
    if backend not in _DRIVERS:
        raise DatabaseUnusable(f"{backend!r} is neither sqlite nor postgresql")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise DatabaseUnusable("sqlite needs a file, as in sqlite:///payment.db")
    return parsed.set(drivername=_DRIVERS[backend])


class Database:
    """The tables of one service and the two ways into them, `read` and `write`."""

    def __init__(self, url: str, models: Sequence[type[SQLModel]], seed: Seed | None = None):
        self._url = async_url(url)
        self._tables = [_table(model) for model in models]
        self._seed = seed
        self._sqlite = self._url.get_backend_name() == "sqlite"
        self._engine = _sqlite_engine(self._url) if self._sqlite else _postgres_engine(self._url)
        writer = self._engine.execution_options(begin="BEGIN IMMEDIATE")
        self._reading = async_sessionmaker(self._engine, class_=AsyncSession)
        self._writing = async_sessionmaker(writer, class_=AsyncSession, expire_on_commit=False)
        # SQLite has one writer at a time: queueing here costs nothing, queueing in SQLite's busy
        # handler would block a thread each and end in "database is locked".
        self._turn: AbstractAsyncContextManager[object] = (
            asyncio.Lock() if self._sqlite else nullcontext()
        )
        self._in_flight: set[str] = set()
        self._opened = False
        self.before_commit: Callable[[], Awaitable[None]] = _at_once

    async def open(self) -> None:
        """Create what is missing and seed a new database; raise `DatabaseUnusable` if it can't."""
        if self._opened:
            return
        try:
            if self._sqlite:
                assert self._url.database is not None
                Path(self._url.database).parent.mkdir(parents=True, exist_ok=True)
            # A new file's switch to WAL does not wait for another process that switches it too.
            give_up_at = time.monotonic() + _SQLITE_PATIENCE_SECONDS
            while not self._opened:
                try:
                    await self._prepare()
                    self._opened = True
                except OperationalError as error:
                    if not _is_busy(error) or time.monotonic() > give_up_at:
                        raise
                    await asyncio.sleep(0.02)
        except (SQLAlchemyError, OSError) as error:
            await self.close()
            reason = str(getattr(error, "orig", None) or error).splitlines() or [repr(error)]
            shown = self._url.render_as_string(hide_password=True)
            raise DatabaseUnusable(f"cannot open {shown}: {reason[0]}") from error

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()
        self._opened = False

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Open a session for reading."""
        async with self._reading() as session:
            yield session

    @asynccontextmanager
    async def write(self, keys: Sequence[str]) -> AsyncIterator[AsyncSession]:
        """Open a transaction that holds `keys` to its end; raise 409 in-progress if another does.

        The claim lives and dies with the transaction, so a crash leaves no lease behind.
        """
        claimed = sorted(set(keys))
        with self._claim(claimed):
            async with self._turn, self._writing() as session, session.begin():
                for key in claimed:
                    await self._lock(session, key)
                yield session
                await self.before_commit()

    @contextmanager
    def _claim(self, keys: Sequence[str]) -> Iterator[None]:
        if not self._in_flight.isdisjoint(keys):
            raise in_progress()
        self._in_flight.update(keys)
        try:
            yield
        finally:
            self._in_flight.difference_update(keys)

    async def _prepare(self) -> None:
        async with self._turn, self._writing() as session, session.begin():
            # Two processes may start at once on one database.
            await self._lock(session, _SCHEMA_LOCK, wait=True)
            connection = await session.connection()
            new = await connection.run_sync(self._create_tables)
            if new and self._seed is not None:
                await self._seed(session)

    async def _lock(self, session: AsyncSession, key: str, *, wait: bool = False) -> None:
        # On SQLite, BEGIN IMMEDIATE already keeps other processes out.
        if self._sqlite:
            return
        number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], signed=True)
        function = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
        statement = text(f"SELECT {function}(:number)").bindparams(number=number)
        connection = await session.connection()
        if await connection.scalar(statement) is False:
            raise in_progress()

    def _create_tables(self, connection: Connection) -> bool:
        present = set(inspect(connection).get_table_names())
        SQLModel.metadata.create_all(connection, tables=self._tables)
        return present.isdisjoint(table.name for table in self._tables[1:])


def in_progress() -> ProblemRaised:
    """Return the answer to a request whose key, or id, another request holds."""
    detail = "Ask again: the answer will be stored when it is done."
    return ProblemRaised(IN_PROGRESS, detail, retry_after_seconds=1)


def _is_busy(error: OperationalError) -> bool:
    return getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY


async def _at_once() -> None:
    return None


def _table(model: type[SQLModel]) -> Table:
    table = inspect(model).local_table
    assert isinstance(table, Table)
    return table


def _postgres_engine(url: URL) -> AsyncEngine:
    return create_async_engine(
        url, pool_size=10, max_overflow=10, pool_pre_ping=True, connect_args={"timeout": 10}
    )


def _sqlite_engine(url: URL) -> AsyncEngine:
    engine = create_async_engine(url, connect_args={"timeout": _SQLITE_PATIENCE_SECONDS})

    @event.listens_for(engine.sync_engine, "connect")
    def tune(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        # The driver's own BEGIN is deferred and comes too late for a transaction that reads
        # before it writes, so it is switched off and `begin` below emits ours.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    return engine
