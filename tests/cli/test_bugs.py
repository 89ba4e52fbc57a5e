"""`stuck --bugs`: sagas whose workflow tasks fail are found, though their status says `running`."""

import json
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from cli import bugs
from tests.cli.here import Here
from tests.cli.shop import Shop
from tests.cli.trips import BookTrip, Trips
from tests.integration.commands import Ran
from tests.integration.processes import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

BUGS = ("stuck", "--bugs", "--type", "trip")


@pytest_asyncio.fixture(loop_scope="session")
async def trips(server: WorkflowEnvironment, closed_shop: Shop) -> AsyncIterator[Trips]:
    trips = Trips(server.client, closed_shop.database_url)
    async with trips.working():
        yield trips


async def found(shop: Shop, here: Here, *options: str) -> Ran:
    async def any_found() -> Ran | None:
        ran = await here.run(shop.settings, *BUGS, *options)
        return ran if ran.code == 1 else None

    return await eventually(any_found)


async def test_a_saga_held_by_a_bug_is_found(
    trips: Trips, closed_shop: Shop, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = await here.run(closed_shop.settings, *BUGS)
    assert none == Ran(0, "", "no workflow task fails\n")
    # As on servers that report no problems by themselves.
    monkeypatch.setattr(bugs, "_REPORTED", " AND NoSuchAttribute IS NOT NULL")
    held = str(uuid4())
    await trips.book(BookTrip(trip_id=held, bug=True))
    document = json.loads((await found(closed_shop, here, "--json")).out)
    [bug] = document.pop("sagas")
    assert document == {"complete": True, "looked_at": 1}
    assert bug.pop("attempts") >= 1
    assert bug.pop("since").endswith("Z")
    assert bug == {
        "saga_id": f"trip-{held}",
        "saga_type": "trip",
        "business_id": held,
        "cause": "workflow-worker-unhandled-failure",
        "message": "ValueError: farewell",
    }
    handle = trips.client.get_workflow_handle(f"trip-{held}")
    told = await here.run(closed_shop.settings, *BUGS)
    header, line = told.out.splitlines()
    assert header.split() == ["saga", "fails", "for", "attempts", "cause", "message"]
    assert line.startswith(f"trip {held}  ")
    assert line.endswith("workflow-worker-unhandled-failure  ValueError: farewell")
    assert (told.code, told.err) == (1, "")

    trips.agency.hold.clear()
    await trips.book(BookTrip(trip_id=str(uuid4())))
    cut = await here.run(closed_shop.settings, *BUGS, "--limit", "1")
    assert (cut.code, cut.out) == (0, "")
    assert cut.err == (
        "no workflow task fails\n"
        "only the 1 newest running sagas were looked at; --limit looks at more\n"
    )
    # What the server reports is looked at however old it is.
    monkeypatch.undo()
    reported = await found(closed_shop, here, "--limit", "1")
    assert f"trip {held}" in reported.out
    trips.agency.hold.set()
    await handle.terminate("by a test")
