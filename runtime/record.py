"""Which embedded processes run, as written in `<SAGA_HOME>/embedded.json`."""

import os
from pathlib import Path
from typing import Self

import psutil
from pydantic import BaseModel, ValidationError

from runtime.settings import Settings

# Two processes may compute the same start time a clock correction apart.
_CLOCK_TOLERANCE = 2.0


class RecordedProcess(BaseModel, frozen=True):
    """One process we started; pid and start time together name it, a recycled pid does not."""

    pid: int
    created: float
    """Seconds since the epoch, as psutil gives them."""
    ports: dict[str, int]
    argv: list[str]

    def alive(self) -> bool:
        """Whether this very process still runs."""
        try:
            process = psutil.Process(self.pid)
            return (
                abs(process.create_time() - self.created) < _CLOCK_TOLERANCE
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.NoSuchProcess:
            return False

    def listens(self) -> bool:
        """Whether it is this very process that listens on its ports, and no other that took one."""
        try:
            connections = psutil.Process(self.pid).net_connections("tcp")
        except psutil.NoSuchProcess:
            return False
        listening = {it.laddr.port for it in connections if it.status == psutil.CONN_LISTEN}
        return listening.issuperset(self.ports.values())


class Record(BaseModel):
    """The embedded processes by name."""

    processes: dict[str, RecordedProcess] = {}

    @classmethod
    def load(cls, home: Path) -> Self:
        """Read the record; a missing or torn one is empty."""
        try:
            return cls.model_validate_json(_path(home).read_bytes())
        except (FileNotFoundError, ValidationError):
            return cls()

    def save(self, home: Path) -> None:
        """Replace the record in one step, so that readers need no lock."""
        draft = _path(home).with_suffix(".tmp")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(self.model_dump_json(indent=2))
        draft.replace(_path(home))

    @property
    def temporal_address(self) -> str | None:
        """The embedded Temporal server's `host:port`."""
        server = self.processes.get("temporal")
        return f"127.0.0.1:{server.ports['grpc']}" if server else None

    @property
    def ui_url(self) -> str | None:
        """The embedded Temporal server's Web UI."""
        server = self.processes.get("temporal")
        return f"http://127.0.0.1:{server.ports['ui']}" if server else None

    @property
    def service_urls(self) -> dict[str, str]:
        """The embedded participants' base URLs by name."""
        services = self.processes.get("services")
        ports = services.ports if services else {}
        return {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}


def read_record(settings: Settings) -> Record:
    """The embedded processes that are alive now, read without attaching to them."""
    recorded = Record.load(settings.saga_home).processes
    return Record(processes={name: it for name, it in recorded.items() if it.alive()})


def _path(home: Path) -> Path:
    return home / "embedded.json"
