"""Problem documents (RFC 9457): whatever goes wrong is one, and never a stack trace."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.correlation import HEADER, correlation_of
from contracts.mistakes import BadDocument

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
"""When a server that is away is worth asking again."""

Responses: TypeAlias = dict[int | str, dict[str, object]]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProblemType:
    """A kind of problem: its `type` URI, its title and its HTTP status."""

    type: str
    title: str
    status: int

    @classmethod
    def of_status(cls, status: int) -> "ProblemType":
        """The kind that says no more than its HTTP status."""
        return cls("about:blank", HTTPStatus(status).phrase, status)


INVALID = ProblemType("urn:problem:invalid-request", "The request holds something unusable", 422)
DIFFERENT_ORDER = ProblemType(
    "urn:problem:different-order", "Another order was placed under this id", 409
)
UNKNOWN_ORDER = ProblemType("urn:problem:unknown-order", "There is no such order", 404)
UNAVAILABLE = ProblemType("urn:problem:unavailable", "A server that is needed does not answer", 503)
TOO_LARGE = ProblemType.of_status(413)
NO_JSON = ProblemType.of_status(415)


class ProblemDocument(BaseModel):
    """The body of an answer that is not a success."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    order_id: str | None = None
    """For a problem with an order that may have been placed: repeat it under this id."""


class Problem(Exception):
    """Ends a request with a problem document."""

    def __init__(self, kind: ProblemType, detail: str, *, order_id: str | None = None) -> None:
        super().__init__(f"{kind.title}: {detail}")
        self.kind = kind
        self.detail = detail
        self.order_id = order_id


def documented(*kinds: ProblemType) -> Responses:
    """What OpenAPI says of an endpoint's problems."""
    return {
        kind.status: {
            "description": kind.title,
            "content": {MEDIA_TYPE: {"schema": ProblemDocument.model_json_schema()}},
        }
        for kind in kinds
    }


def install_problems(app: FastAPI) -> None:
    """Answer every failure of an application with a problem document."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(BadDocument, _on_bad_document)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, _on_bug)


def answer(
    request: Request,
    kind: ProblemType,
    detail: str,
    *,
    order_id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The problem document about a request."""
    document = ProblemDocument(
        type=kind.type,
        title=kind.title,
        status=kind.status,
        detail=detail,
        instance=request.url.path,
        order_id=order_id,
    )
    told = dict(headers or {})
    if kind.status == HTTPStatus.SERVICE_UNAVAILABLE:
        told["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return Response(document.model_dump_json(exclude_none=True), kind.status, told, MEDIA_TYPE)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return answer(request, error.kind, error.detail, order_id=error.order_id)


async def _on_bad_document(request: Request, error: Exception) -> Response:
    return answer(request, INVALID, str(error))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = (f"{'.'.join(map(str, it['loc']))}: {it['msg']}" for it in error.errors())
    return answer(request, INVALID, "; ".join(faults))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = ProblemType.of_status(error.status_code)
    return answer(request, kind, str(error.detail), headers=error.headers)


async def _on_disconnect(request: Request, error: Exception) -> Response:
    return answer(request, ProblemType.of_status(400), "The request ended before its body did.")


async def _on_bug(request: Request, error: Exception) -> Response:
    # The server logs the error itself, and what answers it stands outside of all middleware.
    correlation = correlation_of(request)
    log.error("%s %s failed, correlation id %s", request.method, request.url.path, correlation)
    detail = "An unexpected error; the log tells more under this request's correlation id."
    return answer(request, ProblemType.of_status(500), detail, headers={HEADER: correlation})
