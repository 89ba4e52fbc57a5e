"""`audit --events` over a Kafka that loses everything: found by id, repaired, taken in once."""

import asyncio
import json
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from brokers.opening import opened
from contracts.catalogue import CATALOGUE, SENDER
from tests.brokers.kafka_server import KafkaServer
from tests.cli.here import Here
from tests.integration.commands import Ran
from tests.integration.house import House, options_of
from tests.integration.processes import eventually, running
from tests.integration.stage import an_order
from tests.ports import free_port, free_ports

pytestmark = pytest.mark.asyncio(loop_scope="session")

INBOXES = {"notification": "notification.db", "order-copy": "order_copy.db"}
TYPES = ("OrderPlaced", "OrderConfirmed", "SendOrderConfirmation")
"""What a completed order has to tell, in this order."""


@asynccontextmanager
async def consumers(house: House) -> AsyncIterator[None]:
    """`services.consumers`, which end in order."""
    notified, copied = free_ports(2)
    argv = [sys.executable, "-m", "services.consumers"]
    argv += ["--notification-port", str(notified), "--order-copy-port", str(copied)]
    async with running(argv, house.home / "consumers.log", env=house.variables) as process:
        await process.says("service on", seconds=50)  # Its tables are made by then.
        yield
        process.send(signal.SIGTERM)
        assert await process.ended() == 0, process.lines


def inbox_rows(home: Path) -> dict[tuple[str, str], str]:
    """When each consumer has taken in each event, by name and id."""
    rows: dict[tuple[str, str], str] = {}
    for name, file in INBOXES.items():
        with closing(sqlite3.connect(home / file)) as database:
            asked = database.execute("SELECT event_id, processed_at FROM processed_events")
            rows |= {(name, event_id): at for event_id, at in asked}
    return rows


async def events_held(url: str) -> dict[str, list[str]]:
    """The ids that the broker holds of each type; a repair knows no order between orders."""
    held: dict[str, list[str]] = {name: [] for name in TYPES}
    async with opened(url) as broker:
        for channel in {
            it.channel.name: it.channel for it in CATALOGUE if it.sender == SENDER
        }.values():
            async for message in broker.log(channel):
                held[message.event().type].append(message.id)
    return {name: sorted(ids) for name, ids in held.items()}


async def holds(url: str, count: int) -> bool:
    """Whether the broker has so many events of each type."""
    return all(len(its) == count for its in (await events_held(url)).values())


@dataclass
class Desk:
    """Where somebody enters commands."""

    house: House
    here: Here

    async def place(self) -> None:
        ran = await self._run("place-order", *options_of(an_order()), "--wait")
        assert (ran.code, ran.err) == (0, "")

    async def audit(self, *options: str) -> Ran:
        return await self._run("audit", "--events", "--grace", "1s", *options)

    async def audited(self, code: int, *options: str) -> Any:
        """The document of an audit that ends with this exit code."""
        ran = await self.audit("--json", *options)
        assert (ran.code, ran.err) == (code, ""), ran
        return json.loads(ran.out)

    async def nothing_waits(self) -> bool:
        """Whether the consumers have got and acknowledged everything."""
        document = json.loads((await self.audit("--json")).out)
        return all(it["waiting"] == 0 for it in document["consumers"])

    async def _run(self, *arguments: str) -> Ran:
        return await self.here.run(self.house.variables, *arguments)


@pytest.mark.long
async def test_what_a_broker_has_lost_is_found_and_published_again(
    kafka_alone: KafkaServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    inboxes = " ".join(f"{name}=sqlite:///{tmp_path / file}" for name, file in INBOXES.items())
    url = f"{kafka_alone.url}&partitions=1"
    house = House(tmp_path, settings={"EVENT_BROKER_URL": url, "EVENT_INBOX_URLS": inboxes})
    desk = Desk(house, Here(monkeypatch, capsys))

    async def taken_in(count: int) -> bool:
        return len(inbox_rows(tmp_path)) == count

    try:
        await house.ready_worker()
        async with consumers(house):
            await desk.place()
            await eventually(lambda: taken_in(3))
        found = await desk.audited(0)
        assert (found["clean"], found["due"], found["under_way"]) == (True, 3, 0)
        before = inbox_rows(tmp_path)

        # The consumers are away when this one is told.
        await desk.place()
        await eventually(lambda: holds(url, 2))  # An order is confirmed before that is out.
        held = await events_held(url)
        ids = {event_id for its in held.values() for event_id in its}
        await asyncio.to_thread(kafka_alone.lose_everything)

        found = await desk.audited(1)
        missing = [it for it in found["findings"] if it["kind"] == "event-missing"]
        assert sorted(it["event_id"] for it in missing) == sorted(ids)
        told = await desk.audit()
        assert told.code == 1
        assert all(f"{it}: " in told.out for it in ids)

        found = await desk.audited(0, "--repair")
        assert sorted(found["repaired"]) == sorted(ids)
        assert await events_held(url) == held  # Each once, none of another id.

        async with consumers(house):
            await eventually(lambda: taken_in(6))
            await eventually(desk.nothing_waits)
        after = inbox_rows(tmp_path)
        assert before.items() < after.items()
        assert {event_id for _, event_id in after} == ids
        found = await desk.audited(0, "--repair")
        assert (found["under_way"], found["twice"], found["repaired"]) == (0, [], [])

        away = f"kafka://127.0.0.1:{free_port()}"
        house.settings["EVENT_BROKER_URL"] = away
        for options in ((), ("--repair", "--json")):
            ran = await desk.audit(*options)
            assert (ran.code, ran.out, ran.err.count("\n")) == (3, "", 1), ran
            assert away.removeprefix("kafka://") in ran.err
    finally:
        await house.clear()
