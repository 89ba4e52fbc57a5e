"""Customers who buy through whatever outages, and perhaps think better of it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from contracts.commands import PlaceOrder
from saga import Cause, Lane, Reply, SagaOutcome, Status
from tests.integration.stage import NOWHERE, Handle, Stage, an_order

T = TypeVar("T")


@dataclass(frozen=True)
class Bought:
    """How an order ended, and what its customer was told about a cancel."""

    order: PlaceOrder
    outcome: SagaOutcome
    reply: Reply | None


@dataclass(frozen=True)
class Customer:
    """One order, when it is placed, and when it is cancelled, if at all."""

    order: PlaceOrder
    lane: Lane
    can_complete: bool
    places_after: float
    cancels_after: float | None

    @classmethod
    def of(cls, number: int, rng: random.Random, *, within: float) -> "Customer":
        """The mix: half of all orders are all right, and half of these are cancelled.

        Every other six take the express lane.
        """
        kinds: tuple[Callable[[], PlaceOrder], ...] = (
            lambda: an_order(quantity=rng.randint(1, 5)),
            lambda: an_order(card="tok_declined"),
            lambda: an_order(price=rng.randint(1, 9999)),
            lambda: an_order("PEN", quantity=20_000),
            lambda: an_order(quantity=rng.randint(1, 5)),
            lambda: an_order(ship_to=NOWHERE),
        )
        return cls(
            order=kinds[number % len(kinds)](),
            lane=(Lane.STEPWISE, Lane.EXPRESS)[number // len(kinds) % 2],
            can_complete=number % 2 == 0,
            places_after=rng.uniform(0, within),
            cancels_after=rng.uniform(0, 1) if number % 4 == 0 else None,
        )

    async def buy(self, stage: Stage) -> Bought:
        """Place the order, perhaps cancel it, and wait for its end."""
        await asyncio.sleep(self.places_after)
        handle = await _persistently(lambda: stage.place(self.order, self.lane))
        reply = None
        if self.cancels_after is not None:
            await asyncio.sleep(self.cancels_after)
            reply = await _persistently(lambda: _cancel(stage, handle))
        return Bought(self.order, await _persistently(handle.result), reply)

    def check(self, bought: Bought) -> None:
        """It ended as it had to, and the customer was told the truth."""
        outcome, reply = bought.outcome, bought.reply
        assert outcome.status in {Status.COMPLETED, Status.COMPENSATED}
        if not self.can_complete:
            assert outcome.status is Status.COMPENSATED
        elif self.cancels_after is None:
            assert outcome.status is Status.COMPLETED
        if reply is not None and reply.accepted:
            assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.CANCELLED)


async def _cancel(stage: Stage, handle: Handle) -> Reply | None:
    try:
        return await stage.cancel(handle)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:  # The workflow has closed.
            return None
        raise


async def _persistently(ask: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await ask()
        except (RPCError, WorkflowUpdateRPCTimeoutOrCancelledError):
            await asyncio.sleep(0.1)
