"""`audit` over real services, sagas and databases, sound and tampered with."""

import asyncio
from pathlib import Path

import pytest

from audit.entries import Participant
from audit.findings import Kind
from contracts import ids
from saga import Repair, Request, Status
from saga.events import RepairAction
from tests.audit.audited import Audited, Fates, document, kinds
from tests.cli.here import Here
from tests.integration.processes import eventually
from tests.integration.stage import NOWHERE, an_order

pytestmark = pytest.mark.asyncio(loop_scope="session")

ORDER, PAYMENT, INVENTORY, SHIPPING = Participant
CHARGE_TWICE = """
INSERT INTO payments (id, version, created_at, updated_at, status, made_by, order_id,
    amount_minor, refunded_minor, currency)
SELECT id || 'b', version, created_at, updated_at, status, made_by, order_id,
    amount_minor, refunded_minor, currency
FROM payments WHERE {payment}
"""
WHO = Request(by="ann", reason="as a test")


async def test_orders_of_all_fates_are_clean(audited: Audited, fates: Fates, here: Here) -> None:
    ran = await audited.audit(here, "--json")
    found = document(ran)
    assert (ran.code, found["clean"], found["findings"]) == (0, True, [])
    standings = found["standings"]
    assert standings["completed"] >= 1
    assert standings["compensated"] >= 4
    assert found["logs"] == {"history": found["orders"]}
    [usd] = found["totals"]
    minor = {name: round(float(usd[name]) * 100) for name in usd if name != "currency"}
    assert minor["charged"] == minor["refunded"] + minor["shipped"] + minor["by_hand"]
    assert minor["shipped"] >= 2500
    assert minor["at_risk"] == 0


async def test_a_person_reads_that_all_is_well(audited: Audited, fates: Fates, here: Here) -> None:
    ran = await audited.audit(here)
    assert (ran.code, ran.err) == (0, "")
    assert "clean: logs and books agree" in ran.out
    assert "USD" in ran.out


@pytest.mark.parametrize(
    ("fate", "service", "statement", "kind", "participant"),
    [
        ("completed", "order", "DELETE FROM orders WHERE {order}", Kind.EFFECT_MISSING, ORDER),
        (
            "completed",
            "order",
            "UPDATE orders SET status = 'pending' WHERE {order}",
            Kind.EFFECT_MISSING,
            ORDER,
        ),
        (
            "completed",
            "order",
            "UPDATE orders SET total_minor = 1 WHERE {order}",
            Kind.WRONG_AMOUNT,
            ORDER,
        ),
        (
            "completed",
            "payment",
            "DELETE FROM payments WHERE {payment}",
            Kind.SHIPPED_WITHOUT_CHARGE,
            PAYMENT,
        ),
        (
            "completed",
            "payment",
            "UPDATE payments SET amount_minor = 2600 WHERE {payment}",
            Kind.WRONG_AMOUNT,
            PAYMENT,
        ),
        (
            "completed",
            "payment",
            "UPDATE payments SET status = 'refunded', refunded_minor = 2500 WHERE {payment}",
            Kind.SHIPPED_AND_REFUNDED,
            PAYMENT,
        ),
        (
            "completed",
            "payment",
            CHARGE_TWICE,
            Kind.EFFECT_TWICE,
            PAYMENT,
        ),
        (
            "completed",
            "payment",
            "UPDATE payments SET made_by = 'somebody' WHERE {payment}",
            Kind.EFFECT_WITHOUT_SAGA,
            PAYMENT,
        ),
        (
            "completed",
            "shipping",
            "DELETE FROM shipments WHERE {shipment}",
            Kind.EFFECT_MISSING,
            SHIPPING,
        ),
        (
            "undeliverable",
            "order",
            "UPDATE orders SET status = 'pending' WHERE {order}",
            Kind.EFFECT_LEFT,
            ORDER,
        ),
        (
            "undeliverable",
            "payment",
            "UPDATE payments SET status = 'captured', refunded_minor = 0 WHERE {payment}",
            Kind.EFFECT_LEFT,
            PAYMENT,
        ),
        (
            "undeliverable",
            "payment",
            "UPDATE payments SET refunded_minor = 9900 WHERE {payment}",
            Kind.REFUND_EXCEEDS_CHARGE,
            PAYMENT,
        ),
        (
            "undeliverable",
            "payment",
            "DELETE FROM payments WHERE {payment}",
            Kind.LOG_WITHOUT_EFFECT,
            PAYMENT,
        ),
        (
            "declined",
            "order",
            "UPDATE orders SET id = id || 'x' WHERE {order}",
            Kind.EFFECT_WITHOUT_SAGA,
            ORDER,
        ),
    ],
)
async def test_a_breach_is_listed(
    audited: Audited,
    fates: Fates,
    here: Here,
    copies: Path,
    fate: str,
    service: str,
    statement: str,
    kind: Kind,
    participant: Participant,
) -> None:
    order_id = getattr(fates, fate).order_id
    where = {
        "order": f"id = '{order_id}'",
        "payment": f"id = '{ids.payment_id(order_id)}'",
        "shipment": f"id = '{ids.shipment_id(order_id)}'",
    }
    tampered = audited.tampered(copies, service, statement.format(**where))
    ran = await audited.audit(here, "--json", **tampered)
    assert ran.code == 1
    found = document(ran)["findings"]
    assert (kind, participant) in {(it["kind"], it["participant"]) for it in found}
    assert all(it["order_id"].startswith(order_id) for it in found)
    assert all(it["message"] and it["next"] for it in found)


async def test_a_reservation_that_was_not_released(
    audited: Audited, fates: Fates, here: Here, copies: Path
) -> None:
    changed = "UPDATE reservations SET status = 'reserved' WHERE id = '{}'"
    reservation = ids.reservation_id(fates.undeliverable.order_id)
    tampered = audited.tampered(copies, "inventory", changed.format(reservation))
    ran = await audited.audit(here, "--json", **tampered)
    assert ran.code == 1
    # The stock has the pieces back, and the reservation has them as well.
    assert kinds(ran) == {(Kind.EFFECT_LEFT, INVENTORY), (Kind.STOCK_MISMATCH, None)}


async def test_a_person_reads_what_is_wrong(
    audited: Audited, fates: Fates, here: Here, copies: Path
) -> None:
    changed = "UPDATE payments SET status = 'captured', refunded_minor = 0 WHERE id = '{}'"
    payment = ids.payment_id(fates.undeliverable.order_id)
    tampered = audited.tampered(copies, "payment", changed.format(payment))
    ran = await audited.audit(here, **tampered)
    assert (ran.code, ran.err) == (1, "")
    order_id = fates.undeliverable.order_id
    assert f"effect-left: order {order_id}: it was compensated" in ran.out
    assert f"at risk, under 1 hour: {order_id} (25.00 USD)" in ran.out
    assert "next: take it back at the service" in ran.out
    assert "clean" not in ran.out


async def test_the_story_of_an_order(audited: Audited, fates: Fates, here: Here) -> None:
    order_id = fates.undeliverable.order_id
    ran = await audited.audit(here, order_id)
    assert (ran.code, ran.err) == (0, "")
    for told in ("SagaStarted", "PaymentRefunded", "No carrier delivers", "released"):
        assert told in ran.out
    assert "clean: its log and the books agree" in ran.out
    story = document(await audited.audit(here, order_id, "--json"))
    assert (story["standing"], story["log"], story["clean"]) == ("compensated", "history", True)
    assert [it["status"] for it in story["kept"]["payment"]] == ["refunded"]
    assert [it["event_type"] for it in story["events"]][:1] == ["SagaStarted"]
    assert story["command"]["order_id"] == order_id


async def test_an_order_that_never_was(audited: Audited, here: Here) -> None:
    ran = await audited.audit(here, "no-such-order")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "error: there is no order no-such-order; `sagas` lists those there are\n"


async def test_a_saga_under_way_is_no_breach(audited: Audited, here: Here, own_server: str) -> None:
    stage = audited.stage
    await stage.shops.fault("reserve-stock", outage_seconds=60, status=503)
    order = an_order()
    order_id = order.order_id
    handle = await stage.place(order)

    async def projected() -> bool:
        row = await stage.row(order)
        return row is not None and row.current_step == "reserve-stock"

    await eventually(projected)
    ran = await audited.audit(here, "--json")
    assert ran.code == 0, ran.out
    found = document(ran)
    assert found["standings"]["under-way"] == 1
    [risk] = [it for age in found["at_risk"] for it in age["orders"]]
    assert (risk["order_id"], risk["amount"], risk["standing"]) == (order_id, "25.00", "under-way")
    assert (await audited.audit(here, order_id)).code == 0

    # If its workflow is gone it does not go on.
    ran = await audited.audit(here, "--json", TEMPORAL_ADDRESS=own_server)
    assert (ran.code, kinds(ran)) == (1, {(Kind.SAGA_LOST, None)})

    # Ended from outside it is one, until it is recovered.
    await handle.terminate()
    ran = await audited.audit(here, "--json")
    assert (ran.code, kinds(ran)) == (1, {(Kind.ENDED_WITH_EFFECTS, None)})
    await stage.shops.heal()
    await stage.sagas.recover(handle.id, WHO)
    await stage.closed(stage.client.get_workflow_handle(handle.id, result_type=None))
    ran = await audited.audit(here, "--json")
    assert (ran.code, kinds(ran)) == (0, set())


async def test_orders_that_run_meanwhile_are_no_breach(audited: Audited, here: Here) -> None:
    stage = audited.stage
    await stage.end(an_order())

    async def crowd() -> None:
        for _ in range(2):
            good, bad = [an_order() for _ in range(3)], [an_order(ship_to=NOWHERE)]
            await asyncio.gather(*(stage.end(order) for order in (*good, *bad)))

    orders = asyncio.create_task(crowd())
    looked_again = 0
    while not orders.done():
        ran = await audited.audit(here, "--json")
        found = document(ran)
        assert (ran.code, found["findings"]) == (0, [])
        looked_again += found["looked_again"]
    await orders
    assert looked_again > 0


async def test_what_a_person_did_by_hand_is_told(audited: Audited, here: Here) -> None:
    stage = audited.stage
    await stage.shops.fault("refund-payment", outage_seconds=60, status=404)
    handle = await stage.place(an_order(ship_to=NOWHERE))
    order_id = handle.id.removeprefix("order-")

    async def stuck() -> bool:
        return (await stage.state(handle)).status is Status.STUCK

    await eventually(stuck)
    ran = await audited.audit(here, "--json")
    assert (ran.code, kinds(ran)) == (1, {(Kind.STUCK, None)})
    [finding] = document(ran)["findings"]
    assert finding["amount"] == {"amount": "25.00", "currency": "USD"}
    assert f"repair {order_id} --step refund-payment" in finding["next"]

    repair = Repair(by="ann", reason="in cash", step="refund-payment", action=RepairAction.SKIP)
    await stage.sagas.repair(handle.id, repair)
    await stage.closed(handle)
    await stage.shops.heal()
    ran = await audited.audit(here, order_id)
    assert ran.code == 0
    assert f"by hand: refund-payment of order {order_id}, by ann" in ran.out
    found = document(await audited.audit(here, "--json"))
    assert (found["clean"], found["totals"][0]["by_hand"]) == (True, "25.00")
    assert found["totals"][0]["at_risk"] == "0.00"


async def test_logs_come_from_the_table_when_histories_are_gone(
    audited: Audited, fates: Fates, here: Here, own_server: str
) -> None:
    ran = await audited.audit(here, "--json", TEMPORAL_ADDRESS=own_server)
    found = document(ran)
    assert (ran.code, found["logs"]) == (0, {"events": found["orders"]})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            "UPDATE events SET event_data = json_set(event_data, '$.schema_version', 99)",
            "OrderCreated came in schema version 99",
        ),
        (
            "UPDATE events SET event_type = 'RunReset', schema_version = 1, event_data = '{}'",
            "RunReset: Field required at ",
        ),
    ],
)
async def test_one_log_that_cant_be_read_leaves_the_others(
    audited: Audited,
    fates: Fates,
    here: Here,
    own_server: str,
    copies: Path,
    change: str,
    why: str,
) -> None:
    order_id = fates.completed.order_id
    tampered = audited.tampered(
        copies,
        "read",
        f"{change} WHERE saga_id = 'order-{order_id}' AND position = 2",
    )
    ran = await audited.audit(
        here,
        "--json",
        TEMPORAL_ADDRESS=own_server,
        **tampered,
    )
    assert (ran.code, kinds(ran)) == (1, {(Kind.LOG_UNREADABLE, None)})
    [finding] = document(ran)["findings"]
    assert finding["order_id"] == order_id
    assert why in finding["message"]


async def test_without_any_log_all_effects_are_nobodys(
    audited: Audited, fates: Fates, here: Here, own_server: str, empty_database: str
) -> None:
    ran = await audited.audit(
        here, "--json", TEMPORAL_ADDRESS=own_server, READ_DATABASE_URL=empty_database
    )
    assert ran.code == 1
    assert {kind for kind, _ in kinds(ran)} == {Kind.EFFECT_WITHOUT_SAGA}


async def test_a_service_elsewhere_needs_its_database(audited: Audited, here: Here) -> None:
    ran = await audited.audit(here, PAYMENT_SERVICE_URL="http://payments.internal")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: PAYMENT_SERVICE_URL names a service elsewhere")
    assert "set PAYMENT_DATABASE_URL" in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("sqlite:////nowhere/payment.db", 2),
        ("mysql://payments", 2),
        ("postgresql://auditor:secret@127.0.0.1:1/payments", 3),
    ],
)
async def test_a_book_that_cant_be_read_is_one_line(
    audited: Audited, here: Here, url: str, code: int
) -> None:
    ran = await audited.audit(here, PAYMENT_DATABASE_URL=url)
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (code, "", 1)
    assert "payment" in ran.err.lower()
    assert "secret" not in ran.err


async def test_another_services_database_is_noticed(audited: Audited, here: Here) -> None:
    ran = await audited.audit(here, PAYMENT_DATABASE_URL=f"sqlite:///{audited.home}/order.db")
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 1)
    assert "PAYMENT_DATABASE_URL" in ran.err
