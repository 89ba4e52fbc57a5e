"""`trace`: what one correlation id has caused, from histories and from the read database."""

import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, cast
from uuid import uuid4

import pytest

from cli.causes import document_of
from read_model.database import open_database
from read_model.migration import migrate
from read_model.projector import SagaProjector
from saga import Direction, Event, fold
from saga.causation import DEEPEST, lines_of
from saga.events import RunReset, SagaCompleted
from tests.cli.here import Here
from tests.cli.shop import ORDER, Shop
from tests.integration.commands import Ran
from tests.read_model.states import EPOCH, Answer, begun, log_of, of_saga, sent

pytestmark = pytest.mark.asyncio(loop_scope="session")

AWAY = {"TEMPORAL_ADDRESS": "127.0.0.1:1"}
NO_DATABASE = {"READ_DATABASE_URL": "postgresql://reader:secret@127.0.0.1:1/orders"}

Told = dict[str, Any]


async def placed(shop: Shop, here: Here, *options: str) -> str:
    ran = await here.run(shop.settings, "place-order", *ORDER, *options, "--json")
    order_id: str = json.loads(ran.out)["order_id"]
    await shop.has_projected(order_id)
    return order_id


async def traced(shop: Shop, here: Here, correlation_id: str, **variables: str) -> Told:
    ran = await here.run(shop.settings, "trace", correlation_id, "--json", **variables)
    assert ran.code == 0, ran.err
    return cast(Told, json.loads(ran.out))


def every(trees: Iterable[list[Told]]) -> Iterator[Told]:
    for line in trees:
        for event in line:
            yield event
            yield from every(event["caused"])


def remembered(saga: str, business_id: str) -> list[Event[Any]]:
    """The events of a saga with one step, each caused by the one before."""
    log = log_of(
        saga,
        [
            of_saga(begun(business_id)),
            sent(saga, "pay"),
            (Answer(), "pay", Direction.DO),
            of_saga(SagaCompleted(saga_id=saga)),
        ],
    )
    causes = [None, *(event.event_id for event in log)]
    return [
        event.model_copy(update={"causation_id": cause})
        for event, cause in zip(log, causes, strict=False)
    ]


async def store(shop: Shop, events: list[Event[Any]]) -> None:
    engine = open_database(shop.database_url)
    await migrate(engine)
    await SagaProjector(engine).project(fold(events), events)
    await engine.dispose()


async def test_two_orders_of_one_request_are_one_tree(shop: Shop, here: Here) -> None:
    request = f"request-{uuid4()}"
    first = await placed(shop, here, "--correlation-id", request)
    [line] = (await traced(shop, here, request))["trees"]
    assert [(it["kind"], it["event_type"]) for it in line[:3]] == [
        ("event", "SagaStarted"),
        ("command", "StepStarted"),
        ("event", "OrderCreated"),
    ]
    assert line[1]["data"]["command_type"] == "CreateOrder"
    assert not any(it["abandoned"] for it in line)
    assert line[-1]["event_type"] == "SagaCompleted"
    assert [it["causation_id"] for it in line] == [None, *(it["event_id"] for it in line[:-1])]

    cause = next(it for it in line if it["event_type"] == "ShipmentCreated")["event_id"]
    second = await placed(shop, here, "--correlation-id", request, "--causation-id", cause)
    document = await traced(shop, here, request)
    assert [saga["order_id"] for saga in document["sagas"]] == [first, second]
    assert document["events"] == len(list(every(document["trees"]))) == 2 * len(line)
    [line] = document["trees"]
    [caused] = [it for it in line if it["caused"]]
    assert caused["event_id"] == cause
    [[started, *_]] = caused["caused"]
    assert (started["saga_id"], started["causation_id"]) == (f"order-{second}", cause)

    shown = await here.run(shop.settings, "trace", request)
    assert (shown.code, shown.err) == (0, "")
    heading, under, *rows = shown.out.splitlines()
    assert heading.startswith(f"{request}: 2 sagas, {document['events']} events")
    assert under == f"└── order {first}"
    assert sum(it["event_id"] in shown.out for it in every(document["trees"])) == len(rows) - 1
    [inside] = [row for row in rows if row.endswith(f"order {second}")]
    assert inside.startswith("    │   └── ")
    assert any("→ charge-payment  ChargePayment" in row for row in rows)


async def test_a_saga_without_a_correlation_id_has_its_own(shop: Shop, here: Here) -> None:
    order_id = await placed(shop, here)
    # Neither a read database nor a row is needed for that.
    ran = await here.run(shop.settings, "trace", f"order-{order_id}", "--json", **NO_DATABASE)
    assert (ran.code, json.loads(ran.out)["correlation_id"]) == (0, f"order-{order_id}")
    assert ran.err.startswith("warning: this may not be all: the read database")


async def test_what_is_undone_and_by_whom(own_shop: Shop, here: Here) -> None:
    held = own_shop.participants.hold("reserve-stock")
    ran = await here.run(own_shop.settings, "place-order", *ORDER, "--json")
    order_id = json.loads(ran.out)["order_id"]
    await held.reached.wait()
    why = ("--by", "ada", "--reason", "sold out")
    assert (await here.run(own_shop.settings, "cancel", order_id, *why)).code == 0
    await own_shop.has_projected(order_id)
    shown = await here.run(own_shop.settings, "trace", f"order-{order_id}")
    for told in ("CancelRequested  by ada: sold out", "↶ refund-payment", "✗ reserve-stock"):
        assert told in shown.out
    document = await traced(own_shop, here, f"order-{order_id}")
    sent = [it for it in every(document["trees"]) if it["kind"] == "command"]
    undo = next(it for it in sent if it["data"]["command_type"] == "RefundPayment")
    assert (undo["step"], undo["direction"]) == ("charge-payment", "undo")


async def test_a_history_that_is_gone_is_told_by_the_read_database(
    closed_shop: Shop, here: Here
) -> None:
    events = remembered("order-o-1", "o-1")
    await store(closed_shop, events)
    ran = await here.run(closed_shop.settings, "trace", "request-7", "--json")
    gone = "the history of order-o-1 is gone: its events come from the read database\n"
    assert (ran.code, ran.err) == (0, gone)
    [line] = json.loads(ran.out)["trees"]
    assert [it["event_id"] for it in line] == [event.event_id for event in events]

    away = await here.run(closed_shop.settings, "trace", "request-7", "--json", **AWAY)
    assert (away.code, away.out) == (0, ran.out)
    assert away.err.startswith("warning: this may not be all: no Temporal server answers at ")


async def test_a_saga_whose_events_nobody_has_is_told(closed_shop: Shop, here: Here) -> None:
    await store(closed_shop, remembered("order-o-1", "o-1"))
    engine = open_database(closed_shop.database_url)
    await SagaProjector(engine).project(fold(remembered("order-o-2", "o-2")))
    await engine.dispose()
    ran = await here.run(closed_shop.settings, "trace", "request-7", "--json")
    assert ran.code == 0
    assert "the history of order-o-2 is gone, and the read database keeps no event of it" in ran.err
    assert [saga["order_id"] for saga in json.loads(ran.out)["sagas"]] == ["o-1"]


async def test_what_is_not_known(shop: Shop, here: Here) -> None:
    unknown = await here.run(shop.settings, "trace", "never")
    assert unknown == Ran(
        1, "", "nothing is known of correlation id never; `status` and `sagas` show ids\n"
    )
    blind = await here.run(shop.settings, "trace", "never", **AWAY)
    assert (blind.code, blind.out) == (3, "")
    assert blind.err.startswith("error: nothing is found of never, and no Temporal server answers")
    assert (await here.run(shop.settings, "trace", "")).code == 2


async def test_an_id_under_which_another_request_started_its_saga(shop: Shop, here: Here) -> None:
    order_id = await placed(shop, here, "--correlation-id", f"request-{uuid4()}")
    assert (await here.run(shop.settings, "trace", f"order-{order_id}")).code == 1


async def test_the_deepest_tree_is_a_document() -> None:
    logs = [remembered(f"order-{number}", str(number)) for number in range(DEEPEST + 2)]
    events = list(logs[0])
    for before, log in pairwise(logs):
        cause = {"causation_id": before[1].event_id}
        events += [log[0].model_copy(update=cause), *log[1:]]
    document = document_of("request-7", events, lines_of(events))
    assert json.dumps(document, indent=2).count('"event_id"') == len(events)


async def test_what_a_reset_has_abandoned_is_marked(closed_shop: Shop, here: Here) -> None:
    events = remembered("order-o-1", "o-1")
    reset = RunReset(saga_id="order-o-1", from_position=2, epochs=(EPOCH,))
    [again, *_] = log_of("order-o-1", [of_saga(reset)], epoch=EPOCH + 1)
    place = {"position": 2, "causation_id": events[1].event_id}
    await store(closed_shop, [*events[:3], again.model_copy(update=place)])
    ran = await here.run(closed_shop.settings, "trace", "request-7", "--json")
    told = {it["event_type"]: it["abandoned"] for it in every(json.loads(ran.out)["trees"])}
    assert told == {"SagaStarted": False, "StepStarted": False, "Answer": True, "RunReset": False}
    shown = await here.run(closed_shop.settings, "trace", "request-7")
    [row] = [row for row in shown.out.splitlines() if "  Answer  " in row]
    assert row.rstrip().endswith(f"{events[2].event_id}  abandoned")
