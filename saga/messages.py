"""The kinds of messages: commands ask, domain events tell."""

from abc import abstractmethod
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """A frozen contract between services; `schema_version` grows when its shape changes."""

    model_config = ConfigDict(frozen=True)

    schema_version: ClassVar[int] = 1


class Command(Message):
    """What we ask a participant to do; named in the imperative, unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    def summary(self) -> str:
        """One line for the Web UI."""
        return type(self).__name__


class DomainEvent(Message):
    """What happened; named in the past tense, told by the aggregate it happened to."""

    aggregate_type: ClassVar[str]

    @property
    @abstractmethod
    def aggregate_id(self) -> str:
        """The id of the aggregate it happened to."""


class Headline(Message):
    """What a list of sagas shows of one: whose it is, what it is about and what is at stake."""

    business_id: str
    customer_id: str | None = None
    amount_minor: int | None = None
    """In minor units of `currency` (ISO 4217)."""
    currency: str | None = None
    item_count: int | None = None


class SagaCommand(Command):
    """The command that starts a saga."""

    @abstractmethod
    def headline(self) -> Headline:
        """What the read model shows of the saga before anything has happened."""


SagaCommandT = TypeVar("SagaCommandT", bound=SagaCommand)
