"""`catalogue`: what goes over the brokers."""

from brokers.catalogue import MessageType
from cli.terminal import say_json
from contracts.asyncapi import order_messages
from contracts.catalogue import CATALOGUE


def show_catalogue(*, as_json: bool, as_asyncapi: bool) -> None:
    """Show every type of message, as a table or as a document."""
    if as_asyncapi:
        say_json(order_messages())
    elif as_json:
        say_json([_document(it) for it in CATALOGUE])
    else:
        from cli.tables import print_catalogue

        print_catalogue(CATALOGUE)


def _document(known: MessageType) -> dict[str, object]:
    return {
        "name": known.name,
        "version": known.version,
        "kind": known.kind,
        "channel": known.channel.name,
        "sender": known.sender,
        "receivers": list(known.receivers),
        "schema": known.model.model_json_schema(),
    }
