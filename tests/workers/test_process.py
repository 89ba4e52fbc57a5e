"""What the process of a worker is set to, seen from inside one."""

import json
import subprocess
import sys

LOOK = """
import asyncio, gc, json
from workers.process import run

async def look():
    loop = type(asyncio.get_running_loop()).__module__
    print(json.dumps([loop, gc.get_freeze_count(), gc.get_threshold()[0]]))

run(look())
"""


def test_its_loop_is_cheap_and_what_is_loaded_is_not_looked_through_again() -> None:
    looked = subprocess.run(
        [sys.executable, "-c", LOOK], check=True, capture_output=True, text=True
    )
    loop, frozen, garbage_after = json.loads(looked.stdout)
    assert loop == "uvloop"
    assert frozen > 10_000
    assert garbage_after == 20_000
