"""Whatever goes wrong, and whatever people do meanwhile: all of an order happens, or none of it.

Hypothesis draws a whole script, plain data, and the test plays it in one go; so a failing one
shrinks line by line to the few lines that matter, and reads like a story. A rule-based state
machine would draw the next step only when the last one was played, so it would have to wait for
the saga at each step, and would print calls of methods where this prints sentences.
"""

import pytest
from hypothesis import given

from tests.matrix.order_subject import ORDER
from tests.properties.clock import Clock
from tests.properties.play import hold_to_its_promises
from tests.properties.script import Script
from tests.properties.strategies import scripts

COURSE = tuple(step.name for step in ORDER.steps)


@pytest.mark.timeout(7200)  # For the long profile, and a failing script is played many times.
@given(script=scripts(ORDER))
async def test_an_order_keeps_its_promises(clock: Clock, script: Script) -> None:
    await hold_to_its_promises(clock, ORDER, COURSE, script)
