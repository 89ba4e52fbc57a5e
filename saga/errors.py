"""What a story sees when a call does not succeed.

SagaError
 +-- StepRefused       the participant did nothing and, asked with the same key, never will
 +-- StepUnanswered    nobody knows whether it happened (a time limit, an error not retried)
"""

from saga.events import FailureKind, StepFailed


class SagaError(Exception):
    """A call of a saga did not succeed."""

    def __init__(self, failed: StepFailed) -> None:
        super().__init__(f"{failed.name}: {failed.type}: {failed.message}")
        self.failed = failed

    @staticmethod
    def of(failed: StepFailed) -> "SagaError":
        """The error that tells of this failure."""
        refused = failed.kind is FailureKind.REFUSED
        return StepRefused(failed) if refused else StepUnanswered(failed)


class StepRefused(SagaError):
    """The participant refused: nothing was done."""


class StepUnanswered(SagaError):
    """Nobody knows whether the action happened; its undo stays registered."""
