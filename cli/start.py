"""`place-order` and `start`: start a saga and, if asked to, follow it to its outcome."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, Generic

from cli.follow import follow
from cli.problems import DifferentSaga, NoAnswer
from cli.progress import Progress
from cli.saga_id import SagaId
from cli.temporal import TemporalSagas, web_ui
from cli.terminal import PROGRAM, note, say, say_json
from contracts.money import decimal_amount
from contracts.sagas import ORDER, PUBLICATION
from runtime.errors import RuntimeProblem
from runtime.settings import Settings
from saga import DifferentCommand, Headline, SagaInput, SagaKind, Status
from saga.messages import SagaCommandT

if TYPE_CHECKING:
    from read_model.views import SagaView


@dataclass
class Starting(Generic[SagaCommandT]):
    """The start of one saga, with what a command's options say."""

    kind: SagaKind[SagaCommandT]
    command: SagaCommandT
    id_given: bool
    """Whether its id was given too; else it is new, and so was never started before."""
    correlation_id: str | None
    deadline: timedelta | None
    as_json: bool
    causation_id: str | None = None

    def __post_init__(self) -> None:
        self.headline = self.command.headline()
        self.saga = SagaId(self.kind.name, self.headline.business_id)
        self.started = "placed" if self.kind is ORDER else "started"
        self.look = f"{PROGRAM} status {self.saga.arguments}"

    async def run(self, *, wait: bool) -> int:
        """Start it; returns the exit code."""
        settings = Settings.from_environment()
        row = await self._row(settings) if self.id_given else None
        sagas = await TemporalSagas.connect(settings)
        if row is not None and await sagas.find(self.saga) is None:
            return self._tell_of_old(row, wait=wait)
        began = monotonic()
        try:
            new = await self._place(sagas, settings)
            if wait:
                return await self._follow(sagas, began if new else None)
        except asyncio.CancelledError:
            note(f"interrupted; the {self.kind.name} goes on, look at it with: {self.look}")
            raise
        except NoAnswer as problem:
            raise NoAnswer(
                f"{problem}; the {self.kind.name} may go on, ask later: {self.look}"
            ) from problem
        return await self._leave(sagas, settings, row, new=new)

    @property
    def _again(self) -> str:
        return f"was already {self.started}"

    async def _row(self, settings: Settings) -> "SagaView | None":
        """What the read database knows of this id; an order is placed without it, too."""
        from cli.read_database import read_saga

        try:
            return await read_saga(settings, self.saga)
        except (RuntimeProblem, NoAnswer) as problem:
            note(f"warning: whether it was {self.started} long ago is not known: {problem}")
            return None

    async def _place(self, sagas: TemporalSagas, settings: Settings) -> bool:
        start = SagaInput(
            command=self.command,
            correlation_id=self.correlation_id,
            causation_id=self.causation_id,
            deadline=self.deadline,
            # Without a broker nobody would take what is to be published.
            sinks=(PUBLICATION,) if settings.event_broker_url and self.kind is ORDER else (),
        )
        try:
            return await sagas.start(self.kind, start)
        except DifferentCommand:
            raise DifferentSaga(self.saga, self.started) from None

    def _tell_of_old(self, row: "SagaView", *, wait: bool) -> int:
        """Temporal forgets a closed workflow after its retention; the row stays."""
        mine, total = self.headline, row.total and (row.total.amount, row.total.currency)
        if (row.customer_id, total) != (mine.customer_id, _total(mine)):
            raise DifferentSaga(self.saga, self.started)
        note(f"{self.saga} was already {self.started}; its history is beyond retention")
        if self.as_json and wait:
            say_json(row.model_dump(mode="json"))
        elif self.as_json:
            self._say_started(row.status, row.correlation_id, new=False)
        else:
            say(f"{row.status}; look at it with: {self.look}")
        return exit_code(row.status)

    async def _follow(self, sagas: TemporalSagas, began: float | None) -> int:
        """Show the steps as they happen; `began` is None for an order that was there before."""
        progress = Progress(began)
        if self.as_json:
            state = await follow(sagas, self.saga)
        else:
            say(f"{self.saga} {self.started if began else self._again}")
            state = await follow(sagas, self.saga, progress.show)
        status = Status.TERMINATED if state is None else state.status
        if status is Status.TERMINATED:
            note(f"{self.saga} was terminated from outside: nothing more happens to it")
        if not self.as_json:
            say(status if state is None else progress.end(state))
        elif state is None:
            self._say_started(status, None, new=began is not None)
        else:
            from cli.documents import document_of

            say_json(document_of(state))
        return exit_code(status)

    async def _leave(
        self, sagas: TemporalSagas, settings: Settings, row: "SagaView | None", *, new: bool
    ) -> int:
        found = None if new else await sagas.find(self.saga)
        status = found.status if found else Status.RUNNING
        if self.as_json:
            known = row.correlation_id if row else None
            mine = self.correlation_id or self.saga.workflow_id
            self._say_started(status, mine if new else known, new=new)
        else:
            say(f"{self.saga} {self.started if new else self._again + ': ' + status}")
            say(f"  look at it:  {self.look}")
            if url := web_ui(settings, self.saga):
                say(f"  in the Web UI:  {url}")
        return exit_code(status)

    def _say_started(self, status: Status, correlation_id: str | None, *, new: bool) -> None:
        say_json(
            {
                **self.saga.members,
                "new": new,
                "status": status,
                "correlation_id": correlation_id,
            }
        )


def _total(headline: Headline) -> tuple[Decimal, str] | None:
    if headline.amount_minor is None or headline.currency is None:
        return None
    return decimal_amount(headline.amount_minor, headline.currency), headline.currency


def exit_code(status: Status) -> int:
    """0 unless the order was not to be."""
    return int(status in {Status.COMPENSATED, Status.TERMINATED})
