"""`totals`: how many sagas were started on each day, how they stand, and what they are about."""

from datetime import date

from cli.problems import BadInput
from cli.read_database import read_totals
from cli.terminal import note, say_json
from read_model.queries import BadRange, Days
from runtime.settings import Settings


async def show_totals(
    since: str | None, until: str | None, saga_type: str | None, *, as_json: bool
) -> int:
    """Show the sums of each day; returns the exit code."""
    try:
        days = Days.of(_day("--since", since), _day("--until", until))
    except BadRange as problem:
        raise BadInput(f"--since and --until: {problem}") from None
    view = await read_totals(Settings.from_environment(), days, saga_type)
    if as_json:
        say_json(view.model_dump(mode="json"))
    elif view.totals:
        from cli.tables import print_totals

        print_totals(view)
    else:
        note(f"no sagas from {view.since} until {view.until}")
    return 0


def _day(option: str, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{option} {text!r}: write the day like 2026-11-24") from None
