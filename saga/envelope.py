"""What travels: a command in its `Call`, a domain event in its `Event`.

The place of either in the saga's log is data that the saga gave it. A call stands at `position`,
its answer at `position + 1`, whatever the order in which answers arrive.
"""

from datetime import datetime
from typing import Generic, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    JsonValue,
    SerializeAsAny,
    computed_field,
    model_validator,
)

from saga.identity import Direction, event_id, idempotency_key
from saga.messages import Command, DomainEvent
from saga.versions import lift, version_of

JsonObject = dict[str, JsonValue]
CommandT = TypeVar("CommandT", bound=Command)
DataT = TypeVar("DataT", bound=DomainEvent | JsonObject, covariant=True)
EventT = TypeVar("EventT", bound=DomainEvent)


class Place(BaseModel):
    """Where something stands in a saga's log, and what it belongs to."""

    model_config = ConfigDict(frozen=True)

    saga_id: str
    epoch: int
    position: int
    correlation_id: str
    causation_id: str | None = None


class Sending(Place):
    """What the engine says of a command that it sends, whatever the command."""

    step: str
    """The step's instance, e.g. `charge-payment~2`."""
    direction: Direction
    name: str
    """What the Web UI and a person call it: the step's name, or its undo's."""
    pivot: bool = False
    """Whether nothing is undone any more once it is done."""
    renewals: int = 0
    """How often a person's repair has given it a new key."""
    run_id: str
    """The run that sent it; a reset copies what is under way into another one."""
    sent_at: datetime
    command_type: str

    @property
    def command_id(self) -> str:
        """The id that the answer names as its cause."""
        return event_id(self.saga_id, self.epoch, self.position)

    @property
    def key(self) -> str:
        """The idempotency key."""
        return idempotency_key(self.saga_id, self.step, self.direction, self.renewals)

    @property
    def undoes(self) -> str | None:
        """The idempotency key of the action that this undo takes back."""
        if self.direction is Direction.DO:
            return None
        return idempotency_key(self.saga_id, self.step, Direction.DO)


class Call(Sending, Generic[CommandT]):
    """A command on its way to a participant."""

    command: CommandT

    @computed_field  # type: ignore[prop-decorator]
    @property
    def schema_version(self) -> int:
        """The command's: today's, whatever it was sent in."""
        return self.command.schema_version


class SentCall(Sending):
    """A command as the history has it, read without the code that it was sent by."""

    command: JsonObject

    @model_validator(mode="before")
    @classmethod
    def _lifted(cls, content: object) -> object:
        if not isinstance(content, dict) or not isinstance(content.get("command"), dict):
            return content
        return {**content, "command": lift(str(content.get("command_type")), content["command"])}


class Event(Place, Generic[DataT]):
    """A domain event with everything a reader needs to place, trace and understand it."""

    event_type: str
    aggregate_id: str
    aggregate_type: str
    version: int
    """The aggregate's own, counted by whoever owns it."""
    occurred_at: datetime
    step: str | None = None
    direction: Direction | None = None
    data: SerializeAsAny[DataT]

    @model_validator(mode="before")
    @classmethod
    def _lifted(cls, content: object) -> object:
        """Data that stays JSON is lifted too, by the name of its type."""
        if not isinstance(content, dict) or not isinstance(content.get("data"), dict):
            return content
        data = lift(str(content.get("event_type")), content["data"])
        kind, command = data.get("command_type"), data.get("command")
        if isinstance(kind, str) and isinstance(command, dict):
            data = {**data, "command": lift(kind, command)}
        return {**content, "data": data}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def schema_version(self) -> int:
        """The data's: today's, whatever it was recorded in, if its type is known here."""
        data = self.data
        return data.schema_version if isinstance(data, DomainEvent) else version_of(data)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def event_id(self) -> str:
        """The same on every reading, since it is made of the place."""
        return event_id(self.saga_id, self.epoch, self.position)
