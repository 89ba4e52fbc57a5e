"""What must be true of a saga, judged by the ledger and never by the path that was taken.

`violations` is a pure function; each violation is one sentence.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from saga.events import UNKNOWN, FailureKind, RepairAction, Status, StepFailed, StepRepaired
from saga.history import SagaHistory
from saga.identity import Direction
from saga.pump import Batch
from saga.state import AnyEvent, SagaState, StepStatus, data_of, fold, told_last
from saga.steps import AnyStep
from saga.testing.posting import How, Posting, Role, What
from saga.testing.subject import Subject, all_steps


@dataclass(frozen=True)
class Definition:
    """What a saga declares."""

    steps: tuple[AnyStep, ...]
    course: tuple[str, ...] = ()
    """The step instances that it does when nothing goes wrong; at least the pivot."""
    at_once: tuple[frozenset[str], ...] = ()

    @classmethod
    def of(cls, subject: Subject, course: Sequence[str] = ()) -> "Definition":
        """What the subject declares, and does when nothing goes wrong."""
        return cls(subject.steps, tuple(course), subject.at_once)

    def step(self, instance: str) -> AnyStep | None:
        """The step of that instance."""
        name = instance.split("~", maxsplit=1)[0]
        return next((step for step in all_steps(self.steps) if step.name == name), None)

    @property
    def pivots(self) -> set[str]:
        """The names of the steps after which nothing is undone."""
        return {step.name for step in all_steps(self.steps) if step.pivot}


@dataclass(frozen=True, kw_only=True)
class Observed:
    """How a saga stands, as all say that can be asked; None where nobody says."""

    closed: bool
    claims: Status | None = None
    """What its result says; for a workflow that failed, that it is compensated."""
    state: SagaState | None = None
    attribute: str | None = None
    """The search attribute SagaStatus."""
    projected: SagaState | None = None
    """The last state that the projection was handed."""
    handed: tuple[Batch, ...] = ()
    """What the projection was handed, by every run, in the order in which it came."""
    history: SagaHistory | None = None

    @property
    def events(self) -> tuple[AnyEvent, ...]:
        """The events that the projection was handed."""
        return tuple(event for batch in self.handed for event in batch.events)


class _Books:
    """The ledger of one saga, by step instance."""

    def __init__(self, ledger: Iterable[Posting], observed: Observed) -> None:
        self.postings = sorted(ledger, key=lambda it: it.number)
        self.steps = list(dict.fromkeys(it.step for it in self.postings))
        self.skipped = {
            event.step
            for event in observed.events
            if event.event_type == StepRepaired.__name__
            and data_of(event, StepRepaired).action is RepairAction.SKIP
        }
        run = observed.history.runs[-1] if observed.history else None
        # The lane may have made the same call, and given it up.
        given_up = {FailureKind.CANCELLED} if run and run.input.get("lane") == "express" else set()
        self.unanswered = {
            event.step
            for event in observed.events
            if event.event_type == StepFailed.__name__
            and event.direction is Direction.DO
            and data_of(event, StepFailed).kind in {*UNKNOWN, *given_up}
        }
        """What may have gone on after its call had ended for the saga."""

    def find(self, step: str, what: What, *roles: Role) -> list[Posting]:
        """Its postings of that kind, in order."""
        return [
            it
            for it in self.postings
            if it.step == step and it.what is what and (not roles or it.role in roles)
        ]

    def done(self, step: str) -> list[Posting]:
        return self.find(step, What.EFFECT, Role.ACTION, Role.COPY)

    def undone(self, step: str) -> list[Posting]:
        return self.find(step, What.EFFECT, Role.UNDO)

    def stands(self, step: str) -> bool:
        return len(self.done(step)) > len(self.undone(step))

    def refused(self, step: str) -> bool:
        return any(it.how is How.REFUSED for it in self.find(step, What.ENDED, Role.ACTION))


def violations(definition: Definition, ledger: Iterable[Posting], observed: Observed) -> list[str]:
    """What is wrong with a saga that has come to rest, one sentence each; empty when all is well.

    At rest means closed, or stuck for a person; a saga that goes on is judged as it stands.
    """
    books = _Books(ledger, observed)
    found: list[str] = []
    for judge in (_once, _outcome, _pivot, _order, _overtaking, _money):
        found += judge(definition, books, observed)
    told = _steps_told(definition, books, observed)
    return [*found, *_status(observed), *told, *_log(observed)]


def _once(_: Definition, books: _Books, __: Observed) -> Iterator[str]:
    for step in books.steps:
        for word, effects in (("done", books.done(step)), ("undone", books.undone(step))):
            if len(effects) > 1:
                keys = ", ".join(it.key for it in effects)
                yield f"{step} was {word} {len(effects)} times, by the keys {keys}"


def _outcome(definition: Definition, books: _Books, observed: Observed) -> Iterator[str]:
    if observed.claims is Status.COMPLETED:
        for step in books.steps:
            if books.undone(step):
                yield f"the saga says completed, but {step} was undone"
        for step in {*definition.course, *definition.pivots}:
            declared = definition.step(step)
            if declared is None or books.done(step) or step in books.skipped:
                continue
            if declared.has_effect and not books.refused(step):
                yield f"the saga says completed, but {step} was never done"
    elif observed.closed:
        says = observed.claims or "nothing"
        for step in books.steps:
            if books.stands(step) and step not in books.skipped:
                yield f"the saga has ended and says {says}, but {step} still stands"


def _pivot(definition: Definition, books: _Books, _: Observed) -> Iterator[str]:
    for step in books.steps:
        if step.split("~")[0] not in definition.pivots or not books.done(step):
            continue
        done = books.done(step)[0].number
        answers = [it for it in books.find(step, What.ENDED, Role.ACTION) if it.number > done]
        known = bool(answers) and answers[0].how is How.ANSWERED and step not in books.unanswered
        taken_back = books.undone(step)
        for other in books.steps:
            for undo in books.undone(other):
                stood = step not in books.skipped and (
                    not taken_back or undo.number < taken_back[0].number
                )
                if undo.number > done and (stood or known):
                    yield f"{undo.name} undid {other} after the pivot {step} was done"


def _order(definition: Definition, books: _Books, _: Observed) -> Iterator[str]:
    """In reverse: of two actions that did not overlap, the later one is undone first."""
    for earlier, later in permutations(books.steps, 2):
        first, second = books.done(earlier), books.done(later)
        begun = books.find(later, What.BEGAN, Role.ACTION)
        if not (first and second and begun) or begun[0].number < first[0].number:
            continue
        if any({earlier, later} <= group for group in definition.at_once):
            continue
        declared = definition.step(later)
        may_lag = declared is not None and declared.undo and not declared.undo.holds_up
        undoing = books.find(earlier, What.BEGAN, Role.UNDO)
        if not undoing or may_lag or later in books.skipped:
            continue
        undone = books.undone(later)
        if not undone:
            yield f"{undoing[0].name} began while {later}, which was done later, still stood"
        elif undone[0].number > undoing[0].number:
            yield f"{undoing[0].name} began before {undone[0].name} had undone the later {later}"


def _overtaking(_: Definition, books: _Books, __: Observed) -> Iterator[str]:
    for step in books.steps:
        undos = books.find(step, What.BEGAN, Role.UNDO)
        answered = [it for it in books.find(step, What.ENDED, Role.UNDO) if it.how is How.ANSWERED]
        for effect in books.done(step):
            if answered and effect.number > answered[0].number:
                yield f"{step} was done after it had been undone"
        if not undos or step in books.unanswered:
            continue
        before = [
            it for it in books.find(step, What.BEGAN, Role.ACTION) if it.number < undos[0].number
        ]
        if before and not _ended(books, before[-1], undos[0]):
            yield f"{undos[0].name} began while {step} was still under way"


def _ended(books: _Books, call: Posting, by: Posting) -> bool:
    return any(
        it.call == call.number and it.number < by.number for it in books.find(call.step, What.ENDED)
    )


def _money(_: Definition, books: _Books, __: Observed) -> Iterator[str]:
    for step in books.steps:
        for done, undone in zip(books.done(step), books.undone(step), strict=False):
            if done.minor is None or undone.minor is None:
                continue
            if (done.minor, done.currency) != (undone.minor, undone.currency):
                yield (
                    f"{step} moved {done.minor} {done.currency} (minor units) and"
                    f" {undone.name} {undone.minor} {undone.currency} back"
                )


def _status(observed: Observed) -> Iterator[str]:
    state = observed.state
    said = {
        "its result": observed.claims,
        "its state": state and state.status,
        "the search attribute": observed.attribute,
        "the last projection": observed.projected and observed.projected.status,
    }
    statuses = {str(status) for status in said.values() if status is not None}
    if len(statuses) > 1:
        told = ", ".join(f"{who} says {status}" for who, status in said.items() if status)
        yield f"the status is not one: {told}"
    if state is not None:
        if (state.status is Status.STUCK) != bool(state.stuck):
            yield f"the status is {state.status} while stuck is {list(state.stuck) or 'nothing'}"
        if observed.closed and not state.status.final:
            yield f"the workflow has closed with the status {state.status}"
        if observed.closed and observed.projected not in (None, state):
            yield "the last projection is another state than the saga's own"
    if not observed.closed and (state is None or state.status is not Status.STUCK):
        yield f"the workflow did not close: {state.status if state else 'it says nothing'}"


_UNSETTLED = {StepStatus.STARTED, StepStatus.UNDOING, StepStatus.UNDO_FAILED}


def _log(observed: Observed) -> Iterator[str]:
    """The history alone tells what the workflow knew."""
    history, state = observed.history, observed.state
    if history is None or state is None:
        return
    if history.state is None:
        yield "the history tells nothing"
    elif history.state != state:
        theirs = dict(history.state)
        for name, value in state:
            if theirs[name] != value:
                yield f"{name} is {value}, and {theirs[name]} by the history"
    if fold(told_last(history.all_events)) != state:
        yield "the events of all runs don't tell which of them the newest run has"
    if observed.closed and observed.projected is not None:
        told = {it.event_id: it.model_dump(mode="json") for it in history.all_events}
        handed = {it.event_id: it.model_dump(mode="json") for it in observed.events}
        for event_id in told.keys() | handed.keys():
            if told.get(event_id) != handed.get(event_id):
                yield (
                    f"the history says {told.get(event_id)}, and the projection was handed"
                    f" {handed.get(event_id)}"
                )


def _steps_told(definition: Definition, books: _Books, observed: Observed) -> Iterator[str]:
    """The state tells of each step what the ledger says."""
    if observed.state is None:
        return
    for step, status in observed.state.steps.items():
        declared = definition.step(step)
        if declared is None or not declared.has_effect or step in books.skipped:
            continue
        if status is StepStatus.DONE and not books.stands(step):
            yield f"the state says that {step} is done, but the ledger has no such effect"
        if status in {StepStatus.UNDONE, StepStatus.REFUSED} and books.stands(step):
            yield f"the state says that {step} is {status}, but it still stands"
        if observed.closed and status in _UNSETTLED:
            yield f"the workflow has closed while {step} was {status}"
