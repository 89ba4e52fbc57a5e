"""Serving one or several applications in one process, until SIGTERM or SIGINT."""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from brokers.port import RuntimeProblem
from services.application import database_of
from services.database import DatabaseUnusable
from services.faults import DROP_CONNECTION
from services.tracing import log_handler

_logger = logging.getLogger("services")

PORT_UNUSABLE = 2
DATABASE_UNUSABLE = 3
_GRACE_SECONDS = 10


@dataclass(frozen=True)
class Listener:
    """An application and the address it is served at."""

    app: FastAPI
    host: str
    port: int

    def bind(self) -> socket.socket:
        """Take the port; raise `PortUnusable` if it is taken."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        # asyncio sets TCP_NODELAY only if the protocol is named; without it an answer takes 40 ms.
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((self.host, self.port))
            bound.listen(2048)
        except OSError as error:
            bound.close()
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise PortUnusable(f"cannot listen on {self.host}:{self.port}: {reason}") from error
        return bound


Opened = Callable[[], AbstractAsyncContextManager[Sequence[Listener]]]
"""Opens what is to be served, and whatever goes on meanwhile."""


class PortUnusable(Exception):
    """The address cannot be listened on; the message is one line."""


class DroppableProtocol(H11Protocol):
    """HTTP/1.1 whose connections an application may drop, through an ASGI extension."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Offer the extension to every request of a new connection."""
        super().connection_made(transport)
        app = self.app

        async def droppable(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[DROP_CONNECTION] = transport.close
            await app(scope, receive, send)

        self.app = droppable


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `run`: several servers share this process."""
        yield


async def serve(listeners: Sequence[Listener], stop: asyncio.Event) -> None:
    """Serve until `stop` is set; raise `PortUnusable` or `DatabaseUnusable` before that."""
    sockets = [listener.bind() for listener in listeners]
    for listener in listeners:
        await database_of(listener.app).open()
    servers = [_Server(_config(listener.app)) for listener in listeners]
    async with asyncio.TaskGroup() as group:
        for server, listener, bound in zip(servers, listeners, sockets, strict=True):
            group.create_task(server.serve(sockets=[bound]))
            _logger.info("%s on http://%s:%d", listener.app.title, listener.host, listener.port)
        await stop.wait()
        for server in servers:
            server.should_exit = True


def run(listeners: Callable[[], Sequence[Listener]]) -> int:
    """Serve what `listeners` returns and return the exit code; failures are one line on stderr."""
    return run_opened(lambda: nullcontext(listeners()))


def run_opened(opened: Opened) -> int:
    """Serve what `opened` gives, for as long; as `run`."""
    logging.basicConfig(level=logging.INFO, handlers=[log_handler()])
    code = 0
    try:
        asyncio.run(_serve_until_signalled(opened))
    except* (DatabaseUnusable, PortUnusable, RuntimeProblem) as problems:
        problem = _first(problems)
        print(problem, file=sys.stderr)
        code = _exit_code(problem)
    return code


def _first(problem: Exception) -> Exception:
    while isinstance(problem, ExceptionGroup):
        problem = problem.exceptions[0]
    return problem


def _exit_code(problem: Exception) -> int:
    match problem:
        case DatabaseUnusable():
            return DATABASE_UNUSABLE
        case RuntimeProblem():
            return problem.exit_code
        case _:
            return PORT_UNUSABLE


def run_alone(
    parser: argparse.ArgumentParser, create: Callable[[argparse.Namespace], FastAPI]
) -> int:
    """Serve the application that `create` makes of the command line; return the exit code."""
    options = parser.parse_args()
    return run(lambda: [Listener(create(options), options.host, options.port)])


def command_line(service: str, port: int) -> argparse.ArgumentParser:
    """Return the options of a service that runs alone."""
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=port, help="default: %(default)s")
    parser.add_argument(
        "--database-url",
        default=database_url(service, Path(os.environ.get("SAGA_HOME", ".saga"))),
        help=f"default: ${service.upper()}_DATABASE_URL, else $SAGA_HOME/{service}.db",
    )
    parser.add_argument("--faults", action="store_true", help="serve the fault switches")
    return parser


def database_url(service: str, home: Path) -> str:
    """Return the URL in `<SERVICE>_DATABASE_URL`, else that of a SQLite file in `home`."""
    return os.environ.get(f"{service.upper()}_DATABASE_URL") or f"sqlite:///{home / service}.db"


async def _serve_until_signalled(opened: Opened) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with opened() as listeners:
        await serve(listeners, stop)


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=DroppableProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level=logging.WARNING,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
