"""Where cases are run: one server, one ledger, and workers for every pace."""

import shutil
import sysconfig
import time
from asyncio import Lock, Semaphore
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from uuid import uuid4

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from runtime.search_attributes import register_search_attributes
from saga.events import Status
from saga.plugin import SagaPlugin
from saga.testing.cases import Case
from saga.testing.drive import CannotHappen, Drive
from saga.testing.invariants import Definition, Observed, violations
from saga.testing.ledger import Ledger
from saga.testing.participants import Participants
from saga.testing.posting import Posting, Role
from saga.testing.subject import Subject
from saga.testing.watch import NeverCame
from saga.testing.workers import Job, Pace, hastened, reference_of, worker_process, working

AT_ONCE = 10
"""Cases that run at the same time; most of them wait most of the time."""
MORTALS = 3
"""Worker processes that live, and die, at the same time."""
_EXTRA = (
    *("--dynamic-config-value", "history.transferProcessorMaxPollRPS=200"),
    *("--dynamic-config-value", 'history.timerProcessorMaxTimeShift="50ms"'),
)
"""Without these a lone saga waits for the server's next poll, and its timers are late."""


@dataclass(frozen=True)
class Verdict:
    """What came of a case."""

    case: Case
    violations: tuple[str, ...]
    seconds: float = 0.0
    ledger: tuple[Posting, ...] = ()
    left_out: str | None = None
    """Why it was not run."""
    observed: Observed | None = None
    """How the saga stood at the end."""

    @property
    def ok(self) -> bool:
        """Whether nothing was violated."""
        return not self.violations

    def __str__(self) -> str:
        """What a person reads of a case that went wrong: each violation, and the ledger."""
        lines = [f"{self.case.id}:", *(f"  - {it}" for it in self.violations), "ledger:"]
        return "\n".join([*lines, *(f"  {posting}" for posting in self.ledger)])


@asynccontextmanager
async def server() -> AsyncIterator[Client]:
    """A Temporal server of its own: pip's binary, or one on the PATH, or the SDK's download."""
    scripts = sysconfig.get_path("scripts")
    binary = shutil.which("temporal", path=scripts) or shutil.which("temporal")
    env = await WorkflowEnvironment.start_local(
        dev_server_existing_path=binary,
        dev_server_extra_args=_EXTRA,
        dev_server_log_level="never",
        plugins=[SagaPlugin()],
    )
    async with env:
        await register_search_attributes(env.client)
        yield env.client


class Bench:
    """Runs cases of one subject, several at once."""

    def __init__(self, subject: Subject, client: Client, folder: Path) -> None:
        self.subject = subject
        self._client = client
        self._ledger = Ledger(folder / f"{uuid4()}.db")
        self._queue = str(uuid4())
        self._stack = AsyncExitStack()
        self._preparing = Lock()
        self._at_once = Semaphore(AT_ONCE)
        self._mortals = Semaphore(MORTALS)
        self._course: tuple[str, ...] | None = None
        self._impatient: str | None = None

    async def __aenter__(self) -> Self:
        """Start the worker for most cases, in this process."""
        self._stack.callback(self._ledger.close)
        self._stack.enter_context(hastened(self.subject, Pace.PATIENT))
        participants = Participants(self.subject, self._ledger)
        workers = working(self._client, self._queue, self.subject, participants)
        await self._stack.enter_async_context(workers)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop all workers."""
        await self._stack.aclose()

    async def run(self, case: Case) -> Verdict:
        """Run one case and judge it."""
        async with self._at_once:
            course = await self._undisturbed()
            if case.step and not case.given and case.step not in course:
                why = f"the saga does {', '.join(course)} when nothing goes wrong"
                return Verdict(case, (), left_out=why)
            async with self._queue_of(case) as queue:
                return await self._judged(case, queue, course)

    @asynccontextmanager
    async def _queue_of(self, case: Case) -> AsyncIterator[str]:
        """The task queue of workers of the case's pace; mortal ones serve one case each."""
        if case.pace is Pace.PATIENT:
            yield self._queue
        elif case.pace is Pace.IMPATIENT:
            async with self._preparing:
                if self._impatient is None:
                    job = self._job(case.pace)
                    await self._stack.enter_async_context(worker_process(job))
                    self._impatient = job.task_queue
            yield self._impatient
        else:
            job = self._job(case.pace)
            async with self._mortals, worker_process(job):
                yield job.task_queue

    def _job(self, pace: Pace) -> Job:
        return Job(
            address=self._client.service_client.config.target_host,
            namespace=self._client.namespace,
            task_queue=str(uuid4()),
            subject=reference_of(self.subject),
            ledger=Path(self._ledger.path),
            pace=pace,
        )

    async def _undisturbed(self) -> tuple[str, ...]:
        """The step instances of a saga with which nothing goes wrong."""
        async with self._preparing:
            if self._course is None:
                drive = self._drive(self._queue, ())
                await drive.start()
                await drive.end()
                begun = (it for it in self._ledger.postings(drive.saga_id))
                steps = (it.step for it in begun if it.role is Role.ACTION)
                self._course = tuple(dict.fromkeys(steps))
        return self._course

    def _drive(self, queue: str, course: tuple[str, ...]) -> Drive:
        definition = Definition.of(self.subject, course)
        return Drive(definition, self.subject, self._ledger, self._client, queue)

    async def _judged(self, case: Case, queue: str, course: tuple[str, ...]) -> Verdict:
        began, seen = time.monotonic(), None
        drive = self._drive(queue, () if case.given else course)
        self._ledger.strike(drive.saga_id, *case.given, *case.faults)
        try:
            await drive.start(deadline=case.deadline, paused=case.starts_paused)
            await case.script(drive)
            seen = await drive.end()
        except CannotHappen as why:
            await drive.abandon()
            return Verdict(case, (), left_out=str(why))
        except (NeverCame, RPCError, WorkflowUpdateFailedError) as never:
            found = [f"the case has tested nothing: {never}"]
        else:
            postings = self._ledger.postings(drive.saga_id)
            found = violations(drive.definition, postings, seen)
            found += _not_as_promised(case, drive, seen)
            found += [
                f"the case has tested nothing: no {fault}"
                for fault in self._ledger.unstruck(drive.saga_id)
            ]
        return Verdict(
            case,
            (*drive.complaints, *found),
            time.monotonic() - began,
            tuple(self._ledger.postings(drive.saga_id)),
            observed=seen,
        )


def _not_as_promised(case: Case, drive: Drive, seen: Observed) -> Iterator[str]:
    if seen.claims is not None and seen.claims not in case.ends and drive.subject.on_engine:
        promised = " or ".join(sorted(case.ends))
        yield f"the saga should have ended as {promised}, but says {seen.claims}"
    for reply in drive.replies:
        if reply.accepted and seen.claims is Status.COMPLETED:
            yield f"a cancel was accepted ({reply.message}), but the saga has completed"
