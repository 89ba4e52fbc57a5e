import asyncio
from collections.abc import Sequence

import pytest

from read_model.group_commit import MOST, GroupCommit
from runtime.errors import ServerUnreachable


class Book:
    """What is written to, transaction by transaction, as soon as it is open."""

    def __init__(self) -> None:
        self.transactions: list[list[int]] = []
        self.open = asyncio.Event()
        self.away = False

    async def write(self, numbers: Sequence[int]) -> None:
        await self.open.wait()
        if self.away:
            raise ServerUnreachable("it is away")
        if 13 in numbers:
            raise ValueError("13 can't be written")
        self.transactions.append(list(numbers))


async def test_what_comes_meanwhile_goes_together() -> None:
    book = Book()
    group = GroupCommit(book.write)
    putting = [asyncio.create_task(group.put(number)) for number in range(100, MOST + 102)]
    await asyncio.sleep(0)
    book.open.set()
    await asyncio.gather(*putting)
    assert book.transactions == [list(range(100, MOST + 100)), [MOST + 100, MOST + 101]]
    await group.put(7)
    assert book.transactions[-1] == [7]


async def test_what_cannot_be_written_holds_no_other() -> None:
    book = Book()
    book.open.set()
    group = GroupCommit(book.write)
    told = await asyncio.gather(*(group.put(it) for it in (12, 13, 14)), return_exceptions=True)
    assert [type(it) for it in told] == [type(None), ValueError, type(None)]
    assert book.transactions == [[12], [14]]


async def test_a_database_that_is_away_is_told_to_all_at_once() -> None:
    book = Book()
    book.away = True
    book.open.set()
    group = GroupCommit(book.write)
    told = await asyncio.gather(*(group.put(it) for it in range(3)), return_exceptions=True)
    assert [type(it) for it in told] == [ServerUnreachable] * 3
    book.away = False
    await group.put(1)
    assert book.transactions == [[1]]


async def test_who_gives_up_does_not_hold_the_others() -> None:
    book = Book()
    group = GroupCommit(book.write)
    first, second = (asyncio.create_task(group.put(it)) for it in (1, 2))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    book.open.set()
    await second
    assert 2 in book.transactions[0]
