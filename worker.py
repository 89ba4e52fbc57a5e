"""The worker: everything that is not configured is started here, then sagas are carried out.

python worker.py [--api [HOST:PORT]] [--metrics HOST:PORT] [--faults] [--saga MODULE]...
"""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig

from activities.inventory import InventoryActivities
from activities.order import OrderActivities
from activities.payment import PaymentActivities
from activities.projection import ProjectionActivities, projection
from activities.publication import PublicationActivities, publication
from activities.reconciliation import ReconciliationActivities
from activities.shipping import ShippingActivities
from api.application import application
from api.server import USUAL_ADDRESS, Address, listening, serving
from brokers.publisher import open_publisher
from read_model.database import open_database
from read_model.migration import migrate
from read_model.projector import SagaProjector
from runtime.connection import connect
from runtime.correlation import send_along
from runtime.embedded import Embedded, needed_processes
from runtime.errors import RuntimeProblem, ServerUnreachable
from runtime.search_attributes import register_search_attributes
from runtime.settings import Settings
from runtime.telemetry import configure_logging, prometheus_runtime
from runtime.tracing import tracing_plugins
from saga import SagaPlugin, SagaWorkflow, Sink
from saga.named import activities_of, sagas_named
from workflows.order import OrderSaga
from workflows.reconcile import ReconcileReadModel

Activities = Sequence[Callable[..., object]]
Workflows = Sequence[type[SagaWorkflow[Any]]]

WORKFLOWS: Workflows = (OrderSaga,)
DRAIN = timedelta(seconds=10)
"""How long activities under way may go on after a signal; what is cut off is tried again."""
KILLED_AFTER = timedelta(seconds=2)
"""How long a saga waits for the worker that knows it before any other one takes it."""
HTTP_TIMEOUT = httpx.Timeout(5.0)
READ_DATABASE_RETRY = 5.0
"""Seconds between looks for a read database that is away."""

log = logging.getLogger("worker")


def step_activities(clients: Mapping[str, httpx.AsyncClient]) -> Activities:
    """What the sagas' steps call, by the participants' HTTP clients."""
    order, payment = OrderActivities(clients["order"]), PaymentActivities(clients["payment"])
    inventory = InventoryActivities(clients["inventory"])
    shipping = ShippingActivities(clients["shipping"])
    return [
        order.create_order,
        order.cancel_order,
        order.confirm_order,
        payment.charge_payment,
        payment.refund_payment,
        inventory.reserve_stock,
        inventory.release_stock,
        shipping.create_shipment,
        shipping.find_shipment,
        shipping.cancel_shipment,
    ]


def saga_worker(
    client: Client,
    task_queue: str,
    activities: Activities,
    workflows: Workflows = WORKFLOWS,
    version: tuple[str, str] | None = None,
) -> Worker:
    """The worker that runs sagas and their steps, as a deployment's build if it has a version.

    A saga stays with the version that it was started on; see docs/changing-a-saga.md.
    """
    return Worker(
        client,
        task_queue=task_queue,
        workflows=workflows,
        activities=activities,
        graceful_shutdown_timeout=DRAIN,
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        sticky_queue_schedule_to_start_timeout=KILLED_AFTER,
        deployment_config=None
        if version is None
        else WorkerDeploymentConfig(
            WorkerDeploymentVersion(*version),
            use_worker_versioning=True,
            default_versioning_behavior=VersioningBehavior.PINNED,
        ),
    )


def sink_worker(
    client: Client,
    task_queue: str,
    sink: Sink,
    activities: Activities,
    workflows: Sequence[type] = (),
) -> Worker:
    """The worker of one sink, on a task queue of its own."""
    return Worker(
        client,
        task_queue=f"{task_queue}-{sink.name}",
        workflows=workflows,
        activities=activities,
        graceful_shutdown_timeout=DRAIN,
    )


@asynccontextmanager
async def projecting(
    client: Client, task_queue: str, database: AsyncEngine
) -> AsyncIterator[asyncio.Task[None]]:
    """Project in the background, as soon as the read database is there; the task that does it.

    The task ends only with an error that no waiting mends, such as a database that is unusable.
    """

    async def project() -> None:
        while True:
            try:
                await migrate(database)
            except ServerUnreachable as away:
                log.warning("%s; orders go through, their rows follow", away)
                await asyncio.sleep(READ_DATABASE_RETRY)
            else:
                break
        activities: Activities = [
            ProjectionActivities(SagaProjector(database)).project_saga,
            ReconciliationActivities(client, database).reconcile_read_model,
        ]
        workflows = [ReconcileReadModel]
        async with sink_worker(client, task_queue, projection, activities, workflows):
            await asyncio.Event().wait()

    task = asyncio.create_task(project())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
        await database.dispose()


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    api: Address | None = None
    """Where to serve the HTTP API, if anywhere."""
    metrics: str | None = None
    """Where to serve Prometheus metrics, `host:port`, if anywhere."""
    faults: bool = False
    modules: Sequence[str] = ()
    """Those that define sagas to carry out beside the order's."""


async def work(settings: Settings, options: Options) -> None:
    """Carry out sagas until SIGTERM or SIGINT; raises RuntimeProblem."""
    more_sagas = [saga for module in options.modules for saga in sagas_named(module)]
    more_activities = [it for module in options.modules for it in activities_of(module)]
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    runtime = prometheus_runtime(options.metrics)
    async with AsyncExitStack() as stack:
        bound = stack.enter_context(listening(options.api)) if options.api else None
        processes = needed_processes(settings, faults=options.faults, runtime=runtime)
        embedded = await stack.enter_async_context(Embedded(settings, processes))
        plugins = [SagaPlugin(), *tracing_plugins()]
        client = await connect(settings, plugins=plugins, runtime=runtime)
        await register_search_attributes(client)
        clients = {
            name: await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=url,
                    timeout=HTTP_TIMEOUT,
                    trust_env=False,
                    event_hooks={"request": [send_along]},
                )
            )
            for name, url in embedded.service_urls.items()
        }
        database = open_database(settings.read_database_url)
        queue = settings.saga_task_queue
        projected = await stack.enter_async_context(projecting(client, queue, database))
        if settings.event_broker_url:
            events = PublicationActivities(open_publisher(settings.event_broker_url))
            publishing = sink_worker(client, queue, publication, [events.publish_events])
            await stack.enter_async_context(publishing)
        activities = [*step_activities(clients), *more_activities]
        workflows, version = [*WORKFLOWS, *more_sagas], settings.worker_version
        sagas = saga_worker(client, queue, activities, workflows, version)
        await stack.enter_async_context(sagas)
        log.info("Temporal      %s, namespace %s", embedded.temporal_address, client.namespace)
        log.info("Web UI        %s", embedded.ui_url or "of the server in use")
        for name, url in embedded.service_urls.items():
            log.info("%-13s %s/docs", f"{name} service", url)
        log.info("read database %s", database.url)
        if bound is not None:
            # A pool of its own: on SQLite one holds one connection, which projections need.
            read = open_database(settings.read_database_url)
            stack.push_async_callback(read.dispose)
            api = application(client, read, settings)
            url = await stack.enter_async_context(serving(api, bound))
            log.info("HTTP API      %s/docs", url)
        if version is not None:
            log.info("version       %s.%s: sagas come once it is the current one", *version)
        log.info("ready: sagas of task queue %s; stop with Ctrl-C", queue)
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait({stopped, projected}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if projected.done():
            projected.result()
        log.info("draining: what is under way ends, what is not goes on later")


def main() -> int:
    """Parse the options and work; the exit code."""
    parser = argparse.ArgumentParser(description="Carry out sagas; what is not configured starts.")
    parser.add_argument(
        "--api",
        metavar="HOST:PORT",
        nargs="?",
        const=USUAL_ADDRESS,
        help="serve the HTTP API, there or on %(const)s",
    )
    parser.add_argument("--metrics", metavar="HOST:PORT", help="serve Prometheus metrics there")
    parser.add_argument(
        "--faults", action="store_true", help="give the embedded services fault switches"
    )
    parser.add_argument(
        "--saga",
        metavar="MODULE",
        action="append",
        default=[],
        dest="modules",
        help="carry out this module's sagas too, with its ACTIVITIES; repeatable",
    )
    given = parser.parse_args()
    try:
        options = Options(
            api=Address.of(given.api) if given.api else None,
            metrics=given.metrics,
            faults=given.faults,
            modules=given.modules,
        )
        settings = Settings.from_environment()
        configure_logging(settings.saga_log_level, settings.saga_log_format)
        asyncio.run(work(settings, options))
    except RuntimeProblem as problem:
        sys.stderr.write(f"worker: {problem}\n")
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
