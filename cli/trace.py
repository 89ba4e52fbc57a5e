"""`trace`: what one request has caused, over all sagas, as a tree of commands and events."""

import asyncio
from dataclasses import dataclass, field

from temporalio.client import Client

from cli.problems import NoAnswer
from cli.read_database import read_database
from cli.temporal import TemporalSagas
from cli.terminal import note, say_json
from read_model.event_store import EventStore
from read_model.queries import ReadModel
from runtime.errors import ServerUnreachable
from runtime.settings import Settings
from saga import Event, JsonObject, SagaHistory, read_saga
from saga.causation import lines_of

MOST_SAGAS = 1000
"""How many sagas of one correlation id are read, the newest ones."""
_AT_ONCE = 20

AnEvent = Event[JsonObject]


@dataclass
class _Found:
    """What is known of a correlation id, and what could not be asked."""

    saga_ids: list[str] = field(default_factory=list)
    """Those that the read database names."""
    stored: list[AnEvent] = field(default_factory=list)
    told: list[AnEvent] = field(default_factory=list)
    """Those of the histories."""
    gone: list[str] = field(default_factory=list)
    """The sagas whose histories the server has no longer."""
    problems: list[str] = field(default_factory=list)

    @property
    def events(self) -> list[AnEvent]:
        """Each event once, as the history has it where there is one."""
        return list({event.event_id: event for event in [*self.stored, *self.told]}.values())


async def show_trace(correlation_id: str, *, as_json: bool) -> int:
    """Print what a correlation id has caused; returns the exit code, 1 when it is not known."""
    settings = Settings.from_environment()
    found = _Found()
    await _ask_read_database(settings, correlation_id, found)
    await _ask_temporal(settings, correlation_id, found)
    events = found.events
    if not events:
        if found.problems:
            raise NoAnswer(f"nothing is found of {correlation_id}, and {found.problems[0]}")
        note(f"nothing is known of correlation id {correlation_id}; `status` and `sagas` show ids")
        return 1
    for problem in found.problems:
        note(f"warning: this may not be all: {problem}")
    stored = {event.saga_id for event in found.stored}
    for saga_id in found.gone:
        if saga_id in stored:
            note(f"the history of {saga_id} is gone: its events come from the read database")
        elif saga_id in found.saga_ids:
            note(f"the history of {saga_id} is gone, and the read database keeps no event of it")
    lines = lines_of(events)
    from cli.causes import document_of, print_lines

    if as_json:
        say_json(document_of(correlation_id, events, lines))
    else:
        print_lines(correlation_id, events, lines)
    return 0


async def _ask_read_database(settings: Settings, correlation_id: str, found: _Found) -> None:
    try:
        async with read_database(settings) as engine:
            found.saga_ids = await ReadModel(engine).correlated(correlation_id, MOST_SAGAS)
            found.stored = await EventStore(engine).correlated(correlation_id)
    except (ServerUnreachable, NoAnswer) as problem:
        found.problems.append(str(problem))
        return
    if len(found.saga_ids) == MOST_SAGAS:
        found.problems.append(f"only the histories of the newest {MOST_SAGAS} sagas are read")


async def _ask_temporal(settings: Settings, correlation_id: str, found: _Found) -> None:
    """Read the histories; a saga that was given no correlation id has its own as such."""
    stored = (event.saga_id for event in found.stored)
    saga_ids = dict.fromkeys([*found.saga_ids, *stored, correlation_id])
    gate = asyncio.Semaphore(_AT_ONCE)
    try:
        sagas = await TemporalSagas.connect(settings)
        with sagas.answering():
            read = (_read(sagas.client, saga_id, gate) for saga_id in saga_ids)
            histories = await asyncio.gather(*read)
    except (ServerUnreachable, NoAnswer) as problem:
        found.problems.append(str(problem))
        return
    for saga_id, history in zip(saga_ids, histories, strict=True):
        if history is None:
            found.gone.append(saga_id)
            continue
        # One of that id may have been started with another correlation id.
        found.told += [it for it in history.all_events if it.correlation_id == correlation_id]


async def _read(client: Client, saga_id: str, gate: asyncio.Semaphore) -> SagaHistory | None:
    async with gate:
        return await read_saga(client, saga_id)
