"""The documents that others read stay as they are."""

import json

from read_model.projector import row_of
from read_model.views import OrderView
from tests.read_model.states import compensated, completed


def test_order_that_was_compensated() -> None:
    view = OrderView.of(row_of(compensated()))
    assert json.loads(view.model_dump_json()) == {
        "order_id": "o-2",
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
