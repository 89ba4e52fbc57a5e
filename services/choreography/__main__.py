"""The four services, which do orders by events alone."""

import argparse
import logging
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from brokers.opening import opened
from services import inventory
from services.choreography.events import SERVICES
from services.choreography.house import Choreography
from services.server import Listener, run_opened
from services.together import command_line, database_urls, listeners

_log = logging.getLogger("services")
MEMORY = "memory://"
_PORTS = {name: port for port, name in enumerate(SERVICES, start=8001)}


def main() -> int:
    """Serve and react until SIGTERM or SIGINT; the exit code."""
    parser = command_line("services.choreography", __doc__, _PORTS, folder="choreography")
    parser.add_argument("--faults", action="store_true", help="serve the fault switches")
    inventory.add_seed_option(parser)
    options = parser.parse_args()
    return run_opened(lambda: _reacting(options, os.environ.get("EVENT_BROKER_URL") or MEMORY))


@asynccontextmanager
async def _reacting(options: argparse.Namespace, url: str) -> AsyncIterator[Sequence[Listener]]:
    in_memory = url == MEMORY
    async with opened(url) as broker:
        house = Choreography(
            broker,
            database_urls(SERVICES, options),
            broker_forgets=in_memory,
            faults=options.faults,
            stock=inventory.stock_of(options),
        )
        try:
            await house.open()
            if in_memory:
                _log.info("events stay in this process: set EVENT_BROKER_URL for a broker")
            async with house.reacting():
                yield listeners(house.apps, options)
        finally:
            await house.close()


if __name__ == "__main__":
    sys.exit(main())
