"""The one pump that hands a saga's events to the outside, concurrently with its steps.

Each sink (the read database, a broker) has a task queue of its own, gets every event in order of
arrival, at least once, and has one batch under way at most: while a sink is slow or away, events
gather and go out together, with the newest state, when it is back.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict
from temporalio import workflow
from temporalio.common import RetryPolicy

from saga.log import Log
from saga.state import AnyEvent, SagaState

_NEVER = timedelta(days=3650)


class Batch(BaseModel):
    """Events that a sink has not had yet, and the state after the newest of them."""

    model_config = ConfigDict(frozen=True)

    state: SagaState
    events: tuple[AnyEvent, ...]


@dataclass(frozen=True, kw_only=True)
class Sink:
    """Where a saga's events go."""

    name: str
    """Also the suffix of its task queue: `<the saga's task queue>-<name>`."""
    activity: Callable[[Any, Batch], Awaitable[None]]
    interval: timedelta | None = timedelta(milliseconds=500)
    """The pause between batches while the status is the same; None for only when it changes."""
    optional: bool = False
    """Whether only those sagas have it whose input names it."""
    attempt_timeout: timedelta = timedelta(seconds=10)
    longest_pause: timedelta = timedelta(seconds=10)


class Pump:
    """Hands the events of one saga to one sink."""

    def __init__(self, sink: Sink, log: Log) -> None:
        self._sink = sink
        self._log = log
        self._handed = 0
        self._status = log.state.status
        self._closed = False

    @property
    def behind(self) -> bool:
        """Whether the sink has still to get something."""
        return self._handed < len(self._log.events)

    def close(self) -> None:
        """Let `run` return; to be called when nothing more will come."""
        self._closed = True

    async def run(self) -> None:
        """Pump until closed."""
        while True:
            await workflow.wait_condition(lambda: self.behind or self._closed)
            if self._closed:
                return
            if self._handed:
                await self._gather()
            batch = Batch(state=self._log.state, events=tuple(self._log.events[self._handed :]))
            await workflow.execute_activity_method(
                self._sink.activity,
                batch,
                task_queue=f"{workflow.info().task_queue}-{self._sink.name}",
                start_to_close_timeout=self._sink.attempt_timeout,
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(milliseconds=200),
                    maximum_interval=self._sink.longest_pause,
                ),
                summary=f"{self._sink.name}: {batch.state.status}, version {batch.state.version}",
            )
            self._handed += len(batch.events)
            self._status = batch.state.status

    async def _gather(self) -> None:
        """Wait for a change of status or for the interval; what comes meanwhile goes along.

        There is a timer in any case, or the task that has taken in the events could be an empty
        one. An empty task is replayed apart from an update after it, but a worker that doesn't
        have the workflow in its cache runs both at once, the update first, and then the order of
        the pump's and the steps' commands is another one.
        """
        try:
            await workflow.wait_condition(
                lambda: self._log.state.status.final or self._log.state.status != self._status,
                timeout=self._sink.interval or _NEVER,
                timeout_summary=f"gathering for {self._sink.name}",
            )
        except TimeoutError:
            return
