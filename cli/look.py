"""`status`, `sagas` and `orders`: what the read database says."""

from cli.events import read_log
from cli.problems import BadInput, NoAnswer
from cli.read_database import read_saga, read_sagas
from cli.saga_id import SagaId
from cli.terminal import PROGRAM, note, say, say_json
from contracts.sagas import ORDER
from read_model.projector import row_of
from read_model.views import SagaView, view_of
from runtime.errors import RuntimeProblem
from runtime.settings import Settings
from saga import Status


async def show_saga(saga: SagaId, *, as_json: bool) -> int:
    """Show one saga; returns the exit code."""
    settings = Settings.from_environment()
    view = await read_saga(settings, saga)
    if view is None:
        log = await read_log(settings, saga, "is not in the read database")
        if log is None or not log.events:
            return await _not_begun(settings, saga, as_json=as_json)
        if log.has_history:
            note("not in the read database yet: from its history")
        view = view_of(row_of(log.state))
    elif not view.status.final:
        view = await _unless_ended(settings, saga, view)
    if as_json:
        say_json(view.model_dump(mode="json"))
        return 0
    from cli.tables import print_saga
    from cli.temporal import web_ui

    print_saga(saga, view, _next(saga, view), web_ui(settings, saga))
    return 0


async def list_sagas(
    saga_type: str | None,
    customer_id: str | None,
    status: str | None,
    limit: int,
    after: str | None,
    *,
    as_json: bool,
) -> int:
    """List sagas of one type or of all; returns the exit code."""
    found, rest = await read_sagas(
        Settings.from_environment(),
        saga_type=saga_type,
        customer_id=customer_id,
        status=_status(status),
        limit=limit,
        after=after,
    )
    if as_json:
        say_json([view.model_dump(mode="json") for view in found])
    elif found:
        from cli.tables import print_sagas

        print_sagas(found, saga_type)
    else:
        note(f"no {'more ' if after else ''}{'orders' if saga_type == ORDER.name else 'sagas'}")
    if rest is not None:
        # Beside the document, which is the list itself.
        note(f"more: --after {rest}")
    return 0


def _status(given: str | None) -> Status | None:
    try:
        return None if given is None else Status(given)
    except ValueError:
        raise BadInput(f"--status {given!r}: give one of {', '.join(Status)}") from None


def _next(saga: SagaId, view: SagaView) -> str | None:
    """What a person can do."""
    if view.status is Status.TERMINATED:
        return saga.recovery
    if view.status is Status.STUCK and view.failure is not None:
        return f"{PROGRAM} repair {saga.arguments} --step {view.failure.step} --retry --reason WHY"
    return None


async def _unless_ended(settings: Settings, saga: SagaId, view: SagaView) -> SagaView:
    """What the row cannot know: that someone has ended the saga from outside."""
    from cli.temporal import TemporalSagas

    try:
        found = await (await TemporalSagas.connect(settings)).find(saga)
    except (RuntimeProblem, NoAnswer) as problem:
        note(f"warning: as it was last projected; whether it still runs is not known: {problem}")
        return view
    if found is None or found.status is not Status.TERMINATED:
        return view
    return view.model_copy(update={"status": found.status, "closed_at": found.closed_at})


async def _not_begun(settings: Settings, saga: SagaId, *, as_json: bool) -> int:
    """A saga may be so new that no worker has seen it."""
    from cli.temporal import TemporalSagas

    found = await (await TemporalSagas.connect(settings)).find(saga)
    if found is None:
        note(f"no {saga}")
        return 1
    if as_json:
        say_json({**saga.members, "status": found.status, "version": 0})
    else:
        say(f"{saga}: {found.status}; accepted, not in the read database yet")
    return 0
