"""The failure matrix as pytest tests.

    pytest_plugins = ["saga.testing.pytest_plugin"]  # in conftest.py

    TRIP = Subject(workflow=TripSaga, command=lambda trip_id: BookTrip(trip_id=trip_id))

    @pytest.mark.saga_matrix(TRIP)
    def test_trip(saga_verdict: Verdict) -> None:
        assert saga_verdict.ok, str(saga_verdict)

Each case is a test; without `--saga-matrix` only the most telling ones. Several cases run at the
same time, ahead of their tests, in a thread of their own.
"""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from saga.testing.bench import AT_ONCE, Bench, Verdict, server
from saga.testing.cases import Case
from saga.testing.columns import cases
from saga.testing.subject import Subject

_MARKER = "saga_matrix"
_CASES = pytest.StashKey[dict[str, list[Case]]]()
"""By module, the cases that are going to be asked for, in this order."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--saga-matrix`."""
    parser.getgroup("saga").addoption(
        "--saga-matrix",
        action="store_true",
        help="run the whole failure matrix of each saga, and not only the most telling cases",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    line = f"{_MARKER}(subject): run the failure matrix of a saga.testing.Subject"
    config.addinivalue_line("markers", line)
    config.stash[_CASES] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each case."""
    if "saga_verdict" not in metafunc.fixturenames:
        return
    subject = _subject(metafunc.definition)
    chosen = cases(subject, short=not metafunc.config.getoption("--saga-matrix"))
    metafunc.parametrize("saga_verdict", chosen, ids=lambda case: case.id, indirect=True)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note which cases are left when `-k` and its like have chosen."""
    for item in session.items:
        if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            case = item.callspec.params.get("saga_verdict")
            if isinstance(case, Case):
                key = _key(item)
                session.config.stash[_CASES].setdefault(key, []).append(case)


class Running:
    """The cases of one test function, run in a thread with a loop of its own."""

    def __init__(self, subject: Subject, folder: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._stack = AsyncExitStack()
        self._verdicts: dict[str, Future[Verdict]] = {}
        opening = asyncio.run_coroutine_threadsafe(self._open(subject, folder), self._loop)
        self._bench = opening.result()

    async def _open(self, subject: Subject, folder: Path) -> Bench:
        client = await self._stack.enter_async_context(server())
        return await self._stack.enter_async_context(Bench(subject, client, folder))

    def verdict(self, case: Case, chosen: list[Case]) -> Verdict:
        """What came of a case; those that come next in `chosen` are begun too."""
        at = next((i for i, other in enumerate(chosen) if other.id == case.id), None)
        for ahead in [case] if at is None else chosen[at : at + AT_ONCE]:
            if ahead.id not in self._verdicts:
                running = asyncio.run_coroutine_threadsafe(self._bench.run(ahead), self._loop)
                self._verdicts[ahead.id] = running
        return self._verdicts[case.id].result()

    def close(self) -> None:
        """Stop the workers and the server."""
        for verdict in self._verdicts.values():
            verdict.cancel()
        asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def _saga_running() -> Iterator[dict[str, Running]]:
    """By test function; a subject's policies are shortened no longer than its module runs."""
    running: dict[str, Running] = {}
    yield running
    for one in running.values():
        one.close()


@pytest.fixture
def saga_verdict(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    _saga_running: dict[str, Running],
) -> Verdict:
    """What came of one case of the matrix; a case that can't happen to this saga is skipped."""
    node = request.node
    key = _key(node)
    if key not in _saga_running:
        folder = tmp_path_factory.mktemp("saga-matrix")
        _saga_running[key] = Running(_subject(node), folder)
    verdict = _saga_running[key].verdict(request.param, request.config.stash[_CASES].get(key, []))
    if verdict.left_out:
        pytest.skip(verdict.left_out)
    return verdict


def _key(item: pytest.Function) -> str:
    return item.nodeid.partition("[")[0]


def _subject(item: pytest.Function) -> Subject:
    marker = item.get_closest_marker(_MARKER)
    if marker is None or not marker.args or not isinstance(marker.args[0], Subject):
        raise pytest.UsageError(f"{item.nodeid} needs @pytest.mark.{_MARKER}(subject)")
    return marker.args[0]
