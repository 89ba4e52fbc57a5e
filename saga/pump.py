"""The one pump that hands a saga's events to the outside, concurrently with its steps.

Each sink (the read database, a broker) has a task queue of its own, gets every event in order of
arrival, at least once, and has one batch under way at most: while a sink is slow or away, events
gather and go out together, with the newest state, when it is back. A saga that ends before the
sink's interval is over is told in one batch.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

from saga.events import Status
from saga.lane import ONCE, SINK, InExpress, registered_name
from saga.log import Log
from saga.state import AnyEvent, SagaState

LATER = timedelta(seconds=5)
"""How long events gather after the first batch: another one costs a tenth of an order's work."""
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
    """How long events gather while the status is the same, before the first batch.

    None for the start at once, and then only a change of the status.
    """
    later_interval: timedelta = LATER
    """The same before each batch after the first, if there is an `interval`."""
    optional: bool = False
    """Whether only those sagas have it whose input names it."""
    local: timedelta | None = None
    """How long a local activity may take to hand over how an express saga has ended; None for no
    such. The saga's own worker has to have its activity, too."""
    attempt_timeout: timedelta = timedelta(seconds=10)
    longest_pause: timedelta = timedelta(seconds=10)


class Pump:
    """Hands the events of one saga to one sink."""

    def __init__(self, sink: Sink, log: Log, express: InExpress | None = None) -> None:
        self._sink = sink
        self._express = express
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
            if self._handed or self._sink.interval is not None:
                await self._gather()
            batch = Batch(state=self._log.state, events=tuple(self._log.events[self._handed :]))
            if not await self._handed_over_here(batch):
                await self._hand_over(batch)
            self._handed += len(batch.events)
            self._status = batch.state.status

    async def _hand_over(self, batch: Batch) -> None:
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

    async def _handed_over_here(self, batch: Batch) -> bool:
        """Whether a local activity did it: once, shortly, and when there is no step to hold up."""
        plain = self._express is not None and self._express.plain
        if not (plain and batch.state.status.final and self._sink.local is not None):
            return False
        try:
            taken: bool = await workflow.execute_local_activity(
                SINK,
                args=[registered_name(self._sink.activity), batch],
                result_type=bool,
                schedule_to_close_timeout=self._sink.local,
                retry_policy=ONCE,
                summary=f"{self._sink.name}: {batch.state.status}, version {batch.state.version}",
            )
        except FailureError:
            return False
        return taken

    @property
    def _interval(self) -> timedelta:
        if self._sink.interval is None:
            return _NEVER
        return self._sink.later_interval if self._handed else self._sink.interval

    async def _gather(self) -> None:
        """Wait for a change of status or for the interval; what comes meanwhile goes along.

        There is a timer in any case, or the task that has taken in the events could be an empty
        one. An empty task is replayed apart from an update after it, but a worker that doesn't
        have the workflow in its cache runs both at once, the update first, and then the order of
        the pump's and the steps' commands is another one.
        An express saga needs none as long as each of its calls is short or deviates.
        """
        express = self._express
        if express is not None and express.plain and self._sink.interval is not None:
            await workflow.wait_condition(
                # It is being undone as shortly, as long as nothing deviates.
                lambda: (
                    self._log.state.status not in {self._status, Status.COMPENSATING}
                    or not express.plain
                )
            )
        try:
            await workflow.wait_condition(
                lambda: self._log.state.status.final or self._log.state.status != self._status,
                timeout=self._interval,
                timeout_summary=f"gathering for {self._sink.name}",
            )
        except TimeoutError:
            return
