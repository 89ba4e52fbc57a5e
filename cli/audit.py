"""`audit`: whether the participants' databases say what the sagas' logs say."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from audit.books import Books
from audit.findings import Audit
from audit.judgement import RISK_AGE
from audit.logs import Logs
from audit.looking import audit, look
from cli.audit_documents import audit_document, story_document
from cli.problems import UnknownSaga
from cli.read_database import read_database
from cli.saga_id import SagaId
from cli.temporal import TemporalSagas
from cli.terminal import say_json
from contracts.sagas import ORDER
from read_model.event_store import EventStore
from runtime.settings import Settings


async def audit_all(risk_age: timedelta, *, as_json: bool) -> int:
    """Audit every order; returns the exit code, 1 when anything was found.

    Raises SettingsError, ServerUnreachable or NoAnswer: without all logs and all books there is no
    audit, rather than one that a script would take for the whole.
    """
    found = await audit_with(Settings.from_environment(), risk_age)
    if as_json:
        say_json(audit_document(found))
    else:
        from cli.audit_tables import print_audit

        print_audit(found)
    return 0 if found.clean else 1


async def audit_order(saga: SagaId, risk_age: timedelta, *, as_json: bool) -> int:
    """Tell the whole story of one order and judge it; returns and raises like `audit_all`."""
    async with _sources(Settings.from_environment(), saga) as (sagas, books, logs):
        with sagas.answering():
            [seen] = await look(books, logs, [saga.business_id])
    if not (seen.exists or [*seen.kept]):
        raise UnknownSaga(saga)
    case = seen.case(datetime.now(UTC), risk_age)
    if as_json:
        say_json(story_document(seen, case))
    else:
        from cli.audit_tables import print_story

        print_story(seen, case)
    return 1 if case.findings else 0


async def audit_with(settings: Settings, risk_age: timedelta = RISK_AGE) -> Audit:
    """The audit of every order, where the settings lead; raises like `audit_all`."""
    gc.enable()  # See `cli.process`; there may be hundreds of thousands of orders.
    async with _sources(settings) as (sagas, books, logs):
        with sagas.answering():
            return await audit(books, logs, risk_age)


@asynccontextmanager
async def logs_of(
    settings: Settings, saga: SagaId | None = None
) -> AsyncIterator[tuple[TemporalSagas, Logs]]:
    """Temporal, and the logs of all orders or of one."""
    async with read_database(settings) as engine:
        sagas = await TemporalSagas.connect(settings)
        listed: dict[str, list[str]] = {}
        async for run in sagas.every(ORDER.name, saga):
            listed.setdefault(run.saga.business_id, []).append(run.execution.run_id)
        yield sagas, Logs(sagas.client, EventStore(engine), listed)


@asynccontextmanager
async def _sources(
    settings: Settings, saga: SagaId | None = None
) -> AsyncIterator[tuple[TemporalSagas, Books, Logs]]:
    """Where everything is read: Temporal, the books, and the logs."""
    async with Books.open(settings) as books, logs_of(settings, saga) as (sagas, logs):
        yield sagas, books, logs
