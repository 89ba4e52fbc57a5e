"""SNS's and SQS's adapter keeps the port's promises, against moto's server."""

import os

import pytest

from brokers.sns_sqs import SnsSqsBroker
from tests.brokers.conformance import OverAServer
from tests.brokers.promises.place import Place


@pytest.fixture(scope="module")
def place(sns_sqs_url: str, request: pytest.FixtureRequest) -> Place:
    ours = not os.environ.get("TEST_SNS_SQS_URL")
    return Place(
        lambda: SnsSqsBroker(sns_sqs_url),
        # What a killed consumer holds is nobody's until that ends.
        f"{sns_sqs_url}&visibility=1",
        request.getfixturevalue("sns_sqs_server") if ours else None,
        keeps_log=False,
        remembers=False,
        tells_within=10,
        # Whoever looks hides them from the others, who wait for a few seconds.
        looks=4,
    )


class TestSnsSqs(OverAServer):
    """Every promise but the log's, which these two keep no messages for."""
