import asyncio

import pytest
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from runtime.search_attributes import SEARCH_ATTRIBUTES, register_search_attributes
from tests.binaries import DEV_SERVER, TEST_SERVER


async def _attributes(client: Client) -> set[str]:
    request = ListSearchAttributesRequest(namespace=client.namespace)
    return set((await client.operator_service.list_search_attributes(request)).custom_attributes)


@pytest.mark.asyncio
async def test_dev_server_concurrently_and_again() -> None:
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=DEV_SERVER) as server:
        told = await asyncio.gather(*(register_search_attributes(server.client) for _ in range(4)))
        again = await register_search_attributes(server.client)

        assert [*told, again] == [None] * 5
        assert await _attributes(server.client) == {key.name for key in SEARCH_ATTRIBUTES}


@pytest.mark.asyncio
async def test_time_skipping_server_twice() -> None:
    path = TEST_SERVER
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=path
    ) as server:
        assert await register_search_attributes(server.client) is None
        assert await register_search_attributes(server.client) is None


class _Forbidding:
    """A client of a server whose operator service is closed."""

    namespace = "orders.a1b2c"

    @property
    def operator_service(self) -> "_Forbidding":
        return self

    async def list_search_attributes(self, request: object) -> None:
        raise RPCError("Request unauthorized.", RPCStatusCode.PERMISSION_DENIED, b"")


@pytest.mark.asyncio
async def test_where_it_is_not_allowed_the_commands_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    commands = await register_search_attributes(_Forbidding())  # type: ignore[arg-type]

    assert commands is not None
    assert "temporal operator search-attribute create --namespace orders.a1b2c" in commands
    assert "--name SagaType --type Keyword" in commands
    assert "tcld namespace search-attributes add --namespace orders.a1b2c" in commands
    assert commands in caplog.text
