"""Dead letters as documents: `dead-letters ... --json`."""

import base64
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError

from brokers.dead_letters import DeadLetter
from brokers.envelope import JsonObject
from read_model.dead_letters import LetterAction

_JSON: TypeAdapter[JsonObject] = TypeAdapter(JsonObject)


def document_of(letter: DeadLetter) -> dict[str, object]:
    """As `dead-letters list --json` has it."""
    event = letter.event
    return {
        "letter_id": letter.id,
        "channel": letter.channel.name,
        "group": letter.group,
        "event_id": letter.original.id,
        "event_type": event.type if event else None,
        "correlation_id": event.correlationid if event else None,
        "key": letter.original.key,
        "error": letter.error,
        "message": letter.text,
        "tries": letter.tries,
        "first_failure": _instant(letter.first_failure),
        "last_failure": _instant(letter.last_failure),
    }


def action_document(action: LetterAction) -> dict[str, object]:
    """As `dead-letters replay --json` and the others have it."""
    return {
        "letter_id": action.letter_id,
        "event_id": action.event_id,
        "event_type": action.event_type,
        "channel": action.channel,
        "group": action.consumer_group,
        "action": action.action,
        "by": action.done_by,
        "reason": action.reason,
        "at": _instant(action.done_at),
        "correlation_id": action.correlation_id,
    }


def body_of(letter: DeadLetter) -> object:
    """What it says: an object if it is JSON, else text, or else `{"base64": ...}`."""
    try:
        return _JSON.validate_json(letter.original.body)
    except ValidationError:
        pass
    try:
        return letter.original.body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(letter.original.body).decode()}


def _instant(instant: datetime | None) -> str | None:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z") if instant else None
