"""A TCP proxy that a test can switch: nobody listens, nobody answers, or all is well."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_CHUNK = 65536


class Proxy:
    """Stands in front of a server's Unix socket or `host:port`; begins in the mode `forward`."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._socket = _bound(0)
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._hanging = False
        self.port: int = self._socket.getsockname()[1]

    async def forward(self) -> None:
        """Let new connections through; those that have hung stay so, as they would in a network."""
        self._hanging = False
        await self._listen()

    async def hang(self) -> None:
        """Accept connections and never let anything through, on old ones neither."""
        self._hanging = True
        await self._listen()

    async def refuse(self) -> None:
        """Cut every connection and listen no more."""
        await self.close()
        # Bound and not listening: connections are refused, and nobody else takes the port.
        self._socket = _bound(self.port)

    async def close(self) -> None:
        """Cut every connection and give the port back."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._socket.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._accept, sock=self._socket)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        try:
            await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(connection)
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._pass_or_hang()
        behind, before = await _open(self._target)
        flows = [
            asyncio.create_task(self._pump(reader, before)),
            asyncio.create_task(self._pump(behind, writer)),
        ]
        try:
            await asyncio.wait(flows, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for flow in flows:
                flow.cancel()
            await asyncio.gather(*flows, return_exceptions=True)
            before.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            await self._pass_or_hang()
            writer.write(data)
            await writer.drain()

    async def _pass_or_hang(self) -> None:
        if self._hanging:
            await asyncio.Event().wait()


@asynccontextmanager
async def proxy_to(target: str) -> AsyncIterator[Proxy]:
    """A proxy in front of a Unix socket, or of a `host:port`."""
    proxy = Proxy(target)
    await proxy.forward()
    try:
        yield proxy
    finally:
        await proxy.close()


async def _open(target: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if target.startswith("/"):
        return await asyncio.open_unix_connection(target)
    host, _, port = target.rpartition(":")
    return await asyncio.open_connection(host, int(port))


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    return made
