"""The commands about dead letters: list, show, replay and discard."""

import asyncio
from typing import Annotated

import typer

from cli.options import Json

Channel = Annotated[str | None, typer.Option(help="Only this channel's.")]
Group = Annotated[str | None, typer.Option(help="Only this group's.")]
Letter = Annotated[str, typer.Argument(metavar="LETTER", help="Its id, see `list`.")]
Letters = Annotated[list[str] | None, typer.Argument(metavar="LETTER...", help="Their ids.")]
By = Annotated[str, typer.Option(help="Who; it is kept.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept.")]

dead_letters = typer.Typer(
    no_args_is_help=True, help="Look at messages that could not be handled, and decide about them."
)


@dead_letters.command("list")
def list_(channel: Channel = None, group: Group = None, as_json: Json = False) -> None:
    """List dead letters, each group's oldest first; exit 1 when there is any."""
    from cli.dead_letters import list_letters
    from cli.mailboxes import mailboxes

    raise typer.Exit(asyncio.run(list_letters(mailboxes(channel, group), as_json=as_json)))


@dead_letters.command()
def show(
    letter: Letter, channel: Channel = None, group: Group = None, as_json: Json = False
) -> None:
    """Show a dead letter, and what was done before with letters of its event."""
    from cli.dead_letters import show_letter
    from cli.mailboxes import mailboxes

    showing = show_letter(mailboxes(channel, group), letter, as_json=as_json)
    raise typer.Exit(asyncio.run(showing))


@dead_letters.command()
def replay(
    by: By,
    reason: Reason,
    letters: Letters = None,
    every: Annotated[bool, typer.Option("--all", help="All that `list` shows.")] = False,
    channel: Channel = None,
    group: Group = None,
    as_json: Json = False,
) -> None:
    """Have dead letters come again to their group, and to no other, with their events' ids."""
    from cli.dead_letters import Deciding
    from cli.mailboxes import mailboxes
    from cli.problems import BadInput
    from cli.values import text

    if bool(letters) is every:
        raise BadInput("give either the letters to replay or --all")
    deciding = Deciding("replay", text("--by", by), text("--reason", reason))
    running = deciding.run(mailboxes(channel, group), None if every else letters, as_json=as_json)
    raise typer.Exit(asyncio.run(running))


@dead_letters.command()
def discard(
    by: By,
    reason: Reason,
    letters: Annotated[list[str], typer.Argument(metavar="LETTER...", help="Their ids.")],
    channel: Channel = None,
    group: Group = None,
    as_json: Json = False,
) -> None:
    """Take dead letters away for good: what they say is never done."""
    from cli.dead_letters import Deciding
    from cli.mailboxes import mailboxes
    from cli.values import text

    deciding = Deciding("discard", text("--by", by), text("--reason", reason))
    running = deciding.run(mailboxes(channel, group), letters, as_json=as_json)
    raise typer.Exit(asyncio.run(running))
