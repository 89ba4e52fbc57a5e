"""Dead letters as a person reads them."""

import json
from collections.abc import Sequence
from datetime import datetime

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from brokers.dead_letters import DeadLetter
from cli.durations import age
from cli.letter_documents import body_of
from cli.tables import console
from cli.terminal import one_line
from read_model.dead_letters import LetterAction


def print_letters(letters: Sequence[DeadLetter]) -> None:
    """Print a line for each."""
    table = Table(box=None, pad_edge=False)
    table.add_column("letter", no_wrap=True, overflow="fold")
    for name in ("of", "event", "key", "for", "tries", "problem"):
        table.add_column(name, overflow="fold")
    for letter in letters:
        table.add_row(
            Text(letter.id),
            Text(f"{letter.channel.name}/{letter.group}"),
            Text(one_line(letter.event.type if letter.event else "?")),
            Text(one_line(letter.original.key)),
            age(letter.first_failure) if letter.first_failure else "",
            "" if letter.tries is None else str(letter.tries),
            Text(_problem(letter)),
        )
    console().print(table)


def print_letter(letter: DeadLetter, before: Sequence[LetterAction]) -> None:
    """Print everything about one."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    event = letter.event
    shown = {
        "letter": letter.id,
        "of": f"{letter.channel.name}/{letter.group}",
        "event": f"{event.type} {event.id}" if event else letter.original.id,
        "key": letter.original.key,
        "correlation": event.correlationid if event else None,
        "caused by": event.causationid if event else None,
        "problem": _problem(letter),
        "tries": letter.tries,
        "first failure": letter.first_failure and _time(letter.first_failure),
        "last failure": letter.last_failure and _time(letter.last_failure),
        "headers": "\n".join(
            one_line(f"{name}: {value}") for name, value in sorted(letter.original.headers.items())
        ),
        "body": _body(letter),
        "done before": "\n".join(_done(it) for it in before),
    }
    for name, value in shown.items():
        if value is not None and value != "":
            rows.add_row(Text(name), Text(str(value)))
    console().print(Panel.fit(rows))


def _problem(letter: DeadLetter) -> str:
    if letter.error is None:
        return "the broker gave it up: delivered too often without an end"
    return one_line(f"{letter.error}: {letter.text}")


def _body(letter: DeadLetter) -> str:
    body = body_of(letter)
    if isinstance(body, str):
        return "\n".join(one_line(line) for line in body.splitlines())
    return json.dumps(body, indent=2)


def _done(action: LetterAction) -> str:
    done = f"{_time(action.done_at)} {action.action} by {action.done_by}: {action.reason}"
    return one_line(f"{done} ({action.channel}/{action.consumer_group})")


def _time(instant: datetime) -> str:
    return instant.astimezone().strftime("%Y-%m-%d %H:%M:%S")
