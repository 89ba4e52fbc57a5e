"""Stuck sagas: they keep their place until a person decides how the stuck step goes on."""

from collections.abc import Callable

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from saga.calls import Entry
from saga.events import HOLDS_UP, RepairAction, SagaStuck, StepFailed, StepRepaired
from saga.identity import Direction
from saga.log import Log
from saga.start import Repair

_BY_ITSELF = Repair(
    by="saga", reason="it succeeded when tried again", step="", action=RepairAction.RETRY
)


class Repairs:
    """The stuck steps of one saga, and what was decided of them."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._decided: dict[str, Repair | None] = {}
        """By step instance, while it waits."""

    def waiting(self, repair: Repair, *, may_skip: bool) -> str:
        """The step instance that waits for this repair.

        Raises:
            ApplicationError: nothing of that name waits, or it can't be repaired so.
        """
        for instance, failure in self._log.state.stuck.items():
            if repair.step in (instance, failure.step):
                if instance not in self._decided:
                    raise ApplicationError(
                        f"{repair.step} is being tried again just now; look again in a moment",
                        type="NotWaiting",
                    )
                if repair.action is RepairAction.SKIP and not may_skip:
                    raise ApplicationError(
                        f"{repair.step} can't be skipped: what follows builds on it;"
                        " cancel the saga instead",
                        type="NotSkippable",
                    )
                return instance
        raise ApplicationError(f"{repair.step} is not stuck", type="NotStuck")

    async def repair(self, repair: Repair, *, may_skip: bool) -> None:
        """Decide, and return when the step has heard of it."""
        instance = self.waiting(repair, may_skip=may_skip)
        self._decided[instance] = repair
        await workflow.wait_condition(lambda: self._decided.get(instance) is not repair)

    async def wait(
        self,
        entry: Entry,
        direction: Direction,
        failed: StepFailed,
        *,
        until: Callable[[], bool] = lambda: False,
    ) -> RepairAction:
        """Be stuck until a person decides, or `until`; what may have been mended is tried again."""
        instance = entry.instance
        self._decided[instance] = None
        if instance not in self._log.state.stuck:
            stuck = SagaStuck(saga_id=self._log.saga_id, failure=failed)
            self._log.record(stuck, step=instance, direction=direction)
        try:
            await workflow.wait_condition(
                lambda: self._decided[instance] is not None or until(),
                timeout=entry.slow_pause() if failed.kind in HOLDS_UP else None,
                timeout_summary=f"{failed.name} again",
            )
        except TimeoutError:
            return RepairAction.RETRY
        finally:
            repair = self._decided.pop(instance)
        if repair is None:
            return RepairAction.RETRY
        self._repaired(entry, direction, repair)
        return repair.action

    def recovered(self, entry: Entry, direction: Direction) -> None:
        """After an answer: what was stuck is so no longer."""
        if entry.instance in self._log.state.stuck:
            self._repaired(entry, direction, _BY_ITSELF)

    def _repaired(self, entry: Entry, direction: Direction, repair: Repair) -> None:
        repaired = StepRepaired(
            saga_id=self._log.saga_id,
            name=entry.name(direction),
            action=repair.action,
            by=repair.by,
            reason=repair.reason,
        )
        self._log.record(repaired, step=entry.instance, direction=direction)
