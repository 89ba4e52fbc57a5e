"""The search attributes by which sagas are listed, and their registration."""

import asyncio
import logging

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

SagaType = SearchAttributeKey.for_keyword("SagaType")
SagaStatus = SearchAttributeKey.for_keyword("SagaStatus")
CustomerId = SearchAttributeKey.for_keyword("CustomerId")

SEARCH_ATTRIBUTES = (SagaType, SagaStatus, CustomerId)

_KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
_ATTEMPTS = 4
_FORBIDDEN = {
    RPCStatusCode.PERMISSION_DENIED,
    RPCStatusCode.UNAUTHENTICATED,
    RPCStatusCode.UNIMPLEMENTED,
}

log = logging.getLogger(__name__)


async def register_search_attributes(client: Client) -> str | None:
    """Add what the namespace lacks; where that isn't allowed, the commands to run, logged too."""
    reason = ""
    for attempt in range(_ATTEMPTS):
        try:
            for key in await _missing(client):
                await _add(client, key)
            return None
        except RPCError as error:
            reason = error.message
            if error.status in _FORBIDDEN:
                break
            # Workers that start together may race for the namespace's next free column.
            await asyncio.sleep(0.1 * 2**attempt)
    commands = registration_commands(client.namespace)
    log.warning("search attributes are not registered (%s); run once: %s", reason, commands)
    return commands


def registration_commands(namespace: str) -> str:
    """The shell commands by which an operator registers them, on a server and on Temporal Cloud."""
    own = " ".join(f"--name {key.name} --type Keyword" for key in SEARCH_ATTRIBUTES)
    cloud = " ".join(f"--search-attribute {key.name}=Keyword" for key in SEARCH_ATTRIBUTES)
    return (
        f"temporal operator search-attribute create --namespace {namespace} {own}"
        "  # on Temporal Cloud:"
        f" tcld namespace search-attributes add --namespace {namespace} {cloud}"
    )


async def _missing(client: Client) -> list[SearchAttributeKey[str]]:
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        listed = await client.operator_service.list_search_attributes(request)
    except RPCError as error:
        # The time-skipping test server adds but cannot list.
        if error.status is RPCStatusCode.UNIMPLEMENTED:
            return list(SEARCH_ATTRIBUTES)
        raise
    present = listed.custom_attributes
    for key in SEARCH_ATTRIBUTES:
        if present.get(key.name, _KEYWORD) != _KEYWORD:
            log.warning("search attribute %s is not a Keyword: remove it and add it anew", key.name)
    return [key for key in SEARCH_ATTRIBUTES if key.name not in present]


async def _add(client: Client, key: SearchAttributeKey[str]) -> None:
    request = AddSearchAttributesRequest(
        namespace=client.namespace, search_attributes={key.name: _KEYWORD}
    )
    try:
        await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise
