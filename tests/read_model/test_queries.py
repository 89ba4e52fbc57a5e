"""Queries find what is asked for, the newest first, page by page."""

import base64
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
import pytest_asyncio
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from read_model.database import open_database
from read_model.paging import BadCursor, Page
from read_model.projector import SagaProjector
from read_model.queries import AtRisk, ReadModel
from read_model.tables import TABLE
from saga import Status
from tests.read_model.states import START, compensated, completed, stuck


def names(page: Page) -> list[str]:
    return [row.business_id for row in page.rows]


@pytest_asyncio.fixture
async def read_model(engine: AsyncEngine) -> ReadModel:
    """Five sagas: orders a to c and the transfer t, started in that order, and `o-2` before."""
    projector = SagaProjector(engine)
    for hours, (name, kind, customer) in enumerate(
        [("a", "order", "c-1"), ("b", "order", "c-2"), ("c", "order", "c-1"), ("t", "move", None)]
    ):
        states = completed(
            name, saga_type=kind, customer_id=customer, start=START + timedelta(hours=hours + 1)
        )
        await projector.project(states[2] if name == "b" else states[-1])
    await projector.project(compensated())
    return ReadModel(engine)


@pytest.mark.asyncio
async def test_one_saga(read_model: ReadModel) -> None:
    row = await read_model.saga("order", "a")
    assert row is not None
    assert row.saga_id == "order-a"
    assert await read_model.by_id("order-a") == row
    assert await read_model.saga("order", "t") is None
    assert await read_model.by_id("order-t") is None


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("saga_type", "customer_id", "status", "limit", "found"),
    [
        (None, None, None, 20, ["t", "c", "b", "a", "o-2"]),
        (None, None, None, 2, ["t", "c"]),
        ("order", None, None, 20, ["c", "b", "a", "o-2"]),
        (None, "c-1", None, 20, ["c", "a", "o-2"]),
        (None, "c-1", None, 1, ["c"]),
        (None, None, Status.RUNNING, 20, ["b"]),
        ("order", "c-1", Status.COMPLETED, 20, ["c", "a"]),
        ("order", "c-9", None, 20, []),
    ],
)
async def test_sagas(
    read_model: ReadModel,
    saga_type: str | None,
    customer_id: str | None,
    status: Status | None,
    limit: int,
    found: list[str],
) -> None:
    page = await read_model.sagas(
        saga_type=saga_type, customer_id=customer_id, status=status, limit=limit
    )
    assert names(page) == found


@pytest_asyncio.fixture
async def needing(engine: AsyncEngine) -> ReadModel:
    """Four sagas that need a person, the orders b and a and two trips, and one that does not."""
    projector = SagaProjector(engine)
    for hours, (name, kind, money) in enumerate(
        [
            ("b", "order", (10**17, "USD")),
            ("a", "order", (10**17, "USD")),
            ("t", "trip", (500, "EUR")),
            ("u", "trip", None),
        ]
    ):
        start = START + timedelta(hours=hours)
        state = stuck(business_id=name, saga_type=kind, money=money, start=start)
        await projector.project(state)
    await projector.project(compensated())
    return ReadModel(engine)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("saga_type", "limit", "found"),
    [(None, 20, ["b", "a", "t", "u"]), (None, 1, ["b"]), ("trip", 20, ["t", "u"]), ("x", 20, [])],
)
async def test_what_needs_a_person_comes_with_the_oldest_first(
    needing: ReadModel, saga_type: str | None, limit: int, found: list[str]
) -> None:
    assert names(await needing.stuck(saga_type=saga_type, limit=limit)) == found


@pytest.mark.asyncio
async def test_a_later_event_makes_no_saga_younger(engine: AsyncEngine) -> None:
    old, young = (
        stuck(business_id="old"),
        stuck(business_id="new", start=START + timedelta(hours=1)),
    )
    tried_again = old.model_copy(
        update={"updated_at": START + timedelta(hours=2), "position": 9, "version": 9}
    )
    for state in (young, tried_again):
        await SagaProjector(engine).project(state)
    assert names(await ReadModel(engine).stuck()) == ["old", "new"]


@pytest.mark.asyncio
async def test_sums_at_risk_are_by_currency(needing: ReadModel) -> None:
    every = await needing.at_risk()
    assert sorted(every, key=lambda it: it.currency or "") == [
        AtRisk(None, 1, None),
        AtRisk("EUR", 1, 500),
        AtRisk("USD", 2, 2 * 10**17),
    ]
    assert await needing.at_risk(saga_type="order") == [AtRisk("USD", 2, 2 * 10**17)]
    assert await needing.at_risk(saga_type="x") == []


@pytest.mark.asyncio
async def test_answers_of_one_moment_fit_together(
    needing: ReadModel, engine: AsyncEngine, database_url: str
) -> None:
    other = open_database(database_url)
    async with ReadModel.at_one_moment(engine) as then:
        before = names(await then.stuck(limit=1))
        await SagaProjector(other).project(stuck(business_id="late", money=(500, "EUR")))
        assert AtRisk("EUR", 1, 500) in await then.at_risk()
    await other.dispose()
    assert before == ["b"]
    assert AtRisk("EUR", 2, 1000) in await needing.at_risk()


@pytest.mark.asyncio
async def test_statuses_of_those_that_have_a_row(needing: ReadModel) -> None:
    assert await needing.statuses(["order-a", "order-o-2", "order-none"]) == {
        "order-a": Status.STUCK,
        "order-o-2": Status.COMPENSATED,
    }


@pytest.mark.asyncio
async def test_what_one_request_has_caused(read_model: ReadModel) -> None:
    everything = ["move-t", "order-c", "order-b", "order-a", "order-o-2"]
    assert await read_model.correlated("request-7") == everything
    assert await read_model.correlated("request-7", limit=2) == everything[:2]
    assert await read_model.correlated("request-8") == []


@pytest.mark.asyncio
async def test_sagas_started_at_once_come_in_the_order_of_their_ids(engine: AsyncEngine) -> None:
    for name in "cab":
        await SagaProjector(engine).project(completed(name)[-1])
    assert names(await ReadModel(engine).sagas()) == ["a", "b", "c"]


async def pages(asked: Callable[[str | None], Awaitable[Page]]) -> list[list[str]]:
    """All pages of a list, each asked for with the cursor of the one before."""
    page = await asked(None)
    told = [names(page)]
    while page.next is not None:
        page = await asked(page.next)
        told.append(names(page))
    return told


@pytest.mark.asyncio
async def test_pages_follow_one_another(read_model: ReadModel) -> None:
    assert await pages(lambda after: read_model.sagas(limit=2, after=after)) == [
        ["t", "c"],
        ["b", "a"],
        ["o-2"],
    ]
    orders = lambda after: read_model.sagas(  # noqa: E731
        saga_type="order", status=Status.COMPLETED, limit=1, after=after
    )
    assert await pages(orders) == [["c"], ["a"]]
    mine = lambda after: read_model.sagas(customer_id="c-1", limit=3, after=after)  # noqa: E731
    assert await pages(mine) == [["c", "a", "o-2"]]


@pytest.mark.asyncio
async def test_pages_part_sagas_that_were_started_at_once(engine: AsyncEngine) -> None:
    for name in "dbaec":
        await SagaProjector(engine).project(completed(name)[-1])
    queries = ReadModel(engine)
    told = await pages(lambda after: queries.sagas(limit=2, after=after))
    assert told == [["a", "b"], ["c", "d"], ["e"]]


@pytest.mark.asyncio
async def test_pages_of_what_is_stuck(needing: ReadModel, engine: AsyncEngine) -> None:
    # As old as `u`, and written before rows said since when.
    await SagaProjector(engine).project(
        stuck(business_id="v", saga_type="trip", start=START + timedelta(hours=3))
    )
    async with engine.connect() as connected:
        await connected.execute(
            update(TABLE).where(TABLE.c.business_id == "v").values(stuck_since=None)
        )
    told = await pages(lambda after: needing.stuck(limit=2, after=after))
    assert told == [["b", "a"], ["t", "u"], ["v"]]
    assert (await needing.stuck(limit=4)).next is not None
    assert (await needing.stuck(limit=5)).next is None


@pytest.mark.asyncio
async def test_pages_stay_when_sagas_are_added(read_model: ReadModel, engine: AsyncEngine) -> None:
    first = await read_model.sagas(limit=2)
    newer = completed("new", start=START + timedelta(hours=9))[-1]
    await SagaProjector(engine).project(newer)
    assert names(await read_model.sagas(limit=2, after=first.next)) == ["b", "a"]
    assert names(await read_model.sagas(limit=2)) == ["new", "t"]


def opaque(content: str) -> str:
    return base64.urlsafe_b64encode(content.encode()).decode()


@pytest.mark.asyncio
async def test_a_broken_cursor_is_told(read_model: ReadModel) -> None:
    whole = (await read_model.sagas(limit=2)).next
    assert whole is not None
    cut = [whole[:length] for length in range(len(whole))]
    texts = (
        *("{}", "[]", "1", '["", "", ""]', '["", 5, "a"]', '["", "2026-01-01", "a"]', "[" * 9000),
        *('["", "2026-01-01T00:00:00+00:00", 5]', '["", "2026-01-01T00:00:00+00:00", "\\ud800"]'),
        '["", "0001-01-01T00:00:00+09:00", "a"]',
    )
    for broken in (*cut, whole + "x", "é", "order-a", *(opaque(it) for it in texts)):
        with pytest.raises(BadCursor, match="this is no cursor"):
            await read_model.sagas(limit=2, after=broken)


@pytest.mark.asyncio
async def test_a_cursor_of_another_list_is_told(read_model: ReadModel) -> None:
    cursor = (await read_model.sagas(limit=2)).next
    for asked in (
        read_model.sagas(saga_type="order", after=cursor),
        read_model.sagas(customer_id="order", after=cursor),
        read_model.sagas(status=Status.RUNNING, after=cursor),
        read_model.stuck(after=cursor),
    ):
        with pytest.raises(BadCursor, match="another list's"):
            await asked
    assert names(await read_model.sagas(limit=1, after=cursor)) == ["b"]
