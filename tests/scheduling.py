"""Which tests a worker of pytest-xdist runs one after the other, and which only run at length."""

from xdist.scheduler import LoadFileScheduling

SHARED = {
    "rabbitmq": (
        "conformance_rabbitmq",
        "rabbitmq",
        "rabbitmq_wire",
        "request_reply",
        "choreography_killed",
        "dead_letter_commands",
        "inbox_killed",
        "outage_over_rabbitmq",
        "sigterm",
    ),
    "sns-sqs": ("conformance_sns_sqs", "sns_sqs", "sns_sqs_settings"),
}
"""Files of tests/brokers that share a server, since one takes seconds to start."""
LONGER = frozenset(
    f"tests/brokers/test_conformance_{its}"
    for its in (
        "kafka.py::TestOutages::test_a_restart_is_told_and_outlived",
        "kafka.py::TestSharing::test_a_consumer_that_leaves_gives_back_what_it_holds",
        "kafka.py::TestSharing::test_each_subscriber_goes_on_where_the_one_before_has_stopped",
        "kafka.py::TestSharing::test_what_is_released_comes_again_in_its_place",
        "sns_sqs.py::TestSnsSqs::test_a_restart_is_told_and_outlived",
    )
)
"""Promises that are slow on these brokers; `make test` asks the others for them."""
APART = "tests/brokers/test_conformance_kafka.py"
"""Its classes wait more than they work, so each may be elsewhere, with a server of its own."""
_GROUP = {f"tests/brokers/test_{it}.py": name for name, its in SHARED.items() for it in its}


class ByServer(LoadFileScheduling):
    """A file stays together; so do those that share a server."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::", 1)[0]
        return nodeid.rsplit("::", 1)[0] if path == APART else _GROUP.get(path, path)
