"""The saga under test: which one, how it is started, how its participants answer."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from saga.handlers import SagaHandlers
from saga.identity import saga_id
from saga.messages import Command, DomainEvent, SagaCommand
from saga.pump import Sink
from saga.start import Lane, SagaInput, SagaKind
from saga.steps import AnyStep

Answer = Callable[[Any], DomainEvent]
"""The event that answers a command."""
Amount = tuple[int, str]
"""Minor units and their currency."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A saga under test; `workflow` and `command` are all that most sagas need."""

    workflow: type[Any]
    command: Callable[[str], SagaCommand]
    """Makes the command that starts the saga of this business id."""
    answers: Mapping[str, Answer] = field(default_factory=dict)
    """By a step's, undo's or probe's name, its answer, where the one made by itself won't do."""
    survives: frozenset[str] = frozenset()
    """Steps whose refusal the story catches, going another way."""
    at_once: tuple[frozenset[str], ...] = ()
    """Step instances that are undone at once, as `parallel(..., undo_at_once=True)` has them."""
    declared: tuple[AnyStep, ...] | None = None
    """Instead of the workflow's own `steps`; for a workflow that is not on this engine."""
    lane: Lane = Lane.STEPWISE
    named: SagaKind[Any] | None = None
    """Instead of the workflow's own `kind`."""

    @property
    def kind(self) -> SagaKind[Any]:
        """The type of saga."""
        kind: SagaKind[Any] = self.named or self.workflow.kind
        return kind

    @property
    def on_engine(self) -> bool:
        """Whether it answers to the engine's queries and updates."""
        return issubclass(self.workflow, SagaHandlers)

    @property
    def steps(self) -> tuple[AnyStep, ...]:
        """Its declared steps, each before its fallback."""
        declared: tuple[AnyStep, ...] = self.declared or self.workflow.steps
        return tuple(all_steps(declared))

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """Where its events go in any case."""
        sinks: tuple[Sink, ...] = getattr(self.workflow, "sinks", ())
        return tuple(sink for sink in sinks if not sink.optional)

    def saga_id(self, business_id: str) -> str:
        """The workflow id of the saga with this business id."""
        return saga_id(self.kind.name, business_id)

    def start(self, business_id: str) -> SagaInput[SagaCommand]:
        """What starts the saga of this business id."""
        return SagaInput(command=self.command(business_id), lane=self.lane)


def all_steps(steps: Iterable[AnyStep]) -> list[AnyStep]:
    """The steps, each before its fallback."""
    found: list[AnyStep] = []
    for step in steps:
        if step not in found:
            found += [step, *all_steps([step.fallback] if step.fallback else [])]
    return found


def amount_of(event: DomainEvent, command: Command) -> Amount | None:
    """The money that a call moves: the first amount that its event has, else its command."""
    for message in (event, command):
        for value in (message, *(getattr(message, name) for name in type(message).model_fields)):
            if (amount := _money(value)) is not None:
                return amount
    return None


def _money(value: object) -> Amount | None:
    if not isinstance(value, BaseModel):
        return None
    minor = getattr(value, "minor", getattr(value, "amount_minor", None))
    currency = getattr(value, "currency", "")
    return (minor, currency) if isinstance(minor, int) and isinstance(currency, str) else None
