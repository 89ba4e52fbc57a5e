"""The envelope of everything that goes over a broker: a CloudEvent 1.0, and its two forms there.

Structured: one JSON document, its content type `application/cloudevents+json`. Binary: the data
alone, and the attributes as headers. Source: the CloudEvents specification, version 1.0.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import from_json

JsonObject = dict[str, JsonValue]
Attribute = Annotated[str, StringConstraints(min_length=1)]
_DATA: TypeAdapter[JsonObject] = TypeAdapter(JsonObject)

STRUCTURED = "application/cloudevents+json"
JSON = "application/json"
CONTENT_TYPE = "content-type"
PREFIX = "ce-"
"""What an attribute's name has before it as a header of `Message`; each broker has its own."""


class UnreadableMessage(ValueError):
    """What came is no CloudEvent with JSON data; the message is one line."""


class CloudEvent(BaseModel):
    """An event or a command for other services; the extension attributes are in lower case."""

    model_config = ConfigDict(frozen=True)

    specversion: Literal["1.0"] = "1.0"
    id: Attribute
    """The same whenever it is published again."""
    source: Attribute
    type: Attribute
    subject: Attribute
    """What it is about, such as the order's id."""
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    correlationid: Attribute
    causationid: Attribute | None = None
    schemaversion: int = Field(default=1, ge=1)
    """The data's."""
    partitionkey: Attribute
    """Messages of one key stay in order."""
    chaindepth: int = Field(default=0, ge=0)
    """How many messages have led to this one, each by being reacted to."""
    data: JsonObject


@dataclass(frozen=True)
class Message:
    """What a broker carries: bytes and headers, which need not be a CloudEvent."""

    body: bytes
    key: str
    """What keeps messages in order."""
    id: str
    """The event's, as far as it is known; a dead letter's is its own."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """In lower case, the content type among them; attributes have PREFIX before their names."""

    @classmethod
    def structured(cls, event: CloudEvent, headers: Mapping[str, str] | None = None) -> Self:
        """The event as one JSON document."""
        body = event.model_dump_json(exclude_none=True).encode()
        named = {**(headers or {}), CONTENT_TYPE: STRUCTURED}
        return cls(body=body, key=event.partitionkey, id=event.id, headers=named)

    @classmethod
    def binary(cls, event: CloudEvent, headers: Mapping[str, str] | None = None) -> Self:
        """The event's data, and its attributes as headers."""
        attributes = event.model_dump(mode="json", exclude={"data"}, exclude_none=True)
        attributes.pop("datacontenttype")
        named = {PREFIX + name: str(value) for name, value in attributes.items()}
        body = _DATA.dump_json(event.data)
        headers = {**(headers or {}), **named, CONTENT_TYPE: JSON}
        return cls(body=body, key=event.partitionkey, id=event.id, headers=headers)

    def attributes(self) -> Mapping[str, object]:
        """What it says of itself, unchecked; nothing where it is no CloudEvent."""
        if self._content_type != STRUCTURED:
            return self._named()
        try:
            document = from_json(self.body)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}

    @property
    def _content_type(self) -> str:
        return self.headers.get(CONTENT_TYPE, "").partition(";")[0].strip().lower()

    def _named(self) -> dict[str, object]:
        start = len(PREFIX)
        return {name[start:]: it for name, it in self.headers.items() if name.startswith(PREFIX)}

    def event(self) -> CloudEvent:
        """The CloudEvent in it, of either form.

        Raises:
            UnreadableMessage: it holds none.
        """
        content_type = self._content_type
        try:
            if content_type == STRUCTURED:
                return CloudEvent.model_validate_json(self.body)
            attributes = self._named()
            if not attributes:
                raise UnreadableMessage(f"no CloudEvent: its content type is {content_type!r}")
            # Only read here: the model checks it, and checking it twice would cost as much again.
            data = from_json(self.body)
            return CloudEvent.model_validate(
                {**attributes, "datacontenttype": content_type, "data": data}
            )
        except UnreadableMessage:
            raise
        except ValidationError as error:
            raise UnreadableMessage(f"no CloudEvent: {_first(error)}") from error
        except ValueError as error:
            raise UnreadableMessage(f"no CloudEvent: its data is no JSON: {error}") from error


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else problem["msg"]
