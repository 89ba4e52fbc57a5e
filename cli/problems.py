"""What can go wrong in a command, as one line that says what to do; see `cli.process`.

Problem                1
├── BadInput           2   an option, an argument or a file holds something unusable
│   └── DifferentSaga 2    another saga was started under this id
├── UnknownSaga        1   there is no such saga
└── NoAnswer           3   a server or a worker that is needed does not answer
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from contracts.mistakes import BadDocument

if TYPE_CHECKING:
    from cli.saga_id import SagaId


class Problem(Exception):
    """Base of the problems of a command: `str()` is one line for the person at the terminal."""

    exit_code: ClassVar[int] = 1


class BadInput(Problem):
    """An option, an argument or a file holds something unusable."""

    exit_code = 2


class DifferentSaga(BadInput):
    """Another saga was started under this id."""

    def __init__(self, saga: "SagaId", started: str) -> None:
        super().__init__(
            f"{saga} was {started} before with another content: give another {saga.type} id"
        )


class UnknownSaga(Problem):
    """There is no such saga to act on."""

    def __init__(self, saga: "SagaId") -> None:
        super().__init__(f"there is no {saga}; `sagas` lists those there are")


class NoAnswer(Problem):
    """A server or a worker that is needed does not answer."""

    exit_code = 3


@contextmanager
def as_bad_input() -> Iterator[None]:
    """Tell what is wrong in a document as what is wrong in the command."""
    try:
        yield
    except BadDocument as problem:
        raise BadInput(str(problem)) from None
