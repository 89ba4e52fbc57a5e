"""`repair`: what a person decides about a stuck step, as the options say it."""

import os

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from cli.problems import BadInput
from contracts.json_input import json_object
from contracts.mistakes import BadDocument
from saga import Repair, RepairAction


def repair_of(
    step: str, by: str, reason: str, *, retry: bool, skip: bool, changes: str | None
) -> Repair:
    """The decision; raises BadInput unless the options say exactly one."""
    given = {
        RepairAction.RETRY: retry,
        RepairAction.SKIP: skip,
        RepairAction.REPLACE: changes is not None,
    }
    actions = [action for action, wanted in given.items() if wanted]
    if len(actions) != 1:
        raise BadInput("give exactly one of --retry, --skip and --with")
    try:
        members = None if changes is None else json_object(os.fsencode(changes), "changes")
        repair = Repair.model_validate(
            {"step": step, "action": actions[0], "by": by, "reason": reason, "changes": members}
        )
        # What JSON can write and UTF-8 cannot would otherwise fail on the way.
        repair.model_dump_json()
    except BadDocument as problem:
        raise BadInput(f"--with: {problem}; write it like '{{\"amount_minor\": 5}}'") from None
    except (ValidationError, PydanticSerializationError):
        raise BadInput("--with: it holds what cannot be sent: broken text, or too deep") from None
    return repair
