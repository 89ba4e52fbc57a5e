"""Every mutating request takes effect at most once, and never after its undo."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import delete

from services import inventory
from services import payment as payments
from services.application import database_of
from services.barrier import StoredOperation
from tests.services.calls import keyed, payment, problem_of, reservation, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNDONE = (410, "urn:problem:undone")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def service(module_database_url: str) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """A payment service and a client of it."""
    app = payments.create_app(module_database_url)
    async with served(app) as client:
        yield app, client


@pytest_asyncio.fixture(loop_scope="module")
async def client(service: tuple[FastAPI, httpx.AsyncClient]) -> httpx.AsyncClient:
    """A client of a payment service whose database is empty."""
    app, client = service
    async with database_of(app).write([]) as session:
        await session.exec(delete(payments.Payment))
        await session.exec(delete(StoredOperation))
    return client


async def test_repeated_key_gets_the_stored_success(client: httpx.AsyncClient) -> None:
    first = await client.post("/payments", json=payment(), headers=keyed("k"))
    # The same content in another order of fields.
    shuffled = dict(reversed(payment().items()))
    again = await client.post("/payments", json=shuffled, headers=keyed("k"))
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert first.headers["content-type"] == again.headers["content-type"]
    assert first.json()["version"] == 1


async def test_repeated_key_gets_the_stored_refusal(client: httpx.AsyncClient) -> None:
    declined = payment(card_token="tok_declined")
    first = await client.post("/payments", json=declined, headers=keyed("k"))
    again = await client.post("/payments", json=declined, headers=keyed("k"))
    assert problem_of(first) == problem_of(again)
    assert problem_of(first) == (402, "urn:problem:payment:card-declined")
    assert first.content == again.content
    assert (await client.get("/payments/p1")).status_code == 404


async def test_an_answer_can_be_asked_for(client: httpx.AsyncClient) -> None:
    async def asked() -> httpx.Response:
        return await client.get("/answers", params={"key": "saga/step/do"})

    assert problem_of(await asked()) == (404, "urn:problem:key-unknown")
    assert (await client.get("/payments/p1")).status_code == 404
    done = await client.post("/payments", json=payment(), headers=keyed("saga/step/do"))
    assert (await asked()).content == done.content
    assert (await asked()).status_code == 201
    undo = keyed("saga/step/undo", undoes="saga/step/do")
    await client.post("/payments/p1/refund", json={"reason": "r"}, headers=undo)
    assert problem_of(await asked()) == UNDONE


async def test_undo_before_its_action(client: httpx.AsyncClient) -> None:
    undo = await client.post("/payments/p1/refund", json={}, headers=keyed("u", "k"))
    assert undo.status_code == 200
    assert (undo.json()["status"], undo.json()["refunded_minor"]) == ("void", 0)
    late = await client.post("/payments", json=payment(), headers=keyed("k"))
    later = await client.post("/payments", json=payment(), headers=keyed("k"))
    assert problem_of(late) == UNDONE
    assert late.content == later.content
    other_key = await client.post("/payments", json=payment(), headers=keyed("k2"))
    assert problem_of(other_key) == UNDONE
    assert (await client.get("/payments/p1")).json()["status"] == "void"


async def test_undo_of_a_refused_action(client: httpx.AsyncClient) -> None:
    declined = payment(card_token="tok_declined")
    await client.post("/payments", json=declined, headers=keyed("k"))
    undo = await client.post("/payments/p1/refund", json={}, headers=keyed("u", "k"))
    assert (undo.status_code, undo.json()["status"]) == (200, "void")
    assert problem_of(await client.post("/payments", json=declined, headers=keyed("k"))) == UNDONE


@pytest.mark.parametrize("undoes", ["k", None])
async def test_action_after_its_undo(client: httpx.AsyncClient, undoes: str | None) -> None:
    done = await client.post("/payments", json=payment(), headers=keyed("k"))
    undo = await client.post("/payments/p1/refund", json={}, headers=keyed("u", undoes))
    assert undo.json()["status"] == "refunded"
    assert undo.json()["refunded_minor"] == 2820
    assert undo.json()["version"] == 2
    assert undo.json()["occurred_at"] > done.json()["occurred_at"]
    assert problem_of(await client.post("/payments", json=payment(), headers=keyed("k"))) == UNDONE


async def test_undo_twice(client: httpx.AsyncClient) -> None:
    await client.post("/payments", json=payment(), headers=keyed("k"))
    undo = await client.post("/payments/p1/refund", json={}, headers=keyed("u", "k"))
    same_key = await client.post("/payments/p1/refund", json={}, headers=keyed("u", "k"))
    other_key = await client.post("/payments/p1/refund", json={}, headers=keyed("u2", "k"))
    assert undo.content == same_key.content == other_key.content
    assert other_key.status_code == 200


async def test_undo_of_nothing_twice_without_undoes_key(client: httpx.AsyncClient) -> None:
    for key in ("u", "u2"):
        undo = await client.post("/payments/p1/refund", json={}, headers=keyed(key))
        assert (undo.status_code, undo.json()["status"]) == (200, "void")
    assert problem_of(await client.post("/payments", json=payment(), headers=keyed("k"))) == UNDONE


async def test_undo_leaves_alone_what_another_action_made(client: httpx.AsyncClient) -> None:
    await client.post("/payments", json=payment(), headers=keyed("mine"))
    refused = await client.post("/payments", json=payment(), headers=keyed("theirs"))
    assert problem_of(refused) == (409, "urn:problem:payment:already-exists")
    undo = await client.post("/payments/p1/refund", json={}, headers=keyed("u", "theirs"))
    assert (undo.status_code, undo.json()["status"]) == (200, "void")
    assert (await client.get("/payments/p1")).json()["status"] == "captured"
    late = await client.post("/payments", json=payment(), headers=keyed("theirs"))
    assert problem_of(late) == UNDONE


async def test_key_reused(client: httpx.AsyncClient) -> None:
    await client.post("/payments", json=payment(), headers=keyed("k"))
    other_body = await client.post("/payments", json=payment(amount_minor=1), headers=keyed("k"))
    other_path = await client.post("/payments/p1/refund", json={}, headers=keyed("k"))
    undoes_an_undo = await client.post("/payments/p1/refund", json={}, headers=keyed("u", "k"))
    assert undoes_an_undo.status_code == 200
    undoes_an_undo = await client.post("/payments/p1/refund", json={}, headers=keyed("u2", "u"))
    for answer in (other_body, other_path, undoes_an_undo):
        assert problem_of(answer) == (422, "urn:problem:key-reused")


async def test_missing_and_malformed_keys(client: httpx.AsyncClient) -> None:
    missing = await client.post("/payments", json=payment())
    assert problem_of(missing) == (400, "urn:problem:idempotency-key-missing")
    for headers in (keyed("k" * 1025), keyed("u", "u"), keyed("u", "")):
        answer = await client.post("/payments/p1/refund", json={}, headers=headers)
        assert problem_of(answer) == (400, "urn:problem:invalid-request")


async def test_what_is_no_refusal_is_not_stored(client: httpx.AsyncClient) -> None:
    wrong = await client.post("/payments", json=payment(amount_minor=28.2), headers=keyed("k"))
    assert problem_of(wrong) == (400, "urn:problem:invalid-request")
    right = await client.post("/payments", json=payment(), headers=keyed("k"))
    assert right.status_code == 201


class Gate:
    """Holds the next transaction just before its commit."""

    def __init__(self, app: FastAPI) -> None:
        self._database = database_of(app)
        self._pass = self._database.before_commit
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self._database.before_commit = self._hold

    async def _hold(self) -> None:
        self._database.before_commit = self._pass
        self.reached.set()
        await self.open.wait()


IN_PROGRESS = (409, "urn:problem:in-progress")


async def test_duplicate_and_undo_beside_a_request_in_progress(database_url: str) -> None:
    app = inventory.create_app(database_url, stock={"BOOK": 9})
    body = reservation(BOOK=2)
    async with served(app) as client:
        gate = Gate(app)
        first = asyncio.create_task(client.post("/reservations", json=body, headers=keyed("k")))
        await gate.reached.wait()
        beside = [
            await client.post("/reservations", json=body, headers=keyed("k")),
            await client.post("/reservations/r1/release", json={}, headers=keyed("u", "k")),
        ]
        gate.open.set()
        for answer in beside:
            assert problem_of(answer) == IN_PROGRESS
            assert answer.headers["retry-after"] == "1"
        assert (await first).status_code == 201
        again = await client.post("/reservations", json=body, headers=keyed("k"))
        assert again.content == (await first).content
        assert (await client.get("/stock/BOOK")).json()["reserved"] == 2


async def test_duplicate_in_another_process(database_url: str, backend: str) -> None:
    # Two applications share nothing but the database, as two processes do.
    apps = [inventory.create_app(database_url, stock={"BOOK": 9}) for _ in range(2)]
    body = reservation(BOOK=2)
    async with served(apps[0]) as one, served(apps[1]) as two:
        gate = Gate(apps[0])
        first = asyncio.create_task(one.post("/reservations", json=body, headers=keyed("k")))
        await gate.reached.wait()
        second = asyncio.create_task(two.post("/reservations", json=body, headers=keyed("k")))
        if backend == "postgresql":
            assert problem_of(await second) == IN_PROGRESS
            gate.open.set()
        else:
            # SQLite lets the second wait for the first.
            await asyncio.wait([second], timeout=0.1)
            gate.open.set()
            assert (await second).content == (await first).content
        assert (await first).status_code == 201
        assert (await one.get("/stock/BOOK")).json()["reserved"] == 2


async def test_two_keys_that_create_one_id_at_once(database_url: str) -> None:
    app = payments.create_app(database_url)
    async with served(app) as client:
        answers = await asyncio.gather(
            *(client.post("/payments", json=payment(), headers=keyed(f"k{n}")) for n in range(10))
        )
        assert [answer.status_code for answer in answers].count(201) == 1
        assert {problem_of(answer) for answer in answers if answer.status_code != 201} <= {
            (409, "urn:problem:payment:already-exists"),
            IN_PROGRESS,
        }
