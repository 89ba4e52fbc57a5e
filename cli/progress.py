"""How a saga comes along, line by line, told from its state alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

import typer

from cli.terminal import coloured, one_line
from saga import Failure, SagaState, Status, StepStatus

DONE, FAILED, UNDONE, SKIPPED, HELD = "✓", "✗", "↶", "»", "!"


_COLOURS = {DONE: "green", FAILED: "red", UNDONE: "yellow", SKIPPED: "yellow", HELD: "yellow"}


@dataclass(frozen=True)
class Line:
    """Something that has happened; two are equal when they tell the same."""

    mark: str
    name: str
    detail: str = ""


class Progress:
    """Writes what is new in each state of one saga, a line each."""

    def __init__(self, began: float | None) -> None:
        self._began = began
        """When the saga was started, by the monotonic clock; None when that is not known."""
        self._shown: set[Line] = set()

    def show(self, state: SagaState) -> None:
        """Write the lines that have come since the state before."""
        elapsed = self._elapsed()
        for line in lines(state):
            if line not in self._shown:
                self._shown.add(line)
                mark = typer.style(line.mark, fg=_COLOURS[line.mark]) if coloured() else line.mark
                typer.echo(f"{mark} {one_line(f'{line.name:<16} {elapsed:>8}  {line.detail}')}")

    def end(self, state: SagaState) -> str:
        """The last line: the outcome."""
        elapsed = self._elapsed()
        return outcome(state) + (f" in {elapsed}" if elapsed else "")

    def _elapsed(self) -> str:
        return "" if self._began is None else f"{(monotonic() - self._began) * 1000:.0f} ms"


def lines(state: SagaState) -> Iterator[Line]:
    """Everything that has happened so far: the steps in their order, then what was undone.

    A saga goes on between two looks at it. What stands in a state tells the whole way there, so
    that no look is needed in between.
    """
    for step, status in state.steps.items():
        if line := _forward(state, step, status):
            yield line
    for step, status in reversed(state.steps.items()):
        if line := _backward(state, step, status):
            yield line
    for failure in state.stuck.values():
        yield Line(HELD, f"stuck on {failure.step}", f"{told(failure)}; a person has to decide")
    if state.status is Status.PAUSED:
        yield Line(HELD, "paused")


def told(failure: Failure) -> str:
    """A failure in a few words: the last part of its type, which may be a URN, and its message."""
    return f"{failure.type.rsplit(':', 1)[-1]}: {failure.message}"


def outcome(state: SagaState) -> str:
    """How a saga stands, and why it was compensated."""
    if state.cause is None:
        return state.status
    failure = f", {state.failure.step}: {told(state.failure)}" if state.failure else ""
    return f"{state.status} ({state.cause}{failure})"


def _forward(state: SagaState, step: str, status: StepStatus) -> Line | None:
    if status is StepStatus.STARTED:
        return None
    if failure := _failure(state, step):
        # Beyond the pivot a step is tried again after its failure, until it is done.
        if status is StepStatus.DONE:
            return Line(DONE, step)
        return Line(FAILED, step, told(failure))
    if status is StepStatus.SKIPPED and state.cause is None:
        return Line(SKIPPED, step, "skipped as done by hand")
    return Line(DONE, step)


def _backward(state: SagaState, step: str, status: StepStatus) -> Line | None:
    if status is StepStatus.UNDONE:
        return Line(UNDONE, _undo_name(step))
    if status is StepStatus.UNDO_FAILED:
        failure = _failure(state, undo := _undo_name(step))
        return Line(FAILED, undo, told(failure) if failure else "")
    if status is StepStatus.SKIPPED and state.cause is not None:
        return Line(SKIPPED, _undo_name(step), "skipped as done by hand")
    return None


def _failure(state: SagaState, name: str) -> Failure | None:
    return next((failure for failure in reversed(state.errors) if failure.step == name), None)


def _undo_name(instance: str) -> str:
    # Only a saga that is undone needs the declared steps, whose import takes its time.
    from workflows.order import OrderSaga

    name, tilde, count = instance.partition("~")
    undo = next((step.undo for step in OrderSaga.steps if step.name == name), None)
    return (undo.name if undo else f"undo {name}") + tilde + count
