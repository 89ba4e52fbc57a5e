"""Problem documents (RFC 9457) and the exceptions that become them."""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from services.tracing import echoed

MEDIA_TYPE = "application/problem+json"
_REFUSALS = {402, 409, 410, 422}


@dataclass(frozen=True)
class ProblemType:
    """A kind of problem: its `type` URI, its title and its HTTP status."""

    type: str
    title: str
    status: int

    @classmethod
    def undocumented(cls, status: int) -> "ProblemType":
        """Return the `about:blank` type of an HTTP status."""
        return cls("about:blank", HTTPStatus(status).phrase, status)


class Problem(BaseModel):
    """The body of an answer that is not a success."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


class DocumentedProblem(BaseModel):
    """One entry of `GET /problems`; a refusal is a decision that no retry will change."""

    type: str
    title: str
    status: int
    refusal: bool

    @classmethod
    def of(cls, problem: ProblemType) -> "DocumentedProblem":
        """Describe a problem type as the service publishes it."""
        refusal = problem.status in _REFUSALS and problem is not IN_PROGRESS
        return cls(type=problem.type, title=problem.title, status=problem.status, refusal=refusal)


class ProblemRaised(Exception):
    """Ends a request with a problem document; nothing is stored, so a retry is judged afresh."""

    def __init__(
        self, problem: ProblemType, detail: str, *, retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(f"{problem.title}: {detail}")
        self.problem = problem
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds

    def answer(self, instance: str) -> Response:
        """Render the problem document for the resource at `instance`."""
        body = Problem(
            type=self.problem.type,
            title=self.problem.title,
            status=self.problem.status,
            detail=self.detail,
            instance=instance,
        )
        headers = {}
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = str(self.retry_after_seconds)
        return Response(body.model_dump_json(), self.problem.status, headers, MEDIA_TYPE)


class Refused(ProblemRaised):
    """A decision of the domain against a request: final, and stored under its key."""


KEY_MISSING = ProblemType(
    "urn:problem:idempotency-key-missing", "The Idempotency-Key header is missing", 400
)
INVALID_REQUEST = ProblemType("urn:problem:invalid-request", "The request is malformed", 400)
IN_PROGRESS = ProblemType(
    "urn:problem:in-progress", "A request with this key is still in progress", 409
)
UNDONE = ProblemType("urn:problem:undone", "The action was undone", 410)
KEY_REUSED = ProblemType(
    "urn:problem:key-reused", "The key was used before with other content", 422
)
KEY_UNKNOWN = ProblemType("urn:problem:key-unknown", "Nothing was done with this key", 404)
NOT_FOUND = ProblemType.undocumented(404)

BARRIER_PROBLEMS = (KEY_MISSING, INVALID_REQUEST, IN_PROGRESS, UNDONE, KEY_REUSED, KEY_UNKNOWN)


def documented(*problems: ProblemType) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of an endpoint that raises `problems`."""
    by_status: dict[int | str, list[ProblemType]] = {}
    for problem in problems:
        by_status.setdefault(problem.status, []).append(problem)
    schema = Problem.model_json_schema()
    return {
        status: {
            "description": " / ".join(problem.type for problem in group),
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status, group in by_status.items()
    }


def install_problems(app: FastAPI, problems: Iterable[ProblemType]) -> None:
    """Answer every failure of `app` with a problem document and publish `GET /problems`."""
    published = [DocumentedProblem.of(problem) for problem in problems]

    @app.get("/problems", tags=["service"])
    async def documented_problems() -> list[DocumentedProblem]:
        """List the problem types that this service documents."""
        return published

    app.add_exception_handler(ProblemRaised, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_exception)
    for outage in (OperationalError, InterfaceError, PoolTimeout, OSError):
        app.add_exception_handler(outage, _on_outage)
    app.add_exception_handler(DBAPIError, _on_database_error)
    app.add_exception_handler(Exception, _on_bug)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemRaised)
    return error.answer(request.url.path)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    detail = "; ".join(
        f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
        for fault in error.errors()
    )
    return ProblemRaised(INVALID_REQUEST, detail).answer(request.url.path)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    problem = ProblemType.undocumented(error.status_code)
    answer = ProblemRaised(problem, str(error.detail)).answer(request.url.path)
    answer.headers.update(error.headers or {})
    return answer


async def _on_outage(request: Request, error: Exception) -> Response:
    detail = f"The database does not answer ({type(error).__name__})."
    return ProblemRaised(ProblemType.undocumented(503), detail).answer(request.url.path)


async def _on_database_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError)
    if error.connection_invalidated:
        return await _on_outage(request, error)
    raise error


async def _on_bug(request: Request, error: Exception) -> Response:
    detail = f"Unexpected {type(error).__name__}."
    answer = ProblemRaised(ProblemType.undocumented(500), detail).answer(request.url.path)
    # It is answered outside of the middleware that echoes.
    answer.headers.update(echoed(request.headers))
    return answer
