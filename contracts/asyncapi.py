"""The AsyncAPI document of the order saga's catalogue; docs/asyncapi.json is a copy of it."""

from brokers.asyncapi import asyncapi
from brokers.envelope import JsonObject
from contracts.catalogue import CATALOGUE


def order_messages() -> JsonObject:
    """What goes over the brokers to and from the order saga's side."""
    return asyncapi(
        CATALOGUE,
        title="durable-saga: orders",
        version="1",
        description=(
            "What is told of orders, and what can be asked of the services around them. Messages"
            " come at least once: tell repetitions by the CloudEvent's id. Those of one order"
            " come in order."
        ),
    )
