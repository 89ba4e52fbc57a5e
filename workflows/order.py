"""The story of an order: either all of it happens, or none of it stays."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.inventory import InventoryActivities
    from activities.order import OrderActivities
    from activities.payment import PaymentActivities
    from activities.projection import projection
    from activities.publication import publication
    from activities.shipping import ShippingActivities
    from contracts.commands import (
        CancelOrder,
        CancelShipment,
        ChargePayment,
        ConfirmOrder,
        CreateOrder,
        CreateShipment,
        PlaceOrder,
        RefundPayment,
        ReleaseStock,
        ReserveStock,
    )
    from contracts.events import OrderConfirmed
    from contracts.sagas import ORDER
    from saga import Saga, SagaInput, SagaOutcome, SagaWorkflow, Step, Undo

create_order = Step(
    action=OrderActivities.create_order,
    undo=Undo(OrderActivities.cancel_order, CancelOrder.undoing),
)
charge_payment = Step(
    action=PaymentActivities.charge_payment,
    undo=Undo(PaymentActivities.refund_payment, RefundPayment.undoing),
)
reserve_stock = Step(
    action=InventoryActivities.reserve_stock,
    undo=Undo(InventoryActivities.release_stock, ReleaseStock.undoing),
)
create_shipment = Step(
    action=ShippingActivities.create_shipment,
    undo=Undo(ShippingActivities.cancel_shipment, CancelShipment.undoing),
    pivot=True,
    probe=ShippingActivities.find_shipment,
)
confirm_order = Step(action=OrderActivities.confirm_order, by_hand=OrderConfirmed.by_hand)


@workflow.defn(name=ORDER.workflow)
class OrderSaga(SagaWorkflow[PlaceOrder]):
    """Four services that share no database, kept consistent."""

    kind = ORDER
    steps = (create_order, charge_payment, reserve_stock, create_shipment, confirm_order)
    sinks = (projection, publication)

    @workflow.run
    async def run(self, start: SagaInput[PlaceOrder]) -> SagaOutcome:
        """Hand the flow to the engine."""
        return await self.execute(start)

    async def flow(self, saga: Saga, order: PlaceOrder) -> None:
        """Whatever is refused before the pivot, and whoever cancels, all of it is undone."""
        await saga.step(create_order, CreateOrder.of(order))
        await saga.step(charge_payment, ChargePayment.of(order))
        await saga.step(reserve_stock, ReserveStock.of(order))
        shipment = await saga.step(create_shipment, CreateShipment.of(order))
        # The order is on its way: from here on nothing is undone, only finished.
        await saga.step(
            confirm_order,
            ConfirmOrder(order_id=order.order_id, shipment_id=shipment.shipment_id),
        )
