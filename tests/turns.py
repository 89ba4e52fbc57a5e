"""A host of a saga whose turns a test decides: what comes together in one workflow task.

As in a workflow, all that a task brings is taken in before a condition is looked at.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.exceptions import ApplicationError

from saga import Call, DomainEvent, Event, FailureKind, JsonObject, Policy, SagaInput
from saga.events import StepFailed
from saga.log import Log
from saga.orchestrator import Orchestrator
from saga.steps import AnyActivity
from tests.agency import Booked, GivenBack
from tests.trips import BookTrip

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Turns:
    """One trip, whose calls are answered, and whose timers fire, when a test says so."""

    def __init__(self) -> None:
        self.saga_id, self.run_id, self.started_at = "trip-1", "run-1", BEGIN
        self.calls: list[Call[Any]] = []
        self.reset = 0
        self.settled = True
        self._over = False
        self._answers: dict[str, asyncio.Future[Event[Any]]] = {}
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None], str | None]] = []
        self.log = Log(self, "trip", SagaInput(command=BookTrip(trip_id="1", plan="")))
        self.orchestrator = Orchestrator(self.log, None)

    def now(self) -> datetime:
        return BEGIN

    async def until_settled(self) -> None:
        """It is."""

    def story_time(self) -> datetime:
        return BEGIN

    def seed(self) -> int:
        return self.reset

    def record(self, event: Event[JsonObject]) -> None:
        """The log has it."""

    async def off_the_lane(self, *, plain: bool = False) -> None:
        """There is none."""

    def patched(self, change: str) -> bool:
        return True

    def deprecate_patch(self, change: str) -> None:
        """Nothing is replayed."""

    async def wait_for(
        self,
        condition: Callable[[], bool],
        *,
        timeout: timedelta | None = None,
        summary: str | None = None,
    ) -> None:
        future = self._future()
        self._waiting.append((condition, future, summary))
        await future

    def call(self, activity: AnyActivity, call: Call[Any], policy: Policy) -> asyncio.Task[Any]:
        self.calls.append(call)
        self._answers[call.name] = self._future()
        return asyncio.create_task(_answer(self._answers[call.name]))

    def _future(self) -> asyncio.Future[Any]:
        if self._over:
            raise asyncio.CancelledError
        return asyncio.get_running_loop().create_future()

    async def end(self) -> None:
        """Leave nothing running, however far the saga is."""
        self._over = True
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def sent(self) -> list[str]:
        """The names of the calls so far."""
        return [call.name for call in self.calls]

    async def task(self) -> None:
        """A workflow task: what has come is taken in, until nothing moves any more."""
        for _ in range(100):
            for _ in range(50):
                await asyncio.sleep(0)
            ready = [
                future
                for condition, future, _ in self._waiting
                if not future.done() and condition()
            ]
            for future in ready:
                future.set_result(None)
            self._waiting = [it for it in self._waiting if not it[1].done()]
            if not ready:
                return
        raise AssertionError("the saga turns in circles")

    def done(self, name: str) -> None:
        """The call of that name is answered."""
        call = self.last(name)
        told: DomainEvent = Booked(booking_id="1", seats=1)
        if call.undoes:
            told = GivenBack(booking_id="1", account="A-1")
        self._answers[name].set_result(_event(call, told))

    def last(self, name: str) -> Call[Any]:
        """The newest call of that name."""
        return next(call for call in reversed(self.calls) if call.name == name)

    def fail(self, name: str, kind: FailureKind, problem: str = "urn:problem:no") -> None:
        """The call of that name fails."""
        failed = StepFailed(
            saga_id=self.saga_id, name=name, kind=kind, type=problem, message="it failed"
        )
        told = _event(self.last(name), failed).model_dump(mode="json")
        self._answers[name].set_exception(ApplicationError("it failed", told))

    def fire(self, summary: str) -> None:
        """The timer of that summary fires."""
        for _, future, name in self._waiting:
            if name == summary:
                future.set_exception(TimeoutError())


async def _answer(answer: Awaitable[Event[Any]]) -> Event[Any]:
    return await answer


def _event(call: Call[Any], told: DomainEvent) -> Event[Any]:
    return Event[DomainEvent](
        saga_id=call.saga_id,
        epoch=call.epoch,
        position=call.position + 1,
        correlation_id=call.correlation_id,
        causation_id=call.command_id,
        event_type=type(told).__name__,
        aggregate_id=told.aggregate_id,
        aggregate_type=told.aggregate_type,
        version=1,
        occurred_at=BEGIN,
        step=call.step,
        direction=call.direction,
        data=told,
    )
