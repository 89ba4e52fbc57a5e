"""A tree of commands and events, as a document and as a person reads it."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from cli.durations import clock
from cli.progress import told
from cli.saga_id import SagaId
from cli.terminal import one_line
from saga.causation import Line, Node
from saga.envelope import Event, JsonObject
from saga.events import SagaStarted, StepFailed, StepStarted
from saga.identity import Direction
from saga.state import Failure, data_of

_LINES = "an event follows its cause, or hangs on it"


def document_of(
    correlation_id: str, events: Sequence[Event[JsonObject]], lines: Sequence[Line]
) -> dict[str, object]:
    """The document of `trace --json`."""
    sagas = _sagas(events)
    return {
        "correlation_id": correlation_id,
        "sagas": [_members(saga_id, saga) for saga_id, saga in sagas.items()],
        "events": len(events),
        "trees": [_line(line) for line in lines],
    }


def print_lines(
    correlation_id: str, events: Sequence[Event[JsonObject]], lines: Sequence[Line]
) -> None:
    """Print each line under its saga, and what hangs on an event under that."""
    sagas = _sagas(events)
    counts = f"{_count(len(sagas), 'saga')}, {_count(len(events), 'event')}"
    tree = Tree(Text(f"{correlation_id}: {counts}; {_LINES}"))
    for line in lines:
        _hang(tree, line, sagas, None)
    console = Console(highlight=False)
    # Whoever reads a file or a pipe wants whole lines, and finds no width to fit them in.
    wide = console if console.is_terminal else Console(highlight=False, width=200)
    wide.print(tree)


def _count(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


Sagas = dict[str, SagaId | None]
"""By workflow id; None where its first event, which tells its type, is not known."""


def _sagas(events: Sequence[Event[JsonObject]]) -> Sagas:
    """The sagas, the first to begin first."""
    sagas: Sagas = {}
    for event in sorted(events, key=lambda it: (it.occurred_at, it.position)):
        sagas.setdefault(event.saga_id, None)
        if event.event_type == SagaStarted.__name__:
            kind = data_of(event, SagaStarted).saga_type
            sagas[event.saga_id] = SagaId.of_workflow(kind, event.saga_id)
    return sagas


def _members(saga_id: str, saga: SagaId | None) -> dict[str, object]:
    return saga.members if saga else {"saga_id": saga_id, "saga_type": None, "business_id": None}


def _line(line: Line) -> list[dict[str, object]]:
    return [_event(node) for node in line]


def _event(node: Node) -> dict[str, object]:
    event, is_command = node.event, node.event.event_type == StepStarted.__name__
    started = data_of(event, StepStarted) if is_command else None
    return {
        "event_id": event.event_id,
        "causation_id": event.causation_id,
        "kind": "command" if is_command else "event",
        "type": started.command_type if started else event.event_type,
        "saga_id": event.saga_id,
        "step": event.step,
        "direction": event.direction,
        "epoch": event.epoch,
        "position": event.position,
        "occurred_at": event.occurred_at.isoformat().replace("+00:00", "Z"),
        "caused": [_line(line) for line in node.caused],
    }


def _hang(tree: Tree, line: Line, sagas: Sagas, above: str | None) -> None:
    """Hang a line on its cause: one of another saga under that saga's name."""
    first, *rest = line
    saga_id = first.event.saga_id
    if saga_id != above:
        name = str(sagas[saga_id] or saga_id)
        branch = tree.add(_title(name, first.event.causation_id if above is None else None))
        rest = list(line)
    elif rest:
        # Several lines may hang on one event, so each is held together by its first one.
        branch = tree.add(_told(first))
        _hang_all(branch, first, sagas)
    else:
        _hang_all(tree.add(_told(first)), first, sagas)
        return
    for node in rest:
        _hang_all(branch.add(_told(node)), node, sagas)


def _hang_all(tree: Tree, node: Node, sagas: Sagas) -> None:
    for line in node.caused:
        _hang(tree, line, sagas, node.event.saga_id)


def _title(name: str, cause: str | None) -> Text:
    title = Text(one_line(name), style="bold")
    return title if cause is None else title.append(f"  caused by {one_line(cause)}", style="dim")


def _told(node: Node) -> Text:
    event = node.event
    text = Text(f"{clock(event.occurred_at)}  ")
    text.append(f"{one_line(_what(event)):<48}")
    return text.append(f"  {event.event_id}", style="dim")


def _what(event: Event[JsonObject]) -> str:
    if event.event_type == SagaStarted.__name__:
        return f"{event.event_type}  {data_of(event, SagaStarted).command_type}"
    if event.event_type == StepStarted.__name__:
        started = data_of(event, StepStarted)
        mark = "↶" if event.direction is Direction.UNDO else "→"
        return f"{mark} {started.name}  {started.command_type}"
    if event.event_type == StepFailed.__name__:
        failed = data_of(event, StepFailed)
        why = Failure(step=failed.name, type=failed.type, message=failed.message)
        return f"✗ {failed.name}  {told(why)}"
    by, reason = event.data.get("by"), event.data.get("reason")
    return f"{event.event_type}  by {by}: {reason}" if by and reason else event.event_type
