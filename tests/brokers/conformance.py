"""The promises of brokers/port.py, held against every broker by the same tests.

A broker is bound to them by a file of its own, so that the tests of several run side by side:

    class TestKafka(OverAServer):
        \"\"\"Every promise.\"\"\"

    @pytest.fixture(scope="module")
    def place(kafka_server: KafkaServer) -> Place:
        return Place(lambda: KafkaBroker(kafka_server.url), kafka_server.url, kafka_server)

called tests/brokers/test_conformance_<broker>.py, with the server's fixture in conftest.py. What
the broker lacks, `Place` has a field for; what is only its own is tested in test_<broker>.py.
"""

from tests.brokers.promises.carrying import Carrying
from tests.brokers.promises.holding import Holding
from tests.brokers.promises.letters import Letters
from tests.brokers.promises.outages import Outages
from tests.brokers.promises.redelivery import Crashes, Redelivery
from tests.brokers.promises.sharing import Sharing


class InThisProcess(Carrying, Sharing, Redelivery, Letters, Holding):
    """What also a broker can promise that nobody else sees."""


class OverAServer(InThisProcess, Crashes, Outages):
    """Everything."""
