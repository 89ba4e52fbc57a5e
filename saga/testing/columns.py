"""The columns of the matrix: what may go wrong at a step, and how the saga must end then."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from saga.events import Status
from saga.testing import faults, scripts
from saga.testing.cases import UNDISTURBED, WITHIN, Case, Row, Script, Stage, rows, wait_only
from saga.testing.faults import Fault, Moment
from saga.testing.scripts import MANY, Then
from saga.testing.subject import Subject
from saga.testing.workers import Pace

COMPLETED = frozenset({Status.COMPLETED})
COMPENSATED = frozenset({Status.COMPENSATED})

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
        "only-late",
        "misconfigured",
        "bug",
        "cancel-before",
        "cancel-twice",
        "pause-before",
        "deadline",
        "undo-outage-for-ever",
        "undo-refused",
        "undo-misconfigured",
        "pause-during-undo",
    }
)
"""What asks for this engine's deadline, pauses, repairs or updates, which no bare workflow has."""


def cases(subject: Subject, *, short: bool = False) -> list[Case]:
    """The matrix of a subject, or its short form; the undisturbed case is the first."""
    made = [Case(step="", fault=UNDISTURBED, ends=COMPLETED)]
    for row in rows(subject):
        for case in (*_answers(row), *_kills(row), *_people(row), *_undos(row)):
            possible = row.on_engine or case.fault not in NEEDS_ENGINE
            if possible and (not short or case.fault in SHORT):
                made.append(case)
    return made


def _case(
    row: Row,
    name: str,
    *struck: Fault,
    ends: frozenset[Status] = COMPLETED,
    script: Script = wait_only,
) -> Case:
    """A case in which the action itself has the fault."""
    return Case(step=row.name, fault=name, given=row.given, faults=struck, ends=ends, script=script)


def _by_stage(row: Row) -> frozenset[Status]:
    """Before the pivot it is undone; at the pivot and after it the saga completes."""
    return COMPENSATED if row.stage is Stage.BEFORE else COMPLETED


def _answers(row: Row) -> Iterator[Case]:
    """What the action's participant does."""
    name, mend = row.name, partial(scripts.mend, call=row.name)
    if row.survives:
        yield _case(row, "refused", faults.refuse(name))
    elif row.stage is not Stage.AFTER:
        yield _case(row, "refused", faults.refuse(name), ends=COMPENSATED)
    elif row.on_engine:
        yield _case(row, "refused", faults.refuse(name), script=mend)
    yield _case(row, "outage", faults.outage(name, times=MANY))
    yield _for_ever(row, "outage-for-ever", faults.outage(name))
    yield _case(row, "answer-lost", faults.lose_answer(name, times=2))
    yield _for_ever(row, "answers-lost-for-ever", faults.lose_answer(name, times=None))
    yield _case(row, "duplicate", faults.duplicate(name))
    yield _case(row, "misconfigured", faults.misconfigured(name), script=mend)
    yield _case(row, "bug", faults.bug(name, times=None), script=mend)
    if row.undo:
        # The action is lost on its way, is undone, and arrives then.
        lost = _case(row, "only-late", faults.outage(name), faults.late(name), ends=COMPENSATED)
        if row.stage is Stage.PIVOT:
            yield replace(lost, pace=Pace.IMPATIENT)
        else:
            yield replace(lost, script=partial(scripts.cancel_unanswered, call=name))


def _for_ever(row: Row, name: str, fault: Fault) -> Case:
    """Before the pivot the deadline ends it, at the pivot its time limit, later only its end."""
    if row.stage is Stage.BEFORE:
        return replace(_case(row, name, fault, ends=COMPENSATED), deadline=WITHIN)
    if row.stage is Stage.PIVOT and row.step.action_policy.give_up_after is not None:
        found = row.step.probe is not None and fault.moment is Moment.DURING
        ends = COMPLETED if found else COMPENSATED
        return replace(_case(row, name, fault, ends=ends), pace=Pace.IMPATIENT)
    return _case(row, name, fault, script=partial(scripts.outlast, call=row.name))


def _kills(row: Row) -> Iterator[Case]:
    """The worker is killed while it acts."""
    for moment in _moments(row):
        killed = _case(row, f"killed-{moment}", faults.kill(row.name, moment))
        yield replace(killed, pace=Pace.MORTAL)


def _moments(row: Row) -> Iterator[Moment]:
    """Without a sink there may be no later call with which the last kill could come."""
    yield from Moment if row.has_sinks else (Moment.BEFORE, Moment.DURING)


def _people(row: Row) -> Iterator[Case]:
    """What customers, operators and the clock do meanwhile."""
    name, by_stage = row.name, _by_stage(row)
    late = COMPLETED if row.stage is Stage.AFTER else COMPENSATED
    if not row.given:
        yield _paused(row, "cancel-before", scripts.cancel, late)
        yield _paused(row, "pause-before", scripts.nothing_is_sent, COMPLETED)
    if row.previous and not row.given:
        script = partial(scripts.cancel_after, previous=row.previous)
        held = faults.hold(row.previous)
        yield _case(row, "cancel-between", held, ends=late | COMPLETED, script=script)
    for fault, held in (
        ("cancel-during", faults.hold(name)),
        ("cancel-after-effect", faults.hold(name, Moment.DURING)),
        ("cancel-deaf", faults.hold(name, deaf=True)),
    ):
        goes_on = held.deaf or row.stage is not Stage.BEFORE
        script = partial(scripts.cancel_while_held, call=name, goes_on=goes_on)
        yield _case(row, fault, held, ends=by_stage, script=script)
    deaf = faults.hold(name, deaf=True)
    script = partial(scripts.cancel_by_temporal, call=name)
    yield _case(row, "cancel-by-temporal", deaf, ends=by_stage, script=script)
    if row.undo and row.stage is Stage.BEFORE:
        script = partial(scripts.cancel_again, call=name, undo=row.undo)
        yield _case(
            row, "cancel-twice", deaf, faults.hold(row.undo), ends=COMPENSATED, script=script
        )
    over = wait_only if row.stage is Stage.BEFORE else partial(scripts.over_time, call=name)
    deadline = _case(row, "deadline", faults.hold(name), ends=by_stage, script=over)
    yield replace(deadline, deadline=WITHIN)
    yield _case(row, "reset", script=partial(scripts.reset_before, call=name))


def _paused(row: Row, name: str, then: Then, ends: frozenset[Status]) -> Case:
    if row.previous is None:
        script = partial(scripts.while_paused, call=row.name, then=then)
        return replace(_case(row, name, ends=ends, script=script), starts_paused=True)
    script = partial(scripts.paused_after, previous=row.previous, call=row.name, then=then)
    return _case(row, name, faults.hold(row.previous), ends=ends, script=script)


def _undos(row: Row) -> Iterator[Case]:
    """The step is undone, and perhaps its undo has a fault."""
    if (undo := row.undo) is None or row.step.undo is None:
        return

    def case(name: str, *struck: Fault, script: Script = wait_only) -> Case:
        made = _case(row, name, *row.trigger, *struck, ends=COMPENSATED, script=script)
        return replace(made, pace=row.pace, deadline=row.deadline)

    mend = partial(scripts.mend, call=undo)
    yield case("undone")
    yield case("late-copy", faults.late(row.name))
    yield case("reset-when-undone", script=partial(scripts.reset_before, call=row.name))
    yield case("reset-undo", script=partial(scripts.reset_before, call=undo))
    yield case("undo-outage", faults.outage(undo, times=MANY))
    for_ever = faults.outage(undo)
    if row.step.undo.policy.give_up_after is None:
        script = partial(scripts.outlast, call=undo)
        yield case("undo-outage-for-ever", for_ever, script=script)
    else:
        yield replace(case("undo-outage-for-ever", for_ever, script=mend), pace=Pace.IMPATIENT)
    yield case("undo-answer-lost", faults.lose_answer(undo, times=2))
    yield case("undo-duplicate", faults.duplicate(undo))
    yield case("undo-refused", faults.refuse(undo), script=mend)
    yield case("undo-misconfigured", faults.misconfigured(undo), script=mend)
    if row.pace is Pace.PATIENT:  # A kill would use up the time limit that brings the undo.
        for moment in _moments(row):
            killed = case(f"undo-killed-{moment}", faults.kill(undo, moment))
            yield replace(killed, pace=Pace.MORTAL)
    script = partial(scripts.cancel_while_held, call=undo, goes_on=True)
    yield case("cancel-during-undo", faults.hold(undo), script=script)
    script = partial(scripts.pause_while_held, call=undo)
    yield case("pause-during-undo", faults.hold(undo), script=script)
