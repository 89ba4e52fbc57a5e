"""A script is played: one saga, its participants, and the people who do what the script says."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable
from contextlib import closing
from datetime import timedelta
from typing import Any, NoReturn
from uuid import uuid4

from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError, RPCStatusCode
from typing_extensions import override

from saga import Call, Repair, RepairAction
from saga.testing import (
    Definition,
    Fault,
    FaultKind,
    Ledger,
    Moment,
    Observed,
    Participants,
    Posting,
    Subject,
)
from saga.testing.drive import OPERATOR, Drive
from saga.testing.ledger import Struck
from tests.properties.clock import Clock, TimeStandsStill
from tests.properties.script import (
    CANCELS,
    LAST_REPAIRS,
    REPAIRS,
    SHORT_DEADLINE,
    Doing,
    Script,
    Setting,
    When,
)
from tests.properties.staff import working

ROUND = timedelta(hours=3, seconds=20)
"""After so long, all that comes by itself has come; the seconds are for the reason of `TIMES`."""
ROUNDS = 8
"""How often people look after a saga that doesn't end."""
AT_REST = timedelta(seconds=1)
"""Virtual time that passes when nothing is under way.

The time-skipping server may lose the task that is under way when a query comes, or an update that
is rejected; so people look, and repair, only when the saga is at rest.
"""
LONGEST = 60.0
"""Real seconds after which a saga has not answered to people."""
CHANCE = 0.03
"""Seconds in which a saga that has been cancelled may do what it must not do."""


class Performance:
    """One saga, played by one script."""

    def __init__(
        self, clock: Clock, subject: Subject, course: tuple[str, ...], script: Script
    ) -> None:
        self.subject = subject
        self.script = script
        self.ledger = Ledger(":memory:")
        self.was_stuck = False
        self.postings: list[Posting] = []
        self.complaints: list[str] = []
        self._clock = clock
        self._queue = str(uuid4())
        definition = Definition.of(subject, course)
        self.drive = Drive(definition, subject, self.ledger, clock.client, self._queue)
        self.handle: WorkflowHandle[object, object] = clock.client.get_workflow_handle(
            self.drive.saga_id
        )
        self._inside: dict[tuple[str, Moment], list[tuple[When, Doing]]] = defaultdict(list)
        for when, doing in script.at():
            self._inside[when.call, when.moment].append((when, doing))
        self._answers: list[asyncio.Task[None]] = []
        self._killed = asyncio.Event()

    async def play(self) -> Observed:
        """Play the script, then see to it that the saga can end; how it stands at the end."""
        self._hold()
        self.ledger.strike(self.drive.saga_id, *self.script.faults)
        with closing(self.ledger):
            try:
                participants = _Scripted(self)
                async with working(
                    self._clock.client,
                    self._queue,
                    self.subject,
                    participants,
                    cached=not self.script.replayed,
                    killed=self._killed,
                ):
                    return await self._played()
            except TimeStandsStill:
                await self._clock.renew()
                return Observed(closed=False)

    async def _played(self) -> Observed:
        await self.drive.start(
            deadline=SHORT_DEADLINE if self.script.says(Setting.SHORT_DEADLINE) else None,
            paused=self.script.says(Setting.STARTS_PAUSED),
        )
        try:
            async with asyncio.timeout(LONGEST):
                return await self._play()
        except (TimeStandsStill, TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
            self.complaints.append(f"a task is under way for ever: {await self._raised()}")
            raise TimeStandsStill from None
        finally:
            if not await self.closed():
                await self.handle.terminate()
            self.postings = self.ledger.postings(self.drive.saga_id)

    async def _pass(self, duration: timedelta) -> None:
        """Let time pass, unless nothing goes on because the workflow's code raises."""
        passing = asyncio.create_task(self._clock.sleep(duration))
        while not (await asyncio.wait({passing}, timeout=1))[0]:
            if await self._raised():
                passing.cancel()
                raise TimeStandsStill
        await passing

    async def _raised(self) -> str | None:
        """The exception that the workflow's code has raised last."""
        raised = None
        async for event in self.handle.fetch_history_events():
            if event.HasField("workflow_task_failed_event_attributes"):
                raised = event.workflow_task_failed_event_attributes.failure.message
        return raised

    async def _play(self) -> Observed:
        passed = 0
        for seconds, doing in self.script.timed():
            await self._pass(timedelta(seconds=seconds - passed))
            passed = seconds
            if not await self.closed():
                await self._do(doing)
                await self._pass(AT_REST)
        await self._pass(ROUND)
        for _ in range(ROUNDS):
            if await self.closed():
                await asyncio.gather(*self._answers)
                return await self.drive.end()
            await self._let_it_end()
            await self._pass(ROUND)
        return await self.drive.observe(claims=None, closed=False)

    async def closed(self) -> bool:
        """Whether the workflow has closed."""
        return (await self.handle.describe()).status is not WorkflowExecutionStatus.RUNNING

    def _mend(self) -> None:
        """Take back what goes wrong, and leave what people are still to do."""
        self.ledger.recover(self.drive.saga_id)
        self._hold()

    def _hold(self) -> None:
        """What is done inside a call is told to its participant as a fault that holds it."""
        for (call, moment), acts in self._inside.items():
            held = Fault(call=call, kind=FaultKind.HOLD, moment=moment, times=len(acts))
            self.ledger.strike(self.drive.saga_id, *([held] if acts else []))

    # What is done.

    async def inside(self, held: Fault) -> None:
        """A call has come to a point at which something is done."""
        when, doing = self._inside[held.call, held.moment].pop(0)
        if doing is Doing.KILL:
            await self._die()
        try:
            await self._do(doing)
        except Exception as error:
            # The saga would only see that the call had a bug.
            self.complaints.append(f"nobody could {doing} {when}: {error!r}")
            raise
        if doing in CANCELS:
            await asyncio.sleep(CHANCE)
        if when.obeys:
            await self.obey(held.call)

    async def obey(self, call: str) -> None:
        """Inside of a call: be cancelled, if it is to be."""
        while await self._is_cancelled(call):
            # It is told to an activity in answer to a heartbeat only.
            activity.heartbeat()
            await asyncio.sleep(0.01)

    async def _is_cancelled(self, call: str) -> bool:
        scheduled, cancelled = 0, False
        async for event in self.handle.fetch_history_events():
            if event.activity_task_scheduled_event_attributes.activity_id == call:
                scheduled, cancelled = event.event_id, False
            asked = event.activity_task_cancel_requested_event_attributes.scheduled_event_id
            cancelled |= scheduled > 0 and asked == scheduled
        return cancelled

    async def _die(self) -> NoReturn:
        self._killed.set()
        await asyncio.Event().wait()
        raise AssertionError("the worker went on")

    async def _do(self, doing: Doing) -> None:
        match doing:
            case Doing.CANCEL:
                # The answer waits for a pivot, which may be the call that we are inside of.
                self._answers.append(asyncio.create_task(_awaited(await self._begin_cancel())))
            case Doing.CANCEL_BY_TEMPORAL:
                await self._cancel_by_temporal()
            case Doing.PAUSE:
                await self.drive.pause()
            case Doing.RESUME:
                await self.drive.resume()
            case Doing.MEND:
                self._mend()
            case _:
                await self._repair(REPAIRS[doing])

    async def _cancel_by_temporal(self) -> None:
        """Cancel, and wait until the workflow has heard of it.

        The time-skipping server takes no more of a workflow's tasks when an activity is cancelled
        in the very moment in which it ends, so the call that we are inside of may not end before.
        """
        await self.drive.cancel_by_temporal()
        heard = False
        while not heard and not await self.closed():
            asked = False
            async for event in self.handle.fetch_history_events():
                asked |= (
                    event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED
                )
                done = event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
                heard = asked and (heard or done)

    async def _begin_cancel(self) -> Awaitable[None]:
        return (await self.drive.begin_cancel())()

    async def _repair(self, *wished: RepairAction) -> None:
        """Repair all that is stuck, by the first of these that is allowed."""
        state = await self.drive.sagas.state(self.drive.saga_id)
        for failure in state.stuck.values():
            for action in wished:
                repair = Repair(
                    by=OPERATOR.by, reason=OPERATOR.reason, step=failure.step, action=action
                )
                try:
                    await self.drive.sagas.repair(self.drive.saga_id, repair)
                except WorkflowUpdateFailedError:
                    continue
                self.was_stuck = True
                break

    async def _let_it_end(self) -> None:
        """Mend everything, repair whatever is stuck, and resume."""
        self._mend()
        wished = [it for setting, it in LAST_REPAIRS.items() if self.script.says(setting)]
        await self._repair(*wished, RepairAction.RETRY)
        await self.drive.resume()


class _Scripted(Participants):
    """Participants that hold a call while its script's people do what they do."""

    def __init__(self, performance: Performance) -> None:
        super().__init__(performance.subject, performance.ledger)
        self._performance = performance

    @override
    async def _hold(self, struck: Struck) -> None:
        await self._performance.inside(struck.fault)

    @override
    async def _strike(self, call: Call[Any], struck: Struck) -> None:
        """What fails, to be tried again, obeys if it is cancelled.

        The time-skipping server, unlike a real one, never lets it end otherwise.
        """
        if struck.fault.kind in {FaultKind.OUTAGE, FaultKind.LOSE_ANSWER}:
            await self._performance.obey(call.name)
        await super()._strike(call, struck)


async def _awaited(awaitable: Awaitable[None]) -> None:
    try:
        await awaitable
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
