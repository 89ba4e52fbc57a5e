"""`stuck`: the sagas that need a person, what is at risk in them, and what bugs hold."""

from collections.abc import Sequence

from cli.problems import NoAnswer
from cli.read_database import read_stuck
from cli.terminal import note, say_json
from read_model.queries import AtRisk
from read_model.views import StuckView, total_of
from runtime.errors import ServerUnreachable
from runtime.settings import Settings


async def show_stuck(saga_type: str | None, limit: int, *, as_json: bool) -> int:
    """List the sagas that need a person; returns the exit code, 1 when there is any.

    Only the read database knows the steps, the reasons and the sums: without it there is no
    answer, rather than a shorter one that a script would take for the whole.
    """
    try:
        stuck, sums = await read_stuck(Settings.from_environment(), saga_type, limit)
    except (ServerUnreachable, NoAnswer) as problem:
        query = "temporal workflow list --query 'SagaStatus=\"stuck\"'"
        raise NoAnswer(f"{problem}; until then Temporal knows their ids: {query}") from problem
    count = sum(one.sagas for one in sums)
    if as_json:
        say_json(_document(stuck, sums, count))
    elif not stuck:
        note("nothing is stuck")
    else:
        from cli.tables import print_stuck

        print_stuck(stuck, sums)
        if count > len(stuck):
            note(f"these are the {len(stuck)} oldest of {count}; --limit shows more")
    return 1 if count else 0


async def show_bugs(saga_type: str | None, limit: int, *, as_json: bool) -> int:
    """List the sagas that a bug in workflow code holds; returns the exit code, 1 when any."""
    from cli.bugs import find_bugs
    from cli.temporal import TemporalSagas

    sagas = await TemporalSagas.connect(Settings.from_environment())
    looked = await find_bugs(sagas, saga_type, limit)
    if as_json:
        documents = [bug.document for bug in looked.bugs]
        say_json({"complete": looked.complete, "looked_at": looked.at, "sagas": documents})
    elif looked.bugs:
        from cli.tables import print_bugs

        print_bugs(looked.bugs)
    else:
        note("no workflow task fails")
    if not (looked.complete or as_json):
        note(f"only the {limit} newest running sagas were looked at; --limit looks at more")
    return 1 if looked.bugs else 0


def _document(stuck: Sequence[StuckView], sums: Sequence[AtRisk], count: int) -> dict[str, object]:
    totals = [(one.sagas, total_of(one.amount_minor, one.currency)) for one in sums]
    return {
        "count": count,
        "sagas": [view.model_dump(mode="json") for view in stuck],
        "at_risk": [
            {"sagas": sagas, **total.model_dump(mode="json")} for sagas, total in totals if total
        ],
    }
