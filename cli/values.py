"""Single values from the command line, checked as the contracts check them."""

from getpass import getuser

from pydantic import TypeAdapter, ValidationError

from cli.problems import BadInput, first_problem
from contracts.commands import Id, Text


def identifier(option: str, value: str) -> str:
    """The value as an id; raises BadInput."""
    return _checked(TypeAdapter(Id), option, value)


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
