"""A worker's projection keeps the whole log of a saga beside its row."""

from read_model.event_store import EventStore
from read_model.projector import row_of
from saga import Status, fold
from tests.integration.stage import NOWHERE, Stage, an_order


async def test_what_is_kept_adds_up_to_the_row(stage: Stage) -> None:
    order = an_order(await stage.shops.stock(10), ship_to=NOWHERE)
    outcome = await stage.end(order)
    assert outcome.status is Status.COMPENSATED
    row = await stage.row(order)
    assert row is not None
    kept = await EventStore(stage.reader).events_of(row.saga_id)
    assert len(kept) == row.version
    assert row_of(fold(kept)).model_dump() == row.model_dump()
