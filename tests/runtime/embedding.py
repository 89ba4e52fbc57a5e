"""What a home has recorded of its processes, and what a server says."""

from collections.abc import Awaitable, Callable

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from runtime.processes import EmbeddedProcess
from runtime.record import read_record
from runtime.settings import Settings

Standin = Callable[..., EmbeddedProcess]
Eventually = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


def pids(settings: Settings) -> dict[str, int]:
    """The processes a home has recorded, by name."""
    return {name: it.pid for name, it in read_record(settings).processes.items()}


async def retention_days(client: Client) -> float:
    """How long the server keeps histories."""
    request = DescribeNamespaceRequest(namespace=client.namespace)
    described = await client.workflow_service.describe_namespace(request)
    return described.config.workflow_execution_retention_ttl.seconds / 86400
