"""What goes into a saga's workflow and what comes out of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic

from pydantic import BaseModel, ConfigDict, Field

from saga.envelope import JsonObject
from saga.events import Cause, RepairAction, Status
from saga.messages import Headline, SagaCommand, SagaCommandT
from saga.state import Failure, StepStatus

DEADLINE = timedelta(minutes=10)


class Lane(StrEnum):
    """How a saga's steps before its pivot are called."""

    STEPWISE = "stepwise"
    """Each by an activity of its own."""
    EXPRESS = "express"
    """All of them in one local activity, as long as nothing deviates; see decision 0015."""


@dataclass(frozen=True)
class SagaKind(Generic[SagaCommandT]):
    """A type of sagas: what starts one, and the workflow type that carries it out."""

    name: str
    """The beginning of its sagas' ids."""
    workflow: str
    express: bool = False
    """Whether its sagas may go in the express lane; the others go stepwise in any case."""


class Request(BaseModel):
    """What a person asks of a running saga, with who and why."""

    model_config = ConfigDict(frozen=True)

    by: str
    reason: str


class Sent(BaseModel):
    """An action that a saga had sent when it was ended from outside."""

    model_config = ConfigDict(frozen=True)

    step: str
    """The step's name."""
    instance: str
    command: JsonObject


class Recovery(Request):
    """What a recovering run has to undo, who asked for it and why."""

    sent: tuple[Sent, ...]
    started_at: datetime
    """When the saga itself was started."""
    run_id: str
    """The run that was ended."""
    unsettled: bool = False
    """Whether its lane may have called more: the story is then asked what, and undone."""


def _headline(given: dict[str, Any]) -> Headline:
    command: SagaCommand = given["command"]
    return command.headline()


def _command_type(given: dict[str, Any]) -> str:
    return type(given["command"]).__name__


class SagaInput(BaseModel, Generic[SagaCommandT]):
    """The input of a saga's workflow: its command, and what holds for the whole saga."""

    model_config = ConfigDict(frozen=True)

    command: SagaCommandT
    correlation_id: str | None = None
    """The saga's id when None."""
    causation_id: str | None = None
    chain_depth: int = 0
    """How many messages have led to this saga, each by being reacted to."""
    deadline: timedelta | None = None
    """From the first step to the pivot, pauses not counted; the saga type's own when None."""
    lane: Lane = Lane.STEPWISE
    sinks: tuple[str, ...] = ()
    """Names of the optional sinks that get this saga's events too."""
    recovery: Recovery | None = None
    """For the run after one that was ended from outside: it tells no story, it only undoes."""
    headline: Headline = Field(default_factory=_headline)
    """The command's own, so that whoever reads the history needs no code to know it."""
    command_type: str = Field(default_factory=_command_type)


class SagaOutcome(BaseModel):
    """The result of a saga's workflow."""

    model_config = ConfigDict(frozen=True)

    saga_id: str
    status: Status
    cause: Cause | None = None
    failure: Failure | None = None
    errors: tuple[Failure, ...] = ()
    """Every failure on the way, the original one first."""
    steps: dict[str, StepStatus] = {}
    """How each step ended."""


class Repair(Request):
    """How a stuck step goes on: tried again, skipped as done by hand, or done with other values."""

    step: str
    """The step's name or its undo's, e.g. `refund-payment`."""
    action: RepairAction
    changes: JsonObject | None = None
    """For `replace`: the members of the command that change."""


class Reply(BaseModel):
    """The answer to a request."""

    model_config = ConfigDict(frozen=True)

    accepted: bool
    status: Status
    message: str
