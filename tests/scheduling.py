"""Which tests a worker of pytest-xdist runs one after the other, and which only run at length."""

from xdist.scheduler import LoadFileScheduling

SHARED = {
    "rabbitmq": (
        "brokers/test_conformance_rabbitmq.py",
        "brokers/test_rabbitmq.py",
        "brokers/test_rabbitmq_wire.py",
        "brokers/test_request_reply.py",
        "brokers/test_choreography_killed.py",
        "brokers/test_dead_letter_commands.py",
        "brokers/test_inbox_killed.py",
        "brokers/test_outage_over_rabbitmq.py",
        "brokers/test_sigterm.py",
    ),
    "sns-sqs": (
        "brokers/test_conformance_sns_sqs.py",
        "brokers/test_sns_sqs.py",
        "brokers/test_sns_sqs_settings.py",
    ),
    "stage": (
        "integration/test_cost.py",
        "integration/test_event_table.py",
        "integration/test_order_accounts.py",
        "integration/test_order_outages.py",
        "integration/test_order_reset.py",
        "integration/test_order_story.py",
        "integration/test_read_database_away.py",
    ),
}
"""Files that share servers, since to start them takes seconds."""
SLOW_PROMISES = frozenset(
    f"tests/brokers/test_conformance_{its}"
    for its in (
        "kafka.py::TestCarrying::test_a_group_that_comes_late_begins_where_the_broker_does",
        "kafka.py::TestCarrying::test_a_slow_consumer_holds_no_more_than_its_prefetch",
        "kafka.py::TestCarrying::test_repetitions_come_or_are_swallowed_and_change_no_order",
        "kafka.py::TestCarrying::test_the_log_is_what_was_published_consumed_or_not",
        "kafka.py::TestCarrying::test_waiting_is_what_is_not_acknowledged",
        "kafka.py::TestCarrying::test_what_waits_does_not_fill_the_memory_of_a_slow_consumer",
        "kafka.py::TestOutages::test_a_restart_is_told_and_outlived",
        "kafka.py::TestOutages::test_what_a_killed_consumer_held_comes_again_in_order",
        "kafka.py::TestSharing::test_a_poison_message_comes_before_later_ones_until_it_is_buried",
        "kafka.py::TestSharing::test_a_consumer_that_leaves_gives_back_what_it_holds",
        "kafka.py::TestSharing::test_consumers_come_and_go_and_no_key_is_with_two_of_them",
        "kafka.py::TestSharing::test_each_subscriber_goes_on_where_the_one_before_has_stopped",
        "kafka.py::TestSharing::test_what_is_done_while_an_earlier_one_is_not_comes_no_more",
        "kafka.py::TestSharing::test_what_is_released_comes_again_in_its_place",
        "rabbitmq.py::TestRabbitMQ::test_a_restart_is_told_and_outlived",
        "rabbitmq.py::TestRabbitMQ::test_what_a_killed_consumer_held_comes_again_in_order",
        "sns_sqs.py::TestSnsSqs::test_a_restart_is_told_and_outlived",
        "sns_sqs.py::TestSnsSqs::test_a_slow_consumer_holds_no_more_than_its_prefetch",
        "sns_sqs.py::TestSnsSqs::test_consumers_come_and_go_and_no_key_is_with_two_of_them",
        "sns_sqs.py::TestSnsSqs::test_each_group_gets_everything_in_order_per_key",
        "sns_sqs.py::TestSnsSqs::test_who_looks_while_others_do_sees_all_of_them",
        "sns_sqs.py::TestSnsSqs::test_what_waits_does_not_fill_the_memory_of_a_slow_consumer",
    )
)
"""Promises that are slow on these brokers."""
CHARGED_TWICE = "test_charges_and_refunds_that_come_twice_and_at_once_add_up"
SLOW_CASES = frozenset(
    f"tests/{its}"
    for its in (
        "matrix/test_order_matrix.py::test_an_order[confirm-order/killed-during]",
        "matrix/test_order_matrix.py::test_an_order[create-order/killed-during]",
        "matrix/test_order_matrix.py::test_an_order[reserve-stock/killed-during]",
        "services/test_accounts.py::test_a_hundred_want_the_money_of_one[postgresql]",
        "services/test_reservations.py::test_a_hundred_takers_of_fifty_pieces[postgresql]",
        f"services/test_accounts.py::{CHARGED_TWICE}[postgresql]",
    )
)
"""Cases of a test that others are much the same as."""
LONGER = SLOW_PROMISES | SLOW_CASES
"""What `make test-long` runs, and `make test` does not."""
APART = "tests/brokers/test_conformance_kafka.py"
"""Its classes wait more than they work, so each may be elsewhere, with a server of its own."""
_GROUP = {f"tests/{it}": name for name, its in SHARED.items() for it in its}


class ByServer(LoadFileScheduling):
    """A file stays together; so do those that share a server."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::", 1)[0]
        return nodeid.rsplit("::", 1)[0] if path == APART else _GROUP.get(path, path)
