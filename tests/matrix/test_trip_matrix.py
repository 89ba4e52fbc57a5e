"""A saga with parallel, optional and fallback steps, a probe, and hints that are all it gives."""

import pytest

from saga.testing import Verdict
from tests.matrix.express_trip import SUBJECT as EXPRESS
from tests.matrix.trip import SUBJECT

# An order and the trip of the examples go through a matrix in `make test`.
pytestmark = pytest.mark.long


@pytest.mark.saga_matrix(SUBJECT)
def test_a_trip(saga_verdict: Verdict) -> None:
    assert saga_verdict.ok, str(saga_verdict)


@pytest.mark.saga_matrix(EXPRESS)
def test_an_express_trip(saga_verdict: Verdict) -> None:
    assert saga_verdict.ok, str(saga_verdict)
