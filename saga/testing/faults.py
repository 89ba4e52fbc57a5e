"""What may go wrong with a call, as data: a test in one process directs workers in others."""

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What goes wrong."""

    REFUSE = "refuse"
    OUTAGE = "outage"
    LOSE_ANSWER = "lose-answer"
    DUPLICATE = "duplicate"
    LATE = "late"
    KILL = "kill"
    HOLD = "hold"
    MISCONFIGURED = "misconfigured"
    BUG = "bug"


class Moment(StrEnum):
    """When it strikes: before the effect, between effect and answer, or after the answer."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens to the calls of one name of one saga."""

    call: str
    """The name of the step's instance, or of its undo's: `charge-payment`, `refund-payment~2`."""
    kind: FaultKind
    times: int | None = None
    """How many calls it strikes; None for all until it is taken back."""
    moment: Moment = Moment.BEFORE
    deaf: bool = False
    """Whether a held call goes on although it is told to cancel."""


def refuse(call: str, *, times: int | None = None) -> Fault:
    """Refuse; a key that was refused once stays so."""
    return Fault(call=call, kind=FaultKind.REFUSE, times=times)


def outage(call: str, *, times: int | None = None) -> Fault:
    """Be away: nothing is done."""
    return Fault(call=call, kind=FaultKind.OUTAGE, times=times)


def lose_answer(call: str, *, times: int | None = 1) -> Fault:
    """Do it, and lose the answer."""
    return Fault(call=call, kind=FaultKind.LOSE_ANSWER, times=times, moment=Moment.DURING)


def duplicate(call: str, *, times: int | None = None) -> Fault:
    """Get the call several times, at once and afterwards."""
    return Fault(call=call, kind=FaultKind.DUPLICATE, times=times, moment=Moment.DURING)


def late(call: str) -> Fault:
    """Get a copy of the action after its undo; with `outage` it is the only one that arrives."""
    return Fault(call=call, kind=FaultKind.LATE, moment=Moment.AFTER)


def kill(call: str, moment: Moment) -> Fault:
    """Kill the worker process, once; only worker processes of their own let it happen."""
    return Fault(call=call, kind=FaultKind.KILL, times=1, moment=moment)


def hold(call: str, moment: Moment = Moment.BEFORE, *, deaf: bool = False) -> Fault:
    """Hold the call until it is released or, unless it is deaf, cancelled."""
    return Fault(call=call, kind=FaultKind.HOLD, moment=moment, deaf=deaf)


def misconfigured(call: str, *, times: int | None = None) -> Fault:
    """Take no such call from us: 401, 403, 404 and their like."""
    return Fault(call=call, kind=FaultKind.MISCONFIGURED, times=times)


def bug(call: str, *, times: int | None = 1) -> Fault:
    """Raise what nobody foresaw."""
    return Fault(call=call, kind=FaultKind.BUG, times=times)
