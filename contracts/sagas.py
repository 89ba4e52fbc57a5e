"""The types of sagas, as those know them who start and look for one."""

from contracts.commands import PlaceOrder
from saga.start import SagaKind

ORDER = SagaKind[PlaceOrder](name="order", workflow="OrderSaga")

PUBLICATION = "publication"
"""The optional sink that publishes a saga's integration events."""
