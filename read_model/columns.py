"""The types of the read model's columns: what both databases keep, and how it comes back."""

from datetime import UTC, datetime

from pydantic import JsonValue, TypeAdapter
from pydantic_core import to_json
from sqlalchemy import JSON, DateTime, Dialect, Enum, String, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

from saga.envelope import JsonObject
from saga.events import Cause, Status
from saga.state import Failure, StepStatus

NUL_SHOWN = "\ufffd"
"""What stands for NUL, which PostgreSQL cannot store."""


def _json(dialect: Dialect) -> TypeEngine[object]:
    return dialect.type_descriptor(JSONB() if dialect.name == "postgresql" else JSON())


class PlainText(TypeDecorator[str]):
    """Text of any length; NUL, which PostgreSQL cannot store, is shown as U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what would be refused on every attempt, and keep its saga open for ever."""
        return value and kept_text(value)


class UtcDateTime(TypeDecorator[datetime]):
    """An instant, aware and in UTC also on SQLite, which keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The instant in UTC; raises ValueError for one without a time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The stored instant with its time zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class StepStatuses(TypeDecorator[dict[str, StepStatus]]):
    """How each step stands, stored as pairs: PostgreSQL's JSONB keeps no order of keys."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[object]:
        """JSONB on PostgreSQL."""
        return _json(dialect)

    def process_bind_param(
        self, value: dict[str, StepStatus] | None, dialect: Dialect
    ) -> list[list[str]] | None:
        """The pairs."""
        return None if value is None else [[step, status.value] for step, status in value.items()]

    def process_result_value(
        self, value: list[list[str]] | None, dialect: Dialect
    ) -> dict[str, StepStatus] | None:
        """The steps, in the order in which they started."""
        return None if value is None else {step: StepStatus(status) for step, status in value}


_FAILURES = TypeAdapter(tuple[Failure, ...])


class Failures(TypeDecorator[tuple[Failure, ...]]):
    """What a saga is stuck on, as a list of objects; NULL is read as nothing."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[object]:
        """JSONB on PostgreSQL."""
        return _json(dialect)

    def process_bind_param(
        self, value: tuple[Failure, ...] | None, dialect: Dialect
    ) -> list[dict[str, str]] | None:
        """The objects; NUL is replaced as in `PlainText`."""
        stored: list[dict[str, str]] = _FAILURES.dump_python(_FAILURES.validate_python(value or ()))
        return [{name: kept_text(it) for name, it in one.items()} for one in stored]

    def process_result_value(
        self, value: list[dict[str, str]] | None, dialect: Dialect
    ) -> tuple[Failure, ...]:
        """The failures, in the order in which the saga became stuck on them."""
        return _FAILURES.validate_python(value or ())


def word(kind: type[Status] | type[Cause]) -> Enum:
    """A word of one of these vocabularies, kept as text."""
    return Enum(kind, native_enum=False, length=32, values_callable=lambda it: [*it])


class Name(TypeDecorator[str]):
    """The name of a type, cut at 100 characters: to refuse it would keep its saga open for ever."""

    impl = String(100)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """The name as it is kept."""
        return value and kept_name(value)


class JsonData(TypeDecorator[JsonObject]):
    """A JSON object; what PostgreSQL's JSONB refuses is replaced, see `kept_json`."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[object]:
        """JSONB on PostgreSQL."""
        return _json(dialect)

    def process_bind_param(self, value: JsonObject | None, dialect: Dialect) -> JsonValue:
        """The object as it is kept."""
        return kept_json(value)


def kept_name(name: str) -> str:
    """A type's name as a `Name` keeps it."""
    return kept_text(name)[:100]


def kept_text(text: str) -> str:
    """A text as `PlainText` keeps it."""
    return text.replace("\0", NUL_SHOWN)


def kept_json(value: JsonValue) -> JsonValue:
    """JSON that both databases keep: without NUL."""
    # Nearly all is, and to look at its text is far quicker than to walk through it.
    return _without_nul(value) if b"\\u0000" in to_json(value) else value


def _without_nul(value: JsonValue) -> JsonValue:
    match value:
        case str():
            return kept_text(value)
        case dict():
            return {kept_text(name): _without_nul(it) for name, it in value.items()}
        case list():
            return [_without_nul(it) for it in value]
        case _:
            return value
