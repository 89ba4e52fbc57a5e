"""A SAGA_HOME on the embedded default that no other worker uses."""

import asyncio
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from runtime.connection import temporal_configured
from runtime.embedded import Embedded, needed_processes
from runtime.locks import Registration, exclusive
from runtime.record import read_record
from runtime.settings import Settings, prepare_home

ROOT = Path(__file__).resolve().parent.parent


class HomeTaken(Exception):
    """This is no embedded default, or not ours alone; `str()` is one line that says what to do."""


def check_embedded(settings: Settings) -> None:
    """See to it that nothing but the embedded default is used; raises HomeTaken."""
    set_up = [f"{name.upper()}_SERVICE_URL" for name, url in settings.service_urls.items() if url]
    if temporal_configured():
        set_up.insert(0, "TEMPORAL_ADDRESS (or Temporal's configuration file)")
    if set_up:
        raise HomeTaken(f"it works on what it starts itself only: unset {', '.join(set_up)}")


def check_alone(settings: Settings) -> None:
    """See to it that no worker uses the home; raises HomeTaken."""
    if not asyncio.run(_alone(settings)):
        raise HomeTaken(
            f"another worker runs on {settings.saga_home} and would do what this one must not:"
            " stop it, or give SAGA_HOME, SAGA_TEMPORAL_PORT and SAGA_UI_PORT other values"
        )


def check_own_server(settings: Settings) -> None:
    """See to it that the worker that is up started its own Temporal server; raises HomeTaken."""
    if read_record(settings).temporal_address is None:
        raise HomeTaken(
            f"port {settings.saga_temporal_port} has a Temporal server of someone else:"
            " set SAGA_TEMPORAL_PORT and SAGA_UI_PORT to free ports"
        )


def stop_leftovers(settings: Settings) -> None:
    """Stop what a killed worker has left running, as the next worker would."""
    if read_record(settings).processes:
        asyncio.run(_attach_and_leave(settings))


@contextmanager
def own_home() -> Iterator[Settings]:
    """The embedded default in a new folder, for us and for every process that we start."""
    with tempfile.TemporaryDirectory(prefix="saga-bench-") as folder:
        for name in Settings.model_fields:
            os.environ.pop(name.upper(), None)
        temporal, ui = free_ports(2)
        os.environ |= {
            "SAGA_HOME": folder,
            "SAGA_TEMPORAL_PORT": str(temporal),
            "SAGA_UI_PORT": str(ui),
            "PYTHONPATH": str(ROOT),
        }
        settings = Settings.from_environment()
        check_embedded(settings)
        yield settings


async def _alone(settings: Settings) -> bool:
    home = prepare_home(settings)
    async with exclusive(home / "embedded.lock"):
        registration = Registration.make(home)
        try:
            return registration.alone()
        finally:
            registration.release()


async def _attach_and_leave(settings: Settings) -> None:
    async with Embedded(settings, needed_processes(settings, faults=True)):
        """Who leaves last stops everything."""


def free_ports(count: int) -> list[int]:
    """So many ports that nobody uses just now."""
    with ExitStack() as held:
        made = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        return [held.enter_context(listener).getsockname()[1] for listener in made]
