"""What is written where: documents and findings on stdout, problems and notices on stderr."""

import json
import os
import sys
from collections.abc import Mapping, Sequence

import typer

PROGRAM = "python starter.py"


def say(text: str) -> None:
    """Write one line to stdout."""
    typer.echo(one_line(text))


def note(text: str) -> None:
    """Write one line to stderr: what the person should know, but no part of the result."""
    typer.echo(one_line(text), err=True)


def say_json(document: Mapping[str, object] | Sequence[Mapping[str, object]]) -> None:
    """Write one JSON document to stdout."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def say_json_line(document: Mapping[str, object]) -> None:
    """Write one JSON document to stdout, in one line: one of many that come one by one."""
    typer.echo(json.dumps(document, ensure_ascii=False))


def coloured() -> bool:
    """Whether stdout is a terminal of a person who does not mind colours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def one_line(text: str) -> str:
    """The text without what would break the line or steer the terminal."""
    return "".join(c if c.isprintable() else " " for c in text).rstrip()
