"""The embedded default: what is not configured runs here, shared by all workers of one home.

Every attached worker is equal: who comes first starts the processes, each watches them and
starts again what has ended, and who leaves last stops them. One lock guards every change.
After a `kill -9` the processes run on, and the next worker adopts them by the record.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from temporalio.runtime import Runtime

from runtime.connection import configured_address, temporal_configured
from runtime.dev_server import temporal_server
from runtime.errors import RuntimeProblem, StartFailed
from runtime.locks import Registration, exclusive
from runtime.participants import participant_services
from runtime.processes import (
    EmbeddedProcess,
    Ports,
    choose_ports,
    last_line,
    log_path,
    spawn,
    stop,
    stop_unrecorded,
)
from runtime.record import Record, RecordedProcess
from runtime.settings import Settings, prepare_home

START_TIMEOUT = 30.0
"""Seconds until a started process that does not answer counts as failed."""
ANSWER_TIMEOUT = 10.0
"""Seconds that a running process may be silent before it is replaced."""
WATCH_INTERVAL = 1.0
"""Seconds between two looks at the processes."""
_LONGEST_PAUSE = 30.0
_POLL = 0.03
_PORT_RACES = 3
"""How often another program may take a port between its choice and its use."""

log = logging.getLogger(__name__)


def needed_processes(
    settings: Settings, *, faults: bool = False, runtime: Runtime | None = None
) -> list[EmbeddedProcess]:
    """What stands in for the Temporal server and the services that are not configured."""
    needed = []
    if not temporal_configured():
        needed.append(temporal_server(settings, runtime=runtime))
    if None in settings.service_urls.values():
        needed.append(participant_services(settings, faults=faults))
    return needed


class Embedded:
    """`async with Embedded(settings) as embedded:` has everything unconfigured up and answering.

    Raises PortTaken, HomeNotWritable or StartFailed on entry. Given nothing to run, it does
    nothing and needs no SAGA_HOME.
    """

    def __init__(
        self, settings: Settings, processes: Sequence[EmbeddedProcess] | None = None
    ) -> None:
        self._settings = settings
        self._home = settings.saga_home
        self._processes = list(needed_processes(settings) if processes is None else processes)
        self._record = Record()
        self._joined: set[str] = set()
        self._registration: Registration | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def temporal_address(self) -> str:
        """The `host:port` to work with: configured, embedded, or already running here."""
        return (
            configured_address()
            or self._record.temporal_address
            or f"localhost:{self._settings.saga_temporal_port}"
        )

    @property
    def ui_url(self) -> str | None:
        """The embedded server's Web UI; None for a server that is not ours."""
        return self._record.ui_url

    @property
    def service_urls(self) -> dict[str, str]:
        """The participants' base URLs by name, configured or embedded."""
        configured = {name: url for name, url in self._settings.service_urls.items() if url}
        return self._record.service_urls | configured

    async def __aenter__(self) -> Self:
        if self._processes:
            try:
                await self._attach()
            except BaseException:
                await self._leave()
                raise
            self._watcher = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._watcher:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
        await self._leave()

    @asynccontextmanager
    async def _exclusive(self) -> AsyncIterator[None]:
        async with exclusive(prepare_home(self._settings) / "embedded.lock"):
            yield

    async def _attach(self) -> None:
        async with self._exclusive():
            self._registration = Registration.make(self._home)
            await self._ensure_all(alone=self._registration.alone())

    async def _leave(self) -> None:
        if self._registration is None:
            return
        async with self._exclusive():
            last = self._registration.alone()
            self._registration.release()
            self._registration = None
            if last:
                await self._stop_all()

    async def _stop_all(self) -> None:
        remaining = Record.load(self._home).processes
        # Those who call before those who are called.
        for process in reversed(self._processes):
            if recorded := remaining.pop(process.name, None):
                await stop(recorded)
            elif process.name not in self._joined:
                await stop_unrecorded(process.name, self._home)
        # What another worker needed and this one didn't.
        for recorded in remaining.values():
            await stop(recorded)
        Record().save(self._home)

    async def _watch(self) -> None:
        pause = WATCH_INTERVAL
        while True:
            await asyncio.sleep(pause)
            try:
                if not await self._all_answer():
                    async with self._exclusive():
                        await self._ensure_all(alone=False)
                pause = WATCH_INTERVAL
            except (RuntimeProblem, OSError) as problem:
                pause = min(2 * pause, _LONGEST_PAUSE)
                log.warning("%s; trying again in %.0f s", problem, pause)

    async def _all_answer(self) -> bool:
        self._record = Record.load(self._home)
        recorded = self._record.processes
        for process in self._processes:
            running = recorded.get(process.name)
            if process.name in self._joined:
                continue
            if running is None or not await self._answers(process, running, 0):
                return False
        return True

    async def _ensure_all(self, *, alone: bool) -> None:
        self._record = Record.load(self._home)
        started = await asyncio.gather(
            *(self._ensure(it, alone=alone) for it in self._processes), return_exceptions=True
        )
        for outcome in started:
            if outcome is not None:
                raise outcome

    async def _ensure(self, process: EmbeddedProcess, *, alone: bool) -> None:
        if process.name in self._joined:
            return
        recorded = self._record.processes.get(process.name)
        if recorded is None:
            await self._start(process, None)
        elif not await self._adopts(process, recorded, alone=alone):
            await stop(recorded)
            del self._record.processes[process.name]
            self._record.save(self._home)
            # Who is attached already knows the recorded ports, so these stay.
            await self._start(process, None if alone else recorded.ports)
        if process.prepare and process.name not in self._joined:
            await process.prepare(self._record.processes[process.name].ports)

    async def _adopts(
        self, process: EmbeddedProcess, recorded: RecordedProcess, *, alone: bool
    ) -> bool:
        if not recorded.alive():
            log.warning("%s (pid %d) has ended: starting it again", process.name, recorded.pid)
            return False
        if alone and list(await process.argv(recorded.ports)) != recorded.argv:
            log.info("%s was left running with other options: starting it again", process.name)
            return False
        if not await self._answers(process, recorded, ANSWER_TIMEOUT):
            log.warning("%s (pid %d) does not answer: replacing it", process.name, recorded.pid)
            return False
        log.info("using %s as it runs (pid %d)", process.name, recorded.pid)
        return True

    async def _start(self, process: EmbeddedProcess, known: Ports | None) -> None:
        await stop_unrecorded(process.name, self._home)
        preferred = process.preferred_ports
        if known is None and process.joins_at and await process.healthy(preferred):
            self._joined.add(process.name)
            log.info(
                "using the %s server already running on localhost:%d",
                process.name.capitalize(),
                preferred[process.joins_at],
            )
            return
        for _ in range(_PORT_RACES):
            ports = choose_ports(process, known or preferred, known=known is not None)
            started = spawn(process, await process.argv(ports), ports, self._home)
            self._record.processes[process.name] = started
            self._record.save(self._home)
            if await self._answers(process, started, START_TIMEOUT):
                break
            # Another program may have taken a port since it was chosen, and be gone by now.
            if started.alive():
                raise self._did_not_start(process)
        else:
            raise self._did_not_start(process)
        log.info(
            "started %s on %s (pid %d)",
            process.name,
            ", ".join(f"{port} {number}" for port, number in ports.items()),
            started.pid,
        )

    def _did_not_start(self, process: EmbeddedProcess) -> StartFailed:
        output = log_path(process.name, self._home)
        return StartFailed(f"{process.name} did not start ({last_line(output)}): see {output}")

    async def _answers(
        self, process: EmbeddedProcess, running: RecordedProcess, seconds: float
    ) -> bool:
        deadline = asyncio.get_running_loop().time() + seconds
        while running.alive():
            if running.listens() and await process.healthy(running.ports):
                return True
            if asyncio.get_running_loop().time() >= deadline:
                break
            await asyncio.sleep(_POLL)
        return False
