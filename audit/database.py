"""A participant's own database, opened for reading only: every connection is one snapshot."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg
from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from runtime.errors import ServerUnreachable, SettingsError

_CONNECT_SECONDS = 10.0
_FORMS = "sqlite:////path/{0}.db or postgresql://user:password@host/database"
_POSTGRES_AWAY = ("08", "53", "57")
"""Classes of SQLSTATE: connection lost, out of resources, shut down or starting."""


class BookDatabase:
    """The database of one participant; raises SettingsError when its URL can't be used.

    `variable` is what a person has to set, and `name` how the database is called.
    """

    def __init__(
        self, participant: str, url: str, *, name: str | None = None, variable: str | None = None
    ) -> None:
        self._name = name or f"the {participant} service's database"
        self._variable = variable or f"{participant.upper()}_DATABASE_URL"
        try:
            parsed = make_url(url.replace("postgres://", "postgresql://", 1))
        except (ArgumentError, ValueError):
            forms = _FORMS.format(participant)
            raise SettingsError(f"{self._variable} cannot be read: give {forms}") from None
        self._url = parsed
        self.backend = parsed.get_backend_name()
        if self.backend == "sqlite":
            self._engine = self._sqlite()
        elif self.backend == "postgresql":
            self._engine = self._postgres()
        else:
            raise SettingsError(
                f"{self._variable}: {self.backend} is neither sqlite nor postgresql"
            )

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that reads one state of the database, and can't write."""
        async with AsyncExitStack() as stack:
            with self.answering():
                connection = await stack.enter_async_context(self._engine.connect())
            yield connection

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Tell in one line what this database does not do.

        Raises:
            ServerUnreachable: it does not answer.
            SettingsError: what the URL names can't be read, or is no such service's.
        """
        try:
            yield
        except OSError as error:
            raise ServerUnreachable(f"{self._shown} does not answer: {error}") from error
        except asyncpg.PostgresError as error:
            raise self._problem(error, error.sqlstate) from error
        except DBAPIError as error:
            sqlstate = getattr(error.orig, "sqlstate", None)
            raise self._problem(error.orig or error, sqlstate) from error

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    def _sqlite(self) -> AsyncEngine:
        if self._url.database in {None, "", ":memory:"}:
            raise SettingsError(f"{self._variable}: sqlite needs a file")
        assert self._url.database is not None
        path = Path(self._url.database).resolve()
        if not path.exists():
            raise SettingsError(
                f"{self._name} {path} is not there: set SAGA_HOME to where the workers"
                f" have it, or {self._variable}"
            )
        engine = create_async_engine(
            URL.create(
                "sqlite+aiosqlite", database=path.as_uri(), query={"mode": "ro", "uri": "true"}
            ),
            connect_args={"timeout": _CONNECT_SECONDS, "isolation_level": None},
        )

        @event.listens_for(engine.sync_engine, "begin")
        def begin(connection: Connection) -> None:
            # The driver's own would not come before a SELECT, so each would see another state.
            connection.exec_driver_sql("BEGIN")

        return engine

    def _postgres(self) -> AsyncEngine:
        # The driver reads the URL itself, with what libpq's URLs may say.
        url = self._url.set(drivername="postgresql")
        address = url.render_as_string(hide_password=False)

        async def connect() -> asyncpg.Connection:
            return await asyncpg.connect(address, timeout=_CONNECT_SECONDS)

        return create_async_engine(
            url.set(drivername="postgresql+asyncpg", query={}),
            async_creator=connect,
            isolation_level="REPEATABLE READ",
            execution_options={"postgresql_readonly": True},
        )

    @property
    def _shown(self) -> str:
        # Without its query, which may hold a password too.
        return f"{self._name} {self._url.set(query={}).render_as_string(hide_password=True)}"

    def _problem(
        self, error: BaseException, sqlstate: str | None
    ) -> ServerUnreachable | SettingsError:
        busy = isinstance(error, sqlite3.Error) and error.sqlite_errorname.startswith("SQLITE_BUSY")
        if busy or (sqlstate or "").startswith(_POSTGRES_AWAY):
            return ServerUnreachable(f"{self._shown} does not answer: {error}")
        return SettingsError(
            f"{self._shown} can't be audited ({error}): set {self._variable} to where the service"
            " keeps its tables"
        )
