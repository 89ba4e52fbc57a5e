"""The sagas that a name on the command line stands for: `package.module` or `package.module:Class`.

What is named is imported, so it runs as it would in a worker.
"""

import importlib
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TypeGuard, get_args, get_origin

from runtime.errors import RuntimeProblem
from saga.messages import SagaCommand
from saga.rules import AnySaga
from saga.workflow import SagaWorkflow


class NotASaga(RuntimeProblem):
    """A name on the command line stands for no saga."""

    exit_code = 2


def sagas_named(target: str) -> list[AnySaga]:
    """One saga, or all that a module defines, as they stand there; raises NotASaga if none."""
    module_name, colon, class_name = target.partition(":")
    module = _imported(module_name)
    if colon:
        named = getattr(module, class_name, None)
        if not _is_saga(named):
            raise NotASaga(f"{module_name} has no saga {class_name!r}: {_defines(module)}")
        return [named]
    if found := _defined_in(module):
        return found
    raise NotASaga(f"{module_name} defines no saga: name the module of a SagaWorkflow subclass")


def activities_of(target: str) -> list[Callable[..., object]]:
    """What a module lists as ACTIVITIES, the steps' activities; raises NotASaga if nothing."""
    module = _imported(target.partition(":")[0])
    listed = getattr(module, "ACTIVITIES", None)
    if not isinstance(listed, Sequence) or not all(callable(it) for it in listed):
        raise NotASaga(
            f"{module.__name__} lists no ACTIVITIES: let it say which activities its steps call,"
            " such as ACTIVITIES = [bookings.book_hotel, bookings.cancel_hotel]"
        )
    return list(listed)


def _imported(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise NotASaga(f"{name!r} is no module: give its dotted name, such as workflows.trip")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise NotASaga(f"{name} imports {error.name}, which is not there: install it") from None
        raise NotASaga(
            f"there is no module {error.name}: run this where it can be imported from, and give"
            " its dotted name, such as workflows.trip"
        ) from None
    except Exception as error:
        raise NotASaga(
            f"{name} can't be imported, mend it first: {type(error).__name__}: {error}"
        ) from error


def _is_saga(named: object) -> TypeGuard[AnySaga]:
    return isinstance(named, type) and issubclass(named, SagaWorkflow) and named is not SagaWorkflow


def _defined_in(module: ModuleType) -> list[AnySaga]:
    """Its sagas, without what it imports and bases that declare no steps."""
    return [
        named
        for named in vars(module).values()
        if _is_saga(named) and named.__module__ == module.__name__ and hasattr(named, "steps")
    ]


def _defines(module: ModuleType) -> str:
    names = [saga.__name__ for saga in _defined_in(module)]
    return f"it defines {', '.join(names)}" if names else "it defines none"


def command_that_starts(saga: AnySaga) -> type[SagaCommand]:
    """The type of the command that a saga's flow gets."""
    bases = (base for it in saga.__mro__ for base in getattr(it, "__orig_bases__", ()))
    generic = next(base for base in bases if get_origin(base) is SagaWorkflow)
    command: type[SagaCommand] = get_args(generic)[0]
    return command
