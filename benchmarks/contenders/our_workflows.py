"""The order saga of this project, with its rows as often as the others write theirs."""

import dataclasses
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.projection import projection
    from activities.publication import publication
    from contracts.commands import PlaceOrder
    from contracts.sagas import ORDER
    from saga import SagaInput, SagaOutcome
    from workflows.order import OrderSaga


@workflow.defn
class OrderSagaEveryRow(OrderSaga):
    """Nothing is gathered: whatever has happened goes to the read database at once."""

    kind = dataclasses.replace(ORDER, workflow="OrderSagaEveryRow")
    sinks = (
        dataclasses.replace(
            projection,
            interval=timedelta(milliseconds=1),
            # The time of one row for each of a completed order's.
            local=6 * projection.local if projection.local else None,
        ),
        publication,
    )

    @workflow.run
    async def run(self, start: SagaInput[PlaceOrder]) -> SagaOutcome:
        return await self.execute(start)


@workflow.defn
class OrderSagaFinalRow(OrderSaga):
    """Nothing but a change of status goes to the read database."""

    kind = dataclasses.replace(ORDER, workflow="OrderSagaFinalRow")
    sinks = (dataclasses.replace(projection, interval=timedelta(days=1)), publication)

    @workflow.run
    async def run(self, start: SagaInput[PlaceOrder]) -> SagaOutcome:
        return await self.execute(start)
