"""How a participant's answers are told apart: refusal, outage, misconfiguration or bug."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from pydantic import ValidationError
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

from activities.payment import PaymentActivities
from activities.shipping import ShippingActivities
from contracts.commands import ChargePayment, CreateShipment, RefundPayment
from contracts.events import PaymentProcessed
from contracts.money import Money
from saga import Call, Direction, Event, JsonObject

TOTAL = Money(minor=2820, currency="USD")
CHARGE = ChargePayment(
    payment_id="payment-1", order_id="1", customer_id="C-1", total=TOTAL, card_token="tok_visa"
)
SHIPPED = {"tracking_number": "track-1", "version": 1, "occurred_at": "2026-01-02T03:04:05Z"}
DONE = {"transaction_id": "t-1", "version": 1, "occurred_at": "2026-01-02T03:04:05Z"}


class PaymentService:
    """A payment service that answers what it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 201, dict[str, object](DONE), dict[str, str]()
        self.asked: list[Request] = []
        self.app = FastAPI()
        self.app.add_api_route("/{path:path}", self.answer, methods=["POST"])

    async def answer(self, request: Request) -> Response:
        self.asked.append(request)
        body = httpx.Response(self.status, json=self.body).content
        return Response(body, self.status, self.headers, "application/problem+json")


@pytest.fixture
def service() -> PaymentService:
    return PaymentService()


@pytest.fixture
async def payments(service: PaymentService) -> AsyncIterator[PaymentActivities]:
    transport = httpx.ASGITransport(app=service.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://payments") as client:
        yield PaymentActivities(client)


def call_of(direction: Direction = Direction.DO) -> dict[str, object]:
    return {
        "saga_id": "order-1",
        "epoch": 1,
        "position": 3,
        "command_type": "ChargePayment",
        "correlation_id": "corr-1",
        "step": "charge-payment",
        "direction": direction,
        "name": "charge-payment",
        "run_id": ActivityEnvironment.default_info().workflow_run_id,
        "sent_at": datetime.now(UTC),
        "schema_version": 1,
    }


async def charge(payments: PaymentActivities) -> Event[PaymentProcessed]:
    call = Call[ChargePayment].model_validate({**call_of(), "command": CHARGE})
    return await ActivityEnvironment().run(payments.charge_payment, call)


@pytest.mark.parametrize(
    "told",
    [
        {"version": 2**63},
        {"occurred_at": "0001-01-01T00:00:00+14:00"},
        {"occurred_at": "9999-12-31T23:59:59-05:00"},
    ],
)
async def test_what_no_database_can_keep_is_no_answer(
    payments: PaymentActivities, service: PaymentService, told: dict[str, object]
) -> None:
    # Or the projection would fail for ever, and the saga stay open.
    service.body |= told
    with pytest.raises(ValidationError):
        await charge(payments)
    service.body |= {"version": 2**63 - 1, "occurred_at": "2026-01-02T05:04:05+02:00"}
    event = await charge(payments)
    assert event.version == 2**63 - 1
    assert event.occurred_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


async def test_an_answer_is_the_participants_event_at_the_next_position(
    payments: PaymentActivities, service: PaymentService
) -> None:
    event = await charge(payments)
    assert (event.event_type, event.position, event.version) == ("PaymentProcessed", 4, 1)
    assert event.occurred_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    headers = service.asked[0].headers
    assert headers["Idempotency-Key"] == "order-1/charge-payment/do"
    assert headers["X-Correlation-ID"] == "corr-1"
    assert headers["X-Causation-ID"] == event.causation_id
    assert "Undoes-Key" not in headers
    assert "traceparent" not in headers


async def test_an_undo_names_the_key_that_it_undoes(
    payments: PaymentActivities, service: PaymentService
) -> None:
    service.body = {"refunded_minor": 0, "version": 2, "occurred_at": "2026-01-02T03:04:05Z"}
    refund = RefundPayment(payment_id="payment-1", order_id="1", total=TOTAL)
    fields = {**call_of(Direction.UNDO), "command": refund}
    call = Call[RefundPayment].model_validate(fields)
    event = await ActivityEnvironment().run(payments.refund_payment, call)
    assert service.asked[0].headers["Idempotency-Key"] == "order-1/charge-payment/undo"
    assert service.asked[0].headers["Undoes-Key"] == "order-1/charge-payment/do"
    assert event.data.amount == Money(minor=0, currency="USD")


async def test_a_probe_asks_by_the_key_of_the_action() -> None:
    asked: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        unknown = {"type": "urn:problem:key-unknown", "title": "nothing was done"}
        return (
            httpx.Response(404, json=unknown)
            if len(asked) == 1
            else httpx.Response(200, json=SHIPPED)
        )

    shipment = CreateShipment(shipment_id="shipment-1", order_id="1", address="1 Main St")
    call = Call[CreateShipment].model_validate(
        {**call_of(), "step": "create-shipment", "name": "find-shipment", "command": shipment}
    )
    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(transport=transport, base_url="http://shipping") as client:
        find = ShippingActivities(client).find_shipment
        with pytest.raises(ApplicationError) as unknown:
            await ActivityEnvironment().run(find, call)
        event = await ActivityEnvironment().run(find, call)
    assert unknown.value.type == "urn:saga:did-not-happen"
    assert [url.params["key"] for url in asked] == ["order-1/create-shipment/do"] * 2
    assert event.data.tracking_number == "track-1"


async def test_a_trace_goes_on_at_the_participant(
    payments: PaymentActivities, service: PaymentService
) -> None:
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("charging") as span:
        await charge(payments)
    trace_id = trace.format_trace_id(span.get_span_context().trace_id)
    assert trace_id in service.asked[0].headers["traceparent"]


DECLINED = "urn:problem:payment:card-declined"


@pytest.mark.parametrize(
    ("status", "problem", "headers", "kind"),
    [
        (402, DECLINED, {}, "refusal"),
        (410, "urn:problem:undone", {}, "refusal"),
        (422, "urn:problem:key-reused", {}, "refusal"),
        (409, "urn:problem:payment:already-exists", {}, "refusal"),
        (409, DECLINED, {"Retry-After": "1"}, "Outage"),
        (408, "about:blank", {}, "Outage"),
        (425, "about:blank", {}, "Outage"),
        (429, "about:blank", {"Retry-After": "7"}, "Outage"),
        (500, "about:blank", {}, "Outage"),
        (503, DECLINED, {}, "Outage"),
        (400, DECLINED, {}, "Misconfiguration"),
        (401, "about:blank", {}, "Misconfiguration"),
        (403, DECLINED, {}, "Misconfiguration"),
        (404, DECLINED, {}, "Misconfiguration"),
        (405, "about:blank", {}, "Misconfiguration"),
        (402, "about:blank", {}, "Misconfiguration"),
        (409, "urn:problem:somebody:else", {}, "Misconfiguration"),
        (422, "about:blank", {}, "Misconfiguration"),
    ],
)
async def test_failures_are_told_apart(
    payments: PaymentActivities,
    service: PaymentService,
    status: int,
    problem: str,
    headers: dict[str, str],
    kind: str,
) -> None:
    service.status, service.headers = status, headers
    service.body = {"type": problem, "title": "no", "detail": "because"}
    with pytest.raises(ApplicationError) as raised:
        await charge(payments)
    error = raised.value
    assert error.type == (problem if kind == "refusal" else kind)
    assert error.non_retryable == (kind != "Outage")
    assert (error.category is ApplicationErrorCategory.BENIGN) == (kind == "refusal")
    if kind != "Outage":
        event = Event[JsonObject].model_validate(error.details[0])
        assert (event.event_type, event.position) == ("StepFailed", 4)
    if kind == "Outage" and "Retry-After" in headers:
        assert error.next_retry_delay == timedelta(seconds=int(headers["Retry-After"]))


async def test_a_retry_after_may_be_a_date(
    payments: PaymentActivities, service: PaymentService
) -> None:
    service.status, service.headers = 503, {"Retry-After": "Wed, 01 Jan 2020 00:00:00 GMT"}
    service.body = {}
    with pytest.raises(ApplicationError) as raised:
        await charge(payments)
    assert raised.value.next_retry_delay == timedelta()


async def test_a_service_that_is_away_is_an_outage() -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:1") as client:
        with pytest.raises(ApplicationError) as raised:
            await charge(PaymentActivities(client))
    assert (raised.value.type, raised.value.non_retryable) == ("Outage", False)
    assert "payment service: ConnectError" in raised.value.message
