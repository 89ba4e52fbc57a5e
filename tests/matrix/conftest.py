"""A read database that is handed what the projections of the matrix were."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from saga.testing import Observed
from tests.rows import Rows


@pytest.fixture(scope="module")
def row_faults(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[Observed], list[str]]]:
    """What the read database says of a saga that its history does not."""
    rows = Rows(tmp_path_factory.mktemp("rows"))
    with asyncio.Runner() as runner:
        runner.run(rows.open())

        def wrong(observed: Observed) -> list[str]:
            assert observed.history is not None
            return runner.run(rows.wrong(observed.handed, observed.history))

        yield wrong
        runner.run(rows.close())
