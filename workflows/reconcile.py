"""Compares the read model with the histories and repairs it: what a schedule starts each night."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.reconciliation import Reconciled, ReconciliationActivities
    from read_model.sources import Position

SCHEDULE = "reconcile-read-model"
"""The id of the schedule, and the beginning of its workflows' ids."""


@workflow.defn
class ReconcileReadModel:
    """One look at all sagas, however often a worker is lost on the way."""

    @workflow.run
    async def run(self, begin: Position) -> Reconciled:
        """Look at all sagas, from there on; what was found and repaired."""
        return await workflow.execute_activity_method(
            ReconciliationActivities.reconcile_read_model,
            begin,
            start_to_close_timeout=timedelta(hours=20),
            heartbeat_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=5)
            ),
        )
