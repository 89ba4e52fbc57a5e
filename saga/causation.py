"""What caused what: commands and events of any sagas as one tree, a pure function of the events.

A saga's log is mostly one long line, each event the cause of the next. A tree with a branch for
each event would be as deep as the log is long; so what an event caused in its own saga follows it
in its line, and only what it caused beside that begins a line of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from saga.state import AnyEvent

DEEPEST = 100
"""How far lines nest; what is deeper begins at the top again, under the cause that it names."""


@dataclass(frozen=True)
class Node:
    """One event in its line; a `StepStarted` stands for the command that was sent."""

    event: AnyEvent
    caused: tuple[Line, ...] = ()
    """The lines that it caused beside what follows it."""


Line: TypeAlias = tuple[Node, ...]
"""Events of one saga, each caused by the one before."""


def lines_of(events: Iterable[AnyEvent]) -> tuple[Line, ...]:
    """The lines whose first cause is none of the events, the saga that began first at the top.

    An event that comes twice counts once. A circle, which only bad data holds, is cut open.
    """
    return _Forest(events).lines()


class _Forest:
    """The events with what each has caused; every event has one cause, and stands in one tree."""

    def __init__(self, events: Iterable[AnyEvent]) -> None:
        by_id: dict[str, AnyEvent] = {}
        began: dict[str, datetime] = {}
        for event in events:
            by_id.setdefault(event.event_id, event)
            first = began.get(event.saga_id, event.occurred_at)
            began[event.saga_id] = min(first, event.occurred_at)

        def place(event: AnyEvent) -> tuple[datetime, str, int, int]:
            return began[event.saga_id], event.saga_id, event.epoch, event.position

        self.events = {it.event_id: it for it in sorted(by_id.values(), key=place)}
        self.caused: dict[str, list[str]] = defaultdict(list)
        for event_id, event in self.events.items():
            if event.causation_id in self.events:
                self.caused[event.causation_id].append(event_id)
        self.order = self._from_the_roots()
        self.next = self._next()

    def _from_the_roots(self) -> dict[str, str | None]:
        """Each event's cause, None for a root; a cause stands before what it caused."""
        causes: dict[str, str | None] = {}
        roots = [it for it, event in self.events.items() if event.causation_id not in self.events]
        # What no root leads to is a circle, or hangs on one; it begins where it began in time.
        for root in [*roots, *self.events]:
            if root in causes:
                continue
            causes[root] = None
            waiting = [root]
            for cause in waiting:
                for event_id in self.caused[cause]:
                    if event_id not in causes:
                        causes[event_id] = cause
                        waiting.append(event_id)
        return causes

    def _next(self) -> dict[str, str]:
        """What follows each event in its line: the one of its saga that has caused the most."""
        weights = dict.fromkeys(self.order, 1)
        following: dict[str, str] = {}
        for event_id, cause in reversed(self.order.items()):
            if cause is None:
                continue
            weights[cause] += weights[event_id]
            best = following.get(cause)
            same = self.events[cause].saga_id == self.events[event_id].saga_id
            if same and (best is None or weights[event_id] >= weights[best]):
                following[cause] = event_id
        return following

    def lines(self) -> tuple[Line, ...]:
        """The lines at the top, each with what hangs on it."""
        head: dict[str, str] = {}
        depth: dict[str, int] = {}
        hanging: dict[str, list[str]] = defaultdict(list)
        top: list[str] = []
        for event_id, cause in self.order.items():
            if cause is not None and self.next.get(cause) == event_id:
                head[event_id] = head[cause]
                continue
            head[event_id] = event_id
            depth[event_id] = 0 if cause is None else depth[head[cause]] + 1
            if cause is None or depth[event_id] > DEEPEST:
                depth[event_id] = 0
                top.append(event_id)
            else:
                hanging[cause].append(event_id)
        built: dict[str, Line] = {}
        for first in reversed(depth):  # What hangs on a line comes after its head.
            line: list[Node] = []
            event_id = first
            while True:
                caused = tuple(built[it] for it in hanging[event_id])
                line.append(Node(self.events[event_id], caused))
                if event_id not in self.next:
                    break
                event_id = self.next[event_id]
            built[first] = tuple(line)
        return tuple(built[it] for it in top)
