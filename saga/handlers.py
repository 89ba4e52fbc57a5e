"""What every saga answers while it runs: what it is, and what a person asks of it."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from saga.log import Log
from saga.orchestrator import Orchestrator
from saga.start import Repair, Reply, Request
from saga.state import SagaState


class SagaHandlers:
    """The queries and updates that every saga's workflow inherits."""

    def __init__(self) -> None:
        self._log: Log | None = None
        self._orchestrator: Orchestrator | None = None

    @property
    def _running(self) -> tuple[Log, Orchestrator]:
        if self._log is None or self._orchestrator is None:
            raise ApplicationError("the saga has not started yet", type="NotStarted")
        return self._log, self._orchestrator

    async def _once_running(self) -> Orchestrator:
        """An update may come in the same task as the start, and then runs before it."""
        await workflow.wait_condition(lambda: self._orchestrator is not None)
        return self._running[1]

    @workflow.query
    def state(self) -> SagaState:
        """What the saga's events add up to."""
        return self._running[0].state

    @workflow.update
    async def cancel(self, request: Request) -> Reply:
        """Undo the saga, or answer that it is too late."""
        return await (await self._once_running()).course.cancel(request)

    @workflow.update
    async def pause(self, request: Request) -> Reply:
        """Hold the saga before its next call."""
        return await (await self._once_running()).course.pause(request)

    @workflow.update
    async def resume(self, request: Request) -> Reply:
        """Let a paused saga go on."""
        return await (await self._once_running()).course.resume(request)

    @workflow.update
    async def repair(self, repair: Repair) -> Reply:
        """Let a stuck step go on as a person has decided."""
        return await self._running[1].repair(repair)

    @repair.validator
    def _can_be_repaired(self, repair: Repair) -> None:
        self._running[1].repairs.check(repair)
