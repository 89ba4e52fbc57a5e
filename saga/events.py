"""The engine's own domain events: what happened to a saga, beside what its participants tell."""

from enum import StrEnum
from typing import ClassVar

from typing_extensions import override

from saga.envelope import JsonObject
from saga.messages import DomainEvent, Headline


class Status(StrEnum):
    """How a saga stands; one vocabulary for read model, search attribute, CLI and events."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPENSATING = "compensating"
    STUCK = "stuck"
    COMPLETED = "completed"
    COMPENSATED = "compensated"
    TERMINATED = "terminated"

    @property
    def final(self) -> bool:
        """Whether this is an outcome."""
        return self in {Status.COMPLETED, Status.COMPENSATED, Status.TERMINATED}


class Cause(StrEnum):
    """Why a saga is compensated."""

    FAILED = "failed"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"


class FailureKind(StrEnum):
    """How a call failed; only a refusal says for certain that nothing was done."""

    REFUSED = "refused"
    MISCONFIGURED = "misconfigured"
    BUG = "bug"
    TIMED_OUT = "timed-out"
    CANCELLED = "cancelled"
    FAILED = "failed"


HOLDS_UP = frozenset({FailureKind.MISCONFIGURED, FailureKind.BUG})
"""What a person has to mend; until then the saga keeps its place and tries again slowly."""

UNKNOWN = frozenset({FailureKind.TIMED_OUT, FailureKind.FAILED})
"""Nobody knows whether it happened; a step's probe can tell."""


class RepairAction(StrEnum):
    """What a person decides about a stuck step."""

    RETRY = "retry"
    SKIP = "skip"
    REPLACE = "replace"


class SagaEvent(DomainEvent):
    """Something that happened to the saga itself."""

    aggregate_type: ClassVar[str] = "Saga"

    saga_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.saga_id


class SagaStarted(SagaEvent):
    """The first event, at position 0: the command that started the saga."""

    saga_type: str
    headline: Headline
    command_type: str
    command: JsonObject
    chain_depth: int = 0
    """How many messages have led to it."""


class StepStarted(SagaEvent):
    """A command was sent to a participant."""

    name: str
    """What is being done: the step's name, or its undo's."""
    command_type: str


class StepFailed(SagaEvent):
    """A call ended without a participant's answer, or with its refusal."""

    name: str
    kind: FailureKind
    type: str
    """The participant's problem type, or the type of the error."""
    message: str


class RunReset(SagaEvent):
    """The workflow was reset: from here on, a newer run tells the story."""

    from_position: int
    epochs: tuple[int, ...]
    """Those of what was copied; whatever else an older run has told is abandoned,"""
    awaited: tuple[int, ...] = ()
    """beside what is told at these positions: the answers to calls that were under way."""


class SagaTerminated(SagaEvent):
    """Someone ended the workflow from outside; the history says so, as no workflow can."""

    how: str
    """`terminated`, `timed-out` or `failed`."""
    by: str | None = None
    reason: str | None = None


class CancelRequested(SagaEvent):
    """Someone asked for the saga to be undone."""

    by: str
    reason: str


class DeadlinePassed(SagaEvent):
    """The saga did not reach its pivot in time."""

    seconds: float


class SagaPaused(SagaEvent):
    """Nothing is sent until the saga is resumed; the deadline stands still."""

    by: str
    reason: str


class SagaResumed(SagaEvent):
    """The saga goes on."""

    by: str
    reason: str


class CompensationStarted(SagaEvent):
    """From here on everything is taken back, in reverse."""

    cause: Cause
    failure: StepFailed | None = None


class SagaStuck(SagaEvent):
    """A call that must succeed did not, or can't until someone mends it; a person decides."""

    failure: StepFailed


class StepRepaired(SagaEvent):
    """A stuck step goes on: a person decided how, or it succeeded when it was tried again."""

    name: str
    action: RepairAction
    by: str
    reason: str
    changes: JsonObject | None = None


class SagaCompleted(SagaEvent):
    """Every effect is in place."""


class SagaCompensated(SagaEvent):
    """Every effect has been taken back."""
