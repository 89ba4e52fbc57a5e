"""Processes for tests: started on free ports, waited for, and never left behind."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from runtime.settings import Settings

ROOT = Path(__file__).parents[2]
PATIENCE = 45.0
"""Seconds to wait for what must come; nothing is measured by it, and a slow machine needs it."""

T = TypeVar("T")


def environment(home: Path) -> dict[str, str]:
    """The environment without anything that configures this project or Temporal."""
    own = {name.upper() for name in Settings.model_fields}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in own and not name.startswith("TEMPORAL_") and "DATABASE_URL" not in name
    }
    return kept | {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "SAGA_HOME": str(home)}


async def eventually(ask: Callable[[], Awaitable[T | None]], *, seconds: float = PATIENCE) -> T:
    """What `ask` answers once that is true."""
    async with asyncio.timeout(seconds):
        while not (answer := await ask()):
            await asyncio.sleep(0.03)
    return answer


@dataclass(frozen=True)
class Child:
    """A process in a group of its own, whose output goes to a file."""

    process: asyncio.subprocess.Process
    output: Path

    @classmethod
    async def start(
        cls, argv: Sequence[str], output: Path, *, env: Mapping[str, str], cwd: Path = ROOT
    ) -> "Child":
        """Start a command."""
        with output.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *argv, stdout=file, stderr=file, cwd=cwd, env=env, start_new_session=True
            )
        return cls(process, output)

    @property
    def lines(self) -> list[str]:
        """What it has said so far."""
        return self.output.read_text(errors="replace").splitlines()

    async def says(self, text: str, *, seconds: float = PATIENCE) -> None:
        """Wait for a line with `text` in it."""

        async def said() -> bool:
            if self.process.returncode is not None:
                raise AssertionError(f"it ended instead of saying {text!r}: {self.lines}")
            return any(text in line for line in self.lines)

        await eventually(said, seconds=seconds)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def ended(self, *, seconds: float = PATIENCE) -> int:
        """Its exit code, once it has one."""
        async with asyncio.timeout(seconds):
            return await self.process.wait()

    async def kill(self) -> None:
        """End it and its group at once, if they still run."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()


@asynccontextmanager
async def running(
    argv: Sequence[str], output: Path, *, env: Mapping[str, str]
) -> AsyncIterator[Child]:
    """A command for as long as the context lasts."""
    child = await Child.start(argv, output, env=env)
    try:
        yield child
    finally:
        await child.kill()
