"""The order saga under each fault at each step: `--saga-matrix` for all of them."""

import pytest

from saga.testing import Verdict
from tests.matrix.order_subject import ORDER


@pytest.mark.saga_matrix(ORDER)
def test_an_order(saga_verdict: Verdict) -> None:
    assert saga_verdict.ok, saga_verdict
