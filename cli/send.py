"""`send`: a command of the catalogue goes out as a message."""

import os
import sys
from dataclasses import dataclass
from typing import Self
from uuid import uuid4

from pydantic import ValidationError

from brokers.catalogue import MessageType
from brokers.envelope import CloudEvent, Message
from cli.broker import configured_broker
from cli.command_input import MOST_BYTES
from cli.problems import BadInput, as_bad_input
from cli.terminal import say, say_json
from cli.values import any_id
from contracts.catalogue import CATALOGUE, CommandMessage
from contracts.json_input import json_object
from contracts.mistakes import first_problem
from contracts.sagas import ORDER
from runtime.settings import Settings
from saga import saga_id

PATIENCE_SECONDS = 30.0
"""How long a broker may take to have the message for certain."""


@dataclass(frozen=True)
class Sending:
    """A message that is about to be sent."""

    known: MessageType
    event: CloudEvent

    @classmethod
    def of(
        cls,
        name: str,
        text: str,
        message_id: str | None,
        correlation_id: str | None,
        causation_id: str | None,
    ) -> Self:
        """The message that the arguments say; raises BadInput."""
        known = next((it for it in CATALOGUE if it.name == name and it.kind == "command"), None)
        if known is None:
            names = ", ".join(it.name for it in CATALOGUE if it.kind == "command")
            raise BadInput(f"COMMAND: {name[:80]!r} is none of {names}")
        data = _data(known, text)
        if correlation_id is None:
            correlation_id = saga_id(ORDER.name, data.order_id)
        event = CATALOGUE.envelope(
            data,
            event_id=any_id("--id", str(uuid4()) if message_id is None else message_id),
            subject=data.order_id,
            correlation_id=any_id("--correlation-id", correlation_id),
        )
        if causation_id is not None:
            causation_id = any_id("--causation-id", causation_id)
            event = event.model_copy(update={"causationid": causation_id})
        return cls(known, event)

    async def run(self, *, as_json: bool) -> None:
        """Send it; raises BadInput, NoAnswer, RuntimeProblem."""
        settings = Settings.from_environment()
        undone = f"it may have the message: repeat it with --id {self.event.id}"
        async with configured_broker(settings, PATIENCE_SECONDS, undone=undone) as broker:
            await broker.publish(self.known.channel, [Message.binary(self.event)])
        channel, [receiver] = self.known.channel.name, self.known.receivers
        if as_json:
            say_json({"channel": channel, "receiver": receiver, "id": self.event.id})
        else:
            say(f"sent {self.event.type} {self.event.id} to {receiver} on {channel}")


def _data(known: MessageType, text: str) -> CommandMessage:
    content = sys.stdin.buffer.read(MOST_BYTES) if text == "-" else os.fsencode(text)
    with as_bad_input():
        document = json_object(content, "command")
    try:
        data = known.model.model_validate(document)
    except ValidationError as error:
        raise BadInput(f"DATA: {first_problem(error)}") from None
    assert isinstance(data, CommandMessage)
    return data
