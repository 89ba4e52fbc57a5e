"""`place-order`: start the saga of an order and, if asked to, follow it to its outcome."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

from cli.follow import follow
from cli.order_document import GivenOrder
from cli.problems import DifferentOrder, NoAnswer
from cli.progress import Progress
from cli.saga_id import order_saga
from cli.temporal import TemporalSagas, web_ui
from cli.terminal import PROGRAM, note, say, say_json
from contracts.sagas import ORDER, PUBLICATION
from runtime.errors import RuntimeProblem
from runtime.settings import Settings
from saga import DifferentCommand, SagaInput, Status

if TYPE_CHECKING:
    from read_model.views import SagaView


@dataclass
class Placing:
    """One `place-order`, with what its options say."""

    given: GivenOrder
    correlation_id: str | None
    deadline: timedelta
    as_json: bool

    def __post_init__(self) -> None:
        self.order_id = self.given.order.order_id
        self.saga = order_saga(self.order_id)
        self.look = f"{PROGRAM} status {self.order_id}"

    async def run(self, *, wait: bool) -> int:
        """Place the order; returns the exit code."""
        settings = Settings.from_environment()
        row = await self._row(settings) if self.given.id_given else None
        sagas = await TemporalSagas.connect(settings)
        if row is not None and await sagas.find(self.saga) is None:
            return self._tell_of_old(row, wait=wait)
        began = monotonic()
        try:
            new = await self._place(sagas, settings)
            if wait:
                return await self._follow(sagas, began if new else None)
        except asyncio.CancelledError:
            note(f"interrupted; the order goes on, look at it with: {self.look}")
            raise
        except NoAnswer as problem:
            raise NoAnswer(f"{problem}; the order may go on, ask later: {self.look}") from problem
        return await self._leave(sagas, settings, row, new=new)

    async def _row(self, settings: Settings) -> "SagaView | None":
        """What the read database knows of this id; an order is placed without it, too."""
        from cli.read_database import read_saga

        try:
            return await read_saga(settings, self.saga)
        except (RuntimeProblem, NoAnswer) as problem:
            note(f"warning: whether the order was placed long ago is not known: {problem}")
            return None

    async def _place(self, sagas: TemporalSagas, settings: Settings) -> bool:
        start = SagaInput(
            command=self.given.order,
            correlation_id=self.correlation_id,
            deadline=self.deadline,
            # Without a broker nobody would take what is to be published.
            sinks=(PUBLICATION,) if settings.event_broker_url else (),
        )
        try:
            return await sagas.start(ORDER, start)
        except DifferentCommand:
            raise DifferentOrder(self.order_id) from None

    def _tell_of_old(self, row: "SagaView", *, wait: bool) -> int:
        """Temporal forgets a closed workflow after its retention; the row stays."""
        order, total = self.given.order, self.given.order.total
        mine = (order.customer_id, total.amount, total.currency)
        if row.total and (row.customer_id, row.total.amount, row.total.currency) != mine:
            raise DifferentOrder(self.order_id)
        note(f"order {self.order_id} was already placed; its history is beyond retention")
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
            say(f"order {self.order_id} " + ("placed" if began else "was already placed"))
            state = await follow(sagas, self.saga, progress.show)
        status = Status.TERMINATED if state is None else state.status
        if status is Status.TERMINATED:
            note(f"order {self.order_id} was terminated from outside: nothing more happens to it")
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
            say(f"order {self.order_id} " + ("placed" if new else f"was already placed: {status}"))
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


def exit_code(status: Status) -> int:
    """0 unless the order was not to be."""
    return int(status in {Status.COMPENSATED, Status.TERMINATED})
