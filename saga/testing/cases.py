"""The rows of the matrix and what a case is; the columns stand in `saga.testing.columns`."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum, auto

from saga.events import Status
from saga.steps import AnyStep
from saga.testing import faults
from saga.testing.drive import Drive
from saga.testing.faults import Fault
from saga.testing.subject import Subject
from saga.testing.workers import Pace

UNDISTURBED = "undisturbed"
"""The case in which nothing goes wrong; it tells which steps the saga does."""
WITHIN = timedelta(seconds=3)
"""The deadline of a saga that is to miss it."""

Script = Callable[[Drive], Awaitable[None]]


async def wait_only(_: Drive) -> None:
    """Nothing is done but to wait for the end."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One saga, what goes wrong with it, and how it may end."""

    step: str
    fault: str
    ends: frozenset[Status]
    faults: tuple[Fault, ...] = ()
    given: tuple[Fault, ...] = ()
    """What makes the saga come to the step at all."""
    script: Script = field(default=wait_only, repr=False)
    """What people do meanwhile."""
    pace: Pace = Pace.PATIENT
    deadline: timedelta | None = None
    starts_paused: bool = False

    @property
    def id(self) -> str:
        """What a test is called: `charge-payment/answer-lost`."""
        return f"{self.step}/{self.fault}" if self.step else self.fault


class Stage(Enum):
    """Where a step stands by the declaration."""

    BEFORE = auto()
    PIVOT = auto()
    AFTER = auto()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One declared step, and what the columns must know of its place."""

    step: AnyStep
    stage: Stage
    previous: str | None
    """The declared step before it."""
    given: tuple[Fault, ...] = ()
    """What makes the saga come to it: a fallback's main step refuses."""
    trigger: tuple[Fault, ...] = ()
    """What makes the saga undo it once it is done; empty where nothing does."""
    pace: Pace = Pace.PATIENT
    deadline: timedelta | None = None
    """What `trigger` needs beside it."""
    on_engine: bool = True
    survives: bool = False
    """Whether the saga goes on when it is refused."""

    @property
    def name(self) -> str:
        """The step's name."""
        return self.step.name

    @property
    def undo(self) -> str | None:
        """The name of its undo, where it can be made to run."""
        return self.step.undo.name if self.step.undo and self.trigger else None


def rows(subject: Subject) -> list[Row]:
    """One for each declared step and each fallback."""
    made: list[Row] = []
    stage, previous = Stage.BEFORE, None
    stand_ins = {step.fallback.name: step for step in subject.steps if step.fallback}
    for index, step in enumerate(subject.steps):
        if step.pivot:
            stage = Stage.PIVOT
        main = stand_ins.get(step.name)
        row = Row(
            step=step,
            stage=stage,
            previous=None if main else previous,
            given=_refusals(step, stand_ins),
            on_engine=subject.on_engine,
            survives=step.optional or step.fallback is not None or step.name in subject.survives,
        )
        made.append(_with_trigger(row, subject, subject.steps[index + 1 :]))
        if step.pivot:
            stage = Stage.AFTER
        previous = previous if main else step.name
    return made


def _refusals(step: AnyStep, stand_ins: dict[str, AnyStep]) -> tuple[Fault, ...]:
    main = stand_ins.get(step.name)
    return () if main is None else (*_refusals(main, stand_ins), faults.refuse(main.name))


def _with_trigger(row: Row, subject: Subject, later: Sequence[AnyStep]) -> Row:
    """A later step refuses; else its own answers are lost until its deadline or time limit."""
    if row.step.undo is None or row.stage is Stage.AFTER:
        return row
    lost = (faults.lose_answer(row.name, times=None),)
    if row.stage is Stage.PIVOT:
        gives_up = row.step.action_policy.give_up_after is not None and row.step.probe is None
        return replace(row, trigger=lost, pace=Pace.IMPATIENT) if gives_up else row
    stand_ins = {step.fallback.name for step in subject.steps if step.fallback}
    for step in later:
        survives = step.optional or step.fallback or step.name in subject.survives
        if not survives and step.name not in stand_ins:
            return replace(row, trigger=(faults.refuse(step.name),))
        if step.pivot:
            break
    return replace(row, trigger=lost, deadline=WITHIN) if row.on_engine else row
