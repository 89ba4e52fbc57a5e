"""The order saga under each fault at each step: `--saga-matrix` for all of them."""

from collections.abc import Callable

import pytest

from saga.testing import Observed, Verdict
from tests.matrix.order_subject import ORDER


@pytest.mark.saga_matrix(ORDER)
def test_an_order(saga_verdict: Verdict, row_faults: Callable[[Observed], list[str]]) -> None:
    assert saga_verdict.ok, str(saga_verdict)
    assert saga_verdict.observed is not None
    assert row_faults(saga_verdict.observed) == []
