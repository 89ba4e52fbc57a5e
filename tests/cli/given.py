"""What people give of an order, and what the command line has to say of it."""

import pytest

from cli.order_input import OrderOptions
from cli.process import run

NO_AMOUNT = "is not an amount; write it like 12.50"

FINER = "USD is finer than the smallest coin"

NO_VERSION = "schema_version is a whole number from 1 on"

NOTHING = OrderOptions(None, None, None, (), None, None)
"""No option at all."""


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The code with which a command ends that prints nothing, and its line of error."""
    code = run(arguments)
    out, err = capsys.readouterr()
    assert out == ""
    return code, err
