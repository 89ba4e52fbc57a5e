"""An audit of books on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from audit.findings import Kind
from audit.tables import PAYMENTS
from contracts import ids
from tests.audit.audited import Audited, document, kinds
from tests.cli.here import Here
from tests.integration.shops import NAMES, open_shops
from tests.integration.stage import NOWHERE, Stage, an_order, new_database, reading

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def postgres(
    server: WorkflowEnvironment, postgres_url: str, tmp_path: Path
) -> AsyncIterator[tuple[Audited, dict[str, str]]]:
    """Services on PostgreSQL, and the variables that name their databases."""
    async with AsyncExitStack() as stack:
        urls = {
            f"{name.upper()}_DATABASE_URL": await stack.enter_async_context(
                new_database("postgresql", postgres_url, tmp_path)
            )
            for name in NAMES
        }
        shops = await stack.enter_async_context(open_shops(tmp_path, **urls))
        read = await stack.enter_async_context(new_database("postgresql", postgres_url, tmp_path))
        reader = await stack.enter_async_context(reading(read))
        stage = Stage(server.client, shops, read, reader)
        async with stage.working():
            yield Audited(stage, tmp_path), urls


@pytest.mark.long
async def test_books_on_postgresql(postgres: tuple[Audited, dict[str, str]], here: Here) -> None:
    audited, urls = postgres
    # A natural language has another order of these than Python. The test's server knows none, so
    # that the query asks for Python's can only be read in it.
    assert PAYMENTS.query("postgresql").count('COLLATE "C"') == 2
    names = ("a-1", "A2", "a:3", "B.4", "b_5", "Z6")
    orders = [an_order().model_copy(update={"order_id": name}) for name in names]
    undone = an_order(ship_to=NOWHERE).model_copy(update={"order_id": "undone"})
    await asyncio.gather(*(audited.stage.end(order) for order in (*orders, undone)))
    ran = await audited.audit(here, "--json", **urls)
    found = document(ran)
    assert (ran.code, found["findings"], found["orders"]) == (0, [], 7)

    connection = await asyncpg.connect(urls["PAYMENT_DATABASE_URL"])
    await connection.execute(
        "UPDATE payments SET status = 'captured', refunded_minor = 0 WHERE id = $1",
        ids.payment_id("undone"),
    )
    await connection.close()
    ran = await audited.audit(here, "--json", **urls)
    assert (ran.code, kinds(ran)) == (1, {(Kind.EFFECT_LEFT, "payment")})
    assert (await audited.audit(here, "A2", **urls)).code == 0
    assert (await audited.audit(here, "undone", **urls)).code == 1
