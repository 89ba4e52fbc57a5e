"""The order saga as its clients see it: what it is called, and what it is started with."""

from temporalio import workflow

from contracts.commands import PlaceOrder
from saga import Saga, SagaInput, SagaOutcome, SagaWorkflow

PUBLICATION = "publication"
"""The sink that publishes an order's events."""


@workflow.defn
class OrderSaga(SagaWorkflow[PlaceOrder]):
    """Stands in for `workflows.order.OrderSaga`, which only workers execute.

    That one imports the activities, and with them an HTTP client: a tenth of what it may take to
    place an order and see it completed.
    """

    saga_type = "order"
    steps = ()

    @workflow.run
    async def run(self, start: SagaInput[PlaceOrder]) -> SagaOutcome:
        """Only typed here."""
        return await self.execute(start)

    async def flow(self, saga: Saga, command: PlaceOrder) -> None:
        """Told by the workflow itself."""
        raise NotImplementedError
