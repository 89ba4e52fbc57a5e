"""A worker as its user starts it: a process, with its output in a file."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from demo.home import ROOT
from runtime.processes import last_line

READY_TIMEOUT = 90.0
"""Seconds until a worker that has not said that it is ready counts as failed."""
STOP_TIMEOUT = 60.0
"""Seconds from SIGTERM to the kill; a worker drains for up to ten, and stops what it started."""

AnswerT = TypeVar("AnswerT")


class TooLate(Exception):
    """What was waited for has not come; `str()` is one line."""


class WorkerFailed(Exception):
    """A worker has ended, or did not end; `str()` is one line."""


def until(
    lacking: str, ask: Callable[[], AnswerT | None], seconds: float, pause: float = 0.05
) -> AnswerT:
    """What `ask` answers once it is true.

    Raises:
        TooLate: `lacking` says what is not so, e.g. `the order has not ended`.
    """
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise TooLate(f"{lacking} after {seconds:.0f} s")
        time.sleep(pause)
    return answer


class WorkerProcess:
    """One worker at a time, out of reach of the terminal's Ctrl-C."""

    def __init__(self, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        # It must say that it is ready, whatever it is told to keep to itself.
        self._environment = {**(environment or os.environ), "SAGA_LOG_LEVEL": "INFO"}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the worker that was started last."""
        return self._started.pid

    def start(self, *options: str, program: Sequence[str] = (str(ROOT / "worker.py"),)) -> float:
        """Start a worker and wait until it is ready; the seconds that this took.

        Raises:
            WorkerFailed: it has ended.
            TooLate: it is not ready in time.
        """
        with self.log.open("ab") as output:
            began, offset = time.monotonic(), output.tell()
            self._process = subprocess.Popen(
                [sys.executable, *program, *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=self._environment,
            )
        until(
            f"the worker is not ready (see {self.log})",
            lambda: self._is_ready(offset),
            READY_TIMEOUT,
            pause=0.01,
        )
        return time.monotonic() - began

    def kill(self) -> None:
        """`kill -9`: nothing but the worker itself."""
        self._started.kill()
        self._started.wait()

    def stop(self) -> None:
        """Ask it to end and wait; it may have ended already. Raises WorkerFailed."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise WorkerFailed(f"the worker did not stop on SIGTERM: see {self.log}") from None

    @property
    def _started(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process

    def _is_ready(self, offset: int) -> bool:
        if self._started.poll() is not None:
            raise WorkerFailed(f"the worker has ended ({last_line(self.log)}): see {self.log}")
        return b"ready:" in self.log.read_bytes()[offset:]
