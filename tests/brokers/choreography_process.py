"""The choreography as processes to be killed, made by a fork of one that has imported it all."""

import multiprocessing
import os
import sys
from collections.abc import Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import brokers.rabbitmq  # noqa: F401  imported before the fork, so that a start takes no time
from brokers.envelope import CloudEvent
from brokers.port import Broker, Subscription
from services.choreography.__main__ import main
from services.choreography.events import CHOREOGRAPHY


def choreograph(argv: Sequence[str], broker_url: str, output: str) -> None:
    """Be `python -m services.choreography`."""
    said = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(said, sys.stdout.fileno())
    os.dup2(said, sys.stderr.fileno())
    os.environ["EVENT_BROKER_URL"] = broker_url
    sys.argv = ["services.choreography", *argv]
    sys.exit(main())


class Processes:
    """One process at a time, on the same databases."""

    def __init__(self, argv: Sequence[str], broker_url: str, output: Path) -> None:
        self._arguments = (argv, broker_url, str(output))
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([choreograph.__module__])
        self._running: ForkServerProcess | None = None

    def start(self) -> None:
        """Start it anew."""
        self._running = self._context.Process(target=choreograph, args=self._arguments, daemon=True)
        self._running.start()

    def kill(self) -> None:
        """End it as a machine that fails would."""
        running, self._running = self._running, None
        if running is not None:
            assert running.is_alive(), f"it has ended by itself: {running.exitcode}"
            running.kill()
            running.join()


async def taken_off(broker: Broker, group: str) -> list[CloudEvent]:
    """What waited for a group of the choreography; it is taken for handled."""
    waited: list[CloudEvent] = []
    if not await broker.waiting(CHOREOGRAPHY, group):
        return waited
    async with broker.subscribe(Subscription(CHOREOGRAPHY, group)) as deliveries:
        while await broker.waiting(CHOREOGRAPHY, group):
            delivery = await anext(deliveries)
            waited.append(delivery.message.event())
            await delivery.ack()
    return waited
