"""A step is declared: an action, its undo, and the policies of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, Literal, TypeVar, get_type_hints, overload

from saga.envelope import Call, CommandT, Event, EventT
from saga.messages import Command, DomainEvent

AnswerT = TypeVar("AnswerT", bound=DomainEvent, covariant=True)
UndoT = TypeVar("UndoT", bound=Command)

Activity = Callable[[Any, Call[CommandT]], Awaitable[Event[EventT]]]
"""A method of an activity class: one command in, one domain event out."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How a call is tried: each attempt's limit, the pauses between them, and when to give up."""

    attempt_timeout: timedelta = timedelta(seconds=10)
    heartbeat_timeout: timedelta = timedelta(seconds=5)
    """How soon a dead worker is noticed; the engine lets activities heartbeat by themselves."""
    first_pause: timedelta = timedelta(milliseconds=200)
    longest_pause: timedelta = timedelta(seconds=30)
    max_attempts: int = 0
    """0 for no limit."""
    give_up_after: timedelta | None = None
    """From the first attempt, pauses included; None for never."""


UNTIL_DEADLINE = Policy()
PIVOT = Policy(give_up_after=timedelta(minutes=10))
PROBE = Policy(give_up_after=timedelta(minutes=1))
UNTIL_STUCK = Policy(give_up_after=timedelta(hours=1))


class Undo(Generic[CommandT]):
    """How a step is taken back: an activity, and a command made from the action's, or the same."""

    @overload
    def __init__(
        self: Undo[UndoT],
        activity: Activity[UndoT, EventT],
        *,
        policy: Policy = ...,
        holds_up: bool = ...,
    ) -> None: ...

    @overload
    def __init__(
        self,
        activity: Activity[UndoT, EventT],
        command: Callable[[CommandT], UndoT],
        *,
        policy: Policy = ...,
        holds_up: bool = ...,
    ) -> None: ...

    def __init__(
        self,
        activity: AnyActivity,
        command: Callable[[Any], Command] = lambda action: action,
        *,
        policy: Policy = UNTIL_STUCK,
        holds_up: bool = True,
    ) -> None:
        self.activity = activity
        self.command: Callable[[CommandT], Command] = command
        self.policy = policy
        self.holds_up = holds_up
        """Whether the undos of earlier steps wait while this one is stuck."""
        self.name = name_of(activity)


@dataclass(frozen=True, kw_only=True)
class Step(Generic[CommandT, AnswerT]):
    """One step of a saga; its name is the action's, e.g. `charge_payment` is `charge-payment`."""

    action: Activity[CommandT, AnswerT]
    undo: Undo[CommandT] | None = None
    pivot: bool = False
    """Nothing is undone any more once this step is done; what follows is retried until it is."""
    policy: Policy | None = None
    has_effect: bool = True
    """False for an action that only reads; it needs no undo."""
    optional: bool = False
    """Whether the saga goes on when it is refused; such a step is done by `Saga.attempt`."""
    fallback: Step[CommandT, AnswerT] | None = None
    """What is done instead, with the same command, when the action is refused."""
    probe: Activity[CommandT, AnswerT] | None = None
    """Asks, by the action's key, whether it happened; called when nobody knows.

    It answers as the action did, or fails with `saga.did_not_happen`.
    """
    expires_after: timedelta | None = None
    """The action is a reservation that its participant lets go by itself after this time."""
    undo_registered: Literal["before", "after"] = "before"
    """When a compensation begins to include the undo; `after` its action only for reservations."""
    by_hand: Callable[[CommandT], AnswerT] | None = None
    """The event that stands for a person's doing it; a stuck step after the pivot is skipped so."""

    @property
    def name(self) -> str:
        """What the Web UI, the CLI and the idempotency key call it."""
        return name_of(self.action)

    @property
    def action_policy(self) -> Policy:
        """The declared policy, or the default for a step of its kind."""
        return self.policy or (PIVOT if self.pivot else UNTIL_DEADLINE)

    @property
    def activities(self) -> list[AnyActivity]:
        """What it calls: its action, its undo's activity and its probe."""
        undo = self.undo.activity if self.undo else None
        return [it for it in (self.action, undo, self.probe) if it is not None]

    def with_fallbacks(self) -> Iterator[Step[CommandT, AnswerT]]:
        """The step, and what may be done instead of it."""
        step: Step[CommandT, AnswerT] | None = self
        while step is not None:
            yield step
            step = step.fallback


AnyActivity = Callable[[Any, Call[Any]], Awaitable[Event[Any]]]
AnyStep = Step[Any, Any]


def call_type(activity: Callable[..., object]) -> type[Call[Any]]:
    """The `Call[...]` that an activity takes, by its annotations; raises TypeError if none."""
    for name, hint in get_type_hints(activity).items():
        if name != "return" and isinstance(hint, type) and issubclass(hint, Call):
            return hint
    raise TypeError(f"{name_of(activity)}: its type hints name no Call[...]")


def command_type(activity: AnyActivity) -> type[Command]:
    """The command that an activity takes, by its annotations."""
    command: type[Command] = call_type(activity).__pydantic_generic_metadata__["args"][0]
    return command


def name_of(activity: Callable[..., object]) -> str:
    """The name that the Web UI, the CLI and the idempotency key give an activity."""
    return activity.__name__.replace("_", "-")
