"""The documents that commands write, beside those of `read_model.views`."""

from read_model.projector import row_of
from read_model.views import view_of
from saga import SagaState


def document_of(state: SagaState) -> dict[str, object]:
    """The document of `status --json`, made of what the saga itself says."""
    return view_of(row_of(state)).model_dump(mode="json")
