"""`rebuild`: the read database again from the sagas' histories, and from the events it keeps."""

import gc
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.problems import UnknownSaga
from cli.read_database import read_database
from cli.saga_id import SagaId
from cli.temporal import TemporalSagas
from cli.terminal import note, say, say_json
from read_model.drift import Drift, DriftKind
from read_model.migration import migrate
from read_model.rebuild import Rebuild, Report
from read_model.sources import Position, Wanted, everything
from runtime.settings import Settings
from saga.history import read_saga


@dataclass(frozen=True)
class Asked:
    """What a person asks of a rebuild."""

    only: SagaId | None
    saga_type: str | None
    since: datetime | None
    dry_run: bool
    as_json: bool


async def rebuild(asked: Asked) -> int:
    """Compare and repair; the exit code, 1 when something differs or can't be repaired."""
    # It runs for long; see `cli.process`.
    gc.enable()
    settings = Settings.from_environment()
    sagas = await TemporalSagas.connect(settings)
    async with read_database(settings) as engine:
        if not asked.dry_run:
            await migrate(engine)
        with sagas.answering():
            report = await _rebuilt(sagas, engine, asked)
    _tell(report, asked)
    if asked.dry_run:
        return 1 if report.drift else 0
    return 1 if any(one.kind.lasting for one in report.drift) else 0


async def _rebuilt(sagas: TemporalSagas, engine: AsyncEngine, asked: Asked) -> Report:
    wanted = Wanted(asked.saga_type, asked.since)
    read = partial(read_saga, sagas.client)
    rebuilding = Rebuild(engine, read, dry_run=asked.dry_run, wanted=wanted)
    if asked.only is not None:
        report = await rebuilding.page([asked.only.workflow_id])
        if not report.sagas:
            raise UnknownSaga(asked.only)
        return report
    whole = Report()
    total = (await sagas.client.count_workflows(wanted.query)).count
    pages = everything(sagas.client, engine, wanted, Position())
    with _progress() as progress:
        bar = progress.add_task("", total=total)
        async for page, report in rebuilding.pages(pages):
            whole.add(report)
            done = progress.tasks[bar].completed + len(page.saga_ids)
            progress.update(bar, completed=done, total=max(total, done), description=_bar(whole))
    return whole


def _progress() -> Progress:
    # Only for a person, and only while it runs.
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def _bar(report: Report) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in _kinds(report).items())


def _kinds(report: Report) -> Counter[DriftKind]:
    return Counter(one.kind for one in report.drift)


def _tell(report: Report, asked: Asked) -> None:
    if asked.as_json:
        say_json(
            {
                "dry_run": asked.dry_run,
                "sagas": report.sagas,
                "repaired": report.repaired,
                "drift": [asdict(one) for one in report.drift],
            }
        )
        return
    for one in report.drift:
        say(f"{one.saga_id}: {told(one)}")
    differing, sagas = len({one.saga_id for one in report.drift}), _count(report.sagas)
    left = len({one.saga_id for one in report.drift if one.kind.lasting})
    if not differing:
        note(f"{sagas} looked at: the read database agrees with all of them")
    elif asked.dry_run:
        note(f"{differing} of {sagas} differ; nothing was written")
    else:
        more = f"; there is nothing to repair {left} others by" if left else ""
        note(f"{report.repaired} of {sagas} repaired{more}")


def _count(sagas: int) -> str:
    return f"{sagas} saga" if sagas == 1 else f"{sagas} sagas"


def told(drift: Drift) -> str:
    """What differs, in a few words."""
    place = "" if drift.epoch is None else f"event {drift.epoch}/{drift.position}"
    match drift.kind:
        case DriftKind.MISSING_ROW:
            return f"there is no row, it should say {drift.should_be}"
        case DriftKind.ROW:
            return f"{drift.field} is {drift.stored!r}, should be {drift.should_be!r}"
        case DriftKind.MISSING_EVENT:
            return f"{place} is missing: {drift.should_be}"
        case DriftKind.EVENT:
            return f"{place}: {drift.field} is {drift.stored!r}, should be {drift.should_be!r}"
        case DriftKind.INCOMPLETE:
            return f"its history is gone, and its events don't add up to its row ({drift.stored})"
        case DriftKind.ORPHAN:
            return f"orphan: neither a history nor an event knows of its row ({drift.stored})"
        case DriftKind.UNREADABLE:
            return f"its history can't be read: {drift.should_be}"
