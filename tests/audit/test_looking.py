"""Looks at what moves."""

from collections.abc import Sequence
from datetime import timedelta

from audit.books import Books
from audit.entries import Kept
from audit.findings import Kind
from audit.logs import Logs
from audit.looking import Seen, look
from audit.saga_log import SagaLog
from tests.audit.ledgers import ALL, COMPLETED, ID, NOW, PENDING, STEPS, Story

RUNNING = Story().did("create-order").log()
SHIPPED = Story().did(*STEPS[:-1]).log()
EARLY = Kept((PENDING,))


class ScriptedLogs(Logs):
    """Logs that say one thing after the other, and then the last for ever."""

    def __init__(self, *logs: SagaLog | None) -> None:
        self.logs = list(logs)

    async def read(self, order_ids: Sequence[str], *, anew: bool = False) -> dict[str, SagaLog]:
        log = self.logs.pop(0) if len(self.logs) > 1 else self.logs[0]
        return {} if log is None else {ID: log}


class ScriptedBooks(Books):
    """Books that say one thing after the other, and then the last for ever."""

    def __init__(self, *kept: Kept) -> None:
        self.kept = list(kept)

    async def of(self, order_ids: Sequence[str]) -> dict[str, Kept]:
        return {ID: self.kept.pop(0) if len(self.kept) > 1 else self.kept[0]}


def kinds(seen: Seen) -> list[Kind]:
    return [it.kind for it in seen.case(NOW, timedelta(days=1)).findings]


async def test_log_and_books_of_different_moments_are_not_held_against_each_other() -> None:
    # Between the two halves of the first look the saga went all the way.
    assert Kind.EFFECT_NOT_IN_LOG in kinds(Seen(ID, RUNNING, ALL))
    [seen] = await look(ScriptedBooks(ALL), ScriptedLogs(RUNNING, COMPLETED), [ID])
    assert (seen.log, seen.moving, kinds(seen)) == (COMPLETED, False, [])
    [seen] = await look(ScriptedBooks(ALL), ScriptedLogs(None, COMPLETED), [ID])
    assert (seen.log, kinds(seen)) == (COMPLETED, [])


async def test_what_stands_still_is_judged() -> None:
    [seen] = await look(ScriptedBooks(EARLY), ScriptedLogs(COMPLETED), [ID])
    assert not seen.moving
    assert Kind.EFFECT_MISSING in kinds(seen)


async def test_what_never_stands_still_is_not_accused() -> None:
    logs = ScriptedLogs(*[RUNNING, SHIPPED] * 10)
    [seen] = await look(ScriptedBooks(ALL), logs, [ID])
    assert (seen.moving, kinds(seen)) == (True, [])
