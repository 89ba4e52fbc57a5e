"""Every command serves a saga of another domain; the project knows nothing of it."""

import json
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from tests.cli.here import Here
from tests.cli.shop import Shop
from tests.cli.trips import BookTrip, Trips
from tests.integration.commands import Ran
from tests.integration.processes import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

TYPE = ("--type", "trip")
WHY = ("--by", "ada", "--reason", "x")


@pytest_asyncio.fixture(loop_scope="session")
async def trips(server: WorkflowEnvironment, closed_shop: Shop) -> AsyncIterator[Trips]:
    trips = Trips(server.client, closed_shop.database_url)
    async with trips.working():
        yield trips


async def test_a_trip_is_stuck_paused_repaired_and_listed(
    trips: Trips, closed_shop: Shop, here: Here
) -> None:
    # Ids of other sagas are text of any kind.
    trip_id = f"Rome & back {uuid4()}"

    async def command(*arguments: str) -> Ran:
        return await here.run(closed_shop.settings, *arguments)

    trips.agency.full = {"book-flight", "cancel-hotel"}
    await trips.book(BookTrip(trip_id=trip_id))

    async def is_stuck() -> Ran | None:
        ran = await command("stuck", *TYPE)
        return ran if ran.code else None

    listed = await eventually(is_stuck)
    assert (listed.code, listed.err) == (1, "")
    header, line, total = listed.out.splitlines()
    assert header.split() == ["saga", "stuck", "on", "for", "at", "risk", "problem"]
    assert line.startswith(f"trip {trip_id}  cancel-hotel  ")
    assert line.rstrip().endswith("s   1200.00 EUR  urn:trips:full: no cancel-hotel today")
    assert total == "at risk: 1200.00 EUR in 1 saga"

    shown = await command("status", trip_id, *TYPE)
    assert f"trip         {trip_id}" in shown.out
    assert f"python starter.py repair '{trip_id}' --type trip --step cancel-hotel" in shown.out
    document = json.loads((await command("status", trip_id, *TYPE, "--json")).out)
    assert document["saga_id"] == f"trip-{trip_id}"
    assert (document["saga_type"], document["business_id"]) == ("trip", trip_id)
    assert "order_id" not in document
    assert await command("status", trip_id) == Ran(
        2,
        "",
        f"error: ID: must be letters and digits, then also . _ : - (got '{trip_id[:39]}...)\n",
    )

    paused = await command("pause", trip_id, *TYPE, *WHY)
    assert paused == Ran(0, f"trip {trip_id}: pause accepted, the saga is paused\n", "")
    resumed = await command("resume", trip_id, *TYPE, *WHY, "--json")
    assert json.loads(resumed.out) == {
        "saga_id": f"trip-{trip_id}",
        "saga_type": "trip",
        "business_id": trip_id,
        "accepted": True,
        "status": "stuck",
        "message": "the saga goes on",
    }
    late = await command("cancel", trip_id, *TYPE, *WHY)
    assert (late.code, late.err) == (0, "")  # It is being undone already.

    trips.agency.full.clear()
    repair = ("repair", trip_id, *TYPE, *WHY, "--step", "cancel-hotel", "--with")
    repaired = await command(*repair, '{"nights": 1}')
    assert repaired == Ran(0, f"trip {trip_id}: repair accepted, cancel-hotel: replace\n", "")
    await trips.client.get_workflow_handle(f"trip-{trip_id}").result()
    assert trips.agency.nights[0] == 2
    assert "compensated" in (await command("status", trip_id, *TYPE)).out
    assert await command("stuck", *TYPE) == Ran(0, "", "nothing is stuck\n")

    every = json.loads((await command("sagas", "--json")).out)
    assert [it["business_id"] for it in every] == [trip_id]
    text = await command("sagas")
    assert text.out.splitlines()[1].startswith(f"trip {trip_id}  ")
    assert (await command("sagas", *TYPE)).out.splitlines()[0].startswith("trip ")
    assert await command("sagas", "--type", "order") == Ran(0, "", "no orders\n")
    assert await command("orders") == Ran(0, "", "no orders\n")
    assert await command("sagas", "--type", "cruise") == Ran(0, "", "no sagas\n")


async def test_an_unknown_trip_is_told(trips: Trips, closed_shop: Shop, here: Here) -> None:
    unknown = Ran(1, "", "error: there is no trip 17; `sagas` lists those there are\n")
    repair = ("repair", "17", *WHY, "--step", "book-hotel", "--retry")
    for arguments in (("cancel", "17", *WHY), ("pause", "17", *WHY), repair):
        assert await here.run(closed_shop.settings, *arguments, *TYPE) == unknown
    assert await here.run(closed_shop.settings, "status", "17", *TYPE) == Ran(1, "", "no trip 17\n")
