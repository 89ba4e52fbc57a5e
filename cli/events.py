"""`events`: a saga's log, from its history or else from the read database."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from cli.problems import NoAnswer
from cli.read_database import read_events
from cli.saga_id import SagaId
from cli.temporal import TemporalSagas
from cli.terminal import note, say_json, say_json_line
from runtime.errors import RuntimeProblem, Unreadable
from runtime.settings import Settings
from saga import Event, JsonObject, SagaHistory, SagaState, fold, told_last
from saga.history import NoSaga


@dataclass(frozen=True)
class EventLog:
    """What is known of a saga, from wherever it is."""

    events: Sequence[Event[JsonObject]]
    """Of every run, by (epoch, position)."""
    newest: frozenset[str]
    """The ids of those that the newest run has."""
    has_history: bool
    """False for what the read database keeps of a saga whose history is gone."""

    @property
    def state(self) -> SagaState:
        """What the newest run's events add up to."""
        return fold(event for event in self.events if event.event_id in self.newest)

    @classmethod
    def of_history(cls, history: SagaHistory) -> "EventLog":
        """What Temporal has."""
        return cls(history.all_events, frozenset(it.event_id for it in history.events), True)

    @classmethod
    def of_table(cls, events: Sequence[Event[JsonObject]]) -> "EventLog":
        """What the read database has."""
        return cls(events, frozenset(it.event_id for it in told_last(events)), False)


async def read_log(
    settings: Settings, saga: SagaId, unknown: str = "has no events in the read database"
) -> EventLog | None:
    """A saga's events from its history; from the read database, and said so, where that is gone.

    Raises:
        NoAnswer: neither of them can tell.
        NewerSchema: newer code has written to it.
        NoSaga: the workflow of that id is something else.
        BadHistory: what stands there no saga has written.
        Undecodable: it was written with another codec than ours.
    """
    away: RuntimeProblem | NoAnswer | None = None
    try:
        history = await (await TemporalSagas.connect(settings)).history(saga)
    except (NoSaga, Unreadable):
        raise
    except (RuntimeProblem, NoAnswer) as problem:
        away, history = problem, None
    if history is not None:
        return EventLog.of_history(history)
    events = await read_events(settings, saga)
    if not events and away is not None:
        raise NoAnswer(f"{saga} {unknown}, and {away}") from away
    if not events:
        return None
    why = f"whether it goes on is not known: {away}" if away else "its history is gone"
    note(f"warning: from the read database, as last projected; {why}")
    return EventLog.of_table(events)


async def show_events(saga: SagaId, *, every_run: bool, as_json: bool) -> int:
    """Print a saga's events; returns the exit code."""
    log = await read_log(Settings.from_environment(), saga)
    if log is None:
        note(f"no {saga}")
        return 1
    shown = [it for it in log.events if every_run or it.event_id in log.newest]
    if as_json:
        say_json([_document(event, log) for event in shown])
        return 0
    from cli.event_table import print_events

    print_events(shown, abandoned={it.event_id for it in shown} - log.newest)
    return 0


async def follow_events(saga: SagaId, *, as_json: bool) -> int:
    """Print a saga's events as they come, until it has closed; returns the exit code."""
    sagas = await TemporalSagas.connect(Settings.from_environment())
    events = sagas.follow(saga)
    first = await anext(events, None)
    if first is None:
        note(f"no {saga} that could be followed")
        return 1
    if as_json:
        async for event in _chained(first, events):
            say_json_line(document_of(event))
        return 0
    from cli.event_table import print_event

    async for event in _chained(first, events):
        print_event(event)
    return 0


async def _chained(
    first: Event[JsonObject], rest: AsyncIterator[Event[JsonObject]]
) -> AsyncIterator[Event[JsonObject]]:
    yield first
    async for event in rest:
        yield event


def document_of(event: Event[JsonObject]) -> dict[str, object]:
    """An event as documents have it."""
    return event.model_dump(mode="json")


def _document(event: Event[JsonObject], log: EventLog) -> dict[str, object]:
    return {**document_of(event), "abandoned": event.event_id not in log.newest}
