"""`catalogue` and `send`, up to the broker."""

import json
import os
import subprocess
import sys

import pytest

from cli.process import run
from cli.send import Sending
from contracts.asyncapi import order_messages
from contracts.catalogue import CATALOGUE, ProcessRefund
from services import consumers
from tests.cli.shop import ROOT

REFUND = '{"order_id": "1", "payment_id": "payment-1", "reason": "broken"}'


def test_the_catalogue_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["catalogue"]) == 0
    table = capsys.readouterr().out
    for known in CATALOGUE:
        assert known.name in table
    assert run(["catalogue", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [it["name"] for it in shown] == [it.name for it in CATALOGUE]
    assert run(["catalogue", "--asyncapi"]) == 0
    assert json.loads(capsys.readouterr().out) == order_messages()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("Fly", "{}"),
            "COMMAND: 'Fly' is none of PlaceOrder, SendOrderConfirmation, ProcessRefund",
        ),
        (("OrderPlaced", "{}"), "COMMAND: 'OrderPlaced' is none of PlaceOrder"),
        (("ProcessRefund", "{"), "no JSON: Expecting property name"),
        (("ProcessRefund", "{}"), "DATA: order_id: is missing"),
        (("ProcessRefund", REFUND, "--id", ""), "--id: must not be empty"),
        (("ProcessRefund", REFUND), "no broker is configured: set EVENT_BROKER_URL, e.g. amqp:"),
    ],
)
def test_what_can_t_be_sent_is_told_in_one_line(
    arguments: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("EVENT_BROKER_URL", raising=False)
    assert run(["send", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://x", "EVENT_BROKER_URL: nobody else is in this process's memory://"),
        ("carrier://pigeon", "EVENT_BROKER_URL: no broker for carrier://"),
    ],
)
def test_a_broker_that_reaches_nobody_is_told(
    url: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EVENT_BROKER_URL", url)
    assert run(["send", "ProcessRefund", REFUND]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_a_command_says_what_it_belongs_to() -> None:
    event = Sending.of("ProcessRefund", REFUND, "m-1", None, "e-1").event
    assert (event.id, event.correlationid, event.causationid) == ("m-1", "order-1", "e-1")
    assert (event.subject, event.partitionkey, event.schemaversion) == ("1", "1", 1)
    assert CATALOGUE.decode(event) == ProcessRefund(
        order_id="1", payment_id="payment-1", reason="broken"
    )
    other = Sending.of("ProcessRefund", REFUND, None, "request-1", None).event
    assert other.id != event.id
    assert other.correlationid == "request-1"


def test_a_worker_that_is_to_consume_needs_a_broker() -> None:
    consume = [sys.executable, "worker.py", "--consume"]
    env = {name: value for name, value in os.environ.items() if name != "EVENT_BROKER_URL"}
    ended = subprocess.run(consume, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("worker: --consume: set EVENT_BROKER_URL")


@pytest.mark.parametrize("url", ["", "memory://x"])
def test_services_that_consume_need_a_broker_that_others_reach(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENT_BROKER_URL", url)
    monkeypatch.setattr(sys, "argv", ["consumers"])
    assert consumers.main() == 2
    assert capsys.readouterr().err == (
        "set EVENT_BROKER_URL to a broker that other processes reach\n"
    )
