"""SNS and SQS for the tests: moto's server, which keeps everything in its memory."""

import subprocess
import sys
from pathlib import Path

from tests.brokers.listening import wait_for
from tests.ports import free_port

ROOT = Path(__file__).parent.parent.parent
READY_WITHIN = 30.0
STOPPED_WITHIN = 5.0

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
"""What clients need in their environment; moto takes any."""


class SnsSqsServer:
    """One server; `start` returns when it takes connections, and it has nothing then."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        # moto goes on waiting for a client that has gone, and gives it what comes: so no long
        # polling, except where that is what is tested.
        return f"sns+sqs://eu-west-1?endpoint={self.endpoint}&wait=0&visibility=30"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.brokers.sns_sqs_moto", "-p", str(self.port)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self.port, self._process, READY_WITHIN)

    def stop(self) -> None:
        """Orderly, which makes no difference to what it has: that is gone."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOPPED_WITHIN)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()
