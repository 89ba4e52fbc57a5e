"""The worker of the sagas and of their steps."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig

from activities.inventory import InventoryActivities
from activities.order import OrderActivities
from activities.payment import PaymentActivities
from activities.projection import ProjectionActivities
from activities.shipping import ShippingActivities
from read_model.projector import SagaProjector
from saga import SagaWorkflow
from workflows.order import OrderSaga

Activities = Sequence[Callable[..., object]]
Workflows = Sequence[type[SagaWorkflow[Any]]]

WORKFLOWS: Workflows = (OrderSaga,)
WORKFLOW_MODULES = ("workflows",)
"""Loaded once and not for each saga; all tests of them run in a sandbox that does load them."""
DRAIN = timedelta(seconds=10)
"""How long activities under way may go on after a signal; what is cut off is tried again."""
TASKS_AT_ONCE = 16
"""Of workflow tasks. One thread works them off, so more than these would only wait in here: longer
than an express order's lane has, and than `KILLED_AFTER`, and out of the queue's turns."""
POLLS = 10
"""For workflow tasks, one of them for sagas that this worker does not know yet. An order has seven
tasks step by step: the SDK's one poll in five takes in more of a backlog than is worked off."""
KILLED_AFTER = timedelta(seconds=2)
"""How long a saga waits for the worker that knows it before any other one takes it."""


def step_activities(clients: Mapping[str, httpx.AsyncClient]) -> Activities:
    """What the sagas' steps call, by the participants' HTTP clients."""
    order, payment = OrderActivities(clients["order"]), PaymentActivities(clients["payment"])
    inventory = InventoryActivities(clients["inventory"])
    shipping = ShippingActivities(clients["shipping"])
    return [
        order.create_order,
        order.cancel_order,
        order.confirm_order,
        payment.charge_payment,
        payment.refund_payment,
        inventory.reserve_stock,
        inventory.release_stock,
        shipping.create_shipment,
        shipping.find_shipment,
        shipping.cancel_shipment,
    ]


def saga_activities(clients: Mapping[str, httpx.AsyncClient], database: AsyncEngine) -> Activities:
    """What the sagas' own worker has: their steps, and for express sagas the row of their end."""
    row = ProjectionActivities(SagaProjector(database)).project_saga
    return [*step_activities(clients), row]


def saga_worker(
    client: Client,
    task_queue: str,
    activities: Activities,
    workflows: Workflows = WORKFLOWS,
    version: tuple[str, str] | None = None,
) -> Worker:
    """The worker that runs sagas and their steps, as a deployment's build if it has a version.

    A saga stays with the version that it was started on; see docs/changing-a-saga.md.
    """
    return Worker(
        client,
        task_queue=task_queue,
        workflows=workflows,
        activities=activities,
        graceful_shutdown_timeout=DRAIN,
        max_concurrent_workflow_tasks=TASKS_AT_ONCE,
        max_concurrent_workflow_task_polls=POLLS,
        nonsticky_to_sticky_poll_ratio=1 / POLLS,
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        sticky_queue_schedule_to_start_timeout=KILLED_AFTER,
        deployment_config=None
        if version is None
        else WorkerDeploymentConfig(
            WorkerDeploymentVersion(*version),
            use_worker_versioning=True,
            default_versioning_behavior=VersioningBehavior.PINNED,
        ),
    )
