import json
import logging
from collections.abc import Iterator

import httpx
import pytest

from runtime.correlation import MEMBERS, Correlation, correlated, remember
from runtime.errors import SettingsError
from runtime.telemetry import configure_logging, letter_counter, prometheus_runtime
from tests.ports import free_port


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


@pytest.mark.parametrize(
    ("belongs", "end"),
    [
        (Correlation("order-1", "c", "order-1", "charge-payment"), "[order-1, charge-payment]"),
        (Correlation("request-7", "c", "order-1"), "[order-1, correlation request-7]"),
        (Correlation("request-7"), "[correlation request-7]"),
    ],
)
def test_text_ends_with_what_it_is_about(
    capsys: pytest.CaptureFixture[str], belongs: Correlation, end: str
) -> None:
    configure_logging("INFO")

    with correlated(belongs):
        logging.getLogger("httpcore").warning("slow %d", 7)

    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"WARNING httpcore  slow 7 {end}")


def test_json_has_what_it_belongs_to_as_members(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "json")

    with correlated(Correlation("request-7", "cause-1", "order-1", "charge-payment")):
        # What the record's author says stays.
        logging.getLogger("runtime").info("a", extra={"step": "refund-payment"})
    logging.getLogger("runtime").info("b")

    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert {name: first[name] for name in MEMBERS} == {
        "correlation_id": "request-7",
        "causation_id": "cause-1",
        "saga_id": "order-1",
        "step": "refund-payment",
    }
    assert second.keys().isdisjoint(MEMBERS)


def test_a_record_of_a_workflow_run_outside_its_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "json")
    told = {"temporal_workflow": {"run_id": "run-1", "workflow_id": "order-1"}}
    known = Correlation("request-7", None, "order-1")
    remember("run-1", known)
    logging.getLogger("temporalio.worker").warning("failed", extra=told)
    del known
    logging.getLogger("temporalio.worker").warning("failed", extra=told)

    kept, gone = map(json.loads, capsys.readouterr().err.splitlines())
    assert (kept["correlation_id"], kept["saga_id"]) == ("request-7", "order-1")
    assert ("correlation_id" in gone, gone["saga_id"]) == (False, "order-1")


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


def test_dead_letters_are_counted_by_channel_and_group() -> None:
    address = f"127.0.0.1:{free_port()}"
    runtime = prometheus_runtime(address)
    count = letter_counter(runtime)
    for _ in range(2):
        count("order-commands", "order-intake")
    count("orders", "order-copy")
    served = httpx.get(f"http://{address}/metrics", trust_env=False).text
    told = [line for line in served.splitlines() if line.startswith("saga_dead_letters{")]
    assert len(told) == 2
    for line, names in zip(
        sorted(told, reverse=True),
        (
            ('channel="orders"', 'group="order-copy"', " 1"),
            ("order-commands", "order-intake", " 2"),
        ),
        strict=True,
    ):
        assert all(name in line for name in names), line
