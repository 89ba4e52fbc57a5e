"""All that a read database holds."""

from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from read_model.tables import EVENTS


async def rows(engine: AsyncEngine) -> list[dict[str, Any]]:
    """The events, in their order."""
    query = select(EVENTS).order_by(EVENTS.c.saga_id, EVENTS.c.epoch, EVENTS.c.position)
    async with engine.connect() as connected:
        return [dict(row) for row in (await connected.execute(query)).mappings()]


async def everything(engine: AsyncEngine) -> list[list[dict[str, Any]]]:
    """All that the database holds."""
    async with engine.connect() as connected:
        sagas = await connected.execute(text("SELECT * FROM sagas ORDER BY saga_id"))
        events = await connected.execute(text("SELECT * FROM events ORDER BY event_id"))
        return [[dict(row) for row in it.mappings()] for it in (sagas, events)]


async def execute(engine: AsyncEngine, *statements: Any) -> None:
    """Change it; each statement changes something."""
    async with engine.connect() as connected:
        for statement in statements:
            assert (await connected.execute(statement)).rowcount > 0
