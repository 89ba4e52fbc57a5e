"""What goes over the brokers: each message's name, schema, channel, sender and receivers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ValidationError

from brokers.envelope import CloudEvent, JsonObject, UnreadableMessage
from brokers.port import Channel


class SchemaRefused(UnreadableMessage):
    """A CloudEvent whose type or version nobody here knows, or that is not as its schema says."""


@dataclass(frozen=True, kw_only=True)
class MessageType:
    """One event (what happened, for whoever listens) or command (what to do, for one receiver)."""

    name: str
    """The CloudEvent's `type`."""
    model: type[BaseModel]
    """Of its data."""
    kind: Literal["event", "command"]
    channel: Channel
    sender: str
    receivers: tuple[str, ...] = ()
    version: int = 1
    lift: Callable[[JsonObject, int], JsonObject] | None = None
    """Makes data of an older version today's; raises ValueError."""

    def __post_init__(self) -> None:
        if self.kind == "command" and len(self.receivers) != 1:
            raise TypeError(f"{self.name} is a command: it has one receiver")


class Catalogue:
    """The message types that one side knows."""

    def __init__(self, source: str, types: Sequence[MessageType]) -> None:
        self.source = source
        """The CloudEvent's `source` of what is sent from here."""
        self._types = {it.name: it for it in types}

    def __iter__(self) -> Iterator[MessageType]:
        return iter(self._types.values())

    def type_of(self, model: type[BaseModel]) -> MessageType:
        """The type whose data is of this model; raises KeyError."""
        return next((it for it in self if it.model is model), None) or self._types[model.__name__]

    def decode(self, event: CloudEvent) -> BaseModel:
        """An event's data, as today's model of its type.

        Raises:
            SchemaRefused: nobody here knows the type or the version, or the data is not like it.
        """
        known = self._types.get(event.type)
        if known is None:
            raise SchemaRefused(f"nobody here knows {event.type}")
        if event.schemaversion > known.version:
            raise SchemaRefused(
                f"{event.type} came in schema version {event.schemaversion}, and this code knows"
                f" {known.version}: deploy newer code, then replay it"
            )
        try:
            data = event.data
            if event.schemaversion < known.version and known.lift is not None:
                data = known.lift(data, event.schemaversion)
            return known.model.model_validate(data)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in problem["loc"])
            raise SchemaRefused(f"{event.type}: {place}: {problem['msg']}") from error
        except ValueError as error:
            raise SchemaRefused(f"{event.type}: {error}") from error

    def envelope(  # what it is caused by, if anything, gives correlation, causation and depth
        self,
        data: BaseModel,
        *,
        event_id: str,
        subject: str,
        cause: CloudEvent | None = None,
        correlation_id: str | None = None,
        time: datetime | None = None,
    ) -> CloudEvent:
        """Data of a known model in an envelope; its key is its subject."""
        known = self.type_of(type(data))
        return CloudEvent(
            id=event_id,
            source=self.source,
            type=known.name,
            subject=subject,
            time=time or datetime.now(UTC),
            correlationid=correlation_id or (cause.correlationid if cause else subject),
            causationid=cause.id if cause else None,
            schemaversion=known.version,
            partitionkey=subject,
            chaindepth=cause.chaindepth + 1 if cause else 0,
            data=data.model_dump(mode="json"),
        )
