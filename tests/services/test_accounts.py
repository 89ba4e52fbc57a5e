"""Accounts over HTTP: money is moved once, never below zero, and put back once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from services import ledger
from services import payment as payments
from services.application import database_of
from services.event_store import Conflict, EventStore
from tests.services.calls import Body, called, keyed, payment, problem_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNDONE = (410, "urn:problem:undone")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def service(module_database_url: str) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """A payment service and a client of it."""
    app = payments.create_app(module_database_url)
    async with called(app) as client:
        yield app, client


class Customer:
    """A customer with an account of their own; every request has a key of its own."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.id = f"a-{uuid4().hex[:8]}"

    async def send(self, path: str, body: Body, key: str = "") -> httpx.Response:
        headers = keyed(self.key(key or uuid4().hex))
        return await self.client.post(path, json=body, headers=headers)

    def key(self, name: str) -> str:
        return f"{self.id}/{name}"

    async def open(self, key: str = "") -> httpx.Response:
        body: Body = {"account_id": self.id, "customer_id": "c1", "currency": "USD"}
        return await self.send("/accounts", body, key)

    async def deposit(self, amount: object, key: str = "", currency: str = "USD") -> httpx.Response:
        body: Body = {"amount_minor": amount, "currency": currency}
        return await self.send(f"/accounts/{self.id}/deposits", body, key)

    async def pay(self, name: str, amount: int, **changes: object) -> httpx.Response:
        changes = {"card_token": f"acct:{self.id}", "amount_minor": amount} | changes
        return await self.send("/payments", payment(f"{self.id}-{name}", **changes), f"do-{name}")

    async def refund(self, name: str, key: str = "") -> httpx.Response:
        headers = keyed(self.key(key or f"undo-{name}"), self.key(f"do-{name}"))
        path = f"/payments/{self.id}-{name}/refund"
        return await self.client.post(path, json={}, headers=headers)

    async def account(self) -> tuple[int, int]:
        """The balance and the version."""
        account = (await self.client.get(f"/accounts/{self.id}")).json()
        return account["balance_minor"], account["version"]

    async def events(self) -> list[tuple[str, int]]:
        """Each event's type and amount."""
        events = (await self.client.get(f"/accounts/{self.id}/events?limit=1000")).json()
        assert [event["version"] for event in events] == list(range(1, len(events) + 1))
        times = [event["occurred_at"] for event in events]
        assert times == sorted(times)
        return [(event["event_type"], event["data"].get("amount_minor", 0)) for event in events]


@pytest_asyncio.fixture(loop_scope="module")
async def customer(service: tuple[FastAPI, httpx.AsyncClient]) -> Customer:
    """A customer with 1000 in their account."""
    customer = Customer(service[1])
    await customer.open()
    await customer.deposit(1000)
    return customer


async def test_opened_and_paid_into_once(service: tuple[FastAPI, httpx.AsyncClient]) -> None:
    customer = Customer(service[1])
    opened = [await customer.open("open") for _ in range(2)]
    assert opened[0].status_code == 201
    assert opened[0].content == opened[1].content
    assert problem_of(await customer.open()) == (409, "urn:problem:payment:account-exists")

    paid = [await customer.deposit(700, "deposit") for _ in range(2)]
    assert paid[0].status_code == 201
    assert paid[0].content == paid[1].content
    shown = (await customer.client.get(f"/accounts/{customer.id}")).json()
    assert shown == paid[0].json()
    assert shown.items() >= {"balance_minor": 700, "version": 2, "currency": "USD"}.items()
    await customer.deposit(300)
    assert await customer.events() == [("opened", 0), ("deposited", 700), ("deposited", 300)]
    page = await customer.client.get(f"/accounts/{customer.id}/events?after=1&limit=1")
    assert [event["version"] for event in page.json()] == [2]


@pytest.mark.parametrize("after", [2**31, 2**63, 10**30])
async def test_no_version_is_so_late(customer: Customer, after: int) -> None:
    answer = await customer.client.get(f"/accounts/{customer.id}/events?after={after}")
    assert problem_of(answer) == (400, "urn:problem:invalid-request")
    last = await customer.client.get(f"/accounts/{customer.id}/events?after={2**31 - 1}")
    assert last.json() == []


async def test_what_is_no_deposit(customer: Customer) -> None:
    for amount in (0, -1, "5", 1.5, 10**15 + 1):
        answer = await customer.deposit(amount)
        assert problem_of(answer) == (400, "urn:problem:invalid-request"), amount
    answer = await customer.deposit(1, currency="EUR")
    assert problem_of(answer) == (422, "urn:problem:payment:currency-mismatch")
    assert await customer.account() == (1000, 2)
    nobody = Customer(customer.client)
    assert problem_of(await nobody.deposit(1)) == (404, "about:blank")
    for path in ("", "/events"):
        answer = await nobody.client.get(f"/accounts/{nobody.id}{path}")
        assert problem_of(answer) == (404, "about:blank")


async def test_paid_from_and_put_back_once(customer: Customer) -> None:
    paid = [await customer.pay("p", 400) for _ in range(2)]
    assert paid[0].status_code == 201
    assert paid[0].content == paid[1].content
    assert paid[0].json().items() >= {"status": "captured", "amount_minor": 400}.items()
    assert await customer.account() == (600, 3)
    refunds = [await customer.refund("p", key) for key in ("u", "u", "u2")]
    assert len({answer.content for answer in refunds}) == 1
    assert refunds[0].json().items() >= {"status": "refunded", "refunded_minor": 400}.items()
    assert await customer.account() == (1000, 4)
    assert problem_of(await customer.pay("p", 400)) == UNDONE
    events = [("opened", 0), ("deposited", 1000), ("withdrawn", 400), ("refunded", 400)]
    assert await customer.events() == events


@pytest.mark.parametrize(
    ("amount", "changes", "problem"),
    [
        (1001, {}, (402, "urn:problem:payment:insufficient-funds")),
        (1, {"currency": "EUR"}, (422, "urn:problem:payment:currency-mismatch")),
        (1, {"card_token": "acct:nobody"}, (422, "urn:problem:payment:account-unknown")),
        (1, {"card_token": "acct:"}, (422, "urn:problem:payment:account-unknown")),
    ],
)
async def test_refused(
    customer: Customer, amount: int, changes: Body, problem: tuple[int, str]
) -> None:
    refused = [await customer.pay("p", amount, **changes) for _ in range(2)]
    assert problem_of(refused[0]) == problem
    assert refused[0].content == refused[1].content
    # What was refused took nothing, so its undo puts nothing back.
    assert (await customer.refund("p")).json().items() >= {"status": "void"}.items()
    assert problem_of(await customer.pay("p", amount, **changes)) == UNDONE
    assert await customer.account() == (1000, 2)


async def test_undo_before_its_charge(customer: Customer) -> None:
    assert (await customer.refund("p")).json()["status"] == "void"
    assert problem_of(await customer.pay("p", 400)) == UNDONE
    assert await customer.account() == (1000, 2)


async def test_undo_of_what_another_action_charged(customer: Customer) -> None:
    await customer.pay("p", 400)
    headers = keyed(customer.key("u"), customer.key("another"))
    answer = await customer.client.post(
        f"/payments/{customer.id}-p/refund", json={}, headers=headers
    )
    assert answer.json()["status"] == "void"
    assert await customer.account() == (600, 3)


async def test_all_of_it_and_nothing(customer: Customer) -> None:
    assert (await customer.pay("all", 1000)).status_code == 201
    assert (await customer.pay("nothing", 0)).status_code == 201
    assert (await customer.pay("more", 1)).status_code == 402
    for name in ("nothing", "all"):
        assert (await customer.refund(name)).json()["status"] == "refunded"
    assert await customer.account() == (1000, 6)


async def test_a_hundred_want_the_money_of_one(
    customer: Customer, service: tuple[FastAPI, httpx.AsyncClient]
) -> None:
    amounts = [20 + number % 3 for number in range(100)]
    paid = await asyncio.gather(*(customer.pay(f"{n}", it) for n, it in enumerate(amounts)))
    assert Counter(answer.status_code for answer in paid).keys() == {201, 402}
    taken = sum(answer.json()["amount_minor"] for answer in paid if answer.status_code == 201)
    assert 1000 - 20 < taken <= 1000
    done = sum(answer.status_code == 201 for answer in paid)
    assert await customer.account() == (1000 - taken, 2 + done)

    # Some are undone, each by two keys at once, while others pay in.
    won = [name for name, answer in enumerate(paid) if answer.status_code == 201][:10]
    undone = await asyncio.gather(
        *(customer.refund(f"{name}", f"{key}-{name}") for name in won for key in "uv"),
        *(customer.deposit(1) for _ in range(10)),
    )
    assert {answer.status_code for answer in undone} <= {200, 201, 409}
    back = sum(paid[name].json()["amount_minor"] for name in won)
    assert await customer.account() == (1000 - taken + back + 10, 2 + done + len(won) + 10)
    events = await customer.events()
    assert sum(it for kind, it in events if kind == "withdrawn") == taken
    assert sum(it for kind, it in events if kind == "refunded") == back

    async with database_of(service[0]).read() as session:
        quick, slow = [
            await ledger.load(session, customer.id, from_snapshot=it) for it in (True, False)
        ]
        snapshot = await EventStore(session, "account").snapshot(customer.id, 1)
    assert quick == slow
    assert snapshot is not None
    assert snapshot.version % ledger.SNAPSHOT_EVERY == 0


async def test_a_request_that_was_overtaken_decides_anew(
    customer: Customer, service: tuple[FastAPI, httpx.AsyncClient]
) -> None:
    async with database_of(service[0]).write([]) as session:
        store = EventStore(session, "account")
        # Another process takes 700 and has not committed yet.
        account = await ledger.load(session, customer.id)
        assert account is not None
        event = account.withdraw(700, "USD", customer.key("elsewhere"))
        await ledger.append(store, account, event, account.changed_at)
        paying = [asyncio.create_task(customer.pay(f"{amount}", amount)) for amount in (300, 301)]
        done, _ = await asyncio.wait(paying, timeout=0.3)
        assert not done
    assert [(await answer).status_code for answer in paying] == [201, 402]
    assert await customer.account() == (0, 4)


async def test_who_is_overtaken_again_and_again_is_asked_to_come_back(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def overtaken(*_: object) -> None:
        raise Conflict(customer.id)

    with monkeypatch.context() as patch:
        patch.setattr(EventStore, "append", overtaken)
        answer = await customer.pay("p", 400)
    assert problem_of(answer) == (503, "about:blank")
    assert answer.headers["retry-after"] == "1"
    assert await customer.account() == (1000, 2)
    assert (await customer.pay("p", 400)).status_code == 201
    assert await customer.account() == (600, 3)


async def test_charges_and_refunds_that_come_twice_and_at_once_add_up(customer: Customer) -> None:
    async def at_last(ask: Callable[[str], Awaitable[httpx.Response]], name: str) -> int:
        """Ask as a saga does: again for as long as the service asks for it."""
        while (response := await ask(name)).status_code in {409, 503}:
            await asyncio.sleep(float(response.headers.get("Retry-After", 1)))
        return response.status_code

    names = [f"p{number}" for number in range(30)]

    async def charge(name: str) -> httpx.Response:
        return await customer.pay(name, 10)

    charged = [at_last(charge, name) for name in names for _ in range(2)]
    # Some refunds come before their charges, which then are undone for ever.
    refunded = [at_last(customer.refund, name) for name in names for _ in range(2)]
    asked = [one for pair in zip(charged, refunded, strict=True) for one in pair]
    codes = await asyncio.gather(*asked)
    assert set(codes[1::2]) == {200}
    assert set(codes[::2]) <= {201, 410}
    told = Counter(kind for kind, _ in await customer.events())
    tries = codes[::2]
    done = [201 in pair for pair in zip(tries[::2], tries[1::2], strict=True)]
    assert told["withdrawn"] == told["refunded"] == sum(done)
    assert (await customer.account())[0] == 1000
