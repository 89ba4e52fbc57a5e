"""The base of every saga's workflow: it runs a flow as a saga and shows how it stands."""

import asyncio
from abc import abstractmethod
from datetime import timedelta
from typing import Any, ClassVar, Generic

from temporalio import workflow

from runtime.search_attributes import CustomerId, SagaStatus, SagaType
from saga.events import Status
from saga.handlers import SagaHandlers
from saga.host import InWorkflow
from saga.lane import InExpress
from saga.limits import refuse_timeouts
from saga.log import Log
from saga.messages import SagaCommandT
from saga.orchestrator import Orchestrator
from saga.port import Saga
from saga.pump import Pump, Sink
from saga.start import DEADLINE, Lane, Reply, Request, SagaInput, SagaKind, SagaOutcome
from saga.state import SagaState
from saga.steps import AnyStep


class SagaWorkflow(SagaHandlers, Generic[SagaCommandT]):
    """The base of a saga's workflow; a subclass declares its steps and tells its `flow`.

    The subclass carries `@workflow.defn`, and `@workflow.run` on its one-line `run`, since Temporal
    wants both on the class itself.
    """

    kind: ClassVar[SagaKind[Any]]
    steps: ClassVar[tuple[AnyStep, ...]]
    sinks: ClassVar[tuple[Sink, ...]] = ()
    deadline: ClassVar[timedelta | None] = DEADLINE
    """From the first step to the pivot, pauses not counted; None for none at all."""

    def __init__(self) -> None:
        super().__init__()
        self._pumps: dict[str, Pump] = {}
        self._express: InExpress | None = None
        self._status: Status | None = None
        self._cancelling: asyncio.Task[Reply] | None = None

    @abstractmethod
    async def flow(self, saga: Saga, command: SagaCommandT) -> None:
        """The story: plain Python and the saga port, nothing of Temporal."""

    @abstractmethod
    async def run(self, start: SagaInput[SagaCommandT]) -> SagaOutcome:
        """Temporal's entry point: one line, `return await self.execute(start)`."""

    async def execute(self, start: SagaInput[SagaCommandT]) -> SagaOutcome:
        """Run the flow as a saga; ends when its events are out.

        A saga cancelled by Temporal's own means is compensated and then closes as Canceled.
        One that was started with a workflow timeout fails before its first step.
        """
        info = workflow.info()
        refuse_timeouts(info.execution_timeout, info.run_timeout)
        recovery = start.recovery
        express = start.lane is Lane.EXPRESS and self.kind.express
        if recovery.unsettled if recovery is not None else express:
            self._express = InExpress()
        log = self._log = Log(self._express or InWorkflow(), self.kind.name, start)
        if self._express is None:
            log.begin()
        self._orchestrator = Orchestrator(log, start.deadline or self.deadline)
        log.on_change = self._show
        self._introduce()
        await self._outlast(asyncio.create_task(self._tell(start)))
        if self._cancelling is not None and log.state.status is Status.COMPENSATED:
            raise asyncio.CancelledError
        return _outcome(log.state)

    async def _tell(self, start: SagaInput[SagaCommandT]) -> None:
        log, orchestrator = self._running
        self._pumps = {
            sink.name: Pump(sink, log, self._express)
            for sink in self.sinks
            if not sink.optional or sink.name in start.sinks
        }
        if self._express is not None:
            log.begin_after_lane(await self._express.fetch(start, log.epoch))
        pumping = [asyncio.create_task(pump.run()) for pump in self._pumps.values()]
        recovery = start.recovery
        if recovery is not None and not recovery.unsettled:
            await orchestrator.undo(recovery, self.steps)
        else:
            # What its lane has called is known when the story comes to its pivot, and then undone.
            asked = [asyncio.create_task(orchestrator.course.cancel(recovery))] if recovery else []
            await orchestrator.execute(lambda: self.flow(orchestrator, start.command))
            for cancel in asked:
                await cancel
        await self._all_out()
        while await orchestrator.notice_reset():
            await self._all_out()
        for pump in self._pumps.values():
            pump.close()
        for task in pumping:
            await task
        if self._cancelling is not None:
            await self._cancelling
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _all_out(self) -> None:
        log, _ = self._running
        await workflow.wait_condition(
            lambda: log.state.status.final and not any(pump.behind for pump in self._pumps.values())
        )

    async def _outlast(self, story: asyncio.Task[None]) -> None:
        """Wait for the story, whatever comes; a cancel by Temporal's own means is passed on."""
        while not story.done():
            try:
                await asyncio.shield(story)
            except asyncio.CancelledError:
                if story.done():
                    break
                reason = workflow.cancellation_reason()
                if reason is None or self._cancelling is not None:
                    raise  # The worker drops this workflow from its cache.
                request = Request(by="temporal", reason=reason or "none given")
                self._cancelling = asyncio.create_task(self._running[1].course.cancel(request))
        story.result()

    def _introduce(self) -> None:
        """Set the search attributes that whoever started the workflow has left out."""
        state, given = self._running[0].state, workflow.info().typed_search_attributes
        if given.get(SagaType) is None:
            updates = [SagaType.value_set(state.saga_type)]
            if state.headline.customer_id is not None:
                updates.append(CustomerId.value_set(state.headline.customer_id))
            workflow.upsert_search_attributes(updates)
        if (status := given.get(SagaStatus)) is not None:
            self._status = Status(status)
        self._show()

    def _show(self) -> None:
        """Keep the search attribute and the Web UI's details true."""
        log, _ = self._running
        state = log.state
        if state.status is not self._status:
            self._status = state.status
            workflow.upsert_search_attributes([SagaStatus.value_set(state.status)])
            workflow.metric_meter().create_counter(
                "saga_status_changes", "Sagas that came to a status; `stuck` needs a person"
            ).add(1, {"saga_type": state.saga_type, "status": state.status})
            if state.status is Status.STUCK:
                failure = next(iter(state.stuck.values()))
                workflow.logger.error("stuck: %s", failure, extra={"step": failure.step})
        lines = [f"**{state.status}**" + (f" ({state.cause})" if state.cause else "")]
        lines += [f"- {step}: {status}" for step, status in state.steps.items()]
        waits = [name for name, pump in self._pumps.items() if pump.behind]
        if state.status.final and waits:
            lines.append(f"\nwaits for {', '.join(waits)}")
        workflow.set_current_details("\n".join(lines))


def _outcome(state: SagaState) -> SagaOutcome:
    return SagaOutcome(
        saga_id=state.saga_id,
        status=state.status,
        cause=state.cause,
        failure=state.failure,
        errors=state.errors,
        steps=state.steps,
    )
