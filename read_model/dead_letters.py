"""What people have done with dead letters: who, when and why."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from read_model.columns import kept_text
from read_model.database import connection
from read_model.tables import DEAD_LETTER_ACTIONS

Action = Literal["replay", "discard"]


@dataclass(frozen=True)
class LetterAction:
    """One letter that was replayed or discarded."""

    letter_id: str
    event_id: str
    event_type: str | None
    channel: str
    consumer_group: str
    action: Action
    done_by: str
    reason: str
    done_at: datetime
    correlation_id: str | None


class LetterActions:
    """The record of what was done; rows are added and never changed.

    Every method raises ServerUnreachable, SettingsError, or DBAPIError where the table is missing.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def record(self, action: LetterAction) -> None:
        """Add one."""
        async with connection(self._engine) as connected:
            await connected.execute(insert(DEAD_LETTER_ACTIONS).values(asdict(action)))

    async def of_event(self, event_id: str) -> list[LetterAction]:
        """What was done with letters of this event, in any group, oldest first."""
        table = DEAD_LETTER_ACTIONS.c
        query = select(DEAD_LETTER_ACTIONS).where(table.event_id == kept_text(event_id))
        async with connection(self._engine) as connected:
            rows = await connected.execute(query.order_by(table.done_at))
            return [LetterAction(**row) for row in rows.mappings()]
