"""`orders` and `sagas` page by page, and `totals`."""

import json
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from read_model.database import open_database
from read_model.migration import migrate
from read_model.projector import SagaProjector
from tests.cli.here import Here
from tests.integration.commands import Ran
from tests.read_model.states import START, completed, stuck

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def settings(tmp_path: Path) -> dict[str, str]:
    """A read database with three completed orders, a day apart, and a trip that is stuck."""
    url = f"sqlite:///{tmp_path / 'read.db'}"
    engine = open_database(url)
    await migrate(engine)
    projector = SagaProjector(engine)
    for days, name in enumerate("abc"):
        await projector.project(completed(name, start=START + timedelta(days=days))[-1])
    await projector.project(stuck(business_id="t", saga_type="trip", money=None))
    await engine.dispose()
    return {"READ_DATABASE_URL": url, "SAGA_HOME": str(tmp_path)}


def ids(ran: Ran) -> list[str]:
    return [it["business_id"] for it in json.loads(ran.out)]


async def test_pages_of_orders(here: Here, settings: dict[str, str]) -> None:
    asked = ("orders", "--limit", "2", "--json")
    first = await here.run(settings, *asked)
    assert (first.code, ids(first)) == (0, ["c", "b"])
    more, option, cursor = first.err.split()
    assert (more, option) == ("more:", "--after")
    second = await here.run(settings, *asked, option, cursor)
    assert (second.code, ids(second), second.err) == (0, ["a"], "")
    table = await here.run(settings, "orders", "--limit", "2")
    assert table.err == first.err
    nothing = await here.run(settings, "sagas", "--type", "trip", "--status", "completed")
    assert nothing == Ran(0, "", "no sagas\n")


@pytest.mark.parametrize(
    ("command", "cursor", "told"),
    [
        (("orders",), "x", "--after: this is no cursor; give one that a list has told, whole"),
        (("sagas",), None, "--after: this cursor is another list's; ask with the filters it was"),
        (("orders", "--customer", "c-1"), None, "--after: this cursor is another list's"),
    ],
)
async def test_a_cursor_that_does_not_fit_is_told(
    here: Here, settings: dict[str, str], command: tuple[str, ...], cursor: str | None, told: str
) -> None:
    if cursor is None:
        cursor = (await here.run(settings, "orders", "--limit", "1")).err.split()[-1]
    ran = await here.run(settings, *command, "--after", cursor, "--json")
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 1)
    assert ran.err.startswith(f"error: {told}")


async def test_totals(here: Here, settings: dict[str, str]) -> None:
    asked = ("totals", "--since", "2026-03-01", "--until", "2026-03-02")
    ran, table = await here.run(settings, *asked, "--json"), await here.run(settings, *asked)
    order = {"amount": "28.20", "currency": "USD"}
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out) == {
        "since": "2026-03-01",
        "until": "2026-03-02",
        "totals": [
            {"day": "2026-03-02", "status": "completed", "sagas": 1, "total": order},
            {"day": "2026-03-01", "status": "stuck", "sagas": 1, "total": None},
            {"day": "2026-03-01", "status": "completed", "sagas": 1, "total": order},
        ],
    }
    assert [line.split() for line in table.out.splitlines()][1:] == [
        ["2026-03-02", "completed", "1", "28.20", "USD"],
        ["2026-03-01", "stuck", "1"],
        ["2026-03-01", "completed", "1", "28.20", "USD"],
    ]
    trips = await here.run(settings, *asked, "--type", "trip", "--json")
    assert [it["status"] for it in json.loads(trips.out)["totals"]] == ["stuck"]


async def test_days_without_sagas(here: Here, settings: dict[str, str]) -> None:
    asked = ("totals", "--since", "2025-01-01", "--until", "2025-01-31")
    assert await here.run(settings, *asked) == Ran(
        0, "", "no sagas from 2025-01-01 until 2025-01-31\n"
    )
    new = {**settings, "READ_DATABASE_URL": f"{settings['READ_DATABASE_URL']}-{uuid4()}"}
    ran = await here.run(new, *asked, "--json")
    assert (ran.code, json.loads(ran.out)["totals"]) == (0, [])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--since", "yesterday"), "--since 'yesterday': write the day like 2026-11-24"),
        (("--until", "2026-02-30"), "--until '2026-02-30': write the day like 2026-11-24"),
        (("--since", "2020-01-01"), "--since and --until: 2020-01-01 until "),
        (("--since", "2026-03-02", "--until", "2026-03-01"), "--since and --until: no day is from"),
    ],
)
async def test_days_that_cannot_be_are_told(
    here: Here, settings: dict[str, str], options: tuple[str, ...], told: str
) -> None:
    ran = await here.run(settings, "totals", *options)
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 1)
    assert ran.err.startswith(f"error: {told}")
