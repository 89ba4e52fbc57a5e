"""A durable saga engine on Temporal; it knows nothing of orders.

A saga's author needs `SagaWorkflow`, `Step`, `Undo` and `Saga` for the workflow, `Command`,
`SagaCommand` and `DomainEvent` for its messages, `Call`, `Event`, `answered` and the kinds of
failure for its activities, and `Sagas` to start and steer it. `read_saga` reads its log.
"""

from saga.answers import answered, bug, did_not_happen, misconfigured, outage, refused
from saga.client import DifferentCommand, Sagas, Started, digest
from saga.envelope import Call, Event, JsonObject
from saga.errors import SagaError, StepRefused, StepUnanswered
from saga.events import Cause, FailureKind, RepairAction, Status
from saga.history import SagaHistory, follow_saga, read_saga
from saga.identity import Direction, idempotency_key, saga_id
from saga.lint import Finding, UnsafeSaga, lint
from saga.messages import Command, DomainEvent, Headline, SagaCommand
from saga.plugin import SagaPlugin
from saga.port import Saga
from saga.pump import Batch, Sink
from saga.recovery import NotRecoverable
from saga.start import Lane, Repair, Reply, Request, SagaInput, SagaKind, SagaOutcome
from saga.state import Failure, SagaState, StepStatus, fold, told_last
from saga.steps import Policy, Step, Undo
from saga.workflow import SagaWorkflow

__all__ = [
    "Batch",
    "Call",
    "Cause",
    "Command",
    "DifferentCommand",
    "Direction",
    "DomainEvent",
    "Event",
    "Failure",
    "FailureKind",
    "Finding",
    "Headline",
    "JsonObject",
    "Lane",
    "NotRecoverable",
    "Policy",
    "Repair",
    "RepairAction",
    "Reply",
    "Request",
    "Saga",
    "SagaCommand",
    "SagaError",
    "SagaHistory",
    "SagaInput",
    "SagaKind",
    "SagaOutcome",
    "SagaPlugin",
    "SagaState",
    "SagaWorkflow",
    "Sagas",
    "Sink",
    "Started",
    "Status",
    "Step",
    "StepRefused",
    "StepStatus",
    "StepUnanswered",
    "Undo",
    "UnsafeSaga",
    "answered",
    "bug",
    "did_not_happen",
    "digest",
    "fold",
    "follow_saga",
    "idempotency_key",
    "lint",
    "misconfigured",
    "outage",
    "read_saga",
    "refused",
    "saga_id",
    "told_last",
]
