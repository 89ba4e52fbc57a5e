"""What is told of a saga's state, and that nothing is lost between two looks."""

from datetime import UTC, datetime

import pytest
from temporalio import workflow

from cli.progress import Progress, lines, outcome
from contracts.sagas import ORDER, PUBLICATION
from saga import Cause, Failure, SagaState, Status, StepStatus
from saga.messages import Headline
from workflows.order import OrderSaga

NOW = datetime.now(UTC)
REFUSED = Failure(step="reserve-stock", type="urn:problem:inventory:out-of-stock", message="none")


def state(steps: dict[str, StepStatus], **changes: object) -> SagaState:
    return SagaState(
        saga_id="order-1",
        saga_type="order",
        headline=Headline(business_id="1"),
        status=Status.RUNNING,
        version=1,
        epoch=0,
        position=0,
        correlation_id="order-1",
        started_at=NOW,
        updated_at=NOW,
        steps=steps,
    ).model_copy(update=changes)


COMPENSATED = state(
    {
        "create-order": StepStatus.UNDONE,
        "charge-payment": StepStatus.UNDONE,
        "reserve-stock": StepStatus.REFUSED,
    },
    status=Status.COMPENSATED,
    cause=Cause.FAILED,
    failure=REFUSED,
    errors=(REFUSED,),
)


def told(state: SagaState) -> list[str]:
    return [f"{line.mark} {line.name} {line.detail}".rstrip() for line in lines(state)]


def test_one_look_tells_the_whole_way() -> None:
    assert told(COMPENSATED) == [
        "✓ create-order",
        "✓ charge-payment",
        "✗ reserve-stock out-of-stock: none",
        "↶ refund-payment",
        "↶ cancel-order",
    ]
    assert outcome(COMPENSATED) == "compensated (failed, reserve-stock: out-of-stock: none)"


def test_a_look_on_the_way_tells_the_beginning_of_it() -> None:
    running = state({"create-order": StepStatus.DONE, "charge-payment": StepStatus.STARTED})
    assert told(running) == ["✓ create-order"]
    undoing = COMPENSATED.model_copy(
        update={"steps": {**COMPENSATED.steps, "create-order": StepStatus.UNDOING}}
    )
    assert told(undoing) == told(COMPENSATED)[:-1]


def test_a_step_whose_end_is_not_known_is_told_with_its_undo() -> None:
    lost = Failure(step="charge-payment~2", type="START_TO_CLOSE", message="timed out")
    unknown = state({"charge-payment~2": StepStatus.UNDONE}, cause=Cause.FAILED, errors=(lost,))
    assert told(unknown) == [
        "✗ charge-payment~2 START_TO_CLOSE: timed out",
        "↶ refund-payment~2",
    ]


def test_what_waits_for_a_person_is_told() -> None:
    failure = Failure(step="refund-payment", type="Outage", message="away")
    stuck = state(
        {"charge-payment": StepStatus.UNDO_FAILED},
        status=Status.STUCK,
        cause=Cause.CANCELLED,
        errors=(failure,),
        stuck={"charge-payment": failure},
    )
    assert told(stuck) == [
        "✓ charge-payment",
        "✗ refund-payment Outage: away",
        "! stuck on refund-payment Outage: away; a person has to decide",
    ]
    skipped = {"steps": {"charge-payment": StepStatus.SKIPPED}, "stuck": {}}
    assert told(stuck.model_copy(update=skipped))[-1] == "» refund-payment skipped as done by hand"
    assert told(state({}, status=Status.PAUSED)) == ["! paused"]


def test_nothing_is_written_twice_and_nothing_steers_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = Progress(None)
    wild = Failure(step="create-order", type="x", message="\x1b[2J\nred")
    refused = state({"create-order": StepStatus.REFUSED}, errors=(wild,))
    progress.show(refused)
    progress.show(refused)
    assert capsys.readouterr().out.split() == ["✗", "create-order", "x:", "[2J", "red"]


def test_the_order_saga_is_carried_out_by_the_workflow_that_is_started() -> None:
    assert workflow._Definition.must_from_class(OrderSaga).name == ORDER.workflow
    assert OrderSaga.kind is ORDER
    assert PUBLICATION in [sink.name for sink in OrderSaga.sinks]
