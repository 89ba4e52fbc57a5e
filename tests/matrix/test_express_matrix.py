"""The order saga in the express lane, under the same faults and by the same books."""

from collections.abc import Callable

import pytest

from saga.testing import Observed, Verdict
from tests.matrix.order_subject import EXPRESS


@pytest.mark.saga_matrix(EXPRESS)
def test_an_express_order(
    saga_verdict: Verdict, row_faults: Callable[[Observed], list[str]]
) -> None:
    assert saga_verdict.ok, str(saga_verdict)
    assert saga_verdict.observed is not None
    assert row_faults(saga_verdict.observed) == []
