"""Correlation headers, echoed in every answer, and one log line per mutating request."""

import logging

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_logger = logging.getLogger("services.requests")
_ECHOED = ("X-Correlation-ID", "X-Causation-ID")


class TracingMiddleware:
    """Echoes `X-Correlation-ID` and `X-Causation-ID`, and logs what was asked and answered."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        status: int | None = None

        async def echo(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answered = MutableHeaders(scope=message)
                for name in _ECHOED:
                    if name in asked:
                        answered[name] = asked[name]
            await send(message)

        try:
            await self._app(scope, receive, echo)
        finally:
            if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
                self._log(scope, asked, status)

    def _log(self, scope: Scope, asked: Headers, status: int | None) -> None:
        _logger.info(
            "service=%s method=%s path=%s status=%s key=%s correlation_id=%s causation_id=%s",
            self._service,
            scope["method"],
            # The decoded path may contain line breaks.
            scope["raw_path"].decode("latin-1"),
            status or "none",
            asked.get("Idempotency-Key", "-"),
            asked.get("X-Correlation-ID", "-"),
            asked.get("X-Causation-ID", "-"),
        )
