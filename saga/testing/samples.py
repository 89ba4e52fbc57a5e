"""Answers made by themselves: an activity's type hints name the event, its command fills it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from saga.envelope import Event
from saga.messages import Command, DomainEvent
from saga.steps import name_of

_SIMPLE: dict[object, object] = {
    bool: True,
    int: 1,
    float: 1.0,
    Decimal: Decimal(1),
    bytes: b"",
    datetime: datetime(2026, 1, 1, tzinfo=UTC),
    date: date(2026, 1, 1),
    timedelta: timedelta(seconds=1),
    UUID: UUID(int=1),
}
_EMPTY = (list, tuple, dict, set, frozenset)


class NoSample(Exception):
    """An event can't be made by itself; the subject's `answers` must tell it."""


def event_type(activity: Callable[..., Awaitable[Any]]) -> type[DomainEvent]:
    """The event that an activity answers with, by its type hints."""
    hint = get_type_hints(activity).get("return")
    if isinstance(hint, type) and issubclass(hint, Event):
        for argument in hint.__pydantic_generic_metadata__["args"]:
            if isinstance(argument, type) and issubclass(argument, DomainEvent):
                return argument
    raise NoSample(f"{name_of(activity)}: its type hints name no Event[...]")


def sample_answer(activity: Callable[..., Awaitable[Any]], command: Command) -> DomainEvent:
    """An event for this command: what has the same name or type is copied, the rest made up."""
    event = event_type(activity)
    fields = {
        name: _value(name, field, command)
        for name, field in event.model_fields.items()
        if name in type(command).model_fields or field.is_required()
    }
    try:
        return event.model_validate(fields)
    except ValidationError as error:
        raise NoSample(
            f"no {event.__name__} could be made by itself; tell it in the subject's"
            f" `answers[{name_of(activity)!r}]`: {error}"
        ) from error


def _value(name: str, field: FieldInfo, command: Command) -> object:
    known = type(command).model_fields
    if name in known:
        return getattr(command, name)
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
        alike = [it for it, other in known.items() if other.annotation is field.annotation]
        if len(alike) == 1:
            return getattr(command, alike[0])
    return _sample(name, field.annotation)


def _sample(name: str, hint: Any) -> object:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _sample(name, arguments[0])
    if origin is Literal:
        return arguments[0]
    if origin in (Union, UnionType):
        return None if NoneType in arguments else _sample(name, arguments[0])
    if (origin or hint) in _EMPTY:
        return (origin or hint)()
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return next(iter(hint))
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        required = {it: field for it, field in hint.model_fields.items() if field.is_required()}
        return hint.model_validate({it: _sample(it, f.annotation) for it, f in required.items()})
    return f"{name.replace('_', '-')}-1"
