"""The orders in the read database."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from cli.problems import NoAnswer
from contracts.sagas import ORDER
from read_model.database import open_database
from read_model.queries import ReadModel
from read_model.views import OrderView
from runtime.settings import Settings
from saga import Status

AnswerT = TypeVar("AnswerT")


async def read_order(settings: Settings, order_id: str) -> OrderView | None:
    """One order; raises ServerUnreachable, SettingsError or NoAnswer."""
    row = await _ask(settings, lambda model: model.saga(ORDER.name, order_id))
    return None if row is None else OrderView.of(row)


async def read_orders(
    settings: Settings, *, customer_id: str | None, status: Status | None, limit: int
) -> list[OrderView]:
    """The newest orders that are as described; raises like `read_order`."""
    rows = await _ask(
        settings,
        lambda model: model.sagas(
            saga_type=ORDER.name, customer_id=customer_id, status=status, limit=limit
        ),
    )
    return [OrderView.of(row) for row in rows or ()]


async def _ask(
    settings: Settings, question: Callable[[ReadModel], Awaitable[AnswerT]]
) -> AnswerT | None:
    engine = open_database(settings.read_database_url)
    try:
        return await question(ReadModel(engine))
    except DBAPIError as error:
        if _has_no_tables(error):
            return None
        raise NoAnswer(
            f"the read database cannot be read ({error.orig}):"
            " start a worker (python worker.py), which brings its tables up to date"
        ) from error
    finally:
        await engine.dispose()


def _has_no_tables(error: DBAPIError) -> bool:
    # The first worker makes them.
    undefined_table = getattr(error.orig, "sqlstate", None) == "42P01"
    return undefined_table or str(error.orig).startswith("no such table")
