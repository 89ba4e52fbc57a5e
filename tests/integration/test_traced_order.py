"""The id of the command line is in logs, spans, HTTP headers and events, and `trace` finds it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.collector import Collector
from tests.integration.house import House, options_of
from tests.integration.processes import eventually
from tests.integration.stage import an_order

REQUEST = "request-2026:7"

Told = dict[str, Any]


def records(log: Path) -> list[Told]:
    """The log's records; embedded processes may write other lines beside them."""
    lines = log.read_text(errors="replace").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.mark.long
async def test_everything_carries_the_id_of_the_command_line(house: House) -> None:
    order = an_order()
    with Collector.listening() as collector:
        worker = await house.worker(
            "--faults",
            SAGA_LOG_FORMAT="json",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_BSP_SCHEDULE_DELAY="50",
        )
        await worker.says("ready:")
        async with house.stage() as stage:
            await stage.shops.fault("charge-payment", outage_seconds=600, status=404)
            ids = ("--correlation-id", REQUEST, "--causation-id", "page-9")
            assert (await house.starter("place-order", *options_of(order), *ids)).code == 0
            # A misconfiguration, which an activity logs as it fails, and then the workflow, stuck.
            await worker.says("stuck: ")
            cause = ("--reason", "typing error")
            assert (await house.starter("cancel", order.order_id, *cause)).code == 0
            await stage.shops.heal()
            await stage.closed(await stage.place(order))
            traced = await house.starter("trace", REQUEST, "--json")

            async def exported() -> bool:
                return {"RunActivity:cancel_order", "RunWorkflow:OrderSaga"} <= set(collector.spans)

            await eventually(exported)

    assert (traced.code, traced.err) == (0, "")
    [line] = json.loads(traced.out)["trees"]
    events = {it["data"].get("command_type", it["event_type"]): it for it in line}
    assert events["PlaceOrder"]["causation_id"] == "page-9"
    charge = events["ChargePayment"]

    belongs = {"correlation_id": REQUEST, "saga_id": f"order-{order.order_id}"}
    said = records(worker.output)
    [misconfigured] = [it for it in said if it["message"].startswith("misconfigured: ")]
    called = {"causation_id": charge["event_id"], "step": "charge-payment"}
    assert misconfigured.items() >= (belongs | called).items()
    failed = [it for it in said if it["message"] == "Completing activity as failed"]
    assert failed[0].items() >= (belongs | called).items()
    [stuck] = [it for it in said if it["message"].startswith("stuck: ")]
    assert stuck.items() >= (belongs | {"step": "charge-payment"}).items()

    asked = [it for it in records(house.home / "services.log") if it.get("path") == "/payments"]
    assert [(it["correlation_id"], it["causation_id"], it["status"]) for it in asked] == [
        (REQUEST, charge["event_id"], 404)
    ]

    for name in ("RunWorkflow:OrderSaga", "RunActivity:cancel_order", "RunActivity:project_saga"):
        for span in collector.spans[name]:
            assert span["saga.correlation_id"] == REQUEST, name
            assert span["saga.id"] == f"order-{order.order_id}"
    [span] = collector.spans["RunActivity:charge_payment"]
    assert (span["saga.causation_id"], span["saga.step"]) == (charge["event_id"], "charge-payment")
