"""A script: what goes wrong with one saga, and what people do meanwhile, as plain data.

Each of its lines is one value that prints as a sentence, so that what Hypothesis has shrunk can be
read, and be played again by hand.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from hypothesis.vendor.pretty import RepresentationPrinter

from saga import RepairAction
from saga.testing import Fault, FaultKind, Moment

SHORT_DEADLINE = timedelta(seconds=40)
TIMES = (8, 90, 1200)
"""Virtual seconds at which people may do something.

The time-skipping server takes no more of a workflow's tasks when a timer is cancelled in the very
moment in which it fires. So none of these may fall together with a deadline (40 s or 10 minutes,
pauses added) or with another attempt of what is stuck (whole minutes after it got stuck).
"""


class Doing(StrEnum):
    """What people, or the machine under a worker, do."""

    CANCEL = "cancel"
    CANCEL_BY_TEMPORAL = "cancel by Temporal's means"
    PAUSE = "pause"
    RESUME = "resume"
    MEND = "mend everything"
    RETRY = "repair what is stuck: retry"
    SKIP = "repair what is stuck: skip"
    REPLACE = "repair what is stuck: replace"
    KILL = "stop the worker without grace, start another"


CANCELS = {Doing.CANCEL, Doing.CANCEL_BY_TEMPORAL}
REPAIRS = {
    Doing.RETRY: RepairAction.RETRY,
    Doing.SKIP: RepairAction.SKIP,
    Doing.REPLACE: RepairAction.REPLACE,
}


@dataclass(frozen=True)
class Trouble:
    """Something goes wrong with all calls of a name, so many times or until it is mended."""

    fault: Fault

    def __str__(self) -> str:
        call, times, kind = self.fault.call, self.fault.times, self.fault.kind
        often = "until mended" if times is None else f"{times} times" if times > 1 else "once"
        match kind:
            case FaultKind.DUPLICATE:
                return f"{call} arrives several times"
            case FaultKind.LATE:
                return f"a copy of {call} arrives after its undo"
            case FaultKind.REFUSE:
                return f"{call} is refused {often}"
            case FaultKind.OUTAGE:
                return f"{call} is away {often}"
            case FaultKind.LOSE_ANSWER:
                return f"{call} loses its answer {often}"
            case FaultKind.BUG:
                return f"{call} has a bug {often}"
            case _:
                return f"{call} is {kind} {often}"


@dataclass(frozen=True)
class When:
    """Inside a call: when it has arrived at its participant, or when it has been done there."""

    call: str
    moment: Moment
    obeys: bool = False
    """Whether the call then lets itself be cancelled, if it is."""

    def __str__(self) -> str:
        reached = "is reached" if self.moment is Moment.BEFORE else "has taken effect"
        return f"when {self.call} {reached}" + (" (which obeys a cancel)" if self.obeys else "")


@dataclass(frozen=True)
class After:
    """So long after the start, whatever goes on then."""

    seconds: int

    def __str__(self) -> str:
        return f"after {self.seconds} s"


@dataclass(frozen=True)
class Act:
    """Somebody does something at some point of the story."""

    doing: Doing
    point: When | After

    def __str__(self) -> str:
        return f"{self.doing} {self.point}"


class Setting(StrEnum):
    """What holds for the whole saga."""

    SHORT_DEADLINE = "the deadline is short"
    STARTS_PAUSED = "it starts paused"
    REPLAYED = "every task is replayed from the first event"
    SKIPPED = "what is stuck at the end is skipped where that is allowed"
    REPLACED = "what is stuck at the end is replaced where that is allowed"


LAST_REPAIRS = {
    Setting.SKIPPED: RepairAction.SKIP,
    Setting.REPLACED: RepairAction.REPLACE,
}

Line = Trouble | Act | Setting


@dataclass(frozen=True, repr=False)
class Script:
    """All of it; nothing goes wrong in the empty one."""

    lines: tuple[Line, ...]

    def __str__(self) -> str:
        return "".join(f"\n    {line};" for line in self.lines) or "\n    (nothing goes wrong);"

    __repr__ = __str__

    def _repr_pretty_(self, printer: RepresentationPrinter, _: bool) -> None:
        """What Hypothesis prints of a failing one."""
        printer.text(str(self))

    @property
    def faults(self) -> list[Fault]:
        """What goes wrong by itself."""
        return [line.fault for line in self.lines if isinstance(line, Trouble)]

    def at(self) -> Iterator[tuple[When, Doing]]:
        """What is done inside calls."""
        for line in self.lines:
            if isinstance(line, Act) and isinstance(line.point, When):
                yield line.point, line.doing

    def timed(self) -> list[tuple[int, Doing]]:
        """What is done at its time, in order; what is done at the same time in the script's."""
        acts = [it for it in self.lines if isinstance(it, Act)]
        timed = [(it.point.seconds, it.doing) for it in acts if isinstance(it.point, After)]
        return sorted(timed, key=lambda it: it[0])

    def says(self, setting: Setting) -> bool:
        """Whether this holds for the whole saga."""
        return setting in self.lines

    @property
    def replayed(self) -> bool:
        """Whether no worker may keep the workflow in its cache.

        A worker that is stopped leaves its sticky queue behind, and the time-skipping server goes
        on to send tasks there; without a cache there is no such queue.
        """
        kills = any(isinstance(it, Act) and it.doing is Doing.KILL for it in self.lines)
        return kills or self.says(Setting.REPLAYED)
