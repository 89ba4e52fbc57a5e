"""The AsyncAPI 3.0 document of a catalogue: who sends what where, and what it looks like.

Source: the AsyncAPI specification, version 3.0.0.
"""

from collections.abc import Iterable
from inspect import getdoc
from typing import Literal

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from brokers.catalogue import Catalogue, MessageType
from brokers.envelope import CONTENT_TYPE, JSON, PREFIX, CloudEvent, JsonObject
from brokers.port import Channel

_TRAIT = "CloudEvent"
_MODES: dict[str, JsonSchemaMode] = {"event": "serialization", "command": "validation"}
"""An event is described as it is sent, a command as its receiver takes it."""
_ENVELOPE = (
    f"The attributes of a CloudEvent 1.0 in binary mode, as texts; {PREFIX!r} stands for the prefix"
    " that the broker's protocol binding has. In structured mode the same attributes stand beside"
    " `data` in one JSON document, of type application/cloudevents+json."
)


def asyncapi(catalogue: Catalogue, *, title: str, version: str, description: str) -> JsonObject:
    """The document; equal catalogues make equal ones."""
    types = list(catalogue)
    pairs: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (it.model, _MODES[it.kind]) for it in types
    ]
    refs, schemas = models_json_schema(pairs, ref_template="#/components/schemas/{model}")
    channels = {it.channel.name: it.channel for it in types}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": title, "version": version, "description": description},
        "defaultContentType": JSON,
        "channels": {
            name: _channel(channel, [it for it in types if it.channel.name == name])
            for name, channel in channels.items()
        },
        "operations": _operations(types),
        "components": {
            "messages": {
                it.name: _message(it, refs[it.model, mode])
                for it, (_, mode) in zip(types, pairs, strict=True)
            },
            "messageTraits": {_TRAIT: _trait()},
            "schemas": schemas["$defs"],
        },
    }


def _channel(channel: Channel, types: Iterable[MessageType]) -> JsonObject:
    messages: JsonObject = {it.name: {"$ref": f"#/components/messages/{it.name}"} for it in types}
    kinds = sorted({it.kind for it in types})
    kind = " and ".join(f"{kind}s" for kind in kinds)
    listening = ", ".join(channel.groups) or "nobody yet"
    return {
        "address": channel.name,
        "description": f"{kind.capitalize()}; the consumer groups known: {listening}.",
        "messages": messages,
    }


def _operations(types: Iterable[MessageType]) -> JsonObject:
    messages: dict[tuple[str, Literal["send", "receive"], str], list[str]] = {}
    for it in types:
        messages.setdefault((it.sender, "send", it.channel.name), []).append(it.name)
        for receiver in it.receivers:
            messages.setdefault((receiver, "receive", it.channel.name), []).append(it.name)
    return {
        f"{who}-{action}-{channel}": {
            "action": action,
            "title": f"{who} {action}s {', '.join(names)}",
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names],
            "tags": [{"name": who}],
        }
        for (who, action, channel), names in messages.items()
    }


def _message(known: MessageType, payload: JsonObject) -> JsonObject:
    said = getdoc(known.model) or known.name
    return {
        "name": known.name,
        "title": known.name,
        "summary": said.partition("\n\n")[0].replace("\n", " "),
        "contentType": JSON,
        "headers": {
            "type": "object",
            "properties": {
                f"{PREFIX}type": {"const": known.name},
                f"{PREFIX}schemaversion": {"const": str(known.version)},
            },
        },
        "payload": payload,
        "correlationId": {"location": f"$message.header#/{PREFIX}correlationid"},
        "traits": [{"$ref": f"#/components/messageTraits/{_TRAIT}"}],
        "tags": [{"name": known.kind}],
    }


def _trait() -> JsonObject:
    required: list[str] = [CONTENT_TYPE]
    headers: JsonObject = {CONTENT_TYPE: {"const": JSON}}
    for name, field in CloudEvent.model_fields.items():
        if name in {"data", "datacontenttype"}:
            continue
        headers[PREFIX + name] = _attribute(name, field.annotation)
        # What has a default here is always sent; only what may be None may be missing.
        if field.default is not None:
            required.append(PREFIX + name)
    return {
        "description": _ENVELOPE,
        "headers": {
            "type": "object",
            "required": list(required),
            "properties": headers,
        },
    }


def _attribute(name: str, kind: object) -> JsonObject:
    if kind is int:
        return {"type": "string", "pattern": "^[0-9]+$"}
    if name == "specversion":
        return {"const": "1.0"}
    if name == "time":
        return {"type": "string", "format": "date-time"}
    return {"type": "string", "minLength": 1}
