"""Looking at logs and books of sagas that run meanwhile, so that each is judged by one moment.

The first look takes one snapshot of each book and reads the logs beside it; what is clean in it is
clean. All else is looked at again, log and books in turn, until two looks are equal: in between
nothing has moved, so both belong to that moment. What has begun since is found so, too.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from audit.books import Books
from audit.entries import Kept
from audit.findings import Audit, Case
from audit.judgement import RISK_AGE, judge, judge_stock
from audit.logs import Logs
from audit.saga_log import SagaLog

_AT_ONCE = 200
"""Orders; so many are in memory at a time."""
_LOOKS = 6


@dataclass(frozen=True)
class Seen:
    """One order as it was at one moment."""

    order_id: str
    log: SagaLog | None
    kept: Kept
    moving: bool = False
    """Whether no two looks were equal."""

    @property
    def exists(self) -> bool:
        """Whether there is anything to judge; what is void has no effect."""
        return self.log is not None or any(not entry.void for entry in self.kept)

    def case(self, now: datetime, risk_age: timedelta) -> Case:
        """Its judgement; one that moves is under way, and can't be accused."""
        case = judge(self.order_id, self.log, self.kept, now, risk_age)
        return replace(case, findings=()) if self.moving else case


async def audit(books: Books, logs: Logs, risk_age: timedelta = RISK_AGE) -> Audit:
    """Judge every order that any log or any book knows."""
    found = Audit(at=datetime.now(UTC))
    suspicious: list[str] = []
    order_ids = await logs.order_ids()
    async with books.snapshot() as snapshot:
        async for some in _together(_joined(order_ids, snapshot.kept)):
            read = await logs.read([order_id for order_id, _ in some])
            for order_id, kept in some:
                seen = Seen(order_id, read.get(order_id), kept)
                case = seen.case(found.at, risk_age)
                if case.findings:
                    suspicious.append(order_id)
                elif seen.exists:
                    found.add(case)
        found.skus = len(snapshot.stock)
        found.findings += judge_stock(snapshot.stock, snapshot.reserved)
    found.looked_again = len(suspicious)
    for start in range(0, len(suspicious), _AT_ONCE):
        for seen in await look(books, logs, suspicious[start : start + _AT_ONCE]):
            found.moving += seen.moving
            if seen.exists:
                found.add(seen.case(found.at, risk_age))
    return found


async def look(books: Books, logs: Logs, order_ids: Sequence[str]) -> list[Seen]:
    """Look at some orders until each has stood still between two looks, but not for ever."""
    last: dict[str, Seen] = {}
    settled: dict[str, Seen] = {}
    for _ in range(_LOOKS):
        moving = [it for it in order_ids if it not in settled]
        if not moving:
            break
        read, kept = await logs.read(moving, anew=True), await books.of(moving)
        for it in moving:
            seen = Seen(it, read.get(it), kept[it])
            if last.get(it) == seen:
                settled[it] = seen
            last[it] = seen
    return [settled.get(it) or replace(last[it], moving=True) for it in order_ids]


async def _joined(
    order_ids: Iterable[str], kept: AsyncIterator[tuple[str, Kept]]
) -> AsyncIterator[tuple[str, Kept]]:
    """Every order of either, with what is kept for it; both come in code-point order."""
    ids = iter(order_ids)
    waiting = next(ids, None)
    async for order_id, entries in kept:
        while waiting is not None and waiting < order_id:
            yield waiting, Kept()
            waiting = next(ids, None)
        if waiting == order_id:
            waiting = next(ids, None)
        yield order_id, entries
    while waiting is not None:
        yield waiting, Kept()
        waiting = next(ids, None)


async def _together(
    orders: AsyncIterator[tuple[str, Kept]],
) -> AsyncIterator[list[tuple[str, Kept]]]:
    some: list[tuple[str, Kept]] = []
    async for order in orders:
        some.append(order)
        if len(some) == _AT_ONCE:
            yield some
            some = []
    if some:
        yield some
