"""The columns of the matrix: what may go wrong at a step, and how the saga must end then.

Each column is a function of a row; it gives None where it makes no sense for that step.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

from saga.events import Status
from saga.state import StepStatus
from saga.testing import faults
from saga.testing.cases import UNDISTURBED, WITHIN, Case, Row, Script, Stage, rows, wait_only
from saga.testing.drive import Drive
from saga.testing.faults import Fault, Moment
from saga.testing.subject import Subject
from saga.testing.workers import Pace

COMPLETED = frozenset({Status.COMPLETED})
COMPENSATED = frozenset({Status.COMPENSATED})
CHANCE = 0.3
"""Seconds in which a wrong saga may do what it must not do."""
_MANY = 4

_Then = Callable[[Drive, str], Awaitable[None]]
Column = Callable[[Row], Case | None]


def cases(subject: Subject, *, short: bool = False) -> list[Case]:
    """The matrix of a subject, or its short form; the undisturbed case is the first."""
    made = [Case(step="", fault=UNDISTURBED, ends=COMPLETED)]
    for row in rows(subject):
        for name, column in COLUMNS.items():
            if name in NEEDS_ENGINE and not row.on_engine:
                continue
            if (not short or name in SHORT) and (case := column(row)) is not None:
                made.append(case)
    return made


def _forward(row: Row, name: str, *struck: Fault, ends: frozenset[Status] = COMPLETED) -> Case:
    """A case in which the action itself has the fault."""
    return Case(step=row.name, fault=name, given=row.given, faults=struck, ends=ends)


def _backward(
    row: Row, name: str, *struck: Fault, script: Script = wait_only, pace: Pace | None = None
) -> Case:
    """A case in which the step is undone; its undo may have a fault."""
    return Case(
        step=row.name,
        fault=name,
        given=row.given,
        faults=(*row.trigger, *struck),
        ends=COMPENSATED,
        script=script,
        pace=pace or row.pace,
        deadline=row.deadline,
    )


def _if_before(row: Row) -> frozenset[Status]:
    """Before the pivot it is undone; at the pivot and after it the saga completes."""
    return COMPENSATED if row.stage is Stage.BEFORE else COMPLETED


# What the action's participant does.


def _refused(row: Row) -> Case:
    refuses = faults.refuse(row.name)
    if row.survives:
        return _forward(row, "refused", refuses)
    if row.stage is Stage.AFTER:
        return replace(_forward(row, "refused", refuses), script=partial(_mend, call=row.name))
    return _forward(row, "refused", refuses, ends=COMPENSATED)


def _outage(row: Row) -> Case:
    return _forward(row, "outage", faults.outage(row.name, times=_MANY))


def _outage_for_ever(row: Row) -> Case | None:
    return _for_ever(row, "outage-for-ever", faults.outage(row.name))


def _answers_lost_for_ever(row: Row) -> Case | None:
    return _for_ever(row, "answers-lost-for-ever", faults.lose_answer(row.name, times=None))


def _for_ever(row: Row, name: str, fault: Fault) -> Case | None:
    """Before the pivot the deadline ends it, at the pivot its time limit, later only its end."""
    if row.stage is Stage.BEFORE:
        return replace(_forward(row, name, fault, ends=COMPENSATED), deadline=WITHIN)
    if row.stage is Stage.PIVOT and row.step.action_policy.give_up_after is not None:
        found = row.step.probe is not None and fault.moment is Moment.DURING
        ends = COMPLETED if found else COMPENSATED
        return replace(_forward(row, name, fault, ends=ends), pace=Pace.IMPATIENT)
    return replace(_forward(row, name, fault), script=partial(_outlast, call=row.name))


async def _outlast(drive: Drive, call: str) -> None:
    await drive.called(call, times=2 * _MANY)
    drive.recover(call)


def _answer_lost(row: Row) -> Case:
    return _forward(row, "answer-lost", faults.lose_answer(row.name, times=2))


def _duplicate(row: Row) -> Case:
    return _forward(row, "duplicate", faults.duplicate(row.name))


def _late(row: Row) -> Case | None:
    return _backward(row, "late-copy", faults.late(row.name)) if row.undo else None


def _only_late(row: Row) -> Case | None:
    """The action is lost on its way, is undone, and arrives then."""
    if not row.undo or not row.on_engine:
        return None
    lost = (faults.outage(row.name), faults.late(row.name))
    if row.stage is Stage.PIVOT:
        return replace(_forward(row, "only-late", *lost, ends=COMPENSATED), pace=Pace.IMPATIENT)
    return replace(
        _forward(row, "only-late", *lost, ends=COMPENSATED), script=partial(_give_up, row=row)
    )


async def _give_up(drive: Drive, row: Row) -> None:
    await drive.called(row.name, times=2)
    await drive.cancel()


def _misconfigured(row: Row) -> Case:
    fault = faults.misconfigured(row.name)
    return replace(_forward(row, "misconfigured", fault), script=partial(_mend, call=row.name))


def _bug(row: Row) -> Case:
    fault = faults.bug(row.name, times=None)
    return replace(_forward(row, "bug", fault), script=partial(_mend, call=row.name))


async def _mend(drive: Drive, call: str) -> None:
    await drive.stuck()
    await drive.check()
    await drive.repair(call)


def _killed(moment: Moment, row: Row) -> Case:
    fault = faults.kill(row.name, moment)
    return replace(_forward(row, f"killed-{moment}", fault), pace=Pace.MORTAL)


# What customers and operators do meanwhile.


def _cancel_before(row: Row) -> Case | None:
    return _paused_before(
        row, "cancel-before", _cancel, COMPLETED if row.stage is Stage.AFTER else COMPENSATED
    )


def _pause_before(row: Row) -> Case | None:
    return _paused_before(row, "pause-before", _nothing_is_sent, COMPLETED)


def _paused_before(row: Row, name: str, then: _Then, ends: frozenset[Status]) -> Case | None:
    if row.given:
        return None
    if row.previous is None:
        script = partial(_while_paused, call=row.name, then=then)
        return replace(_forward(row, name, ends=ends), script=script, starts_paused=True)
    script = partial(_paused_after, previous=row.previous, call=row.name, then=then)
    return replace(_forward(row, name, faults.hold(row.previous), ends=ends), script=script)


async def _paused_after(drive: Drive, *, previous: str, call: str, then: _Then) -> None:
    await drive.struck(previous)
    await drive.pause()
    drive.recover(previous)
    await drive.stands(
        f"{previous} did not end", lambda state: state.steps[previous] is StepStatus.DONE
    )
    await _while_paused(drive, call=call, then=then)


async def _while_paused(drive: Drive, *, call: str, then: _Then) -> None:
    await then(drive, call)
    await drive.resume()


async def _cancel(drive: Drive, _: str) -> None:
    await drive.cancel()


async def _nothing_is_sent(drive: Drive, call: str) -> None:
    await asyncio.sleep(CHANCE)
    if call in drive.ledger.calls(drive.saga_id):
        drive.complaints.append(f"{call} was called in a pause")


def _cancel_during(row: Row) -> Case:
    return _cancelled(row, "cancel-during", faults.hold(row.name))


def _cancel_after_effect(row: Row) -> Case:
    return _cancelled(row, "cancel-after-effect", faults.hold(row.name, Moment.DURING))


def _cancel_deaf(row: Row) -> Case:
    return _cancelled(row, "cancel-deaf", faults.hold(row.name, deaf=True))


def _cancel_by_temporal(row: Row) -> Case:
    fault = faults.hold(row.name, deaf=True)
    script = partial(_temporal_cancels_during, call=row.name)
    return replace(_forward(row, "cancel-by-temporal", fault, ends=_if_before(row)), script=script)


def _cancelled(row: Row, name: str, held: Fault) -> Case:
    script = partial(_cancel_while_held, call=row.name, goes_on=_goes_on(row, held))
    return replace(_forward(row, name, held, ends=_if_before(row)), script=script)


def _goes_on(row: Row, held: Fault) -> bool:
    """Whether the call is not cancelled, or does not care."""
    return held.deaf or row.stage is not Stage.BEFORE


async def _cancel_while_held(drive: Drive, *, call: str, goes_on: bool) -> None:
    await drive.struck(call)
    answered = await drive.begin_cancel()
    if goes_on:
        await asyncio.sleep(CHANCE)
        drive.recover(call)
    await answered()


async def _temporal_cancels_during(drive: Drive, *, call: str) -> None:
    await drive.struck(call)
    await drive.cancel_by_temporal()
    await asyncio.sleep(CHANCE)
    drive.recover(call)


def _cancel_twice(row: Row) -> Case | None:
    if row.undo is None or row.stage is not Stage.BEFORE:
        return None
    held = (faults.hold(row.name, deaf=True), faults.hold(row.undo))
    script = partial(_cancel_again, call=row.name, undo=row.undo)
    return replace(_forward(row, "cancel-twice", *held, ends=COMPENSATED), script=script)


async def _cancel_again(drive: Drive, *, call: str, undo: str) -> None:
    await _cancel_while_held(drive, call=call, goes_on=True)
    await drive.struck(undo)
    await drive.cancel()
    await drive.cancel_by_temporal()
    await asyncio.sleep(CHANCE)
    drive.recover(undo)


def _deadline(row: Row) -> Case:
    script = wait_only if row.stage is Stage.BEFORE else partial(_over_time, call=row.name)
    held = faults.hold(row.name)
    ends = _if_before(row)
    return replace(_forward(row, "deadline", held, ends=ends), script=script, deadline=WITHIN)


async def _over_time(drive: Drive, call: str) -> None:
    await drive.struck(call)
    await asyncio.sleep((WITHIN + timedelta(seconds=CHANCE)).total_seconds())
    drive.recover(call)


def _reset(row: Row) -> Case:
    return replace(_forward(row, "reset"), script=partial(_reset_before, call=row.name))


def _reset_when_undone(row: Row) -> Case | None:
    if row.undo is None:
        return None
    return _backward(row, "reset-when-undone", script=partial(_reset_before, call=row.name))


def _reset_undo(row: Row) -> Case | None:
    if row.undo is None:
        return None
    return _backward(row, "reset-undo", script=partial(_reset_before, call=row.undo))


async def _reset_before(drive: Drive, *, call: str) -> None:
    await drive.reset_before(call)


# What the undo's participant does, and what people do meanwhile.


def _undone(row: Row) -> Case | None:
    return _backward(row, "undone") if row.undo else None


def _undo_outage(row: Row) -> Case | None:
    if row.undo is None:
        return None
    return _backward(row, "undo-outage", faults.outage(row.undo, times=_MANY))


def _undo_outage_for_ever(row: Row) -> Case | None:
    if row.undo is None or row.step.undo is None:
        return None
    fault, name = faults.outage(row.undo), "undo-outage-for-ever"
    if row.step.undo.policy.give_up_after is None:
        return _backward(row, name, fault, script=partial(_outlast, call=row.undo))
    script = partial(_mend, call=row.undo)
    return _backward(row, name, fault, script=script, pace=Pace.IMPATIENT)


def _undo_refused(row: Row) -> Case | None:
    if row.undo is None:
        return None
    script = partial(_mend, call=row.undo)
    return _backward(row, "undo-refused", faults.refuse(row.undo), script=script)


def _undo_misconfigured(row: Row) -> Case | None:
    if row.undo is None:
        return None
    script = partial(_mend, call=row.undo)
    return _backward(row, "undo-misconfigured", faults.misconfigured(row.undo), script=script)


def _undo_answer_lost(row: Row) -> Case | None:
    if row.undo is None:
        return None
    return _backward(row, "undo-answer-lost", faults.lose_answer(row.undo, times=2))


def _undo_duplicate(row: Row) -> Case | None:
    return _backward(row, "undo-duplicate", faults.duplicate(row.undo)) if row.undo else None


def _undo_killed(moment: Moment, row: Row) -> Case | None:
    """Not for an undo that only a time limit brings, which kills would use up."""
    if row.undo is None or row.pace is not Pace.PATIENT:
        return None
    fault = faults.kill(row.undo, moment)
    return _backward(row, f"undo-killed-{moment}", fault, pace=Pace.MORTAL)


def _cancel_during_undo(row: Row) -> Case | None:
    if row.undo is None:
        return None
    script = partial(_cancel_while_held, call=row.undo, goes_on=True)
    return _backward(row, "cancel-during-undo", faults.hold(row.undo), script=script)


def _pause_during_undo(row: Row) -> Case | None:
    if row.undo is None:
        return None
    script = partial(_pause_while_held, call=row.undo)
    return _backward(row, "pause-during-undo", faults.hold(row.undo), script=script)


async def _pause_while_held(drive: Drive, *, call: str) -> None:
    await drive.struck(call)
    await drive.pause()
    before = len(drive.ledger.calls(drive.saga_id))
    drive.recover(call)
    await asyncio.sleep(CHANCE)
    if len(drive.ledger.calls(drive.saga_id)) > before:
        drive.complaints.append(f"something was called in a pause that began during {call}")
    await drive.resume()


COLUMNS: dict[str, Column] = {
    "refused": _refused,
    "outage": _outage,
    "outage-for-ever": _outage_for_ever,
    "answer-lost": _answer_lost,
    "answers-lost-for-ever": _answers_lost_for_ever,
    "duplicate": _duplicate,
    "late-copy": _late,
    "only-late": _only_late,
    "misconfigured": _misconfigured,
    "bug": _bug,
    "killed-before": partial(_killed, Moment.BEFORE),
    "killed-during": partial(_killed, Moment.DURING),
    "killed-after": partial(_killed, Moment.AFTER),
    "cancel-before": _cancel_before,
    "cancel-during": _cancel_during,
    "cancel-after-effect": _cancel_after_effect,
    "cancel-deaf": _cancel_deaf,
    "cancel-by-temporal": _cancel_by_temporal,
    "cancel-twice": _cancel_twice,
    "pause-before": _pause_before,
    "deadline": _deadline,
    "reset": _reset,
    "reset-when-undone": _reset_when_undone,
    "reset-undo": _reset_undo,
    "undone": _undone,
    "undo-outage": _undo_outage,
    "undo-outage-for-ever": _undo_outage_for_ever,
    "undo-refused": _undo_refused,
    "undo-misconfigured": _undo_misconfigured,
    "undo-answer-lost": _undo_answer_lost,
    "undo-duplicate": _undo_duplicate,
    "undo-killed-before": partial(_undo_killed, Moment.BEFORE),
    "undo-killed-during": partial(_undo_killed, Moment.DURING),
    "undo-killed-after": partial(_undo_killed, Moment.AFTER),
    "cancel-during-undo": _cancel_during_undo,
    "pause-during-undo": _pause_during_undo,
}
"""By name, in the order of a report."""

SHORT = frozenset(
    {
        "refused",
        "answer-lost",
        "killed-during",
        "cancel-deaf",
        "late-copy",
        "undo-outage",
        "undo-refused",
        "cancel-during-undo",
        "reset",
    }
)
"""The most telling ones, for every run of the tests."""

NEEDS_ENGINE = frozenset(
    {
        "outage-for-ever",
        "answers-lost-for-ever",
        "misconfigured",
        "bug",
        "cancel-before",
        "pause-before",
        "deadline",
        "undo-outage-for-ever",
        "undo-refused",
        "undo-misconfigured",
        "pause-during-undo",
    }
)
"""What asks for this engine's deadline, pauses or repairs, which a bare workflow has not."""
