"""Schema versions: what an older version wrote is lifted to today's form before any code sees it.

Every message says its version where it stands, as the member `schema_version` of its JSON; the
first ones did not yet, and count as version 1. An upcaster makes version n + 1 of version n, as
JSON, so it needs no class of the old form, and works by name where there is no class at all.
"""

from collections.abc import Callable, Mapping

from pydantic import JsonValue

from runtime.errors import Unreadable

VERSION = "schema_version"
"""The member of a message's JSON that says its version."""

Content = dict[str, JsonValue]
"""A message as JSON."""
Upcaster = Callable[[Content], Content]

_upcasters: dict[tuple[str, int], Upcaster] = {}
"""By a message's name, and the version that is lifted to the next one."""
_known: dict[str, int] = {}
"""Today's version of each message, by its name."""


class NewerSchema(Unreadable):
    """A message came in a version that this code does not know; nothing is done with it."""

    def __init__(self, name: str, version: int, known: int) -> None:
        super().__init__(
            f"{name} came in schema version {version}, and this code knows {known}:"
            " nothing was done with it; deploy newer code"
        )
        self.version, self.known = version, known


def upcaster(name: str, version: int) -> Callable[[Upcaster], Upcaster]:
    """Register what lifts the message of that name from `version` to the next one.

    It has to stand before the message's class, and gets the content without `schema_version`.

    Raises:
        TypeError: another upcaster does that, or the class is of this version still.
    """

    def register(function: Upcaster) -> Upcaster:
        registered = _upcasters.get((name, version), function)
        # A workflow's sandbox imports a saga's module again.
        if _place(registered) != _place(function):
            raise TypeError(f"{name} is lifted from version {version} already")
        if _known.get(name, version + 1) <= version:
            raise TypeError(
                f"{name} is of version {_known[name]}: raise its `schema_version`, and let what"
                " lifts the old ones stand before it"
            )
        _upcasters[name, version] = registered
        return function

    return register


def know(name: str, version: int) -> None:
    """Take in today's version of a message.

    Raises:
        TypeError: an older one could not be lifted, or a message of that name has another version.
    """
    for old in range(1, version):
        if (name, old) not in _upcasters:
            raise TypeError(
                f"{name} is of version {version}, and nothing lifts version {old}: register an"
                " upcaster before it"
            )
    if _known.setdefault(name, version) != version:
        raise TypeError(
            f"{name} is of version {version}, and another message of that name of"
            f" {_known[name]}: give one of them another name"
        )


def lift(name: str, content: Content) -> Content:
    """The content in today's form, with today's version; left alone if nobody knows the name.

    Raises:
        NewerSchema: this code does not know its version.
        ValueError: it is not what its version says.
    """
    version, today = version_of(content), _today(name)
    if today is None:
        return content
    if version > today:
        raise NewerSchema(name, version, today)
    lifted = {member: value for member, value in content.items() if member != VERSION}
    for old in range(version, today):
        upcast = _upcasters[name, old]
        try:
            lifted = upcast(lifted)
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise ValueError(
                f"it is no {name} of schema version {old}: {type(error).__name__}: {error}"
            ) from error
    return {VERSION: today, **lifted}


def version_of(content: Mapping[str, object]) -> int:
    """The version that a message's JSON says; raises ValueError if that is none."""
    version = content.get(VERSION, 1)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(f"{VERSION} is a whole number from 1 on, not {version!r}")
    return version


def _today(name: str) -> int | None:
    """Today's version: as its class has it or, where there is no class, its upcasters."""
    if name in _known:
        return _known[name]
    lifted = [version for message, version in _upcasters if message == name]
    return max(lifted) + 1 if lifted else None


def _place(function: Upcaster) -> tuple[str, str]:
    return function.__module__, function.__qualname__
