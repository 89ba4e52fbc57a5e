"""Processes that outlive the worker that started them: choosing ports, starting, stopping."""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import textwrap
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from runtime.errors import PortTaken, StartFailed
from runtime.record import RecordedProcess

Ports = Mapping[str, int]

STOP_TIMEOUT = 10.0
"""Seconds between the request to end and the kill."""
_POLL = 0.02
_HOST = "127.0.0.1"
_MARKER = "SAGA_EMBEDDED"
_LOG_LIMIT = 10_000_000
# Who starts first decides for all who attach later, so a child's environment is the system's
# and not the shell's: no credentials, no TEMPORAL_*.
_ENVIRONMENT = {"PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV"}
_ENVIRONMENT |= {"SAGA_LOG_LEVEL", "SAGA_LOG_FORMAT"}
_ENVIRONMENT_PREFIXES = ("LC_", "LD_", "DYLD_", "PYTHON", "COVERAGE_", "SSL_CERT_")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Port:
    """A port we would like; with a `remedy` it must be that one, else any free one will do."""

    preferred: int
    remedy: str | None = None
    """What to do when another program has it, for the message of PortTaken."""


@dataclass(frozen=True)
class EmbeddedProcess:
    """What to run and how to tell that it is ready."""

    name: str
    ports: Mapping[str, Port]
    argv: Callable[[Ports], Awaitable[Sequence[str]]]
    healthy: Callable[[Ports], Awaitable[bool]]
    """Answers within 2 s and does not raise."""
    prepare: Callable[[Ports], Awaitable[None]] | None = None
    """Runs each time a worker attaches or the process was started again; repeatable."""
    cwd: Path | None = None
    joins_at: str | None = None
    """The port at which a running one that isn't ours is used as it is, never stopped by us."""

    @property
    def preferred_ports(self) -> dict[str, int]:
        """The ports it gets when nobody else has them."""
        return {name: port.preferred for name, port in self.ports.items()}


def choose_ports(process: EmbeddedProcess, wanted: Ports, *, known: bool = False) -> dict[str, int]:
    """The wanted ports, or free ones where any will do; raises PortTaken.

    Ports that attached workers know already don't change under them.
    """
    chosen: dict[str, int] = {}
    # Held until all are chosen: the system may hand out a freed one twice.
    with ExitStack() as held:
        for name, port in process.ports.items():
            listener = _listen(wanted[name])
            remedy = "stop that program" if known else port.remedy
            if listener is None and remedy is not None:
                raise PortTaken(
                    f"port {wanted[name]} is taken by another program"
                    f" ({process.name} needs it): {remedy}"
                )
            listener = held.enter_context(listener or socket.create_server((_HOST, 0)))
            chosen[name] = listener.getsockname()[1]
            if chosen[name] != wanted[name]:
                log.warning("port %d is taken: %s uses %d", wanted[name], name, chosen[name])
    return chosen


def spawn(
    process: EmbeddedProcess, argv: Sequence[str], ports: Ports, home: Path
) -> RecordedProcess:
    """Start in a session of its own, so that no Ctrl-C or hang-up reaches it."""
    output = log_path(process.name, home)
    if output.exists() and output.stat().st_size > _LOG_LIMIT:
        output.replace(output.with_suffix(".log.old"))
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
            cwd=process.cwd,
            env=_environment() | {_MARKER: _mark(process.name, home)},
        )
        created = psutil.Process(child.pid).create_time()
    except (OSError, psutil.NoSuchProcess) as error:
        raise StartFailed(f"{process.name} cannot be started: {error}") from error
    finally:
        os.close(descriptor)
    # Reaps it should it end before we do.
    threading.Thread(target=child.wait, name=f"reap-{process.name}", daemon=True).start()
    return RecordedProcess(pid=child.pid, created=created, ports=dict(ports), argv=list(argv))


async def stop(process: RecordedProcess) -> None:
    """Ask it to end, wait 10 s, then kill it and what it left in its session."""
    with suppress(ProcessLookupError):
        if process.alive():
            os.kill(process.pid, signal.SIGTERM)
        deadline = asyncio.get_running_loop().time() + STOP_TIMEOUT
        while process.alive():
            if asyncio.get_running_loop().time() > deadline:
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.sleep(_POLL)


async def stop_unrecorded(name: str, home: Path) -> None:
    """Stop what was started for this home and never recorded, known by its environment."""
    mark = _mark(name, home)
    for process in psutil.process_iter():
        # Foreign processes keep their environment to themselves.
        with suppress(psutil.Error):
            if process.environ().get(_MARKER) == mark:
                created = process.create_time()
                await stop(RecordedProcess(pid=process.pid, created=created, ports={}, argv=[]))


def log_path(name: str, home: Path) -> Path:
    """Where the process writes its output."""
    return home / f"{name}.log"


def last_line(path: Path) -> str:
    """The end of a log, for a message of one line."""
    lines = path.read_text(errors="replace").split("\n") if path.exists() else []
    last = next((line for line in reversed(lines) if line.strip()), "no output")
    return textwrap.shorten(last, 200, placeholder=" ...")


def _listen(port: int) -> socket.socket | None:
    try:
        return socket.create_server((_HOST, port))
    except OSError:
        return None


def _mark(name: str, home: Path) -> str:
    return f"{home}/{name}"


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name in _ENVIRONMENT or name.startswith(_ENVIRONMENT_PREFIXES)
    }
