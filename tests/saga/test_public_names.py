"""What others may import from the engine; a change of it is a change here."""

import inspect

import pytest

import saga

NAMES = [
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


def test_the_public_names_are_these() -> None:
    assert saga.__all__ == NAMES
    assert sorted(saga.__all__) == saga.__all__


@pytest.mark.parametrize("name", NAMES)
def test_each_is_there_and_says_what_it_is(name: str) -> None:
    public = getattr(saga, name)
    if inspect.isclass(public):
        told = vars(public).get("__doc__")
    elif inspect.isfunction(public):
        told = public.__doc__
    else:
        return  # A type alias; its docstring is for readers of the source.
    assert told
    # What a dataclass makes up when there is none.
    assert not told.startswith(f"{name}(")
