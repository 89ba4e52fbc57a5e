"""A server that a test starts is not taken for another one that has its port."""

import socket
import subprocess
import sys

import pytest

from tests.brokers.listening import wait_for
from tests.ports import free_port


def test_another_listener_on_the_port_is_not_the_one_that_was_started() -> None:
    port = free_port()
    argv = [sys.executable, "-c", "import time; time.sleep(60)"]
    with socket.create_server(("127.0.0.1", port)), subprocess.Popen(argv) as process:
        try:
            with pytest.raises(RuntimeError, match=f"does not answer on port {port}"):
                wait_for(port, process, 0.3)
        finally:
            process.kill()
