"""The same with a trip, whose steps have every policy that a step may have."""

import pytest
from hypothesis import given

from tests.properties.clock import Clock
from tests.properties.play import hold_to_its_promises
from tests.properties.script import Script
from tests.properties.strategies import scripts
from tests.properties.trip_subject import COURSE, TRIP


@pytest.mark.timeout(7200)  # For the long profile, and a failing script is played many times.
@given(script=scripts(TRIP))
async def test_a_trip_keeps_its_promises(clock: Clock, script: Script) -> None:
    await hold_to_its_promises(clock, TRIP, COURSE, script)
