"""Which saga a command is about: its type and the id of what it is about."""

import shlex
from dataclasses import dataclass
from typing import Self

from cli.terminal import PROGRAM
from contracts.sagas import ORDER
from saga import saga_id


@dataclass(frozen=True)
class SagaId:
    """A saga as a person names it; `str()` is e.g. `order 4711`."""

    type: str
    business_id: str

    def __str__(self) -> str:
        return f"{self.type} {self.business_id}"

    @classmethod
    def of_workflow(cls, saga_type: str, workflow_id: str) -> Self:
        """The saga of a type that a workflow is."""
        return cls(saga_type, workflow_id.removeprefix(saga_id(saga_type, "")))

    @property
    def workflow_id(self) -> str:
        """The id of its workflow."""
        return saga_id(self.type, self.business_id)

    @property
    def members(self) -> dict[str, object]:
        """How documents name it; an order's name the order too."""
        order = {"order_id": self.business_id} if self.type == ORDER.name else {}
        named = {"saga_type": self.type, "business_id": self.business_id}
        return {**order, "saga_id": self.workflow_id, **named}

    @property
    def arguments(self) -> str:
        """The arguments that name it in a command for the shell."""
        kind = "" if self.type == ORDER.name else f" --type {shlex.quote(self.type)}"
        return shlex.quote(self.business_id) + kind

    @property
    def worker(self) -> str:
        """Who carries it out; another saga's author has a worker of their own."""
        return "a worker (python worker.py)" if self.type == ORDER.name else "its worker"

    @property
    def recovery(self) -> str:
        """The command that brings it to its end when it was ended from outside."""
        return f"{PROGRAM} recover {self.arguments} --reason WHY"


def order_saga(order_id: str) -> SagaId:
    """The saga of an order."""
    return SagaId(ORDER.name, order_id)
