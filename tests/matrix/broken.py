"""Sagas as they are published, on the bare Temporal SDK, each with one fault that such have.

They have the order saga's steps and activities, so that the same participants and invariants judge
them. `Sound` has none of the faults.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from contracts.commands import (
        ChargePayment,
        ConfirmOrder,
        CreateOrder,
        CreateShipment,
        PlaceOrder,
        ReserveStock,
    )
    from saga import Call, Command, Direction, Event, SagaInput, SagaKind
    from saga.steps import AnyStep, name_of
    from saga.testing import Subject
    from tests.matrix.order_subject import place_order
    from workflows.order import (
        OrderSaga,
        charge_payment,
        confirm_order,
        create_order,
        create_shipment,
        reserve_stock,
    )

Undo = Callable[[], Awaitable[object]]


class Bare:
    """What all have in common; nothing here is wrong, and subclasses make it so."""

    cancellation = workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
    undo_attempts = 0

    def __init__(self) -> None:
        self._undos: list[Undo] = []

    async def place(self, order: PlaceOrder) -> None:
        """The story."""
        try:
            await self.do(create_order, CreateOrder.of(order))
            await self.do(charge_payment, ChargePayment.of(order))
            await self.do(reserve_stock, ReserveStock.of(order))
            shipment = await self.do(create_shipment, CreateShipment.of(order))
        except BaseException:
            await outlasting(self.compensate())
            raise
        confirm = ConfirmOrder(order_id=order.order_id, shipment_id=shipment.data.shipment_id)
        await outlasting(self.call(confirm_order, confirm, Direction.DO))

    async def do(self, step: AnyStep, command: Command) -> Event[Any]:
        """One step; its undo is registered before."""
        self.register(step, command)
        return await self.call(step, command, Direction.DO)

    def register(self, step: AnyStep, command: Command) -> None:
        if (undo := step.undo) is not None:
            undoing = undo.command(command)
            self._undos.append(lambda: self.call(step, undoing, Direction.UNDO))

    async def compensate(self) -> None:
        for undo in reversed(self._undos):
            await undo()

    async def call(
        self, step: AnyStep, command: Command, direction: Direction, **changes: int
    ) -> Event[Any]:
        undoing = direction is Direction.UNDO and step.undo is not None
        activity = step.undo.activity if undoing and step.undo else step.action
        name, info = name_of(activity), workflow.info()
        call = Call[Any](
            saga_id=info.workflow_id,
            epoch=0,
            position=0,
            correlation_id=info.workflow_id,
            step=step.name,
            direction=direction,
            name=name,
            run_id=info.run_id,
            sent_at=workflow.now(),
            command_type=type(command).__name__,
            command=command,
            renewals=changes.get("renewals", 0),
        )
        attempts = changes.get("attempts", self.undo_attempts if undoing else 0)
        answer: Event[Any] = await workflow.execute_activity_method(
            activity,
            call,
            start_to_close_timeout=timedelta(seconds=10),
            heartbeat_timeout=timedelta(seconds=1),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(milliseconds=50), maximum_attempts=attempts
            ),
            cancellation_type=self.cancellation,
        )
        return answer


async def outlasting(work: Awaitable[object]) -> None:
    """Wait for it, however often the workflow is cancelled."""
    task = asyncio.ensure_future(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            continue
        except ActivityError:
            break
    task.result()


@workflow.defn
class Sound(Bare):
    @workflow.run
    async def run(self, start: SagaInput[PlaceOrder]) -> None:
        await self.place(start.command)


@workflow.defn
class CatchesException(Bare):
    """`except Exception`: a cancel slips through where the saga sleeps, and in the undos."""

    @workflow.run
    async def run(self, start: SagaInput[PlaceOrder]) -> None:
        await self.place(start.command)

    async def place(self, order: PlaceOrder) -> None:
        try:
            await self.do(create_order, CreateOrder.of(order))
            await self.do(charge_payment, ChargePayment.of(order))
            await workflow.sleep(timedelta(seconds=1))
            await self.do(reserve_stock, ReserveStock.of(order))
            await self.do(create_shipment, CreateShipment.of(order))
        except Exception:
            await self.compensate()
            raise


@workflow.defn
class ShieldsOnce(Bare):
    """One `asyncio.shield`: a cancel during the undo cuts it off."""

    @workflow.run
    async def run(self, start: SagaInput[PlaceOrder]) -> None:
        try:
            await self.do(create_order, CreateOrder.of(start.command))
            await self.do(charge_payment, ChargePayment.of(start.command))
            await self.do(reserve_stock, ReserveStock.of(start.command))
            await self.do(create_shipment, CreateShipment.of(start.command))
        except BaseException:
            await asyncio.shield(self.compensate())
            raise


@workflow.defn
class RegistersAfter(Bare):
    """The undo is registered when the action has answered: what it did else is forgotten."""

    @workflow.run
    async def run(self, start: SagaInput[PlaceOrder]) -> None:
        await self.place(start.command)

    async def do(self, step: AnyStep, command: Command) -> Event[Any]:
        answer = await self.call(step, command, Direction.DO)
        self.register(step, command)
        return answer


@workflow.defn
class SwallowsUndoErrors(Bare):
    """An undo that fails is logged, and the saga says that it is compensated."""

    undo_attempts = 3

    @workflow.run
    async def run(self, start: SagaInput[PlaceOrder]) -> None:
        await self.place(start.command)

    async def compensate(self) -> None:
        for undo in reversed(self._undos):
            try:
                await undo()
            except ActivityError as error:
                workflow.logger.warning("an undo failed: %s", error)


@workflow.defn
class MakesKeysAtRandom(Bare):
    """Each attempt has an idempotency key of its own, so that the participant can't tell."""

    @workflow.run
    async def run(self, start: SagaInput[PlaceOrder]) -> None:
        await self.place(start.command)

    async def do(self, step: AnyStep, command: Command) -> Event[Any]:
        self.register(step, command)
        while True:
            try:
                renewals = workflow.random().randrange(1, 10**9)
                return await self.call(step, command, Direction.DO, renewals=renewals, attempts=1)
            except ActivityError as error:
                if getattr(error.cause, "type", None) != "Outage":
                    raise


@workflow.defn
class UndoesForwards(Bare):
    """The undos run in the order of the steps."""

    @workflow.run
    async def run(self, start: SagaInput[PlaceOrder]) -> None:
        await self.place(start.command)

    async def compensate(self) -> None:
        for undo in self._undos:
            await undo()


@workflow.defn
class UndoesAtOnce(Bare):
    """All undos are started, and nobody waits for a later one before an earlier one."""

    @workflow.run
    async def run(self, start: SagaInput[PlaceOrder]) -> None:
        await self.place(start.command)

    async def compensate(self) -> None:
        await asyncio.gather(*(undo() for undo in reversed(self._undos)))


@workflow.defn
class LeavesUndosAlone(Bare):
    """The undos are started, and the workflow ends before they have."""

    @workflow.run
    async def run(self, start: SagaInput[PlaceOrder]) -> None:
        await self.place(start.command)

    async def compensate(self) -> None:
        self._left_alone = [asyncio.ensure_future(undo()) for undo in reversed(self._undos)]


@workflow.defn
class TriesToCancel(Bare):
    """The default cancellation type: the undo does not wait until the action has ended."""

    cancellation = workflow.ActivityCancellationType.TRY_CANCEL

    @workflow.run
    async def run(self, start: SagaInput[PlaceOrder]) -> None:
        await self.place(start.command)


def _subject(workflow_type: type[Bare]) -> Subject:
    return Subject(
        workflow=workflow_type,
        command=place_order,
        declared=OrderSaga.steps,
        named=SagaKind[PlaceOrder](
            name=workflow_type.__name__.lower(), workflow=workflow_type.__name__
        ),
    )


SOUND = _subject(Sound)
CATCHES_EXCEPTION = _subject(CatchesException)
SHIELDS_ONCE = _subject(ShieldsOnce)
REGISTERS_AFTER = _subject(RegistersAfter)
SWALLOWS_UNDO_ERRORS = _subject(SwallowsUndoErrors)
MAKES_KEYS_AT_RANDOM = _subject(MakesKeysAtRandom)
UNDOES_FORWARDS = _subject(UndoesForwards)
UNDOES_AT_ONCE = _subject(UndoesAtOnce)
LEAVES_UNDOS_ALONE = _subject(LeavesUndosAlone)
TRIES_TO_CANCEL = _subject(TriesToCancel)
