"""The same with a trip, whose steps have every policy that a step may have."""

import pytest
from hypothesis import example, given

from saga.testing import Moment, faults
from tests.properties.clock import Clock
from tests.properties.play import hold_to_its_promises
from tests.properties.script import Act, Doing, Script, Setting, Trouble, When
from tests.properties.strategies import scripts
from tests.properties.trip_subject import COURSE, TRIP

PIVOT_UNDONE_BY_HAND = Script(
    (
        Trouble(faults.lose_answer("pay-trip", times=None)),
        Trouble(faults.refuse("take-payment-back")),
        Setting.SKIPPED,
    )
)
ENDS_IN_A_PAUSE = Script(
    (
        Act(Doing.PAUSE, When("book-hotel", Moment.BEFORE)),
        Act(Doing.PAUSE, When("book-car", Moment.BEFORE)),
        Setting.REPLAYED,
    )
)


@pytest.mark.long
@pytest.mark.timeout(7200)  # For the long profile, and a failing script is played many times.
@given(script=scripts(TRIP))
@example(script=PIVOT_UNDONE_BY_HAND)
@example(script=ENDS_IN_A_PAUSE)
async def test_a_trip_keeps_its_promises(clock: Clock, script: Script) -> None:
    await hold_to_its_promises(clock, TRIP, COURSE, script)
