"""What a service logs and answers says which request it belongs to, a bug's traceback too."""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from services import payment
from services.tracing import log_handler
from tests.services.calls import called, keyed, served
from tests.services.calls import payment as charge

TRACED = {"X-Correlation-ID": "order-o1", "X-Causation-ID": "command-7"}


@pytest.fixture(params=["text", "json"])
def log(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """What a service process would write to stderr."""
    monkeypatch.setenv("SAGA_LOG_FORMAT", request.param)
    handler, written = log_handler(), StringIO()
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


async def test_a_request(log: StringIO, tmp_path: Path) -> None:
    async with called(payment.create_app(f"sqlite:///{tmp_path / 'payment.db'}")) as client:
        answer = await client.post("/payments", json=charge(), headers=keyed("k") | TRACED)
        await client.post("/payments", json=charge(), headers=keyed("k"))
    assert answer.status_code == 201
    told = [it for it in log.getvalue().splitlines() if "services.requests" in it]
    line, other = told
    expected = "path=/payments status=201 key=k correlation_id=order-o1 causation_id=command-7"
    if line.startswith("{"):
        record = json.loads(line)
        assert record["message"].endswith(expected)
        assert (
            record.items()
            >= {
                "service": "payment",
                "method": "POST",
                "path": "/payments",
                "status": 201,
                "key": "k",
                "correlation_id": "order-o1",
                "causation_id": "command-7",
            }.items()
        )
        assert "correlation_id" not in json.loads(other)
    else:
        assert line.endswith(expected)
        assert other.endswith("key=k correlation_id=- causation_id=-")


async def test_a_bug(log: StringIO, tmp_path: Path) -> None:
    app = payment.create_app(f"sqlite:///{tmp_path / 'payment.db'}")

    @app.post("/bug")
    async def bug() -> None:
        raise KeyError("nobody foresaw this")

    async with served(app) as client:
        answer = await client.post("/bug", headers=keyed("k") | TRACED)
    assert answer.status_code == 500
    assert answer.headers.items() >= {name.lower(): it for name, it in TRACED.items()}.items()
    [line] = [it for it in log.getvalue().splitlines() if "Exception in ASGI application" in it]
    if line.startswith("{"):
        assert json.loads(line)["correlation_id"] == "order-o1"
    else:
        assert line.endswith("key=k correlation_id=order-o1 causation_id=command-7")
