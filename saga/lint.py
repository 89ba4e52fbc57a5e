"""Static checks of a saga's definition, before anything runs; docs/lint.md has the rules.

They see what is declared, in the order of `steps`: what stands after the pivot there is taken to be
done after it. They don't read the flow.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.errors import RuntimeProblem
from saga import rules
from saga.rules import Flaw
from saga.workflow import SagaWorkflow


@dataclass(frozen=True)
class Finding:
    """What is wrong with a definition; `str()` is one line."""

    rule: str
    saga: str
    """Its class, as `module:Class`."""
    step: str
    """The step's name; empty when it is about the saga as a whole."""
    message: str
    """What is wrong and what to do, on one line."""

    @property
    def where(self) -> str:
        """The saga, and the step if it is about one."""
        return f"{self.saga} {self.step}".rstrip()

    def __str__(self) -> str:
        return f"{self.where}: {self.message} [{self.rule}]"


class UnsafeSaga(RuntimeProblem):
    """The worker was not started, since a saga of it would lose work; a line for each finding."""

    exit_code = 2

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(f"{len(findings)} findings")
        self.findings = tuple(findings)

    def __str__(self) -> str:
        lines = ["not started, as it would run sagas that are not safe:", *map(str, self.findings)]
        return "\n  ".join(lines)


def lint(saga: type[SagaWorkflow[Any]], registered: Collection[str] | None = None) -> list[Finding]:
    """What is wrong with a saga's definition, in the order in which it is declared.

    `registered` are the names of the activities that its worker has; None leaves them unchecked.
    """
    where = saga_name(saga)
    findings = [Finding(flaw.rule, where, "", flaw.message) for flaw in rules.of_saga(saga)]
    for step, flaw in _of_steps(saga, registered):
        findings.append(Finding(flaw.rule, where, step, flaw.message))
    return findings


def _of_steps(
    saga: type[SagaWorkflow[Any]], registered: Collection[str] | None
) -> Iterator[tuple[str, Flaw]]:
    steps = getattr(saga, "steps", ())
    pivot = next((step for step in steps if step.pivot), None)
    taken: dict[str, str] = {}
    seen: set[int] = set()
    for placed in rules.in_place(steps):
        for flaws in (
            rules.of_names(placed, taken, seen),
            rules.of_activities(placed.step, registered),
            rules.of_place(placed, pivot),
            rules.of_undo(placed, pivotal=pivot is not None),
            rules.of_retries(placed, saga.deadline),
            rules.of_policies(placed.step),
        ):
            yield from ((placed.step.name, flaw) for flaw in flaws)


def check_worker(
    workflows: Iterable[type],
    activities: Sequence[Callable[..., object]],
    failure_types: Sequence[type[BaseException]] = (),
) -> None:
    """Let only safe sagas run; raises UnsafeSaga.

    A worker without activities leaves them to others on its task queue, so they are not checked.
    """
    names = {rules.activity_name(function) for function in activities}
    # A dynamic activity has no name, and takes any.
    registered = None if not names or None in names else {name for name in names if name}
    findings = []
    for saga in workflows:
        if issubclass(saga, SagaWorkflow):
            findings += lint(saga, registered)
            if failure_types:
                message = (
                    "would close as failed, with nothing undone, on a bug in its code: leave out"
                    " the worker's `workflow_failure_exception_types`"
                )
                findings.append(Finding("fails-on-bug", saga_name(saga), "", message))
    if findings:
        raise UnsafeSaga(findings)


def saga_name(saga: type) -> str:
    """How findings name a saga, and how it is named on the command line: `module:Class`."""
    return f"{saga.__module__}:{saga.__qualname__}"
