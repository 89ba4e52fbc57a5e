"""The header `X-Correlation-ID`: the caller's or one of our own, told with every answer.

What the request asks of sagas, and what is logged meanwhile, says it and the `X-Causation-ID`.
"""

from typing import Annotated
from uuid import uuid4

from fastapi import Depends, Header, Request
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.commands import Id
from runtime import correlation as belongs
from runtime.correlation import CAUSATION_HEADER, CORRELATION_HEADER

HEADER = CORRELATION_HEADER
_ID = TypeAdapter[str](Id)


class CorrelationMiddleware:
    """Gives each request a correlation id, and each answer the same."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        correlation = _given(headers, HEADER) or str(uuid4())
        scope.setdefault("state", {})["correlation_id"] = correlation

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = correlation
            await send(message)

        cause = _given(headers, CAUSATION_HEADER)
        with belongs.correlated(belongs.Correlation(correlation, cause)):
            await self._app(scope, receive, tell)


def correlation_of(request: Request) -> str:
    """The correlation id of a request."""
    correlation: str = request.state.correlation_id
    return correlation


async def _checked(
    request: Request,
    x_correlation_id: Annotated[
        Id | None, Header(description="Travels with every call and event of what this begins.")
    ] = None,
) -> str:
    # What is no id has been refused by now, and the answer to that has an id of ours.
    return x_correlation_id or correlation_of(request)


Correlation = Annotated[str, Depends(_checked)]
"""The correlation id of a request, after a check."""


def _given(headers: Headers, name: str) -> str | None:
    try:
        return _ID.validate_python(headers.get(name))
    except ValidationError:
        return None
