"""Waiting for a server that a test has started, and for no other that may have its port."""

import socket
import subprocess
import time
from contextlib import suppress

import psutil


def wait_for(port: int, process: subprocess.Popen[bytes], within: float) -> None:
    """Return when this very process takes connections; raises RuntimeError."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and process.poll() is None:
        if _listens(process.pid, port):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not answer on port {port}")


def _listens(pid: int, port: int) -> bool:
    try:
        sockets = psutil.Process(pid).net_connections("inet")
    except psutil.NoSuchProcess:
        return False
    return any(it.status == psutil.CONN_LISTEN and it.laddr.port == port for it in sockets)
