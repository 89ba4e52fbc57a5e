"""Ids that the order saga gives its participants; each comes from one function here.

The saga chooses them, so that an undo can address what an action has made even when the action's
answer never came.
"""


def payment_id(order_id: str) -> str:
    """The payment of an order."""
    return f"payment-{order_id}"


def reservation_id(order_id: str) -> str:
    """The stock reserved for an order."""
    return f"reservation-{order_id}"


def shipment_id(order_id: str) -> str:
    """The shipment of an order."""
    return f"shipment-{order_id}"
