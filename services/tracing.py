"""Correlation headers: echoed in every answer, and in every log record of a request.

One line tells of each mutating request. `SAGA_LOG_FORMAT=json` makes each record a JSON object.
"""

import json
import logging
import os
from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_logger = logging.getLogger("services.requests")
_ECHOED = ("X-Correlation-ID", "X-Causation-ID")
_MEMBERS = {
    "key": "Idempotency-Key",
    "correlation_id": "X-Correlation-ID",
    "causation_id": "X-Causation-ID",
}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

_request: ContextVar[Mapping[str, str]] = ContextVar("request", default=MappingProxyType({}))


def echoed(asked: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a request that its answer repeats."""
    return {name: asked[name] for name in _ECHOED if name in asked}


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
        # It holds to the end of the task, where the server logs what nobody has caught.
        _request.set({name: asked[it] for name, it in _MEMBERS.items() if it in asked})
        status: int | None = None

        async def echo(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(echoed(asked))
            await send(message)

        try:
            await self._app(scope, receive, echo)
        finally:
            if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
                self._log(scope, status)

    def _log(self, scope: Scope, status: int | None) -> None:
        traced = _request.get()
        told = {
            "service": self._service,
            "method": scope["method"],
            # The decoded path may contain line breaks.
            "path": scope["raw_path"].decode("latin-1"),
            "status": status or "none",
        }
        named = told | {name: traced.get(name, "-") for name in _MEMBERS}
        line = " ".join(f"{name}={value}" for name, value in named.items())
        _logger.info("%s", line, extra=told)


class RequestFilter(logging.Filter):
    """Lets every record pass, with the key and the ids of the request as members."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say in the record which request it belongs to."""
        for name, value in _request.get().items():
            setattr(record, name, value)
        return True


class _Text(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:
        # The server ends its message with a line break.
        line = super().formatMessage(record).rstrip()
        if record.name == _logger.name:
            return line
        told = [f"{name}={getattr(record, name)}" for name in _MEMBERS if hasattr(record, name)]
        return " ".join([line, *told])


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def log_handler() -> logging.Handler:
    """Return a handler that writes one line per record to stderr, as `SAGA_LOG_FORMAT` says."""
    handler = logging.StreamHandler()
    as_json = os.environ.get("SAGA_LOG_FORMAT") == "json"
    text = _Text("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(_Json() if as_json else text)
    handler.addFilter(RequestFilter())
    return handler
