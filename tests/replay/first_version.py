"""The first version of the contracts, on the wire: how it was written before there were two.

A message's JSON did not say its version, only its envelope did, and `OrderCreated` had an amount
without a currency, and no items.
"""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import PayloadCodec
from temporalio.testing import WorkflowEnvironment

from saga import SagaPlugin


class FirstVersion(PayloadCodec):
    """Has today's code write what the first version wrote: inputs, results, memos, failures."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [_written_then(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


async def with_codec(env: WorkflowEnvironment, codec: PayloadCodec) -> WorkflowEnvironment:
    """The same server, for clients and workers that write as the codec does."""
    client = await Client.connect(
        env.client.service_client.config.target_host,
        data_converter=dataclasses.replace(pydantic_data_converter, payload_codec=codec),
        plugins=[SagaPlugin()],
    )
    return WorkflowEnvironment.from_client(client)


def first_form(value: Any) -> Any:
    """What the first version wrote of a value."""
    if isinstance(value, list):
        return [first_form(item) for item in value]
    if not isinstance(value, dict):
        return value
    form = {name: first_form(it) for name, it in value.items() if name != "schema_version"}
    if value.get("event_type") == "OrderCreated":
        created = dict(form["data"])
        created["amount_minor"] = created.pop("total")["minor"]
        del created["items"]
        form["data"] = created
    is_envelope = "event_type" in value or "sent_at" in value
    return {**form, "schema_version": 1} if is_envelope else form


def _written_then(payload: Payload) -> Payload:
    if payload.metadata["encoding"] != b"json/plain":
        return payload
    content = json.dumps(first_form(json.loads(payload.data)), separators=(",", ":"))
    return Payload(metadata=payload.metadata, data=content.encode())
