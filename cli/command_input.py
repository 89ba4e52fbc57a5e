"""The command that starts a saga of any type, as a person writes it."""

import os
import sys

from pydantic import ValidationError

from cli.problems import BadInput, as_bad_input
from contracts.json_input import json_object
from contracts.mistakes import first_problem
from saga import SagaCommand, SagaKind
from saga.named import NotASaga, command_that_starts, sagas_named

MOST_BYTES = 1_000_000


def command_of(name: str, text: str) -> tuple[SagaKind[SagaCommand], SagaCommand]:
    """The type of saga that a name stands for, and its command; `-` reads it from stdin.

    Raises BadInput.
    """
    try:
        sagas = sagas_named(name)
    except NotASaga as problem:
        raise BadInput(str(problem)) from None
    if len(sagas) > 1:
        raise BadInput(f"{name} defines several sagas: name one, as {name}:{sagas[0].__name__}")
    content = sys.stdin.buffer.read(MOST_BYTES) if text == "-" else os.fsencode(text)
    try:
        with as_bad_input():
            document = json_object(content, "command")
        command = command_that_starts(sagas[0]).model_validate(document)
    except ValidationError as error:
        raise BadInput(f"COMMAND: {first_problem(error)}") from None
    return sagas[0].kind, command
