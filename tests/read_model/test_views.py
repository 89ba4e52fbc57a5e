"""The documents that others read stay as they are."""

import json
from typing import Any

from read_model.projector import row_of
from read_model.tables import SagaRow
from read_model.views import OrderView, SagaView, StuckView, view_of
from tests.read_model.states import compensated, completed, stuck


def test_order_that_was_compensated() -> None:
    view = OrderView.of(row_of(compensated()))
    assert json.loads(view.model_dump_json()) == {
        "order_id": "o-2",
        "saga_id": "order-o-2",
        "saga_type": "order",
        "business_id": "o-2",
        "customer_id": "c-1",
        "status": "compensated",
        "cause": "failed",
        "current_step": None,
        "failure": {
            "step": "charge",
            "type": "urn:problem:payment:card-declined",
            "message": "no",
        },
        "total": {"amount": "28.20", "currency": "USD"},
        "item_count": 3,
        "version": 9,
        "correlation_id": "request-7",
        "started_at": "2026-03-01T12:00:00.250000Z",
        "updated_at": "2026-03-01T12:00:08.250000Z",
        "closed_at": "2026-03-01T12:00:08.250000Z",
        "steps": [
            {"name": "create", "status": "undone"},
            {"name": "charge", "status": "refused"},
        ],
    }


def test_order_under_way() -> None:
    document = json.loads(OrderView.of(row_of(completed()[3])).model_dump_json())
    assert document["status"] == "running"
    assert document["current_step"] == "apply"
    assert document["failure"] is None
    assert document["closed_at"] is None
    assert [step["name"] for step in document["steps"]] == ["zip", "apply"]


def test_amount_is_written_with_the_digits_of_its_currency() -> None:
    row = row_of(completed()[-1])
    for currency, minor, amount in [("JPY", 500, "500"), ("BHD", 5, "0.005"), ("EUR", 0, "0.00")]:
        row.currency, row.amount_minor = currency, minor
        total = OrderView.of(row).total
        assert total is not None
        assert json.loads(total.model_dump_json()) == {"amount": amount, "currency": currency}


def test_saga_without_an_amount_has_no_total() -> None:
    row = row_of(completed()[-1])
    row.amount_minor = None
    assert OrderView.of(row).total is None


def test_a_saga_of_another_type_is_no_order() -> None:
    view = view_of(row_of(completed("t-1", saga_type="trip")[-1]))
    document = json.loads(view.model_dump_json())
    assert type(view) is SagaView
    assert "order_id" not in document
    assert (document["saga_id"], document["saga_type"]) == ("trip-t-1", "trip")
    order = view_of(row_of(completed()[-1]))
    assert isinstance(order, OrderView)
    assert set(order.model_dump()) == {"order_id", *document}


def test_a_currency_that_is_none_spoils_no_list() -> None:
    row = row_of(completed()[-1])
    row.amount_minor, row.currency = -5, "points"
    assert json.loads(view_of(row).model_dump_json())["total"] == {
        "amount": "-0.05",
        "currency": "points",
    }


def test_saga_that_is_stuck() -> None:
    assert _stuck(row_of(stuck(also=("notify",)))) == {
        "saga_id": "order-o-3",
        "saga_type": "order",
        "business_id": "o-3",
        "customer_id": "c-1",
        "stuck": [
            {"step": step, "type": "urn:problem:payment:card-declined", "message": "no"}
            for step in ("confirm", "notify")
        ],
        "since": "2026-03-01T12:00:02.250000Z",
        "cause": None,
        "at_risk": {"amount": "28.20", "currency": "USD"},
    }


def test_a_row_of_an_older_version_shows_what_it_knows() -> None:
    row = row_of(stuck(also=("notify",)))
    row.stuck, row.stuck_since = (), None
    document = _stuck(row)
    assert [it["step"] for it in document["stuck"]] == ["confirm"]
    assert document["since"] == "2026-03-01T12:00:03.250000Z"


def _stuck(row: SagaRow) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(StuckView.of(row).model_dump_json())
    return document
