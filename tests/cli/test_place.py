"""`place-order` as a process."""

import asyncio
import json
import os
import pty
import re
import signal
import sys
from uuid import uuid4

import pytest
from temporalio.testing import WorkflowEnvironment

from read_model.views import OrderView
from tests.binaries import DEV_SERVER
from tests.cli.shop import ORDER, ROOT, Shop
from tests.fakes import Held

pytestmark = pytest.mark.asyncio(loop_scope="session")

STEPS = ["create-order", "charge-payment", "reserve-stock", "create-shipment", "confirm-order"]
NO_SERVER = (
    "error: no Temporal server answers at 127.0.0.1:1:"
    " start it or set TEMPORAL_ADDRESS to host:port\n"
)


def marks(out: str) -> list[str]:
    return [" ".join(line.split()[:2]) for line in out.splitlines() if line[0] in "✓✗↶»!"]


async def test_an_order_is_followed_to_its_end(shop: Shop) -> None:
    ran = await shop.run("place-order", *ORDER, "--wait")
    assert (ran.code, ran.err) == (0, "")
    first, *_, last = ran.out.splitlines()
    assert re.fullmatch(r"order [0-9a-f-]{36} placed", first)
    assert re.fullmatch(r"completed in \d+ ms", last)
    assert marks(ran.out) == [f"✓ {step}" for step in STEPS]


async def test_a_refused_order_is_followed_to_its_end(own_shop: Shop) -> None:
    own_shop.participants.refuse("reserve-stock")
    ran = await own_shop.run("place-order", *ORDER, "--wait")
    assert (ran.code, ran.err) == (1, "")
    told = ["✓ create-order", "✓ charge-payment", "✗ reserve-stock"]
    assert marks(ran.out) == [*told, "↶ refund-payment", "↶ cancel-order"]
    assert ran.out.splitlines()[-1].startswith("compensated (failed, reserve-stock: ")


async def test_every_option_reaches_the_saga(own_shop: Shop) -> None:
    order_id = f"o-{uuid4()}"
    ran = await own_shop.run(
        *("place-order", *ORDER, "--currency", "EUR", "--order-id", order_id),
        *("--correlation-id", "trace-7", "--deadline", "2m", "--wait", "--json"),
    )
    assert (ran.code, ran.err) == (0, "")
    document = OrderView.model_validate_json(ran.out)
    assert (document.order_id, document.customer_id) == (order_id, "C-1")
    assert str(document.total) == "amount=Decimal('28.20') currency='EUR'"
    assert document.correlation_id == "trace-7"
    assert [step.name for step in document.steps] == STEPS
    await own_shop.has_projected(order_id)
    assert (
        OrderView.model_validate_json((await own_shop.run("status", order_id, "--json")).out)
        == document
    )
    history = await own_shop.env.client.get_workflow_handle(f"order-{order_id}").fetch_history()
    given = json.loads(
        history.events[0].workflow_execution_started_event_attributes.input.payloads[0].data
    )
    assert given["deadline"] == "PT2M"
    assert given["command"]["ship_to"] == "1 Main St, Springfield"


async def test_a_deadline_is_kept(own_shop: Shop) -> None:
    held = own_shop.participants.hold("reserve-stock")
    ran = await own_shop.run("place-order", *ORDER, "--deadline", "1s", "--wait")
    held.release()
    assert ran.code == 1
    assert "compensated (deadline" in ran.out


async def test_an_order_comes_from_a_file_or_from_standard_input(shop: Shop) -> None:
    order = {
        "customer_id": "C-2",
        "items": [{"sku": "BOOK", "quantity": 1, "unit_price": "12.50"}],
        "card_token": "tok_visa",
        "ship_to": "1 Main St",
    }
    path = shop.folder / "order.json"
    path.write_text(json.dumps(order))
    ran, piped = await asyncio.gather(
        shop.run("place-order", "--file", str(path), "--json"),
        shop.run("place-order", "--file", "-", "--json", stdin=json.dumps(order)),
    )
    for one in (ran, piped):
        document = json.loads(one.out)
        assert (one.code, one.err) == (0, "")
        assert document == {
            "order_id": document["order_id"],
            "saga_id": f"order-{document['order_id']}",
            "saga_type": "order",
            "business_id": document["order_id"],
            "new": True,
            "status": "running",
            "correlation_id": f"order-{document['order_id']}",
        }
    bad = await shop.run("place-order", "--file", "-", stdin="{")
    assert (bad.code, bad.out) == (2, "")
    assert bad.err.startswith("error: standard input: no JSON: ")


async def test_without_waiting_it_says_how_to_look(shop: Shop) -> None:
    ran = await shop.run("place-order", *ORDER, "--order-id", (order_id := str(uuid4())))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        f"order {order_id} placed\n  look at it:  python starter.py status {order_id}\n"
    )


async def test_the_same_order_is_placed_once_and_another_is_refused(shop: Shop) -> None:
    again = ("place-order", *ORDER, "--order-id", (order_id := str(uuid4())))
    assert (await shop.run(*again, "--wait")).code == 0
    await shop.has_projected(order_id)
    left, followed, document, whole, other = await asyncio.gather(
        shop.run(*again),
        shop.run(*again, "--wait"),
        shop.run(*again, "--json"),
        shop.run(*again, "--json", "--wait"),
        shop.run(*again, "--item", "PEN=1@3.20"),
    )
    assert (left.code, followed.code, document.code, whole.code) == (0, 0, 0, 0)
    assert left.out.startswith(f"order {order_id} was already placed: completed\n")
    assert followed.out.startswith(f"order {order_id} was already placed\n")
    assert marks(followed.out) == [f"✓ {step}" for step in STEPS]
    assert json.loads(document.out) == {
        "order_id": order_id,
        "saga_id": f"order-{order_id}",
        "saga_type": "order",
        "business_id": order_id,
        "new": False,
        "status": "completed",
        "correlation_id": f"order-{order_id}",
    }
    assert json.loads(whole.out)["status"] == "completed"
    assert (other.code, other.out, other.err) == (2, "", _different(order_id))


async def test_an_order_is_placed_once_beyond_the_retention_too(own_shop: Shop) -> None:
    own_shop.participants.refuse("charge-payment")
    first = await own_shop.run("place-order", *ORDER, "--wait", "--json")
    assert first.code == 1
    order_id = await own_shop.forgotten_twin(json.loads(first.out)["order_id"])
    again = ("place-order", *ORDER, "--order-id", order_id)
    left, document, whole, other = await asyncio.gather(
        own_shop.run(*again),
        own_shop.run(*again, "--json"),
        own_shop.run(*again, "--json", "--wait"),
        own_shop.run(*again, "--item", "PEN=1@3.20"),
    )
    said = f"order {order_id} was already placed; its history is beyond retention\n"
    assert {one.err for one in (left, document, whole)} == {said}
    assert {one.code for one in (left, document, whole)} == {1}
    assert left.out == f"compensated; look at it with: python starter.py status {order_id}\n"
    assert json.loads(document.out)["new"] is False
    assert json.loads(whole.out)["cause"] == "failed"
    assert (other.code, other.out, other.err) == (2, "", _different(order_id))


async def test_an_order_is_placed_while_the_read_database_is_away(shop: Shop) -> None:
    database = "postgresql://reader:secret@127.0.0.1:1/orders"
    arguments = ("place-order", *ORDER, "--order-id", str(uuid4()), "--json")
    ran = await shop.run(*arguments, READ_DATABASE_URL=database)
    assert ran.code == 0
    assert json.loads(ran.out)["new"] is True
    warning, *more = ran.err.splitlines()
    assert not more
    assert warning.startswith("warning: whether it was placed long ago is not known: ")
    assert "secret" not in warning


async def test_it_waits_for_a_worker_and_says_so_once(closed_shop: Shop) -> None:
    async with closed_shop.start("place-order", *ORDER, "--wait") as process:
        assert process.stderr
        assert await process.stderr.readline() == b"waiting for a worker (python worker.py)\n"
        async with closed_shop.working():
            out, err = await process.communicate()
        assert (process.returncode, err) == (0, b"")
        assert marks(out.decode()) == [f"✓ {step}" for step in STEPS]


async def test_an_interrupt_leaves_the_order_alone(own_shop: Shop) -> None:
    held = own_shop.participants.hold("reserve-stock")
    async with own_shop.start("place-order", *ORDER, "--wait") as process:
        order_id = await _order_id(process)
        await held.reached.wait()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
        assert (process.returncode, err.decode()) == (
            130,
            (
                "interrupted; the order goes on,"
                f" look at it with: python starter.py status {order_id}\n"
            ),
        )
        held.release()
    again = await own_shop.run("place-order", *ORDER, "--order-id", order_id, "--wait")
    assert again.code == 0


async def test_a_terminated_order_is_not_waited_for(own_shop: Shop) -> None:
    held: Held = own_shop.participants.hold("reserve-stock")
    async with own_shop.start("place-order", *ORDER, "--wait") as process:
        order_id = await _order_id(process)
        await held.reached.wait()
        await own_shop.env.client.get_workflow_handle(f"order-{order_id}").terminate("by a test")
        held.release()
        out, err = await process.communicate()
        said = f"order {order_id} was terminated from outside: nothing more happens to it\n"
        assert (process.returncode, err.decode()) == (1, said)
        assert out.decode().splitlines()[-1].startswith("terminated")
        again = ("place-order", *ORDER, "--order-id", order_id)
        left, document = await asyncio.gather(own_shop.run(*again), own_shop.run(*again, "--json"))
        assert (left.code, document.code) == (1, 1)
        assert json.loads(document.out)["status"] == "terminated"


async def test_a_server_that_is_away_is_named(shop: Shop) -> None:
    ran, waited = await asyncio.gather(
        shop.run("place-order", *ORDER, TEMPORAL_ADDRESS="127.0.0.1:1"),
        shop.run("place-order", *ORDER, "--wait", "--json", TEMPORAL_ADDRESS="127.0.0.1:1"),
    )
    assert (ran.code, ran.out, ran.err) == (3, "", NO_SERVER)
    assert (waited.code, waited.out, waited.err) == (3, "", NO_SERVER)


async def test_a_server_without_the_search_attributes_says_what_to_run(shop: Shop) -> None:
    bare = await WorkflowEnvironment.start_local(dev_server_existing_path=DEV_SERVER)
    async with bare:
        address = bare.client.service_client.config.target_host
        ran = await shop.run("place-order", *ORDER, TEMPORAL_ADDRESS=address)
    assert (ran.code, ran.out) == (3, "")
    assert f"at {address} lacks search attributes: start a worker, or run once: " in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("no_color", ["", "1"])
async def test_colours_are_for_people_who_want_them(shop: Shop, no_color: str) -> None:
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "starter.py")),
        *("place-order", *ORDER, "--wait"),
        stdout=theirs,
        env=shop.variables | {"NO_COLOR": no_color, "TERM": "xterm"},
    )
    assert await process.wait() == 0
    os.close(theirs)
    assert (b"\x1b[32m" in os.read(ours, 10_000)) is not bool(no_color)
    os.close(ours)


def _different(order_id: str) -> str:
    return (
        f"error: order {order_id} was placed before with another content: give another order id\n"
    )


async def _order_id(process: asyncio.subprocess.Process) -> str:
    assert process.stdout
    return (await process.stdout.readline()).decode().split()[1]
