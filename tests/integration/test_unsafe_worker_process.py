"""`worker.py` with an unsafe saga: a message and an exit code, and nothing has been started."""

import sys

from tests.integration.house import House
from tests.integration.processes import ROOT, Child

WORK = """
import sys
sys.path.insert(0, {root!r})
import worker
from tests.saga.unsafe_trips import HotelStays
worker.WORKFLOWS = (HotelStays,)
sys.exit(worker.main())
"""


async def test_an_unsafe_saga_ends_the_worker_with_its_findings(house: House) -> None:
    argv = [sys.executable, "-c", WORK.format(root=str(ROOT))]
    child = await Child.start(argv, house.home / "worker.log", env=house.variables, cwd=house.home)
    house.workers.append(child)
    assert await child.ended() == 2
    assert not any("Traceback" in line for line in child.lines)
    told = child.lines.index("worker: not started, as it would run sagas that are not safe:")
    where = "  tests.saga.unsafe_trips:HotelStays book-hotel: "
    assert child.lines[told + 1].startswith(where)
    assert any(line.endswith("[undo-missing]") for line in child.lines[told + 1 :])
    assert house.processes() == []
    assert not (house.home / "temporal.log").exists()
