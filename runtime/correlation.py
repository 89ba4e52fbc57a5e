"""What is being done just now belongs to: who asked for it, what caused it, which saga and step.

A context variable holds it for each asyncio task, so that logs, spans and HTTP requests can say it
without being told. `saga.correlation` sets it for every activity and workflow.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    import httpx

_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")
_LONGEST = 2000
"""Characters; servers take some 8000 for all headers of a request."""

CORRELATION_HEADER, CAUSATION_HEADER = "X-Correlation-ID", "X-Causation-ID"


@dataclass(frozen=True)
class Correlation:
    """What something belongs to, as far as that is known."""

    correlation_id: str | None = None
    """The same for everything that one request has caused."""
    causation_id: str | None = None
    """The event or command that caused it."""
    saga_id: str | None = None
    step: str | None = None
    asked_by: str | None = None
    """The cause of what a running saga is asked just now; its start had another one."""

    @property
    def members(self) -> dict[str, str]:
        """What is known, by name; that a saga is asked something is known to itself only."""
        return {name: value for name in MEMBERS if (value := getattr(self, name)) is not None}


MEMBERS = ("correlation_id", "causation_id", "saga_id", "step")
NOTHING = Correlation()

_current: ContextVar[Correlation] = ContextVar("correlation", default=NOTHING)
_runs: WeakValueDictionary[str, Correlation] = WeakValueDictionary()
"""By workflow run: what the worker itself logs about a run, it logs outside the run's tasks."""


def current() -> Correlation:
    """What the running task belongs to."""
    return _current.get()


def enter(correlation: Correlation) -> None:
    """Say what the running task belongs to, from here to its end, and whatever it starts."""
    # Nothing takes this back: a task that is torn down may leave a block in another context.
    _current.set(correlation)


@contextmanager
def correlated(correlation: Correlation) -> Iterator[None]:
    """Say what the block belongs to; not for workflow code, whose tasks may be torn down in it."""
    token = _current.set(correlation)
    try:
        yield
    finally:
        _current.reset(token)


def remember(run_id: str, correlation: Correlation) -> None:
    """Let `of_run` find it, for as long as whoever made it keeps it."""
    _runs[run_id] = correlation


def of_run(run_id: str) -> Correlation:
    """What a workflow's run belongs to, if it is in this process."""
    return _runs.get(run_id, NOTHING)


async def send_along(request: httpx.Request) -> None:
    """Put the ids in a request that has none; an event hook for an `httpx.AsyncClient`.

    An id may be text of any kind; no call must fail for it, so it is percent-encoded.
    """
    correlation = current()
    if correlation.correlation_id is None or CORRELATION_HEADER in request.headers:
        return
    _put(request, CORRELATION_HEADER, correlation.correlation_id)
    if correlation.causation_id is not None and CAUSATION_HEADER not in request.headers:
        _put(request, CAUSATION_HEADER, correlation.causation_id)


def _put(request: httpx.Request, header: str, value: str) -> None:
    encoded = quote(value, safe=_SAFE)
    if len(encoded) <= _LONGEST:  # A participant would refuse the whole request.
        request.headers[header] = encoded
