"""`worker.py` that counts its own asyncio tasks when it gets SIGUSR1.

The count goes to `<SAGA_HOME>/tasks`, which appears in one step.
"""

import asyncio
import gc
import signal
from pathlib import Path

import worker
from runtime.settings import Settings
from runtime.telemetry import configure_logging
from workers.process import run


def tasks_file(home: Path) -> Path:
    """Where the count appears."""
    return home / "tasks"


def count_tasks(home: Path) -> None:
    """Count the unfinished tasks of all loops; each workflow in the worker's cache has its own."""
    gc.collect()
    tasks = [it for it in gc.get_objects() if isinstance(it, asyncio.Task) and not it.done()]
    draft = tasks_file(home).with_suffix(".tmp")
    draft.write_text(str(len(tasks)))
    draft.replace(tasks_file(home))


async def work(settings: Settings) -> None:
    """Carry out sagas until SIGTERM."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, count_tasks, settings.saga_home)
    await worker.work(settings, worker.Options())


if __name__ == "__main__":
    configured = Settings.from_environment()
    configure_logging(configured.saga_log_level)
    run(work(configured))
