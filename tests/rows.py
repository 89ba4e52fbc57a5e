"""A read database that is handed what a saga's projection was, held against the saga's history."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from read_model.database import open_database
from read_model.event_store import EventStore
from read_model.migration import migrate
from read_model.projector import SagaProjector, row_of
from read_model.queries import ReadModel
from saga import Batch, SagaHistory


class Rows:
    """One SQLite read database, for any number of sagas."""

    def __init__(self, folder: Path) -> None:
        self._engine = open_database(f"sqlite:///{folder / 'read.db'}")

    async def open(self) -> None:
        """Make its tables."""
        await migrate(self._engine)

    async def close(self) -> None:
        """Close it."""
        await self._engine.dispose()

    async def wrong(self, handed: Iterable[Batch], history: SagaHistory) -> list[str]:
        """What it has come to say that the history does not, one sentence each."""
        projector = SagaProjector(self._engine)
        for batch in handed:
            await projector.project(batch.state, batch.events)
        row = await ReadModel(self._engine).by_id(history.saga_id)
        kept = await EventStore(self._engine).events_of(history.saga_id)
        if row is None or history.state is None:
            return [f"the row is {row}, and the state {history.state} by the history"]
        fields = _differences(row.model_dump(), row_of(history.state).model_dump())
        events = _differences(
            {event.event_id: event for event in kept},
            {event.event_id: event for event in history.all_events},
        )
        return [*fields, *events]


def _differences(ours: Mapping[str, object], theirs: Mapping[str, object]) -> Iterator[str]:
    for name in ours.keys() | theirs.keys():
        if ours.get(name) != theirs.get(name):
            yield f"{name} is {ours.get(name)} as kept, and {theirs.get(name)} by the history"
