"""How often this project's rows are written when others write theirs after every change."""

import asyncio
from collections.abc import Iterator, Sequence

from temporalio import activity

from activities.projection import Projector
from saga import Batch, SagaState, fold
from saga.events import StepStarted
from saga.state import AnyEvent, apply


class EachChange:
    """Takes what the pump hands over, and writes the row once for each change in it.

    `shared` where what the projector is given at once goes into one transaction, in its order.
    """

    def __init__(self, projector: Projector, *, shared: bool) -> None:
        self._projector = projector
        self._shared = shared
        self._states: dict[str, SagaState] = {}

    @activity.defn
    async def project_saga(self, batch: Batch) -> None:
        """Write the states that the events went through, each of them."""
        state = self._states.pop(batch.state.saga_id, None)
        told: list[tuple[SagaState, Sequence[AnyEvent]]] = []
        for change in changes(batch.events):
            state = fold(change) if state is None else _after(state, change)
            told.append((state, change))
        if self._shared:
            await asyncio.gather(*(self._projector.project(*each) for each in told))
        else:
            for each in told:
                await self._projector.project(*each)
        if not batch.state.status.final:
            self._states[batch.state.saga_id] = batch.state


class LastOnly:
    """Takes what the pump hands over, and writes only how the saga ended."""

    def __init__(self, projector: Projector) -> None:
        self._projector = projector
        self._gathered: dict[str, tuple[AnyEvent, ...]] = {}

    @activity.defn
    async def project_saga(self, batch: Batch) -> None:
        """Write the last state, and all events with it."""
        saga = batch.state.saga_id
        events = (*self._gathered.pop(saga, ()), *batch.events)
        if batch.state.status.final:
            await self._projector.project(batch.state, events)
        else:
            self._gathered[saga] = events


def changes(events: Sequence[AnyEvent]) -> Iterator[list[AnyEvent]]:
    """What the others would write a row for: a step's start belongs to the change before it."""
    change: list[AnyEvent] = []
    for event in events:
        if change and change[-1].event_type == StepStarted.__name__ != event.event_type:
            yield change
            change = []
        change.append(event)
    if change:
        yield change


def _after(state: SagaState, change: Sequence[AnyEvent]) -> SagaState:
    for event in change:
        state = apply(state, event)
    return state
