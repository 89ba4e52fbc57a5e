"""A tree of commands and events, as a document and as a person reads it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set

from rich.text import Text
from rich.tree import Tree

from cli.durations import clock
from cli.events import document_of as event_document
from cli.progress import told
from cli.saga_id import SagaId
from cli.tables import console
from cli.terminal import one_line
from saga import Direction, Event, Failure, JsonObject, told_last
from saga.causation import Line, Node
from saga.events import SagaStarted, StepFailed, StepStarted
from saga.state import data_of

_LINES = "an event follows its cause, or hangs on it"


def document_of(
    correlation_id: str, events: Sequence[Event[JsonObject]], lines: Sequence[Line]
) -> dict[str, object]:
    """The document of `trace --json`."""
    sagas, newest = _sagas(events), _newest(events)
    return {
        "correlation_id": correlation_id,
        "sagas": [_members(saga_id, saga) for saga_id, saga in sagas.items()],
        "events": len(events),
        "trees": [_line(line, newest) for line in lines],
    }


def print_lines(
    correlation_id: str, events: Sequence[Event[JsonObject]], lines: Sequence[Line]
) -> None:
    """Print each line under its saga, and what hangs on an event under that."""
    sagas, newest = _sagas(events), _newest(events)
    counts = f"{_count(len(sagas), 'saga')}, {_count(len(events), 'event')}"
    tree = Tree(Text(f"{correlation_id}: {counts}; {_LINES}"))
    for line in lines:
        _Printed(sagas, newest).hang(tree, line, None)
    console().print(tree)


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


def _newest(events: Iterable[Event[JsonObject]]) -> set[str]:
    """The ids of what the newest run of each saga has; a reset has abandoned the others."""
    by_saga: dict[str, list[Event[JsonObject]]] = defaultdict(list)
    for event in events:
        by_saga[event.saga_id].append(event)
    return {event.event_id for log in by_saga.values() for event in told_last(log)}


def _line(line: Line, newest: Set[str]) -> list[dict[str, object]]:
    return [_node(node, newest) for node in line]


def _node(node: Node, newest: Set[str]) -> dict[str, object]:
    event = node.event
    return {
        "kind": "command" if event.event_type == StepStarted.__name__ else "event",
        **event_document(event),
        "abandoned": event.event_id not in newest,
        "caused": [_line(line, newest) for line in node.caused],
    }


class _Printed:
    """A tree as rich prints it."""

    def __init__(self, sagas: Sagas, newest: Set[str]) -> None:
        self._sagas = sagas
        self._newest = newest

    def hang(self, tree: Tree, line: Line, above: str | None) -> None:
        """Hang a line on its cause: one of another saga than `above` under that saga's name."""
        first, *rest = line
        saga_id = first.event.saga_id
        if saga_id != above:
            cause = first.event.causation_id if above is None else None
            branch, rest = tree.add(_title(str(self._sagas[saga_id] or saga_id), cause)), [*line]
        else:
            # Several lines may hang on one event, so each is held together by its first one.
            branch = self._add(tree, first)
        for node in rest:
            self._add(branch, node)

    def _add(self, tree: Tree, node: Node) -> Tree:
        told = _told(node)
        if node.event.event_id not in self._newest:
            told.append("  abandoned")
            told.stylize("dim")
        branch = tree.add(told)
        for line in node.caused:
            self.hang(branch, line, node.event.saga_id)
        return branch


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
