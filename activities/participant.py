"""How every participant is called: one request, and one place that tells its answers apart."""

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, TypeVar

import httpx
from opentelemetry import propagate
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, JsonValue, ValidationError
from temporalio.exceptions import FailureError

from saga.answers import KEY_REUSED, UNDONE, did_not_happen, misconfigured, outage, refused
from saga.envelope import Call, CommandT

_OUTAGES = {408, 425, 429}
_REFUSALS = {402, 409, 410, 422}

COMMON_REFUSALS = frozenset({UNDONE, KEY_REUSED})
"""What every participant that holds the barrier of docs/participants.md may refuse with."""

KEY_UNKNOWN = "urn:problem:key-unknown"
"""What it answers when it is asked about a key that it has done nothing with."""


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("it is no instant in UTC") from None


class Answer(BaseModel):
    """What every participant says about what it did, beside its own fields."""

    # No more than a database keeps: the projection of more would fail for ever.
    version: int = Field(le=2**63 - 1)
    occurred_at: Annotated[AwareDatetime, AfterValidator(_in_utc)]


AnswerT = TypeVar("AnswerT", bound=Answer)


class Problem(BaseModel):
    """An RFC 9457 problem document."""

    type: str = "about:blank"
    title: str = ""
    detail: str = ""


class Participant:
    """A service that steps call over HTTP; `refusals` are the problem types it documents."""

    def __init__(
        self, name: str, client: httpx.AsyncClient, refusals: frozenset[str] = frozenset()
    ) -> None:
        self._name = name
        self._client = client
        self._refusals = COMMON_REFUSALS | refusals

    async def post(
        self,
        call: Call[CommandT],
        path: str,
        body: Mapping[str, JsonValue],
        answer: type[AnswerT],
    ) -> AnswerT:
        """Send the call and return the participant's answer.

        Raises:
            ApplicationError: a refusal, an outage or a misconfiguration; see `saga.answers`.
        """
        request = self._client.build_request("POST", path, json=body, headers=_headers(call))
        return await self._send(call, request, answer)

    async def ask(self, call: Call[CommandT], answer: type[AnswerT]) -> AnswerT:
        """What the participant answered to this call's key, without doing anything.

        Raises:
            ApplicationError: `did_not_happen` when the key is unknown, else as `post` does.
        """
        request = self._client.build_request(
            "GET", "/answers", params={"key": call.key}, headers=_traced(call)
        )
        return await self._send(call, request, answer)

    async def _send(
        self, call: Call[CommandT], request: httpx.Request, answer: type[AnswerT]
    ) -> AnswerT:
        try:
            response = await self._client.send(request)
        except httpx.TransportError as error:
            detail = f"{self._name}: {type(error).__name__}: {error}".rstrip(": ")
            raise outage(detail) from error
        if response.is_success:
            return answer.model_validate_json(response.content)
        raise self._failure(call, response)

    def _failure(self, call: Call[CommandT], response: httpx.Response) -> FailureError:
        status, problem = response.status_code, _problem(response)
        detail = f"{self._name}: {problem.detail or problem.title or response.reason_phrase}"
        retry_after = _retry_after(response)
        waits = status == httpx.codes.CONFLICT and retry_after is not None
        if status >= httpx.codes.INTERNAL_SERVER_ERROR or status in _OUTAGES or waits:
            return outage(f"{detail} ({status})", retry_after=retry_after)
        if problem.type == KEY_UNKNOWN:
            return did_not_happen(call)
        if status in _REFUSALS and problem.type in self._refusals:
            return refused(call, problem.type, problem.detail or problem.title)
        path = response.request.url.path
        return misconfigured(call, f"{detail} ({status} {problem.type} at {path})")


def _headers(call: Call[CommandT]) -> dict[str, str]:
    headers = {"Idempotency-Key": call.key, **_traced(call)}
    if call.undoes is not None:
        headers["Undoes-Key"] = call.undoes
    return headers


def _traced(call: Call[CommandT]) -> dict[str, str]:
    headers = {"X-Correlation-ID": call.correlation_id, "X-Causation-ID": call.command_id}
    propagate.inject(headers)  # `traceparent`, where tracing is on
    return headers


def _problem(response: httpx.Response) -> Problem:
    with contextlib.suppress(ValidationError):  # a proxy's HTML page: no documented problem
        return Problem.model_validate_json(response.content)
    return Problem()


def _retry_after(response: httpx.Response) -> timedelta | None:
    """`Retry-After` as RFC 9110 has it: seconds, or a date."""
    value = response.headers.get("Retry-After", "")
    if value.isdecimal():
        return timedelta(seconds=int(value))
    try:
        return max(parsedate_to_datetime(value) - datetime.now(UTC), timedelta())
    except (TypeError, ValueError):
        return None
