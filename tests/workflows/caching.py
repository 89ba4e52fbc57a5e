"""A worker's cache of workflows, for fixtures that have one with it and one without."""

import pytest

CACHES = [
    pytest.param(1000, id="cached"),
    # Every task is run from the first event.
    pytest.param(0, id="replayed", marks=pytest.mark.long),
]
"""How many workflows a worker keeps."""
