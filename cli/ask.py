"""What a person asks of one saga: cancel, pause, resume, repair and recover; the answer is told."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from cli.problems import NoAnswer, UnknownSaga
from cli.saga_id import SagaId
from cli.temporal import Question, TemporalSagas
from cli.terminal import note, say, say_json
from runtime.settings import Settings
from saga import Reply, Request, Sagas, Status

_SOON = 1.0
"""Seconds after which the person is told what the answer waits for."""
REQUESTS: Mapping[str, Callable[[Sagas, str, Request], Awaitable[Reply]]] = {
    "cancel": Sagas.cancel,
    "pause": Sagas.pause,
    "resume": Sagas.resume,
    "recover": Sagas.recover,
}
"""What is asked by which command, with who and why."""
_DONE = {
    "cancel": "cancelled",
    "pause": "paused",
    "resume": "resumed",
    "repair": "repaired",
    "recover": "recovered",
}


@dataclass(frozen=True)
class Asking:
    """One question to one saga, under the name of its command."""

    saga: SagaId
    command: str
    question: Question
    patience: timedelta
    as_json: bool

    async def run(self) -> int:
        """Ask and tell the answer; returns the exit code.

        Raises:
            UnknownSaga: there is no such saga.
            NoAnswer: for as long as `patience` no worker answered, or the server is away.
        """
        sagas = await TemporalSagas.connect(Settings.from_environment())
        asking = asyncio.create_task(sagas.ask(self.saga, self.question))
        await self._wait(asking, sagas)
        reply = asking.result() or await self._too_late(sagas)
        if self.as_json:
            say_json({**self.saga.members, **reply.model_dump(mode="json")})
        else:
            accepted = f"{self.command} accepted, " if reply.accepted else ""
            say(f"{self.saga}: {accepted}{reply.message}")
        return 0 if reply.accepted else 1

    async def _wait(self, asking: asyncio.Task[Reply | None], sagas: TemporalSagas) -> None:
        told: set[str] = set()
        alive = monotonic()
        while not (await asyncio.wait({asking}, timeout=_SOON))[0]:
            state = await sagas.state(self.saga)
            if state is not None:
                # A worker is there: the answer comes, however long the pivot takes.
                alive = monotonic()
                waiting = f"waiting for the answer of {state.current_step or 'the saga'}"
            else:
                waiting = f"waiting for {self.saga.worker}"
            if not asking.done() and waiting not in told:
                note(waiting)
                told.add(waiting)
            if monotonic() - alive > self.patience.total_seconds():
                raise NoAnswer(
                    f"no worker answered within {self.patience.total_seconds():.0f} s, so whether"
                    f" {self.saga} is {_DONE[self.command]} is not known:"
                    f" start {self.saga.worker} and ask again, or see `stuck --bugs`"
                )

    async def _too_late(self, sagas: TemporalSagas) -> Reply:
        found = await sagas.find(self.saga)
        if found is None:
            raise UnknownSaga(self.saga)
        message = f"too late: it is {found.status} already"
        if found.status is Status.TERMINATED:
            message = f"it was ended from outside; bring it to its end: {self.saga.recovery}"
        return Reply(accepted=False, status=found.status, message=message)
