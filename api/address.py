"""The address to serve at, and the socket that listens there."""

import errno
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from runtime.errors import PortTaken, SettingsError

USUAL_ADDRESS = "127.0.0.1:8000"
"""This machine only: whoever can reach the API may use it."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def of(cls, text: str) -> Self:
        """The address that `HOST:PORT` says, such as `127.0.0.1:8000` or `[::1]:8000`.

        Raises:
            SettingsError: it says none.
        """
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not (host and colon and port.isascii() and port.isdigit() and int(port) < 65536):
            raise SettingsError(f"{text!r} is no address to listen on: give HOST:PORT")
        return cls(host, int(port))

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@contextmanager
def listening(address: Address) -> Iterator[socket.socket]:
    """A socket that listens there, closed at the end.

    Raises:
        PortTaken: another program listens there.
        SettingsError: nobody can listen there.
    """
    # asyncio sets TCP_NODELAY only if the protocol is named; without it an answer takes 40 ms.
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((address.host, address.port))
            bound.listen(2048)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            problem = PortTaken if error.errno == errno.EADDRINUSE else SettingsError
            raise problem(
                f"the HTTP API cannot listen on {address} ({reason}): give another HOST:PORT"
            ) from error
        if not address.local:
            log.warning("the HTTP API asks nobody who they are, and %s is not local", address)
        yield bound
