"""Ports for what tests start: each is given once, and lies where the system gives none by itself.

A port that the system picks for some outgoing connection could otherwise be the one that a test
has just found free, or that a service which is started again had a moment ago.
"""

import itertools
import os
import socket

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_CANDIDATES = itertools.count(20_000 + 1_500 * (_WORKER % 8))


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    return list(itertools.islice((port for port in _CANDIDATES if _is_free(port)), count))


def free_port() -> int:
    """A port that nobody listens on."""
    return free_ports(1)[0]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
