"""Serving the application at one address, in a process that has other things to do too."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI

from api.address import Address

_GRACE_SECONDS = 10


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process."""
        yield


@asynccontextmanager
async def serving(app: FastAPI, bound: socket.socket) -> AsyncIterator[str]:
    """Serve on a socket, whose URL this gives; requests under way get 10 s at the end."""
    config = uvicorn.Config(
        app,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level=logging.WARNING,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = _Server(config)
    host, port, *_ = bound.getsockname()
    task = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        yield f"http://{Address(host, port)}"
    finally:
        server.should_exit = True
        await task
