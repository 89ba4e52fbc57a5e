"""Hand-written participants of the order saga that keep a ledger of their effects.

They hold the barrier of docs/participants.md in memory, and do what a test tells them: refuse, be
away, lose an answer after the effect, or wait until the test lets them go on.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, get_type_hints

from temporalio import activity
from temporalio.exceptions import ApplicationError

from contracts import events as told
from contracts.money import Money
from saga import (
    Batch,
    Call,
    Direction,
    DomainEvent,
    Event,
    answered,
    did_not_happen,
    misconfigured,
    outage,
    refused,
)
from workflows.order import OrderSaga

Act = Callable[[int], Awaitable[None] | None]
"""What happens at the n-th attempt (from 1); may raise."""


class Held:
    """A call that waits inside its participant until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._released = asyncio.Event()

    def release(self) -> None:
        """Let the call go on."""
        self._released.set()

    async def __call__(self, _attempt: int) -> None:
        self.reached.set()
        while not self._released.is_set():
            activity.heartbeat()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._released.wait(), 0.05)


class DeafHeld(Held):
    """One that goes on although it was told to cancel: the action outruns the cancel."""

    async def __call__(self, attempt: int) -> None:
        holding = asyncio.ensure_future(super().__call__(attempt))
        while not holding.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(holding)


class FakeParticipants:
    """All four participants; step and undo names as the saga gives them."""

    def __init__(self) -> None:
        self.ledger: list[str] = []
        """Every effect in the order in which it happened, e.g. `charge-payment`."""
        self.calls: list[str] = []
        """Every attempt, whatever came of it."""
        self._before: dict[str, Act] = {}
        self._after: dict[str, Act] = {}
        self._answers: dict[str, Event[Any]] = {}
        self._undone: set[str] = set()

    def refuse(self, name: str) -> None:
        """Refuse every call of that name."""
        self._before[name] = _raises(name)

    def away(self, name: str, *, attempts: int, retry_after: timedelta | None = None) -> None:
        """Be in outage for the first attempts."""

        def act(attempt: int) -> None:
            if attempt <= attempts:
                raise outage(f"{name} is away", retry_after=retry_after)

        self._before[name] = act

    def give_up(self, name: str, *, after_effect: bool = False) -> None:
        """Fail for good without a documented refusal, so that nobody knows what was done.

        It stands for a time limit, which the time-skipping server does not keep while an activity
        is retried.
        """

        def act(_attempt: int) -> None:
            raise ApplicationError(f"{name} gave up", type="GaveUp", non_retryable=True)

        (self._after if after_effect else self._before)[name] = act

    def misunderstand(self, name: str) -> None:
        """Take no call of that name: 401, 403, 404 and their like."""
        self._before[name] = _raises(name, misconfigured)

    def have_a_bug(self, name: str, *, attempts: int = 1) -> None:
        """Raise what nobody foresaw at the first attempts."""

        def act(_attempt: int) -> None:
            if self.calls.count(name) <= attempts:
                raise KeyError("nobody foresaw this")

        self._before[name] = act

    def lose_answer(self, name: str, *, attempts: int = 1) -> None:
        """Do it, and lose the answer to the first attempts."""

        def act(attempt: int) -> None:
            if attempt <= attempts:
                raise outage(f"the answer of {name} is lost")

        self._after[name] = act

    def hold(self, name: str, *, deaf: bool = False, after_effect: bool = False) -> Held:
        """Hold the calls of that name until the test releases them."""
        held = DeafHeld() if deaf else Held()
        (self._after if after_effect else self._before)[name] = held
        return held

    def recover(self, name: str) -> None:
        """Take back what was told of that name."""
        self._before.pop(name, None)
        self._after.pop(name, None)

    @property
    def standing(self) -> list[str]:
        """The steps whose effects stand, in the order in which they were done."""
        return [key.split("/")[1] for key in self._answers if key not in self._undone]

    def activities(self) -> list[Callable[..., Awaitable[Any]]]:
        """The activities to register with a worker."""
        actions = [(step.name, step.action) for step in OrderSaga.steps]
        undos = [(step.undo.name, step.undo.activity) for step in OrderSaga.steps if step.undo]
        probes = [(step.name, step.probe) for step in OrderSaga.steps if step.probe]
        fakes = [self._fake(name, real, self._take) for name, real in actions + undos]
        return fakes + [self._fake(name, real, self._find) for name, real in probes]

    def _fake(
        self,
        name: str,
        real: Callable[..., Awaitable[Any]],
        take: Callable[[str, Call[Any]], Awaitable[Event[Any]]],
    ) -> Callable[..., Awaitable[Any]]:
        hints = get_type_hints(real)

        async def fake(call: Call[Any]) -> Event[Any]:
            return await take(name, call)

        fake.__annotations__ = hints
        return activity.defn(name=real.__name__)(fake)

    async def _take(self, name: str, call: Call[Any]) -> Event[Any]:
        attempt = activity.info().attempt
        self.calls.append(name)
        await _act(self._before.get(name), attempt, call)
        answer = self._effect(name, call)
        await _act(self._after.get(name), attempt, call)
        return answer

    async def _find(self, name: str, call: Call[Any]) -> Event[Any]:
        self.calls.append(call.name)
        await _act(self._before.get(call.name), activity.info().attempt, call)
        if call.key not in self._answers or call.key in self._undone:
            raise did_not_happen(call)
        return self._stamped(call, self._answers[call.key])

    def _effect(self, name: str, call: Call[Any]) -> Event[Any]:
        if call.direction is Direction.DO:
            if call.key in self._undone:
                raise refused(call, "urn:problem:undone", "it was undone")
            if call.key not in self._answers:
                self.ledger.append(name)
                self._answers[call.key] = self._answer(name, call)
            return self._stamped(call, self._answers[call.key])
        undoes = str(call.undoes)
        if undoes not in self._undone:
            self._undone.add(undoes)
            if undoes in self._answers:
                self.ledger.append(name)
        return self._answer(name, call)

    def _answer(self, name: str, call: Call[Any]) -> Event[Any]:
        event = _TELLS[name](call.command)
        return answered(call, event, version=1, occurred_at=datetime.now(UTC))

    def _stamped(self, call: Call[Any], stored: Event[Any]) -> Event[Any]:
        return answered(call, stored.data, version=stored.version, occurred_at=stored.occurred_at)


class FakeReadDatabase:
    """A read database that keeps every batch in memory, and can be away."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.away = False

    @activity.defn
    async def project_saga(self, batch: Batch) -> None:
        """Keep the batch."""
        if self.away:
            raise outage("the read database is away")
        self.batches.append(batch)


async def _act(act: Act | None, attempt: int, call: Call[Any]) -> None:
    if act is None:
        return
    try:
        done = act(attempt)
        if done is not None:
            await done
    except _Answer as answer:
        raise answer.error(call) from None


class _Answer(Exception):
    def __init__(self, error: Callable[[Call[Any]], ApplicationError]) -> None:
        self.error = error


def _raises(name: str, kind: Callable[..., ApplicationError] = refused) -> Act:
    def error(call: Call[Any]) -> ApplicationError:
        if kind is refused:
            return refused(call, f"urn:problem:{name}", f"{name} refused")
        return kind(call, f"{name} misunderstood")

    def act(_attempt: int) -> None:
        raise _Answer(error)

    return act


_TELLS: dict[str, Callable[[Any], DomainEvent]] = {
    "create-order": lambda c: told.OrderCreated(
        order_id=c.order_id, customer_id=c.customer_id, total=c.total, items=c.items
    ),
    "cancel-order": lambda c: told.OrderCancelled(order_id=c.order_id),
    "confirm-order": lambda c: told.OrderConfirmed(order_id=c.order_id, shipment_id=c.shipment_id),
    "charge-payment": lambda c: told.PaymentProcessed(
        payment_id=c.payment_id, order_id=c.order_id, amount=c.total, transaction_id="t-1"
    ),
    "refund-payment": lambda c: told.PaymentRefunded(
        payment_id=c.payment_id,
        order_id=c.order_id,
        amount=Money(minor=c.total.minor, currency=c.total.currency),
    ),
    "reserve-stock": lambda c: told.InventoryReserved(
        reservation_id=c.reservation_id, order_id=c.order_id
    ),
    "release-stock": lambda c: told.InventoryReleased(
        reservation_id=c.reservation_id, order_id=c.order_id
    ),
    "create-shipment": lambda c: told.ShipmentCreated(
        shipment_id=c.shipment_id, order_id=c.order_id, tracking_number="track-1"
    ),
    "cancel-shipment": lambda c: told.ShipmentCancelled(
        shipment_id=c.shipment_id, order_id=c.order_id
    ),
}
