"""The kinds of messages: commands ask, domain events tell."""

from abc import abstractmethod
from typing import Any, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from saga.versions import VERSION, know, lift


class Message(BaseModel):
    """A frozen contract between services; `schema_version` grows when its shape changes.

    Its JSON says the version, and an older one is lifted when it is read; see `saga.versions`.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: ClassVar[int] = 1

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        know(cls.__name__, cls.schema_version)

    @model_validator(mode="before")
    @classmethod
    def _lifted(cls, content: object, info: ValidationInfo) -> object:
        # What Python code makes is of today's form; JSON without a version was written before
        # there were any.
        if not isinstance(content, dict) or (info.mode == "python" and VERSION not in content):
            return content
        lifted = lift(cls.__name__, content)
        return {member: value for member, value in lifted.items() if member != VERSION}

    @model_serializer(mode="wrap")
    def _with_version(self, members: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {VERSION: self.schema_version, **members(self)}


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


class Headline(BaseModel):
    """What a list of sagas shows of one: whose it is, what it is about and what is at stake."""

    model_config = ConfigDict(frozen=True)

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
