"""Fault switches: outages, errors, latency and lost answers, made to order."""

import asyncio
import random
import re
import time
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.problems import ProblemRaised, ProblemType

DROP_CONNECTION = "services.drop_connection"
_PATH = "/faults"


class FaultRule(BaseModel):
    """What goes wrong at one endpoint, a route template as in `POST /payments` or `*` for all.

    Latency comes first. Then an outage, or an error at `error_rate`, answers `status` and the
    request reaches nobody. `drop_after_commit` lets that many requests through and closes their
    connections without an answer.
    """

    endpoint: Annotated[str, Field(pattern=r"^(\*|[A-Z]+ /\S*)$")]
    latency_ms: Annotated[int, Field(ge=0)] = 0
    error_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    drop_after_commit: Annotated[int, Field(ge=0)] = 0
    outage_seconds: Annotated[float, Field(ge=0)] = 0.0
    status: Annotated[int, Field(ge=400, le=599)] = 503
    retry_after: Annotated[int | None, Field(ge=0)] = None


class _Switch:
    """A rule that is on: it knows what it matches and what is left of it."""

    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self.drops_left = rule.drop_after_commit
        self._outage_ends = time.monotonic() + rule.outage_seconds
        self._pattern = re.compile(re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(rule.endpoint)))

    @property
    def outage_left(self) -> float:
        return max(0.0, self._outage_ends - time.monotonic())

    @property
    def fails(self) -> bool:
        return self.outage_left > 0 or random.random() < self.rule.error_rate  # noqa: S311

    def matches(self, method: str, path: str) -> bool:
        return self._pattern.fullmatch(f"{method} {path}") is not None

    def take_drop(self) -> bool:
        if self.drops_left == 0:
            return False
        self.drops_left -= 1
        return True


class FaultSwitches:
    """The rules of one service, at most one per endpoint."""

    def __init__(self) -> None:
        self._switches: dict[str, _Switch] = {}

    def put(self, rule: FaultRule) -> None:
        """Switch a rule on, in place of the one that its endpoint had."""
        self._switches[rule.endpoint] = _Switch(rule)

    def clear(self) -> None:
        """Switch all rules off."""
        self._switches.clear()

    def rules(self) -> list[FaultRule]:
        """Return the rules, with what is left of their drops and outages."""
        return [
            switch.rule.model_copy(
                update={
                    "drop_after_commit": switch.drops_left,
                    "outage_seconds": round(switch.outage_left, 3),
                }
            )
            for switch in self._switches.values()
        ]

    def matching(self, method: str, path: str) -> _Switch | None:
        """Return the switch for a request; one for its endpoint comes before `*`."""
        for switch in self._switches.values():
            if switch.matches(method, path):
                return switch
        return self._switches.get("*")


class FaultMiddleware:
    """Lets the switched-on faults happen to the requests that they match."""

    def __init__(self, app: ASGIApp, switches: FaultSwitches) -> None:
        self._app = app
        self._switches = switches

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http" or scope["path"] == _PATH:
            await self._app(scope, receive, send)
            return
        switch = self._switches.matching(scope["method"], scope["path"])
        if switch is None:
            await self._app(scope, receive, send)
            return
        rule = switch.rule
        await asyncio.sleep(rule.latency_ms / 1000)
        if switch.fails:
            problem = ProblemType.undocumented(rule.status)
            error = ProblemRaised(problem, "A fault switch.", retry_after_seconds=rule.retry_after)
            await error.answer(scope["path"])(scope, receive, send)
        elif switch.take_drop():
            await self._app(scope, receive, _nowhere)
            await _drop(scope, receive)
        else:
            await self._app(scope, receive, send)


async def _nowhere(message: Message) -> None:
    return None


async def _drop(scope: Scope, receive: Receive) -> None:
    drop: Callable[[], None] | None = scope.get("extensions", {}).get(DROP_CONNECTION)
    if drop is None:
        raise RuntimeError("this ASGI server does not let its connections be dropped")
    drop()
    # A server answers 500 for an application that returns in silence, unless the client is gone.
    while (await receive())["type"] != "http.disconnect":
        pass


def faults_router(switches: FaultSwitches) -> APIRouter:
    """Return the endpoints that show, set and clear the switches."""
    router = APIRouter(prefix=_PATH, tags=["faults"])

    @router.get("")
    async def show_faults() -> list[FaultRule]:
        """Show the rules and what is left of them."""
        return switches.rules()

    @router.put("")
    async def put_fault(rule: FaultRule) -> FaultRule:
        """Switch a rule on, in place of the one that its endpoint had."""
        switches.put(rule)
        return rule

    @router.delete("", status_code=204)
    async def clear_faults() -> None:
        """Switch all rules off."""
        switches.clear()

    return router
