"""Stuck sagas: they keep their place until a person decides how the stuck step goes on."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError
from temporalio.exceptions import ApplicationError

from runtime.correlation import current
from saga.entry import Entry
from saga.events import HOLDS_UP, RepairAction, SagaStuck, StepFailed, StepRepaired
from saga.identity import Direction
from saga.log import Log
from saga.start import Repair
from saga.versions import VERSION

_BY_ITSELF = Repair(
    by="saga", reason="it succeeded when tried again", step="", action=RepairAction.RETRY
)


@dataclass(eq=False)
class _Waiting:
    """A call that waits for a person, and what was decided of it."""

    entry: Entry
    direction: Direction
    must_succeed: bool
    decided: Repair | None = None
    cause: str | None = None
    """What the person who decided has named as the cause."""


class Repairs:
    """The stuck steps of one saga, and what was decided of them."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._waiting: dict[str, _Waiting] = {}
        """By step instance."""

    def check(self, repair: Repair) -> str:
        """The step instance that waits for this repair.

        Raises:
            ApplicationError: nothing of that name waits, or it can't be repaired so.
        """
        for instance, failure in self._log.state.stuck.items():
            if repair.step in (instance, failure.step):
                if instance not in self._waiting:
                    raise ApplicationError(
                        f"{repair.step} is being tried again just now; look again in a moment",
                        type="NotWaiting",
                    )
                if self._waiting[instance].decided is not None:
                    raise ApplicationError(
                        f"{repair.step}: another repair has been decided just now",
                        type="NotWaiting",
                    )
                _check(repair, self._waiting[instance])
                return instance
        raise ApplicationError(f"{repair.step} is not stuck", type="NotStuck")

    async def repair(self, repair: Repair) -> None:
        """Decide, and return when the step has heard of it."""
        waiting = self._waiting[self.check(repair)]
        waiting.decided, waiting.cause = repair, current().asked_by
        await self._log.host.wait_for(lambda: waiting not in self._waiting.values())

    async def wait(
        self,
        entry: Entry,
        direction: Direction,
        failed: StepFailed,
        *,
        until: Callable[[], bool] | None = None,
    ) -> Repair:
        """Be stuck until a person decides, or `until`; what may have been mended is tried again.

        Without `until` it is a call that must succeed, and a person may skip it or change it.
        """
        instance = entry.instance
        again = failed.kind in HOLDS_UP or until is not None
        waiting = self._waiting[instance] = _Waiting(entry, direction, must_succeed=until is None)
        if instance not in self._log.state.stuck:
            stuck = SagaStuck(saga_id=self._log.saga_id, failure=failed)
            self._log.record(stuck, step=instance, direction=direction)
        try:
            await self._log.host.wait_for(
                lambda: waiting.decided is not None or (until is not None and until()),
                timeout=entry.slow_pause() if again else None,
                summary=f"{failed.name} again",
            )
        except TimeoutError:
            pass  # A decision may have come with it, in the same workflow task.
        finally:
            del self._waiting[instance]
        if waiting.decided is None:
            return _BY_ITSELF
        self._repaired(entry, direction, waiting.decided, waiting.cause)
        return waiting.decided

    def recovered(self, entry: Entry, direction: Direction) -> None:
        """After an answer: what was stuck is so no longer."""
        if entry.instance in self._log.state.stuck:
            self._repaired(entry, direction, _BY_ITSELF)

    def _repaired(
        self, entry: Entry, direction: Direction, repair: Repair, cause: str | None = None
    ) -> None:
        repaired = StepRepaired(
            saga_id=self._log.saga_id,
            name=entry.name(direction),
            action=repair.action,
            by=repair.by,
            reason=repair.reason,
            changes=repair.changes,
        )
        self._log.record(repaired, step=entry.instance, direction=direction, cause=cause)


def _check(repair: Repair, waiting: _Waiting) -> None:
    entry, name = waiting.entry, repair.step
    if repair.action is not RepairAction.RETRY and not waiting.must_succeed:
        raise ApplicationError(
            f"{name} can only be tried again, as what follows builds on it; or"
            " cancel the saga instead",
            type="NotRepairableSo",
        )
    if repair.action is RepairAction.SKIP and not entry.skippable(waiting.direction):
        raise ApplicationError(
            f"{name} can't be skipped: its step declares no `by_hand`", type="NotRepairableSo"
        )
    if repair.action is RepairAction.REPLACE:
        if VERSION in (repair.changes or {}):
            raise ApplicationError(
                f"{name}: {VERSION} can't be changed: leave it out", type="NotRepairableSo"
            )
        try:
            entry.changed(waiting.direction, repair.changes or {})
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ApplicationError(
                f"{name}: {place}: {first['msg']}", type="NotRepairableSo"
            ) from None
