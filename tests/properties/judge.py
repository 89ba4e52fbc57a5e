"""What must be true of a saga that a script was played with, whatever way it took.

The matrix's invariants judge by the ledger; the rest is what people were told, and what the log
says of itself.
"""

from collections import Counter
from collections.abc import Iterator

from saga import Direction, Status, fold
from saga.events import SagaPaused, SagaResumed, StepStarted
from saga.state import AnyEvent, data_of
from saga.steps import name_of
from saga.testing import Definition, Observed, Posting, Role, What, violations
from tests.properties.stage import Performance


def wrong(performance: Performance, seen: Observed) -> list[str]:
    """What is wrong, one sentence each."""
    definition = performance.drive.definition
    postings = _not_lapsed(definition, performance.postings, seen)
    return [
        *performance.complaints,
        *violations(definition, postings, seen),
        *_promised(performance, seen),
        *_log(seen),
        *_pauses(definition, seen),
    ]


def _not_lapsed(definition: Definition, postings: list[Posting], seen: Observed) -> list[Posting]:
    """Without what its participant has let go by itself by now, as nobody completed the saga."""
    undone = {it.step for it in postings if it.what is What.EFFECT and it.role is Role.UNDO}

    def lapsed(it: Posting) -> bool:
        step = definition.step(it.step)
        expires = step is not None and step.expires_after is not None
        return expires and it.what is What.EFFECT and it.step not in undone

    if seen.claims is not Status.COMPENSATED:
        return postings
    return [it for it in postings if not lapsed(it)]


def _promised(performance: Performance, seen: Observed) -> Iterator[str]:
    for reply in performance.drive.replies:
        if reply.accepted and seen.claims is Status.COMPLETED:
            yield f"a cancel was accepted ({reply.message}), but the saga has completed"
        if "passed its pivot" in reply.message and seen.claims is Status.COMPENSATED:
            yield f"a cancel was refused ({reply.message}), but the saga is compensated"


def _log(seen: Observed) -> Iterator[str]:
    """The events alone tell the state."""
    if not seen.closed:
        yield "it has not closed, though everything was mended, resumed and repaired"
        return
    places = Counter((event.epoch, event.position) for event in seen.events)
    for (_, position), count in places.items():
        if count > 1:
            yield f"position {position} was handed over {count} times"
    if fold(seen.events) != seen.state:
        yield "the events that the projection was handed add up to another state"


def _pauses(definition: Definition, seen: Observed) -> Iterator[str]:
    """In a pause nothing is begun, neither an action nor an undo."""
    probes = {name_of(step.probe) for step in definition.steps if step.probe}
    paused = False
    for event in sorted(seen.events, key=lambda it: (it.epoch, it.position)):
        if event.event_type == SagaPaused.__name__:
            paused = True
        elif event.event_type == SagaResumed.__name__:
            paused = False
        elif paused and event.event_type == StepStarted.__name__:
            name = data_of(event, StepStarted).name
            if name.split("~")[0] not in probes:
                yield f"{name} was begun in a pause"


def ending(events: tuple[AnyEvent, ...]) -> str:
    """How a saga went, in a word or two, for Hypothesis's statistics."""
    state = fold(events)
    undoing = any(event.direction is Direction.UNDO for event in events)
    return f"{state.status} ({state.cause})" + (", with undos" if undoing else "")
