"""The rules of a safe definition: docs/lint.md has them in a table, `saga.lint` applies them.

Each function looks at one thing and yields what is wrong with it: the rule's id, and a line that
says what is wrong and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Any, NamedTuple

from temporalio import activity, workflow

from saga.steps import AnyStep, Policy, name_of
from saga.workflow import SagaWorkflow

AnySaga = type[SagaWorkflow[Any]]

_KIND_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NO_TIME = timedelta()


class Flaw(NamedTuple):
    """A rule that is not kept."""

    rule: str
    message: str


class Part(Enum):
    """Where in its saga a step stands; without a pivot all of it is before."""

    BEFORE = auto()
    PIVOT = auto()
    AFTER = auto()


@dataclass(frozen=True)
class Placed:
    """A step in its place; a fallback stands where the step stands that it is done instead of."""

    step: AnyStep
    part: Part
    instead_of: AnyStep | None = None


def in_place(steps: Iterable[AnyStep]) -> Iterator[Placed]:
    """The steps in the order in which they are declared, each followed by its fallbacks."""
    part = Part.BEFORE
    for step in steps:
        if step.pivot and part is Part.BEFORE:
            part = Part.PIVOT
        placed = Placed(step, part)
        yield placed
        while (fallback := placed.step.fallback) is not None:
            placed = Placed(fallback, part, instead_of=placed.step)
            yield placed
        if part is Part.PIVOT:
            part = Part.AFTER


def activity_name(function: Callable[..., object]) -> str | None:
    """The name that a worker registers an activity by; None for what is none, or has any name."""
    definition = activity._Definition.from_callable(function)
    return None if definition is None else definition.name


def of_saga(saga: AnySaga) -> Iterator[Flaw]:
    """What is wrong with the class beside its steps."""
    definition = workflow._Definition.from_class(saga)
    kind = getattr(saga, "kind", None)
    if definition is None:
        yield Flaw(
            "workflow-undecorated", "is no workflow: decorate the class with `@workflow.defn`"
        )
    if kind is None:
        yield Flaw("kind-missing", "has no kind: declare `kind = SagaKind(name=..., workflow=...)`")
    elif definition is not None and kind.workflow != definition.name:
        yield Flaw(
            "workflow-name",
            f"is the workflow {definition.name!r} but its kind starts {kind.workflow!r}:"
            " decorate it with `@workflow.defn(name=KIND.workflow)`",
        )
    if kind is not None and not _KIND_NAME.fullmatch(kind.name):
        yield Flaw(
            "kind-name",
            f"has the kind {kind.name!r}, which is part of every id and HTTP key: use letters and"
            " digits, then also . _ -",
        )
    if not getattr(saga, "steps", ()):
        yield Flaw(
            "steps-missing", "has no steps: list in `steps` all that its flow does, in order"
        )
    if saga.flow is SagaWorkflow.flow:
        yield Flaw(
            "flow-missing", "has no flow and would complete with nothing done: define `flow`"
        )
    if definition is not None and definition.failure_exception_types:
        yield Flaw(
            "fails-on-bug",
            "closes as failed, with nothing undone, on a bug in its code: leave out"
            " `failure_exception_types`, and it waits for a fixed worker",
        )
    names = [sink.name for sink in saga.sinks]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Flaw(
            "sink-twice", f"has two sinks {name!r} and only the last gets events: rename one"
        )


def of_place(placed: Placed, pivot: AnyStep | None) -> Iterator[Flaw]:
    """What is wrong with how a step stands to the pivot, and to the step it is a fallback of."""
    step, main = placed.step, placed.instead_of
    if main is not None and step.pivot and not main.pivot:
        yield Flaw(
            "fallback-pivot",
            f"is a pivot but stands for {main.name}, which is none: mark both `pivot=True` or none",
        )
    if main is not None and main.pivot and not step.pivot:
        yield Flaw(
            "fallback-pivot",
            f"is no pivot but stands for the pivot {main.name}, and what follows builds on one:"
            " mark it `pivot=True` too",
        )
    if main is not None and main.optional is not step.optional:
        yield Flaw(
            "fallback-optional",
            f"must be as optional as {main.name}, which it stands for, or its refusal is taken"
            f" wrongly: set `optional={main.optional}`",
        )
    if step.pivot and step.optional:
        yield Flaw(
            "pivot-optional",
            "is the pivot and optional, so that the saga may go on without one: leave out"
            " `optional=True`",
        )
    if step.pivot and main is None and pivot is not None and step is not pivot:
        yield Flaw(
            "pivot-twice",
            f"is a second pivot, after {pivot.name}: leave `pivot=True` at the step that can't be"
            " taken back, or declare the one as the other's `fallback`",
        )


def of_undo(placed: Placed, *, pivotal: bool) -> Iterator[Flaw]:
    """What is wrong with how a step is taken back; after the pivot none is."""
    step, undo = placed.step, placed.step.undo
    if placed.part is Part.AFTER:
        return
    at_pivot = placed.part is Part.PIVOT
    if undo is None:
        if not step.has_effect:
            return
        if at_pivot:
            # A probe does not help: what it says did not happen may still arrive.
            wrong = (
                "is the pivot and has no undo, though it may end without an answer and then all is"
                " taken back: give it `undo=Undo(...)`"
            )
        elif pivotal:
            wrong = (
                "has an effect before the pivot and no undo: give it `undo=Undo(...)`, or"
                " `has_effect=False` if it only reads"
            )
        else:
            wrong = (
                "has an effect and no undo, in a saga without a pivot: give it `undo=Undo(...)`,"
                " or mark the step that can't be taken back `pivot=True`"
            )
        yield Flaw("undo-missing", wrong)
        return
    if step.undo_registered == "after" and at_pivot:
        yield Flaw(
            "undo-late",
            "is the pivot, whose undo serves only while its answer is unknown: leave out"
            " `undo_registered='after'`",
        )
    elif step.undo_registered == "after" and step.expires_after is None:
        yield Flaw(
            "undo-late",
            "registers its undo after the action, so that one without an answer is never undone:"
            " say with `expires_after` when it lapses by itself, or leave out"
            " `undo_registered='after'`",
        )
    if _unlimited(undo.policy):
        yield Flaw(
            "undo-unlimited",
            f"is undone by {undo.name} without a limit, so that it never shows as stuck: set"
            " `give_up_after` or `max_attempts` in the undo's policy",
        )


def of_retries(placed: Placed, deadline: timedelta | None) -> Iterator[Flaw]:
    """What is wrong with how long a step is tried, in its place."""
    step, unlimited = placed.step, _unlimited(placed.step.action_policy)
    if placed.part is Part.PIVOT and step.pivot and unlimited:
        yield Flaw(
            "pivot-unlimited",
            "is the pivot and tried without a limit, while deadline and cancel wait for it: set"
            " `give_up_after` or `max_attempts` in its policy",
        )
    if placed.part is Part.BEFORE and unlimited and deadline is None:
        yield Flaw(
            "never-ends",
            "is tried without a limit in a saga without a deadline: declare `deadline`, or set"
            " `give_up_after` or `max_attempts` in its policy",
        )
    # With its retries spent a step is stuck; where a person can't skip it, that helps nobody.
    skippable = step.optional or step.by_hand is not None
    if placed.part is Part.AFTER and not step.pivot and not unlimited and not skippable:
        yield Flaw(
            "retries-limited",
            "comes after the pivot and gives up, though it must succeed: leave `give_up_after` and"
            " `max_attempts` out of its policy, or declare `by_hand` for a person to take over",
        )


def of_policies(step: AnyStep) -> Iterator[Flaw]:
    """Policies that Temporal would refuse or take otherwise, again and again while a saga runs."""
    policies = {"its policy": step.action_policy}
    if step.undo is not None:
        policies["its undo's policy"] = step.undo.policy
    for whose, policy in policies.items():
        for wrong in _unusable(policy):
            yield Flaw("policy-unusable", f"can't be called: in {whose} {wrong}")


def of_activities(step: AnyStep, registered: Collection[str] | None) -> Iterator[Flaw]:
    """Activities that no worker could carry out, or that this one doesn't."""
    for _, what, function in activities_of(step):
        name = activity_name(function)
        if name is None:
            yield Flaw("activity-undecorated", f"{what} is none: decorate it with `@activity.defn`")
        elif registered is not None and name not in registered:
            yield Flaw(
                "activity-unregistered",
                f"{what} is not registered as {name!r}: add it to the worker's `activities`",
            )


def of_names(placed: Placed, taken: dict[str, str], seen: set[int]) -> Iterator[Flaw]:
    """Names used twice; `taken` and `seen` gather over the steps of one saga."""
    step = placed.step
    if id(step) in seen:
        if placed.instead_of is None:
            yield Flaw(
                "name-twice",
                "is listed twice in `steps`: list it once, its flow may do it as often as it likes",
            )
        return
    seen.add(id(step))
    for name, what, _ in activities_of(step):
        user = f"{what} of {step.name}"
        if name in taken:
            yield Flaw(
                "name-twice",
                f"{what} has the name {name}, as has {taken[name]}, and neither repairs nor"
                " activity ids could tell them apart: name the functions differently",
            )
        taken.setdefault(name, user)


def activities_of(step: AnyStep) -> Iterator[tuple[str, str, Callable[..., object]]]:
    """Name, description and function of each activity that a step may call."""
    yield step.name, "its action", step.action
    if step.undo is not None:
        yield step.undo.name, "its undo", step.undo.activity
    if step.probe is not None:
        yield name_of(step.probe), "its probe", step.probe


def _unlimited(policy: Policy) -> bool:
    return policy.max_attempts == 0 and policy.give_up_after is None


def _unusable(policy: Policy) -> Iterator[str]:
    if policy.attempt_timeout <= _NO_TIME:
        yield "`attempt_timeout` must be more than 0"
    if policy.heartbeat_timeout <= _NO_TIME:
        yield "`heartbeat_timeout` must be more than 0"
    if policy.give_up_after is not None and policy.give_up_after <= _NO_TIME:
        yield "`give_up_after` must be more than 0; leave it out for no limit"
    if policy.max_attempts < 0:
        yield "`max_attempts` must not be negative; leave it out for no limit"
    if policy.first_pause < _NO_TIME:
        yield "`first_pause` must not be negative"
    if policy.longest_pause < policy.first_pause:
        yield "`longest_pause` must not be shorter than `first_pause`"
