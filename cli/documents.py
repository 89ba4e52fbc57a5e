"""The documents that commands write, beside those of `read_model.views`."""

from read_model.projector import row_of
from read_model.views import OrderView
from saga import SagaState


def document_of(state: SagaState) -> dict[str, object]:
    """The document of `status --json`, made of what the saga itself says."""
    return OrderView.of(row_of(state)).model_dump(mode="json")
