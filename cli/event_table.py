"""A saga's events as a person reads them."""

from collections.abc import Collection, Sequence

from pydantic import JsonValue, ValidationError
from rich.table import Table
from rich.text import Text

from cli.tables import console
from cli.terminal import one_line, say
from contracts.money import Money
from saga import Event, JsonObject

_SAID = ("command_type", "total", "amount", "cause", "action", "message", "by", "reason")
"""What is worth a word of an event's data, where it has it."""


def print_events(events: Sequence[Event[JsonObject]], abandoned: Collection[str]) -> None:
    """Print a line about each event; those that no run goes by any more are dim."""
    table = Table(box=None, pad_edge=False)
    for name in ("place", "time", "event", "step", "of", "says"):
        table.add_column(name, overflow="fold", no_wrap=name in {"place", "time"})
    several = len({event.epoch for event in events}) > 1
    for event in events:
        place = f"{event.epoch}/{event.position}" if several else str(event.position)
        table.add_row(
            place,
            _time(event),
            Text(event.event_type),
            Text(_step(event)),
            Text(_aggregate(event)),
            Text(_says(event)),
            style="dim" if event.event_id in abandoned else "",
        )
    console().print(table)
    if abandoned:
        say(f"{len(abandoned)} of them were abandoned by a reset or a recovery (dim)")


def print_event(event: Event[JsonObject]) -> None:
    """Print one line about an event."""
    told = (str(event.position), _time(event), event.event_type, _step(event), _says(event))
    say("  ".join(part for part in told if part))


def _time(event: Event[JsonObject]) -> str:
    return event.occurred_at.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _step(event: Event[JsonObject]) -> str:
    if event.step is None:
        return ""
    return f"{event.step} ({event.direction})" if event.direction == "undo" else event.step


def _aggregate(event: Event[JsonObject]) -> str:
    return f"{event.aggregate_type} {event.aggregate_id} v{event.version}"


def _says(event: Event[JsonObject]) -> str:
    said = ((name, event.data[name]) for name in _SAID if event.data.get(name) is not None)
    return one_line(", ".join(f"{name.split('_')[0]}: {_value(it)}" for name, it in said))


def _value(value: JsonValue) -> str:
    try:
        return str(Money.model_validate(value))
    except ValidationError:
        return str(value)
