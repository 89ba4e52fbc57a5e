"""Workers for a subject: in this process, or in processes of their own that may be killed."""

import asyncio
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from importlib import import_module
from multiprocessing.process import BaseProcess, parent_process
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from saga.plugin import SagaPlugin
from saga.pump import Sink
from saga.steps import PROBE, Policy
from saga.testing.ledger import Ledger
from saga.testing.participants import Participants
from saga.testing.subject import Subject

_SPAWNING = multiprocessing.get_context("forkserver")


class Pace(StrEnum):
    """How a saga's declared policies are shortened, so that minutes of them are not waited for."""

    PATIENT = "patient"
    """Pauses between attempts only: no call gives up before its time."""
    IMPATIENT = "impatient"
    """Calls that give up at all give up after 2 seconds."""
    MORTAL = "mortal"
    """A dead worker is noticed after 1 second; the worker may be killed."""


class WorkerFailed(Exception):
    """A worker process has ended by itself."""


@dataclass(frozen=True)
class Job:
    """What a worker process is to do."""

    address: str
    namespace: str
    task_queue: str
    subject: str
    """`module:attribute`."""
    ledger: Path
    pace: Pace


def load(reference: str) -> Subject:
    """The subject that stands at `module:attribute`."""
    module, _, attribute = reference.partition(":")
    subject = getattr(import_module(module), attribute)
    if not isinstance(subject, Subject):
        raise TypeError(f"{reference} is no saga.testing.Subject")
    return subject


def reference_of(subject: Subject) -> str:
    """Where worker processes find a subject: a module in which it stands under some name."""
    for name, module in list(sys.modules.items()):
        if name == "__main__":
            continue
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if value is subject:
                return f"{name}:{attribute}"
    raise LookupError("the subject must stand in a module, where worker processes can import it")


@contextmanager
def hastened(subject: Subject, pace: Pace) -> Iterator[None]:
    """Shorten the policies of a saga in this process for a while.

    The declared objects themselves are changed, since the saga's flow holds on to its steps; the
    sandbox, which would declare them anew, is left out for that reason too.
    """
    policies = [PROBE]
    for step in subject.steps:
        policies += [step.action_policy, *([step.undo.policy] if step.undo else [])]
    before: list[tuple[Policy | Sink, dict[str, object]]] = []
    for policy in {id(it): it for it in policies}.values():
        before.append((policy, dict(vars(policy))))
        for name, value in _shortened(policy, pace).items():
            object.__setattr__(policy, name, value)
    for sink in subject.sinks:
        before.append((sink, dict(vars(sink))))
        if pace is Pace.MORTAL:
            object.__setattr__(sink, "attempt_timeout", timedelta(seconds=2))
        if sink.interval is not None:
            object.__setattr__(sink, "interval", timedelta(milliseconds=100))
            object.__setattr__(sink, "later_interval", timedelta(milliseconds=100))
    try:
        yield
    finally:
        for declared, values in before:
            for name, value in values.items():
                object.__setattr__(declared, name, value)


def _shortened(policy: Policy, pace: Pace) -> dict[str, object]:
    shortened: dict[str, object] = {
        "first_pause": timedelta(milliseconds=50),
        "longest_pause": timedelta(milliseconds=200),
    }
    if pace is Pace.MORTAL:
        shortened["heartbeat_timeout"] = timedelta(seconds=1)
    if pace is Pace.IMPATIENT and policy.give_up_after is not None:
        shortened["give_up_after"] = timedelta(seconds=2)
    return shortened


@asynccontextmanager
async def working(
    client: Client, task_queue: str, subject: Subject, participants: Participants
) -> AsyncIterator[None]:
    """The subject's workers in this process."""
    async with AsyncExitStack() as stack:
        saga = Worker(
            client,
            task_queue=task_queue,
            workflows=[subject.workflow],
            activities=participants.activities(),
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_heartbeat_throttle_interval=timedelta(milliseconds=50),
            sticky_queue_schedule_to_start_timeout=timedelta(milliseconds=500),
        )
        await stack.enter_async_context(saga)
        for sink in subject.sinks:
            worker = Worker(
                client,
                task_queue=f"{task_queue}-{sink.name}",
                activities=[participants.sink_activity(sink)],
            )
            await stack.enter_async_context(worker)
        yield


@asynccontextmanager
async def worker_process(job: Job) -> AsyncIterator[None]:
    """A worker process that is started again whenever it is killed."""
    _SPAWNING.set_forkserver_preload([__name__, job.subject.partition(":")[0]])
    keeping = asyncio.create_task(_keep(job))
    try:
        yield
        if keeping.done():
            keeping.result()
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


async def _keep(job: Job) -> None:
    while True:
        process = _SPAWNING.Process(target=work, args=(job,), daemon=True)
        starting = asyncio.create_task(asyncio.to_thread(process.start))
        try:
            await asyncio.shield(starting)
            await _ended(process)
        finally:
            await starting  # A thread can't be cancelled, and would leave a process behind.
            process.kill()
            process.join()
            code = process.exitcode
            process.close()
        if code != -signal.SIGKILL:
            raise WorkerFailed(f"a worker process ended with {code}; see {_log_of(job)}")


async def _ended(process: BaseProcess) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(process.sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process.sentinel)


def work(job: Job) -> None:
    """What a worker process does, as long as the one that started it lives."""
    logging.basicConfig(filename=_log_of(job), format=f"%(asctime)s {os.getpid()} %(message)s")
    asyncio.run(_work(job))


async def _work(job: Job) -> None:
    subject, ledger = load(job.subject), Ledger(job.ledger)
    client = await Client.connect(job.address, namespace=job.namespace, plugins=[SagaPlugin()])
    participants = Participants(subject, ledger, mortal=job.pace is Pace.MORTAL)
    alone = asyncio.Event()
    if (parent := parent_process()) is not None:
        asyncio.get_running_loop().add_reader(parent.sentinel, alone.set)
    with hastened(subject, job.pace):
        async with working(client, job.task_queue, subject, participants):
            await alone.wait()
    ledger.close()


def _log_of(job: Job) -> Path:
    return job.ledger.with_suffix(".log")
