"""The order saga on a terminal: six orders, each a story, and the audit at the end.

`make demo`, or `python -m demo`. It starts a worker on the embedded default, gives it orders by
`starter.py` as anyone would, and checks what services and read database say afterwards.
Exit code: 0 all went as told, 1 something did not, 130 interrupted.
"""

import asyncio
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from uuid import uuid4

from rich.console import Console

from cli.problems import NoAnswer
from cli.read_database import read_saga
from cli.saga_id import order_saga
from cli.temporal import TemporalSagas, web_ui
from demo.home import (
    ROOT,
    HomeTaken,
    check_alone,
    check_embedded,
    check_own_server,
    stop_leftovers,
)
from demo.participants import Participants, ServiceTrouble
from demo.worker_process import TooLate, WorkerFailed, WorkerProcess, until
from read_model.views import SagaView
from runtime.errors import RuntimeProblem
from runtime.record import read_record
from runtime.settings import Settings
from saga import Status

ENDED, SOON = 60.0, 15.0
"""Seconds to wait for a command to end, and for a step or a row."""
HELD = 4.0
"""Seconds that a held call takes; after five the worker would give up and ask again."""

CUSTOMERS = ("ada", "ben", "cleo", "dan", "eve", "finn")

console = Console(highlight=False, soft_wrap=True, markup=False)


class NotAsTold(Exception):
    """The demo cannot go on; `str()` is one line."""


PROBLEMS = (NotAsTold, HomeTaken, NoAnswer, RuntimeProblem, ServiceTrouble, TooLate, WorkerFailed)


@dataclass(frozen=True)
class Ending:
    """How an order is to end, and what each service may then keep for it, the last made first."""

    status: Status
    kept: Mapping[str, set[str]]

    @property
    def exit_code(self) -> int:
        """What a command that waits for it ends with."""
        return 0 if self.status is Status.COMPLETED else 1


CANCELLED = {"order": {"cancelled"}}
REFUNDED = {"payment": {"refunded"}, **CANCELLED}
# What was undone before it was done is void.
RELEASED = {"stock": {"released", "void"}, **REFUNDED}

COMPLETED = Ending(
    Status.COMPLETED,
    {
        "shipment": {"created"},
        "stock": {"reserved"},
        "payment": {"captured"},
        "order": {"confirmed"},
    },
)
DECLINED = Ending(Status.COMPENSATED, CANCELLED)
OUT_OF_STOCK = Ending(Status.COMPENSATED, REFUNDED)
TAKEN_BACK = Ending(Status.COMPENSATED, RELEASED)


class Demo:
    """Six stories, told one after the other."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.services = Participants(settings)
        self.worker = WorkerProcess(settings.saga_home / "demo-worker.log")
        self.run = uuid4().hex[:4]
        self.told = 0

    def tell(self) -> None:
        self.start_worker()
        check_own_server(self.settings)
        # What an earlier worker has left running may have some.
        self.services.heal()
        self.services.stock("BOOK", 100)
        self.services.stock("PEN", 100)
        there = self.services.stock("ATLAS", 1)

        self.story("An order completes")
        self.place("BOOK=2@12.50", "PEN=1@3.20", ending=COMPLETED)
        self.story("The bank declines: nothing was taken, the order is cancelled")
        self.place("BOOK=1@12.50", card="tok_declined", ending=DECLINED)
        self.story("Out of stock: the payment is refunded")
        self.place(f"ATLAS={there + 1}@40.00", ending=OUT_OF_STOCK)
        self.story("It cannot be shipped: all is undone, in reverse")
        self.place("BOOK=3@12.50", ship_to="Nowhere", ending=TAKEN_BACK)
        self.story("The customer cancels on the way")
        with self.holding("inventory", "POST /reservations"):
            self.place("PEN=5@3.20", ending=TAKEN_BACK, during=self.cancel)
        self.story("The worker is killed on the way")
        with self.holding("payment", "POST /payments"):
            self.place("BOOK=1@12.50", "PEN=2@3.20", ending=COMPLETED, during=self.kill_worker)
        self.audit()

    def story(self, title: str) -> None:
        self.told += 1
        heading(f"{self.told}. {title}")

    def holding(self, service: str, endpoint: str) -> AbstractContextManager[None]:
        note(f"a fault switch lets {endpoint} of the {service} service take {HELD:.0f} s")
        return self.services.holding(service, endpoint, HELD)

    def place(
        self,
        *items: str,
        ending: Ending,
        card: str = "tok_visa",
        ship_to: str = "1 Main Street, Springfield",
        during: Callable[[str], None] | None = None,
    ) -> None:
        """Place an order, follow it to its end and check it; meanwhile `during` may interfere."""
        order_id, customer = f"demo-{self.run}-{self.told}", CUSTOMERS[self.told - 1]
        options = ["--order-id", order_id, "--customer", customer]
        options += [part for item in items for part in ("--item", item)]
        options += ["--card", card, "--ship-to", ship_to, "--wait"]
        with starter("place-order", *options) as placing:
            if during is not None:
                during(order_id)
            wait_for(placing, ending.exit_code)
        row = until(f"order {order_id} has no row with its end", self.row_of(order_id), SOON)
        with starter("orders", "--customer", customer, "--limit", "1") as listing:
            wait_for(listing)
        saga = order_saga(order_id)
        say(f"history: {web_ui(self.settings, saga) or saga.workflow_id}")
        self.check(row, ending)

    def cancel(self, order_id: str) -> None:
        self.reach(order_id, "reserve-stock")
        with starter("cancel", order_id, "--reason", "changed my mind") as cancelling:
            wait_for(cancelling)

    def kill_worker(self, order_id: str) -> None:
        self.reach(order_id, "charge-payment")
        command(f"kill -9 {self.worker.pid}")
        self.worker.kill()
        self.services.heal()
        note(f"these live on: {', '.join(read_record(self.settings).processes)}")
        self.start_worker()

    def start_worker(self) -> None:
        command("python worker.py --faults")
        seconds = self.worker.start("--faults")
        note(f"ready after {seconds:.1f} s, process {self.worker.pid}; its log: {self.worker.log}")

    def row_of(self, order_id: str) -> Callable[[], SagaView | None]:
        def ask() -> SagaView | None:
            row = asyncio.run(read_saga(self.settings, order_saga(order_id)))
            return row if row is not None and row.status.final else None

        return ask

    def reach(self, order_id: str, step: str) -> None:
        async def at_step() -> bool:
            sagas = await TemporalSagas.connect(self.settings)
            state = await sagas.state(order_saga(order_id))
            return state is not None and state.current_step == step

        until(f"order {order_id} has not come to {step}", lambda: asyncio.run(at_step()), SOON)

    def check(self, row: SagaView, ending: Ending) -> None:
        kept = self.services.kept(row.business_id)
        found = f"{row.status}; " + ", ".join(f"{name} {it.status}" for name, it in kept.items())
        right = row.status is ending.status and kept.keys() == ending.kept.keys()
        right = right and all(it.status in ending.kept[name] for name, it in kept.items())
        if ending is COMPLETED:
            # A second effect would be a second write; an order is written again to confirm it.
            right = right and [it.version for it in kept.values()] == [1, 1, 1, 2]
        else:
            undone_at = [it.occurred_at for it in kept.values()]
            right = right and undone_at == sorted(undone_at)
        if not right:
            raise NotAsTold(f"story {self.told} went otherwise: {found}")
        if any(it.status == "void" for it in kept.values()):
            note("void: undone before it was done; whenever the call comes through, it is refused")
        say(f"as told: {found}", "green")

    def audit(self) -> None:
        heading("The audit, over all orders of this SAGA_HOME")
        with starter("audit") as auditing:
            wait_for(auditing)

    def leave(self) -> None:
        """Remove the faults and stop the worker, or what a killed one has left running."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with suppress(ServiceTrouble):
            self.services.heal()
        self.worker.stop()
        stop_leftovers(self.settings)


@contextmanager
def starter(*arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A command of `starter.py`, which writes where we write; it does not outlive the context."""
    command(shlex.join(["python", "starter.py", *arguments]))
    process = subprocess.Popen([sys.executable, str(ROOT / "starter.py"), *arguments])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(process: "subprocess.Popen[bytes]", exit_code: int = 0) -> None:
    try:
        found = process.wait(ENDED)
    except subprocess.TimeoutExpired:
        raise NotAsTold(f"the command above has not ended after {ENDED:.0f} s") from None
    if found != exit_code:
        raise NotAsTold(f"the command above ended with {found} instead of {exit_code}")


def heading(text: str) -> None:
    console.print(f"\n{text}", style="bold cyan")


def command(text: str) -> None:
    console.print(f"$ {text}", style="bold")


def note(text: str) -> None:
    console.print(f"# {text}", style="dim")


def say(text: str, style: str | None = None) -> None:
    console.print(text, style=style)


def main() -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        settings = Settings.from_environment()
        check_embedded(settings)
        check_alone(settings)
        demo = Demo(settings)
        try:
            demo.tell()
            ui = read_record(settings).ui_url
        finally:
            demo.leave()
    except KeyboardInterrupt:
        sys.stderr.write("demo: interrupted; the worker is stopped\n")
        return 130
    except PROBLEMS as problem:
        sys.stderr.write(f"demo: {problem}\n")
        return 1
    heading("To look at it again")
    command("python worker.py")
    say(f"and then {ui}, or `python starter.py orders`")
    return 0


if __name__ == "__main__":
    sys.exit(main())
