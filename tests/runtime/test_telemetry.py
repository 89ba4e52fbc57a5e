import json
import logging
from collections.abc import Iterator

import pytest

from runtime.errors import SettingsError
from runtime.telemetry import configure_logging, prometheus_runtime


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")

    logging.getLogger("runtime").info("started")

    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("INFO    runtime  started")


def test_json_carries_extras_and_exceptions_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "json")

    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("runtime").exception("failed", extra={"saga_id": "order-1"})

    (line,) = capsys.readouterr().err.splitlines()
    record = json.loads(line)
    assert record["message"] == "failed"
    assert record["saga_id"] == "order-1"
    assert "ValueError: broken" in record["exception"]


def test_without_metrics_the_default_runtime_serves() -> None:
    assert prometheus_runtime(None) is prometheus_runtime(None)


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:99999", "example.invalid:1"])
def test_an_address_that_cannot_be_served_is_named(address: str) -> None:
    with pytest.raises(SettingsError, match=f"metrics can't be served at {address}"):
        prometheus_runtime(address)
