"""The same scripts in the express lane.

Without what people do inside calls that are local activities, all but the pivot's: it waits for the
workflow's task, and so would the call for it. The failure matrix has that.
"""

import pytest
from hypothesis import given, settings

from tests.matrix.order_subject import EXPRESS
from tests.properties.clock import Clock
from tests.properties.play import hold_to_its_promises
from tests.properties.script import Act, Line, Script, Setting, When
from tests.properties.strategies import scripts

COURSE = tuple(step.name for step in EXPRESS.steps)
LOCAL = {step.name for step in EXPRESS.steps if not step.pivot} | {
    step.undo.name for step in EXPRESS.steps if step.undo
}
FEWER = settings(max_examples=settings().max_examples // 4)


def outside_local_calls(script: Script) -> Script:
    """Without what is done inside a call that may be local, and before the first of them."""

    def outside(line: Line) -> bool:
        if isinstance(line, Act) and isinstance(line.point, When):
            return line.point.call not in LOCAL
        return line is not Setting.STARTS_PAUSED

    return Script(tuple(line for line in script.lines if outside(line)))


@pytest.mark.timeout(7200)  # For the long profile, and a failing script is played many times.
@FEWER
@given(script=scripts(EXPRESS).map(outside_local_calls))
async def test_an_express_order_keeps_its_promises(clock: Clock, script: Script) -> None:
    await hold_to_its_promises(clock, EXPRESS, COURSE, script)
