import pytest

from examples.trip import BookTrip, TripSaga
from saga.testing import Subject, Verdict

TRIP = Subject(workflow=TripSaga, command=lambda i: BookTrip(trip_id=i, hotel="h", flight="f"))


@pytest.mark.saga_matrix(TRIP)
def test_a_trip(saga_verdict: Verdict) -> None:
    assert saga_verdict.ok, str(saga_verdict)
