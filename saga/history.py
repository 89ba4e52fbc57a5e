"""A saga's whole history as an event log: all its runs, read without the workflow's code."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from runtime.errors import RuntimeProblem
from saga.envelope import Event, JsonObject
from saga.run_log import RunLog
from saga.run_reader import follow_run, read_run
from saga.state import SagaState, fold

_NEVER = datetime.max.replace(tzinfo=UTC)


class NoSaga(RuntimeProblem):
    """The workflow of that id is something else than a saga."""

    def __init__(self, run: RunLog) -> None:
        super().__init__(f"the workflow {run.saga_id} is no saga, but a {run.workflow_type}")


@dataclass(frozen=True)
class SagaHistory:
    """What the histories of a saga's runs say."""

    saga_id: str
    runs: tuple[RunLog, ...]
    """The oldest first; a reset and a recovery make another."""

    @property
    def is_saga(self) -> bool:
        """Whether the workflow of that id is a saga, even if it has told no events yet."""
        return self.runs[-1].is_saga

    @property
    def closed(self) -> bool:
        """Whether the newest run has ended."""
        return self.runs[-1].closed

    @property
    def reaches_back(self) -> bool:
        """Whether no run is missing that another one names as its forerunner."""
        named = {run_id for run in self.runs for run_id in run.runs_before}
        return named <= {run.run_id for run in self.runs}

    @property
    def events(self) -> tuple[Event[JsonObject], ...]:
        """The events that the newest run has; none before its first workflow task has ended."""
        return self.runs[-1].events

    @property
    def all_events(self) -> tuple[Event[JsonObject], ...]:
        """Those of every run, also what a reset has abandoned, by (epoch, position)."""
        told = {event.event_id: event for run in self.runs for event in run.events}
        return tuple(sorted(told.values(), key=lambda event: (event.epoch, event.position)))

    @cached_property
    def state(self) -> SagaState | None:
        """What the events add up to; None while there are none."""
        return fold(self.events) if self.events else None


async def read_saga(
    client: Client, saga_id: str, run_ids: Iterable[str] = ()
) -> SagaHistory | None:
    """Read what the server has of a saga; None when it has nothing, or no longer.

    The runs before the newest one are those that it names, and what of `run_ids` it doesn't.
    """
    newest = await _read(client, saga_id, None)
    if newest is None:
        return None
    runs = {newest.run_id: newest}
    wanted = [*newest.runs_before, *run_ids]
    while wanted:
        run_id = wanted.pop()
        if run_id not in runs and (run := await _read(client, saga_id, run_id)) is not None:
            runs[run_id] = run
            wanted += run.runs_before
    before = [run for run in runs.values() if run is not newest]
    before.sort(key=lambda run: run.began_at or _NEVER)
    return SagaHistory(saga_id, (*before, newest))


async def follow_saga(client: Client, saga_id: str) -> AsyncIterator[Event[JsonObject]]:
    """The events of a saga as they come, until it has closed; one that is reset is followed on.

    Raises:
        NoSaga: the workflow of that id is something else.
    """
    told: set[str] = set()
    run_id: str | None = None
    while True:
        handle = client.get_workflow_handle(saga_id)
        history = handle.fetch_history_events(wait_new_event=True)
        log = None
        async for log, news in follow_run(client.data_converter, saga_id, history):
            if not log.is_saga:
                raise NoSaga(log)
            for event in news:
                if event.event_id not in told:
                    told.add(event.event_id)
                    yield event
        if log is None or log.run_id == run_id:
            return
        # A reset ends one run and begins another.
        run_id = log.run_id


async def _read(client: Client, saga_id: str, run_id: str | None) -> RunLog | None:
    """A run's log, the newest one's for None; None if it is gone."""
    history = client.get_workflow_handle(saga_id, run_id=run_id).fetch_history_events()
    try:
        return await read_run(client.data_converter, saga_id, history)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
