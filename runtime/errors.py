"""What can stand in the way of starting, as one line that says what to do.

RuntimeProblem                  1
├── SettingsError               2   a variable or configuration file holds something unusable
├── Unreadable                  2   what stands in a history or a table can't be understood
│   └── Undecodable             2   a payload was written with another codec than ours
├── PortTaken                   2   a port we were told to use belongs to another program
├── HomeNotWritable             2   SAGA_HOME cannot be created or written
├── ServerUnreachable           3   no Temporal server answers where it should
└── StartFailed                 3   an embedded process is missing or did not become ready

The number is the exit code of a command that ends with the problem.
"""

from typing import ClassVar


class RuntimeProblem(Exception):
    """Base of the problems in this package: `str()` is one line for the person at the terminal."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class SettingsError(RuntimeProblem):
    """A variable or configuration file holds something unusable."""

    exit_code = 2


class Unreadable(RuntimeProblem):
    """What stands in a history or a table can't be understood; what stands beside it may be."""

    exit_code = 2


class Undecodable(Unreadable):
    """A payload was written with another codec than ours."""

    def __init__(self, of: str, error: Exception) -> None:
        super().__init__(
            f"what Temporal has of {of} can't be decoded: set SAGA_PAYLOAD_CODEC as its worker has"
            f" it ({type(error).__name__}: {error})"
        )


class PortTaken(RuntimeProblem):
    """A port that we were told to use belongs to another program."""

    exit_code = 2


class HomeNotWritable(RuntimeProblem):
    """SAGA_HOME cannot be created or written."""

    exit_code = 2


class ServerUnreachable(RuntimeProblem):
    """No Temporal server answers at the address."""

    exit_code = 3


class StartFailed(RuntimeProblem):
    """An embedded process is missing or did not become ready in time."""

    exit_code = 3
