"""The way to Temporal: where the SDK's own configuration says, else the local server."""

import asyncio
import os
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, Interceptor, Plugin
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.runtime import Runtime
from temporalio.service import GrpcCompression, RPCError, RPCStatusCode

from runtime.codec import data_converter
from runtime.errors import ServerUnreachable, SettingsError
from runtime.record import read_record
from runtime.settings import Settings

CONNECT_TIMEOUT = 3.0
"""Seconds until a server that does not answer counts as unreachable."""


async def connect(
    settings: Settings,
    *,
    plugins: Sequence[Plugin] = (),
    interceptors: Sequence[Interceptor] = (),
    runtime: Runtime | None = None,
) -> Client:
    """Connect to Temporal; raises SettingsError, or ServerUnreachable within about 3 seconds."""
    config, converter = _load(), data_converter(settings)
    address = config.setdefault("target_host", local_address(settings))
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            client = await Client.connect(
                **config,
                data_converter=converter,
                plugins=plugins,
                interceptors=interceptors,
                runtime=runtime,
                grpc_compression=compression(address),
            )
            await _check_namespace(client, address)
    except (TimeoutError, RuntimeError, ValueError) as error:
        raise _readable(error, address) from error
    return client


def temporal_configured() -> bool:
    """Whether TEMPORAL_ADDRESS or a configuration file says where Temporal is."""
    return configured_address() is not None


def configured_address() -> str | None:
    """The `host:port` that Temporal's own configuration gives; raises SettingsError."""
    return _load().get("target_host")


def configured_namespace() -> str:
    """The namespace that Temporal's own configuration gives, `default` otherwise."""
    return _load().get("namespace", "default")


def local_address(settings: Settings) -> str:
    """The `host:port` used without configuration: the embedded server's, else localhost."""
    return read_record(settings).temporal_address or f"localhost:{settings.saga_temporal_port}"


def compression(address: str) -> GrpcCompression:
    """How what goes to a `host:port` is compressed: not at all on the way to this machine."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        near = host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # It has a name.
        near = False
    return GrpcCompression.NONE if near else GrpcCompression.GZIP


def _load() -> ClientConnectConfig:
    path = os.environ.get("TEMPORAL_CONFIG_FILE")
    # The SDK takes a file that isn't there for an empty one.
    if path and not Path(path).is_file():
        raise SettingsError(f"TEMPORAL_CONFIG_FILE: no file at {path}; correct the path")
    try:
        config = ClientConfig.load_client_connect_config()
    except (RuntimeError, ValueError, OSError) as error:
        raise SettingsError(
            f"Temporal's configuration is unusable: {error};"
            " correct TEMPORAL_CONFIG_FILE, TEMPORAL_PROFILE or TEMPORAL_TLS_*"
        ) from error
    # Credentials without an address mean a server far away: never fall back to a local one.
    if "target_host" not in config and (config.get("api_key") or config.get("tls")):
        raise SettingsError(
            "Temporal credentials are set without an address: set TEMPORAL_ADDRESS,"
            " or unset TEMPORAL_API_KEY and TEMPORAL_TLS* to use a local server"
        )
    return config


async def _check_namespace(client: Client, address: str) -> None:
    request = DescribeNamespaceRequest(namespace=client.namespace)
    try:
        await client.workflow_service.describe_namespace(request)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise SettingsError(
                f"there is no namespace {client.namespace} at {address}: correct"
                f" TEMPORAL_NAMESPACE or run `temporal operator namespace create"
                f" {client.namespace}`"
            ) from error
        # Not everyone may describe a namespace in which they may work.


def _readable(error: Exception, address: str) -> SettingsError | ServerUnreachable:
    text = str(error)
    if isinstance(error, ValueError):
        return SettingsError(f"TEMPORAL_ADDRESS {address} is unusable ({text}): give host:port")
    if "Unauthenticated" in text or "PermissionDenied" in text:
        return SettingsError(
            f"the Temporal server at {address} refuses the credentials:"
            " check TEMPORAL_API_KEY or TEMPORAL_TLS_*, and TEMPORAL_NAMESPACE"
        )
    return ServerUnreachable(
        f"no Temporal server answers at {address}: start it or set TEMPORAL_ADDRESS to host:port"
    )
