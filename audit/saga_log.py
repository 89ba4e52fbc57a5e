"""One order saga's log as the audit reads it, from wherever it was found."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from pydantic import ValidationError

from contracts.commands import PlaceOrder
from contracts.sagas import ORDER
from runtime.errors import Unreadable
from saga.envelope import Event, JsonObject
from saga.events import RepairAction, SagaStarted, Status, StepRepaired, StepStarted
from saga.identity import Direction, saga_id
from saga.state import SagaState, data_of, fold


class Source(StrEnum):
    """Where a log was found."""

    HISTORY = "history"
    EVENTS = "events"
    """The read database's table of events: the history is gone, or never was."""


@dataclass(frozen=True)
class ByHand:
    """A call that a person declared as done by hand; the participant knows nothing of it."""

    order_id: str
    name: str
    """The step's name, or its undo's."""
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class SagaLog:
    """What is known of one order saga; equal when nothing has happened in between."""

    order_id: str
    saga_id: str
    source: Source
    events: tuple[Event[JsonObject], ...] = ()
    """Those that its newest run has; none before its first workflow task has ended."""
    abandoned: tuple[Event[JsonObject], ...] = field(default=(), repr=False)
    """What older runs have told beside that, and a reset or a recovery has abandoned."""
    unreadable: str | None = None
    """Why it can't be understood."""
    sinks: tuple[str, ...] | None = field(default=None, repr=False)
    """The optional sinks that its input names; None where the history is gone."""
    closed: bool = field(default=True, compare=False)
    """Whether no workflow of it is running, which hands its events to the sinks."""

    @property
    def every(self) -> list[Event[JsonObject]]:
        """Those of all runs, by their places."""
        return sorted((*self.events, *self.abandoned), key=lambda it: (it.epoch, it.position))

    @cached_property
    def state(self) -> SagaState | None:
        """What the events add up to."""
        return fold(self.events) if self.events else None

    @property
    def status(self) -> Status:
        """How the saga stands."""
        return Status.RUNNING if self.state is None else self.state.status

    @cached_property
    def command(self) -> PlaceOrder | None:
        """The order that started it; None while its log has no beginning."""
        if not self.events:
            return None
        return PlaceOrder.model_validate(data_of(self.events[0], SagaStarted).command)

    @cached_property
    def sent(self) -> frozenset[tuple[str, Direction]]:
        """The calls that were ever made, by step instance."""
        return frozenset(
            (event.step, event.direction)
            for event in self.every
            if event.event_type == StepStarted.__name__
            and event.step is not None
            and event.direction is not None
        )

    @cached_property
    def by_hand(self) -> dict[tuple[str, Direction], ByHand]:
        """The calls that a person did instead, by step instance."""
        return {
            (event.step, event.direction): ByHand(
                self.order_id, repaired.name, repaired.by, repaired.reason, event.occurred_at
            )
            for event in self.every
            if event.event_type == StepRepaired.__name__
            and event.step is not None
            and event.direction is not None
            and (repaired := data_of(event, StepRepaired)).action is RepairAction.SKIP
        }

    def told(self) -> Iterator[Event[JsonObject]]:
        """What participants have told it, in its order."""
        return (it for it in self.events if it.aggregate_type != SagaStarted.aggregate_type)


def understood(log: SagaLog) -> SagaLog | None:
    """The log with what can't be understood of it; None when it is no order's."""
    try:
        if log.state is not None and log.state.saga_type != ORDER.name:
            return None
        _ = log.command, log.sent, log.by_hand
    except (ValueError, Unreadable) as error:
        return unreadable(log.order_id, log.source, error)
    return log


def unreadable(order_id: str, source: Source, error: ValueError | Unreadable) -> SagaLog:
    """A log that can't be understood, for the reason that the error tells, without its values."""
    why = str(error)
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        why = f"{error.title}: {first['msg']} at {'.'.join(map(str, first['loc']))}"
    return SagaLog(order_id, saga_id(ORDER.name, order_id), source, unreadable=why)
