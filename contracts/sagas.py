"""The types of sagas, as those know them who start and look for one."""

# Whoever looks at orders reads their events as plain JSON, and that is lifted by the names and
# versions that are known in the process.
from contracts import events  # noqa: F401
from contracts.commands import PlaceOrder
from saga.start import SagaKind

ORDER = SagaKind[PlaceOrder](name="order", workflow="OrderSaga", express=True)

PUBLICATION = "publication"
"""The optional sink that publishes a saga's integration events."""
