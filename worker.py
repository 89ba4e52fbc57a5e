"""The worker: everything that is not configured is started here, then sagas are carried out.

python worker.py [--api [HOST:PORT]] [--metrics HOST:PORT] [--faults] [--consume]
    [--saga MODULE]...
"""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx

from activities.publication import PublicationActivities, publication
from api.address import USUAL_ADDRESS, Address, listening
from brokers.consumer import Consumer
from brokers.draining import DRAINED_WITHIN
from brokers.opening import opened
from brokers.port import Broker
from consumers.orders import order_intake
from contracts.catalogue import ORDER_COMMANDS
from read_model.database import open_database
from read_model.queries import ReadModel
from runtime.connection import connect
from runtime.correlation import send_along
from runtime.embedded import Embedded, needed_processes
from runtime.errors import RuntimeProblem, SettingsError
from runtime.search_attributes import register_search_attributes
from runtime.settings import Settings
from runtime.telemetry import configure_logging, letter_counter, prometheus_runtime
from runtime.tracing import tracing_plugins
from saga import Lane, SagaPlugin
from saga.lint import check_worker
from saga.named import activities_of, sagas_named
from workers.process import run
from workers.sagas import WORKFLOW_MODULES, WORKFLOWS, saga_activities, saga_worker
from workers.sinks import projecting, sink_worker

HTTP_TIMEOUT = httpx.Timeout(5.0)

log = logging.getLogger("worker")


@asynccontextmanager
async def running(coroutine: Coroutine[object, object, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Let something run in the background until the end."""
    task = asyncio.create_task(coroutine)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def consuming(intake: Consumer) -> AsyncIterator[asyncio.Task[None]]:
    """Take messages in the background; at the end those under way may go on for a while."""
    async with running(intake.run()) as task:
        yield task
        intake.stop()
        await asyncio.wait([task], timeout=DRAINED_WITHIN)


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    api: Address | None = None
    """Where to serve the HTTP API, if anywhere."""
    metrics: str | None = None
    """Where to serve Prometheus metrics, `host:port`, if anywhere."""
    faults: bool = False
    consume: bool = False
    """Whether to take orders that come as messages, too."""
    modules: Sequence[str] = ()
    """Those that define sagas to carry out beside the order's."""


async def work(settings: Settings, options: Options) -> None:
    """Carry out sagas until SIGTERM or SIGINT; raises RuntimeProblem."""
    more_sagas = [saga for module in options.modules for saga in sagas_named(module)]
    more_activities = [it for module in options.modules for it in activities_of(module)]
    if options.consume and settings.event_broker_url is None:
        raise SettingsError("--consume: set EVENT_BROKER_URL to the broker that commands come over")
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    runtime = prometheus_runtime(options.metrics)
    async with AsyncExitStack() as stack:
        clients = {
            name: await stack.enter_async_context(
                httpx.AsyncClient(
                    timeout=HTTP_TIMEOUT, trust_env=False, event_hooks={"request": [send_along]}
                )
            )
            for name in settings.service_urls
        }
        database = open_database(settings.read_database_url)
        activities = [*saga_activities(clients, database), *more_activities]
        workflows, version = [*WORKFLOWS, *more_sagas], settings.worker_version
        # Its Worker asks the same, with a server and services up by then.
        check_worker(workflows, activities)
        bound = stack.enter_context(listening(options.api)) if options.api else None
        processes = needed_processes(settings, faults=options.faults, runtime=runtime)
        embedded = await stack.enter_async_context(Embedded(settings, processes))
        plugins = [SagaPlugin(passed_through=WORKFLOW_MODULES), *tracing_plugins()]
        client = await connect(settings, plugins=plugins, runtime=runtime)
        await register_search_attributes(client)
        for name, url in embedded.service_urls.items():
            clients[name].base_url = httpx.URL(url)
        queue = settings.saga_task_queue
        projected = await stack.enter_async_context(projecting(client, queue, database))
        broker: Broker | None = None
        if settings.event_broker_url:
            broker = await stack.enter_async_context(opened(settings.event_broker_url))
            events = PublicationActivities(broker)
            publishing = sink_worker(client, queue, publication, [events.publish_events])
            await stack.enter_async_context(publishing)
        sagas = saga_worker(client, queue, activities, workflows, version)
        await stack.enter_async_context(sagas)
        log.info("Temporal      %s, namespace %s", embedded.temporal_address, client.namespace)
        log.info("Web UI        %s", embedded.ui_url or "of the server in use")
        for name, url in embedded.service_urls.items():
            log.info("%-13s %s/docs", f"{name} service", url)
        log.info("read database %s", database.url)
        if bound is not None:
            # FastAPI takes a while to import, and most workers serve no API.
            from api.application import application
            from api.server import serving

            # A pool of its own: on SQLite one holds one connection, which projections need.
            read = open_database(settings.read_database_url)
            stack.push_async_callback(read.dispose)
            api = application(client, read, settings)
            url = await stack.enter_async_context(serving(api, bound))
            log.info("HTTP API      %s/docs", url)
        tasks = {projected}
        if options.consume and broker is not None:
            read = open_database(settings.read_database_url)
            stack.push_async_callback(read.dispose)
            intake = order_intake(
                broker,
                client,
                queue,
                ReadModel(read),
                lane=Lane(settings.saga_lane),
                count_letter=letter_counter(runtime),
            )
            tasks.add(await stack.enter_async_context(consuming(intake)))
            log.info("consuming     %s", ORDER_COMMANDS.name)
        if version is not None:
            log.info("version       %s.%s: sagas come once it is the current one", *version)
        log.info("ready: sagas of task queue %s; stop with Ctrl-C", queue)
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        for task in tasks:
            if task.done():
                task.result()
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
        "--consume",
        action="store_true",
        help="take orders that come as messages over the broker of EVENT_BROKER_URL, too",
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
            consume=given.consume,
            modules=given.modules,
        )
        settings = Settings.from_environment()
        configure_logging(settings.saga_log_level, settings.saga_log_format)
        run(work(settings, options))
    except RuntimeProblem as problem:
        sys.stderr.write(f"worker: {problem}\n")
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
