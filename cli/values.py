"""Single values from the command line, checked as the contracts check them."""

from getpass import getuser
from typing import Annotated

from pydantic import StringConstraints, TypeAdapter, ValidationError

from cli.problems import BadInput
from cli.saga_id import SagaId
from contracts.commands import Id, Text
from contracts.mistakes import first_problem
from contracts.sagas import ORDER

_AnyId = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


def identifier(option: str, value: str) -> str:
    """The value as an id; raises BadInput."""
    return _checked(TypeAdapter(Id), option, value)


def optional_identifier(option: str, value: str | None) -> str | None:
    """The value as an id, if there is one; raises BadInput."""
    return None if value is None else identifier(option, value)


def saga_named(saga_type: str, business_id: str) -> SagaId:
    """The saga that the arguments of a command name; raises BadInput."""
    # A type stands in Temporal's queries between quotes, which an identifier has none of.
    kind = identifier("--type", saga_type)
    if kind == ORDER.name:
        return SagaId(kind, identifier("ID", business_id))
    # Ids of other sagas are text of any kind.
    return SagaId(kind, any_id("ID", business_id))


def any_id(option: str, value: str) -> str:
    """The value as an id of any saga, which may be text of any kind; raises BadInput."""
    return _checked(TypeAdapter(_AnyId), option, value)


def type_named(saga_type: str | None) -> str | None:
    """The type of saga that an option names, if it was given; raises BadInput."""
    return None if saga_type is None else identifier("--type", saga_type)


def text(option: str, value: str) -> str:
    """The value without surrounding blanks, not empty and not too long; raises BadInput."""
    return _checked(TypeAdapter(Text), option, value)


def me() -> str:
    """Who runs the command; containers may run as a user without a name."""
    try:
        return getuser()
    except (KeyError, OSError):
        return "unknown"


def _checked(kind: TypeAdapter[str], option: str, value: str) -> str:
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        raise BadInput(f"{option}: {first_problem(error)}") from None
