"""The HTTP API in a process of its own: `python -m api [--listen HOST:PORT]`.

It uses the Temporal server and the read database of the settings, as `starter.py` does: where
nothing is configured, those that a worker has started.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys

from api.address import USUAL_ADDRESS, Address, listening
from api.application import application
from api.server import serving
from read_model.database import open_database
from runtime.connection import connect
from runtime.errors import RuntimeProblem
from runtime.settings import Settings
from runtime.telemetry import configure_logging
from runtime.tracing import tracing_plugins
from saga import SagaPlugin

log = logging.getLogger("api")


async def serve(settings: Settings, address: Address) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    with listening(address) as bound:
        client = await connect(settings, plugins=[SagaPlugin(), *tracing_plugins()])
        database = open_database(settings.read_database_url)
        try:
            async with serving(application(client, database, settings), bound) as url:
                log.info("HTTP API %s/docs; stop with Ctrl-C", url)
                await stopping.wait()
        finally:
            await database.dispose()


def main() -> int:
    """Parse the options and serve; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m api", description="Serve the HTTP API.")
    parser.add_argument(
        "--listen", metavar="HOST:PORT", default=USUAL_ADDRESS, help="default: %(default)s"
    )
    options = parser.parse_args()
    try:
        address = Address.of(options.listen)
        settings = Settings.from_environment()
        configure_logging(settings.saga_log_level, settings.saga_log_format)
        asyncio.run(serve(settings, address))
    except RuntimeProblem as problem:
        sys.stderr.write(f"api: {problem}\n")
        return problem.exit_code
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # Not sys.exit: the SDK's threads may call into an interpreter that is being taken down, which
    # crashes the process.
    os._exit(code)
