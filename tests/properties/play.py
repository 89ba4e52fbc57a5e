"""Play a script and judge what came of it."""

from zlib import crc32

from hypothesis import event
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from saga import SagaPlugin
from saga.testing import Subject
from tests.properties.clock import Clock
from tests.properties.judge import ending, wrong
from tests.properties.script import Script
from tests.properties.stage import Performance

REPLAYED = 8
"""One in so many histories is replayed from its first event."""


class Broken(AssertionError):
    """A promise was broken; says by which script, and how."""

    def __init__(self, script: Script, found: list[str], performance: Performance) -> None:
        said = "".join(f"\n    {it}" for it in found)
        ledger = "".join(f"\n    {it}" for it in performance.postings)
        super().__init__(f"\n  script:{script}\n  what is wrong:{said}\n  ledger:{ledger}")


async def hold_to_its_promises(
    clock: Clock, subject: Subject, course: tuple[str, ...], script: Script
) -> None:
    """Play the script with one saga; raises Broken."""
    __tracebackhide__ = True  # What it raises says all.
    performance = Performance(clock, subject, course, script)
    seen = await performance.play()
    if found := wrong(performance, seen):
        raise Broken(script, found, performance)
    event(ending(seen.events))
    event("was stuck" if performance.was_stuck else "was never stuck")
    if not script.replayed and crc32(str(script).encode()) % REPLAYED == 0:
        event("was replayed")
        replayer = Replayer(
            workflows=[subject.workflow],
            plugins=[SagaPlugin()],
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        await replayer.replay_workflow(await performance.handle.fetch_history())
