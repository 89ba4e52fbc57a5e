"""Stock is reserved whole or not at all, and never oversold."""

import asyncio
from collections.abc import Sequence

import httpx
import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from services import inventory
from services.application import database_of
from services.stock import Stock
from tests.services.calls import called, keyed, problem_of, reservation, served

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def reserve_all(
    client: httpx.AsyncClient, bodies: Sequence[dict[str, object]]
) -> list[httpx.Response]:
    """Send reservations at once, each with a key of its own."""
    return await asyncio.gather(
        *(
            client.post("/reservations", json=body, headers=keyed(f"k{number}"))
            for number, body in enumerate(bodies)
        )
    )


async def test_a_hundred_takers_of_fifty_pieces(database_url: str) -> None:
    async with served(inventory.create_app(database_url, stock={"BOOK": 50})) as client:
        answers = await reserve_all(client, [reservation(f"r{n}", BOOK=1) for n in range(100)])
        refused = [answer for answer in answers if answer.status_code != 201]
        assert len(refused) == 50
        assert {problem_of(answer) for answer in refused} == {
            (409, "urn:problem:inventory:out-of-stock")
        }
        stock = (await client.get("/stock/BOOK")).json()
        assert (stock["on_hand"], stock["reserved"], stock["available"]) == (50, 50, 0)
        assert stock["version"] == 51


async def test_takers_of_the_same_skus_in_other_orders_do_not_deadlock(database_url: str) -> None:
    stock = {"BOOK": 100, "LAMP": 100, "PEN": 100}
    async with called(inventory.create_app(database_url, stock=stock)) as client:
        orders = [{"BOOK": 1, "LAMP": 1, "PEN": 1}, {"PEN": 1, "LAMP": 1, "BOOK": 1}]
        answers = await reserve_all(
            client, [reservation(f"r{n}", **orders[n % 2]) for n in range(30)]
        )
        assert {answer.status_code for answer in answers} == {201}


async def test_all_lines_or_none_then_released(database_url: str) -> None:
    app = inventory.create_app(database_url, stock={"BOOK": 5, "LAMP": 1})
    async with called(app) as client:
        refused = await client.post(
            "/reservations", json=reservation("r1", BOOK=2, LAMP=2), headers=keyed("k1")
        )
        assert problem_of(refused) == (409, "urn:problem:inventory:out-of-stock")
        assert refused.json()["detail"] == "LAMP: wanted 2, available 1."
        assert (await client.get("/stock/BOOK")).json()["reserved"] == 0

        # Two lines of one SKU are one wish.
        lines = [{"sku": "BOOK", "quantity": 2}, {"sku": "BOOK", "quantity": 3}]
        body = reservation("r2") | {"lines": lines}
        taken = await client.post("/reservations", json=body, headers=keyed("k2"))
        assert taken.status_code == 201
        assert taken.json()["lines"] == [{"sku": "BOOK", "quantity": 5}]

        undone = [
            await client.post("/reservations/r2/release", json={}, headers=keyed(key, "k2"))
            for key in ("u1", "u2")
        ]
        assert (undone[0].status_code, undone[0].json()["status"]) == (200, "released")
        assert undone[0].content == undone[1].content
        assert (await client.get("/stock/BOOK")).json()["available"] == 5
        assert (await client.get("/reservations/r2")).json() == undone[0].json()


async def test_release_of_what_was_never_reserved(database_url: str) -> None:
    async with called(inventory.create_app(database_url, stock={"BOOK": 5})) as client:
        undo = await client.post("/reservations/r1/release", json={}, headers=keyed("u", "k"))
        assert (undo.status_code, undo.json()["status"]) == (200, "void")
        assert undo.json()["lines"] == []
        late = await client.post("/reservations", json=reservation(BOOK=1), headers=keyed("k"))
        assert problem_of(late) == (410, "urn:problem:undone")
        assert (await client.get("/stock/BOOK")).json()["version"] == 1


async def test_restock(database_url: str) -> None:
    async with called(inventory.create_app(database_url, stock={"BOOK": 5})) as client:
        for sku, on_hand in (("BOOK", 12), ("MUG", 7)):
            answer = await client.post(
                f"/stock/{sku}/restock", json={"quantity": 7}, headers=keyed(sku)
            )
            assert (answer.status_code, answer.json()["on_hand"]) == (200, on_hand)
        skus = [stock["sku"] for stock in (await client.get("/stock")).json()]
        assert skus == ["BOOK", "MUG"]


async def test_the_database_itself_refuses_to_oversell(database_url: str) -> None:
    database = database_of(inventory.create_app(database_url, stock={"BOOK": 5}))
    await database.open()
    with pytest.raises(IntegrityError):
        async with database.write([]) as session:
            await session.exec(update(Stock).values(reserved=6))
    await database.close()


async def test_a_new_database_is_seeded_once(database_url: str) -> None:
    starters = [
        database_of(inventory.create_app(database_url, stock={"BOOK": 5})) for _ in range(10)
    ]
    await asyncio.gather(*(database.open() for database in starters))
    for database in starters:
        await database.close()
    async with called(inventory.create_app(database_url, stock={"PEN": 9})) as client:
        assert [stock["sku"] for stock in (await client.get("/stock")).json()] == ["BOOK"]
