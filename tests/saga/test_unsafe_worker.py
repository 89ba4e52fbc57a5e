"""A worker of an unsafe saga does not start, and says why."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from saga import SagaPlugin, UnsafeSaga
from tests.saga.trips import Bookings, TripSaga
from tests.saga.unsafe_trips import HotelStays, Undecorated


async def worker(
    *workflows: type, activities: list[Callable[..., object]], **options: Any
) -> Worker:
    """A worker whose client is not connected: the SDK itself refuses it, if nothing else does."""
    client = await Client.connect("127.0.0.1:1", lazy=True, plugins=[SagaPlugin()])
    return Worker(
        client,
        task_queue="trips",
        workflows=workflows,
        activities=activities,
        workflow_runner=UnsandboxedWorkflowRunner(),
        **options,
    )


async def refused(*workflows: type, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(UnsafeSaga) as unsafe:
        await worker(*workflows, **{"activities": Bookings().all, **options})
    assert unsafe.value.exit_code == 2
    findings = unsafe.value.findings
    assert str(unsafe.value).splitlines()[1:] == [f"  {finding}" for finding in findings]
    return [(finding.rule, finding.where) for finding in findings]


async def starts(*workflows: type, **options: Any) -> bool:
    with pytest.raises(RuntimeError, match=r"[Ll]azy"):
        await worker(*workflows, **options)
    return True


async def test_an_unsafe_saga_keeps_its_worker_from_starting() -> None:
    told = await refused(TripSaga, HotelStays)
    assert told == [("undo-missing", "tests.saga.unsafe_trips:HotelStays book-hotel")]


async def test_all_that_is_wrong_is_told_at_once() -> None:
    told = await refused(HotelStays, Undecorated)
    assert [rule for rule, _ in told] == ["undo-missing", "workflow-undecorated"]


async def test_an_activity_that_is_not_registered_is_missed() -> None:
    some = [it for it in Bookings().all if it.__name__ not in {"cancel_hotel", "send_tickets"}]
    assert await refused(TripSaga, activities=some) == [
        ("activity-unregistered", "tests.saga.trips:TripSaga book-hotel"),
        ("activity-unregistered", "tests.saga.trips:TripSaga send-tickets"),
    ]


async def test_a_worker_must_not_fail_sagas_for_bugs() -> None:
    told = await refused(TripSaga, workflow_failure_exception_types=[Exception])
    assert told == [("fails-on-bug", "tests.saga.trips:TripSaga")]


async def test_safe_sagas_and_workers_without_sagas_start() -> None:
    assert await starts(TripSaga, activities=Bookings().all)
    assert await starts(activities=[Bookings().book_hotel])


@activity.defn(dynamic=True)
async def anything(_arguments: Sequence[RawValue]) -> None:
    raise NotImplementedError


async def test_what_another_worker_has_is_not_missed() -> None:
    assert await starts(TripSaga, activities=[])
    assert await starts(TripSaga, activities=[anything])
