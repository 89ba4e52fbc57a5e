"""The broker in this process keeps the port's promises."""

import pytest

from brokers.memory import MemoryBroker
from tests.brokers.conformance import InThisProcess
from tests.brokers.promises.place import Place


@pytest.fixture
def place() -> Place:
    broker = MemoryBroker()
    return Place(lambda: broker)


class TestMemory(InThisProcess):
    """No server, and nobody to be killed."""
