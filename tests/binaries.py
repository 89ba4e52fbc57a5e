"""Where the Temporal binaries are: installed by pip beside the interpreter, or on the PATH."""

import shutil
import sys
from pathlib import Path


def _find(name: str) -> str | None:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)


TEST_SERVER = _find("temporal-test-server")
"""The time-skipping server; None lets the SDK download it."""

DEV_SERVER = _find("temporal")
"""The dev server; None lets the SDK download it."""
