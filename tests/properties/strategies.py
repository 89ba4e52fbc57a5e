"""Which scripts Hypothesis draws for a saga, made of what the saga declares."""

from hypothesis import strategies as st

from saga.steps import AnyStep, name_of
from saga.testing import Fault, Moment, Subject, faults
from tests.properties.script import (
    REPAIRS,
    TIMES,
    Act,
    After,
    Doing,
    Line,
    Script,
    Setting,
    Trouble,
    When,
)

OFTEN = st.sampled_from([1, 3, None])
MOST_LINES = 6
"""Beside those that make the saga end early."""
_AT_REST = [it for it in Doing if it is not Doing.KILL]
_INSIDE = [it for it in Doing if it not in REPAIRS]
"""Nothing is stuck inside a call, at least where one step follows the other."""


@st.composite
def scripts(draw: st.DrawFn, subject: Subject) -> Script:
    """Scripts for this saga; about three of four give it a reason to compensate."""
    early = draw(st.just(()) | _early_end(subject))
    return Script((*early, *draw(st.lists(_line(subject), max_size=MOST_LINES))))


def _before_and_pivot(subject: Subject) -> tuple[list[str], list[str]]:
    steps = subject.steps
    at = next((index for index, step in enumerate(steps) if step.pivot), len(steps))
    return [it.name for it in steps[:at]], [it.name for it in steps[at : at + 1]]


def _early_end(subject: Subject) -> st.SearchStrategy[tuple[Line, ...]]:
    before, pivot = _before_and_pivot(subject)
    refused = st.sampled_from(before + pivot).map(lambda it: (Trouble(faults.refuse(it)),))
    cancels = st.sampled_from([Doing.CANCEL, Doing.CANCEL_BY_TEMPORAL])
    cancelled = st.builds(Act, cancels, _inside(before + pivot)).map(lambda it: (it,))
    silent = st.sampled_from([faults.outage, _loses_all])
    late = st.builds(
        lambda fault, call: (Setting.SHORT_DEADLINE, Trouble(fault(call))),
        silent,
        st.sampled_from(before),
    )
    unanswered = st.builds(lambda fault: (Trouble(fault(pivot[0])),), silent)
    held = st.just(Setting.STARTS_PAUSED) | st.builds(Act, st.just(Doing.PAUSE), _inside(before))
    in_pause = st.tuples(held, st.builds(Act, cancels, st.sampled_from(TIMES).map(After)))
    return st.one_of(refused, cancelled, late, unanswered, in_pause)


def _line(subject: Subject) -> st.SearchStrategy[Line]:
    steps = subject.steps
    actions = [step.name for step in steps]
    undos = [step.undo.name for step in steps if step.undo]
    probes = [name_of(step.probe) for step in steps if step.probe]
    acts = st.sampled_from(_INSIDE)
    return st.one_of(
        st.sampled_from(actions + undos).flatmap(_any_trouble).map(Trouble),
        st.sampled_from(undos).flatmap(_any_trouble).map(Trouble),
        st.sampled_from([*probes, *actions]).flatmap(_trouble).map(Trouble),
        st.sampled_from(_undoable(steps)).map(faults.late).map(Trouble),
        st.sampled_from(undos).flatmap(_needs_a_person).map(Trouble),
        st.builds(Act, acts, _inside(actions)),
        st.builds(Act, acts, _inside(undos)),
        st.builds(Act, st.sampled_from(_AT_REST), st.sampled_from(TIMES).map(After)),
        st.sampled_from(list(Setting)),
    )


def _undoable(steps: tuple[AnyStep, ...]) -> list[str]:
    return [step.name for step in steps if step.undo]


def _inside(calls: list[str]) -> st.SearchStrategy[When]:
    moments = st.sampled_from([Moment.BEFORE, Moment.DURING])
    return st.builds(When, st.sampled_from(calls), moments, st.booleans())


def _loses_all(call: str) -> Fault:
    return faults.lose_answer(call, times=None)


def _trouble(call: str) -> st.SearchStrategy[Fault]:
    return st.one_of(
        OFTEN.map(lambda times: faults.outage(call, times=times)),
        OFTEN.map(lambda times: faults.misconfigured(call, times=times)),
        OFTEN.map(lambda times: faults.bug(call, times=times)),
    )


def _needs_a_person(call: str) -> st.SearchStrategy[Fault]:
    return st.sampled_from([faults.refuse, faults.misconfigured, faults.outage]).map(
        lambda fault: fault(call)
    )


def _any_trouble(call: str) -> st.SearchStrategy[Fault]:
    return st.one_of(
        OFTEN.map(lambda times: faults.refuse(call, times=times)),
        OFTEN.map(lambda times: faults.lose_answer(call, times=times)),
        _trouble(call),
        st.just(faults.duplicate(call)),
    )
