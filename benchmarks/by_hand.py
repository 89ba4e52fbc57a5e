"""The order saga written by hand on the bare Temporal SDK: what `saga/` is measured against.

It takes from `saga/` only what both sides exchange with activities, client and read database
(`Call`, `Event`, `Batch`, `SagaState`, `SagaInput`, `SagaOutcome` and the events). Activities and
payloads are therefore the same; what differs is who runs the story.

What it does, since a careful author would, and the engine does too:
- registers an undo before its action runs, drops it when the action was refused, and undoes in
  reverse, one after the other; a cancelled action is waited for
- has a deadline from the first step to the pivot, as a timer in the workflow
- takes a cancel by update and by Temporal's own means; both wait for a pivot under way, and are too
  late after it
- projects beside the steps, one batch at a time, at once when the status changes and otherwise
  after 500 ms, and closes when the last state is projected
- keeps search attribute, metric and the Web UI's details true; gives activities ids and summaries
- records in the memo, with place and cause, what has no activity of its own
- answers the query `state`

What it does not, and the engine does:
- pause and resume, stuck steps and their repair: undos and the step after the pivot are retried
  without end, and when one is refused the workflow task fails and waits for other code
- resets: one epoch only, and steps that a reset has copied are not asked for again
- steps in parallel or in loops, probes, fallbacks, optional steps, sleeping, publication
- serve another saga than this one
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, NamedTuple

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.workflow import ActivityCancellationType, ActivityHandle

with workflow.unsafe.imports_passed_through():
    from activities.inventory import InventoryActivities
    from activities.order import OrderActivities
    from activities.payment import PaymentActivities
    from activities.projection import ProjectionActivities, projection
    from activities.shipping import ShippingActivities
    from benchmarks.hand_log import BY_HAND, HandLog, failure_of
    from contracts.commands import (
        CancelOrder,
        CancelShipment,
        ChargePayment,
        ConfirmOrder,
        CreateOrder,
        CreateShipment,
        PlaceOrder,
        RefundPayment,
        ReleaseStock,
        ReserveStock,
    )
    from contracts.events import ShipmentCreated
    from saga.envelope import Call, Event
    from saga.events import (
        CancelRequested,
        Cause,
        CompensationStarted,
        DeadlinePassed,
        FailureKind,
        SagaCompensated,
        SagaCompleted,
        SagaEvent,
        Status,
        StepFailed,
    )
    from saga.identity import Direction
    from saga.messages import Command
    from saga.pump import Batch
    from saga.start import DEADLINE, Reply, Request, SagaInput, SagaOutcome
    from saga.state import AnyEvent, SagaState

RETRIES = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=30)
)

Activity = Callable[[Any, Call[Any]], Awaitable[Event[Any]]]


class Undo(NamedTuple):
    """What takes a step back."""

    activity: Activity
    name: str
    command: Command


class NotDone(Exception):
    """A step was refused, or nobody knows what it did."""

    def __init__(self, failed: StepFailed) -> None:
        super().__init__(failed.message)
        self.failed = failed


class Ended(Exception):
    """A cancel or the deadline has ended the story."""


@workflow.defn(name=BY_HAND.workflow)
class OrderByHand:
    """The story of workflows/order.py, and all that it takes to tell it."""

    @workflow.init
    def __init__(self, start: SagaInput[PlaceOrder]) -> None:
        self._log = HandLog(BY_HAND.name, start)
        self._undos: list[tuple[str, Undo]] = []
        self._under_way: ActivityHandle[AnyEvent] | None = None
        self._interrupted: Cause | None = None
        self._pivoting = self._decided = self._closing = False
        self._projected = 0

    @workflow.run
    async def run(self, start: SagaInput[PlaceOrder]) -> SagaOutcome:
        story = asyncio.create_task(self._tell(start.command, start.deadline or DEADLINE))
        cancelling: asyncio.Task[Reply] | None = None
        while not story.done():
            try:
                await asyncio.shield(story)
            except asyncio.CancelledError:
                reason = workflow.cancellation_reason()
                if story.done() or reason is None or cancelling is not None:
                    raise
                request = Request(by="temporal", reason=reason or "none given")
                cancelling = asyncio.create_task(self._cancel(request))
        story.result()
        log = self._log
        if cancelling is not None and log.status is Status.COMPENSATED:
            raise asyncio.CancelledError
        return SagaOutcome(
            saga_id=log.saga_id,
            status=log.status,
            cause=log.cause,
            failure=log.failure,
            errors=tuple(log.errors),
            steps=log.steps,
        )

    @workflow.query
    def state(self) -> SagaState:
        return self._log.state()

    @workflow.update
    async def cancel(self, request: Request) -> Reply:
        return await self._cancel(request)

    async def _cancel(self, request: Request) -> Reply:
        log = self._log
        if not self._decided:
            await self._interrupt(
                Cause.CANCELLED,
                CancelRequested(saga_id=log.saga_id, by=request.by, reason=request.reason),
            )
        if self._interrupted is None:
            return Reply(accepted=False, status=log.status, message="too late")
        return Reply(accepted=True, status=log.status, message="the saga is being undone")

    async def _interrupt(self, cause: Cause, why: SagaEvent) -> None:
        self._log.record(why)
        await workflow.wait_condition(lambda: not self._pivoting)
        if not self._decided and self._interrupted is None:
            self._interrupted = cause
            if self._under_way is not None:
                self._under_way.cancel()

    async def _watch(self, deadline: timedelta) -> None:
        try:
            await workflow.wait_condition(
                lambda: self._decided, timeout=deadline, timeout_summary="deadline"
            )
        except TimeoutError:
            passed = DeadlinePassed(saga_id=self._log.saga_id, seconds=deadline.total_seconds())
            await self._interrupt(Cause.DEADLINE, passed)

    async def _tell(self, order: PlaceOrder, deadline: timedelta) -> None:
        projecting = asyncio.create_task(self._project())
        clock = asyncio.create_task(self._watch(deadline))
        try:
            await self._forward(order)
        except NotDone as error:
            await self._compensate(error.failed)
        except Ended:
            await self._compensate(None)
        else:
            self._log.record(SagaCompleted(saga_id=self._log.saga_id), Status.COMPLETED)
        self._closing = True
        await projecting
        await clock
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _forward(self, order: PlaceOrder) -> None:
        create = CreateOrder.of(order)
        undo = Undo(OrderActivities.cancel_order, "cancel-order", CancelOrder.undoing(create))
        await self._do(OrderActivities.create_order, "create-order", create, undo)

        charge = ChargePayment.of(order)
        undo = Undo(
            PaymentActivities.refund_payment, "refund-payment", RefundPayment.undoing(charge)
        )
        await self._do(PaymentActivities.charge_payment, "charge-payment", charge, undo)

        reserve = ReserveStock.of(order)
        undo = Undo(
            InventoryActivities.release_stock, "release-stock", ReleaseStock.undoing(reserve)
        )
        await self._do(InventoryActivities.reserve_stock, "reserve-stock", reserve, undo)

        ship = CreateShipment.of(order)
        undo = Undo(
            ShippingActivities.cancel_shipment, "cancel-shipment", CancelShipment.undoing(ship)
        )
        shipment: ShipmentCreated = await self._do(
            ShippingActivities.create_shipment, "create-shipment", ship, undo, pivot=True
        )

        confirm = ConfirmOrder(order_id=order.order_id, shipment_id=shipment.shipment_id)
        await self._call(OrderActivities.confirm_order, "confirm-order", "confirm-order", confirm)

    async def _do(
        self, action: Activity, name: str, command: Command, undo: Undo, *, pivot: bool = False
    ) -> Any:
        """Do a step that can be undone; what its participant tells."""
        self._go_on_or_end()
        # Registered before the action runs: an action whose answer is lost is undone too.
        self._undos.append((name, undo))
        self._pivoting = pivot
        try:
            answer = await self._call(action, name, name, command)
            self._decided = pivot
        except NotDone as error:
            if error.failed.kind is FailureKind.REFUSED:
                self._undos.pop()
            self._go_on_or_end()
            raise
        finally:
            self._pivoting = False
        # An action that finishes anyway swallows the cancel.
        self._go_on_or_end()
        return answer.data

    def _go_on_or_end(self) -> None:
        if self._interrupted is not None:
            raise Ended

    async def _compensate(self, failed: StepFailed | None) -> None:
        log, self._decided = self._log, True
        log.cause = self._interrupted or Cause.FAILED
        log.failure = None if failed is None else failure_of(failed)
        started = CompensationStarted(saga_id=log.saga_id, cause=log.cause, failure=failed)
        log.record(started, Status.COMPENSATING)
        for step, undo in reversed(self._undos):
            await self._call(undo.activity, step, undo.name, undo.command, Direction.UNDO)
        log.record(SagaCompensated(saga_id=log.saga_id), Status.COMPENSATED)

    async def _call(
        self,
        activity: Activity,
        step: str,
        name: str,
        command: Command,
        direction: Direction = Direction.DO,
    ) -> AnyEvent:
        call = self._log.send(command, step=step, name=name, direction=direction)
        handle = workflow.start_activity_method(
            activity,
            call,
            activity_id=name,
            start_to_close_timeout=timedelta(seconds=10),
            schedule_to_close_timeout=timedelta(minutes=10) if self._pivoting else None,
            heartbeat_timeout=timedelta(seconds=5),
            retry_policy=RETRIES,
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=command.summary(),
        )
        self._under_way = None if self._pivoting or self._decided else handle
        try:
            answer = await handle
        except ActivityError as error:
            failed = self._log.failed(call, error)
            if self._decided:
                raise RuntimeError(f"{name} must not fail") from error
            raise NotDone(failed) from error
        finally:
            self._under_way = None
        self._log.answered(call, answer)
        return answer

    async def _project(self) -> None:
        """Project beside the steps, until the last state is out."""
        log, shown = self._log, self._log.status
        while True:
            await workflow.wait_condition(
                lambda: self._projected < len(log.events) or self._closing
            )
            if self._projected == len(log.events):
                return
            if log.status is shown:
                await self._wait_for_more(shown)
            batch = Batch(state=log.state(), events=tuple(log.events[self._projected :]))
            await workflow.execute_activity_method(
                ProjectionActivities.project_saga,
                batch,
                task_queue=f"{workflow.info().task_queue}-{projection.name}",
                start_to_close_timeout=timedelta(seconds=10),
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(milliseconds=200),
                    maximum_interval=timedelta(seconds=10),
                ),
                summary=f"projection: {batch.state.status}, version {batch.state.version}",
            )
            self._projected += len(batch.events)
            shown = batch.state.status

    async def _wait_for_more(self, shown: Status) -> None:
        try:
            await workflow.wait_condition(
                lambda: self._log.status is not shown,
                timeout=projection.later_interval if self._projected else projection.interval,
                timeout_summary="gathering for projection",
            )
        except TimeoutError:
            return
