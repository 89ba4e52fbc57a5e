"""A database of a test's own on the session's PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg


@asynccontextmanager
async def postgres_database(server: str) -> AsyncIterator[str]:
    """The URL of an empty database, which is gone afterwards."""
    name = f"test_{uuid4().hex}"
    await _execute(server, f"CREATE DATABASE {name}")
    yield server.replace("/postgres?", f"/{name}?")
    await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(server: str, statement: str) -> None:
    # Nothing stays connected for a whole session, whose last loop may be another one.
    connection = await asyncpg.connect(server)
    await connection.execute(statement)
    await connection.close()
