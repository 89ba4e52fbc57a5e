"""`dead-letters` against a RabbitMQ: looked at, replayed, discarded, and recorded."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from brokers.dead_letters import dead_letters
from brokers.envelope import Message
from brokers.opening import opened
from brokers.port import Channel
from cli.mailboxes import known_channels
from contracts.catalogue import CATALOGUE
from read_model.database import open_database
from read_model.migration import migrate
from services.choreography import events as choreography
from services.database import Database
from tests.brokers.desk import GROUP, MODELS, Counted, Desk, Failing, counted
from tests.cli.here import Here
from tests.integration.commands import Ran

WHO = ("--by", "ann", "--reason", "as a test")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(monkeypatch, capsys)


@dataclass
class Post:
    """A group with dead letters, on a channel of its own, and the commands about it."""

    desk: Desk
    channel: Channel
    settings: Mapping[str, str]
    here: Here

    async def bury(self, *numbers: int) -> list[str]:
        """Publish these, have them refused, and return the letters' ids."""
        await self.desk.publish(*(counted(n) for n in numbers), channel=self.channel)
        handler = Failing.always(KeyError("closed today"))
        await self.desk.handled(handler, channel=self.channel)
        return [it.id for it in await self.letters()]

    async def letters(self) -> list[Any]:
        return list(await dead_letters(self.desk.broker, self.channel, GROUP))

    async def run(self, *arguments: str, **variables: str) -> Ran:
        """Run `dead-letters ...` about this group."""
        where = ("--channel", self.channel.name, "--group", GROUP)
        return await self.here.run(self.settings, "dead-letters", *arguments, *where, **variables)


@pytest_asyncio.fixture(loop_scope="session")
async def post(rabbitmq_url: str, tmp_path: Path, here: Here) -> AsyncIterator[Post]:
    database = Database(f"sqlite:///{tmp_path}/desk.db", MODELS)
    await database.open()
    settings = {
        "EVENT_BROKER_URL": f"{rabbitmq_url}?partitions=1",
        "READ_DATABASE_URL": f"sqlite:///{tmp_path}/read.db",
    }
    engine = open_database(settings["READ_DATABASE_URL"])
    await migrate(engine)
    await engine.dispose()
    # One partition: less to make for each test.
    async with opened(settings["EVENT_BROKER_URL"]) as broker:
        channel = Channel(f"post-{uuid4().hex[:8]}", groups=(GROUP,))
        yield Post(Desk(broker, database), channel, settings, here)
    await database.close()


def document(ran: Ran) -> Any:
    return json.loads(ran.out)


async def test_a_letter_is_listed_shown_and_replayed_once(post: Post) -> None:
    ran = await post.run("list")
    assert (ran.code, ran.out, ran.err) == (0, "", "no dead letters\n")
    [letter_id] = await post.bury(1)

    ran = await post.run("list")
    assert ran.code == 1
    assert letter_id in ran.out
    assert "KeyError: 'closed today'" in ran.out
    [listed] = document(await post.run("list", "--json"))
    assert (listed["letter_id"], listed["event_id"], listed["tries"]) == (letter_id, "a-1", 3)
    assert listed["first_failure"] < listed["last_failure"]

    shown = document(await post.run("show", letter_id, "--json"))
    assert (shown["body"]["data"], shown["actions"]) == ({"n": 1}, [])
    assert shown["headers"]["content-type"] == "application/cloudevents+json"

    ran = await post.run("replay", letter_id, *WHO)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{letter_id}: replayed, Counted a-1 of {post.channel.name}/desk\n"
    assert await post.letters() == []
    await post.desk.handled(channel=post.channel)
    assert await post.desk.effects() == [1]

    # Fails again, in another way: what was done before is told.
    await post.desk.publish(counted(1, type="Nonsense"), channel=post.channel)
    async with post.desk.consuming(channel=post.channel, models=[Counted]):
        await post.desk.nothing_waits(post.channel)
    [again] = await post.letters()
    shown = document(await post.run("show", again.id, "--json"))
    [done] = shown["actions"]
    assert (done["letter_id"], done["action"], done["event_type"]) == (
        letter_id,
        "replay",
        "Counted",
    )
    assert (done["by"], done["reason"], done["correlation_id"]) == ("ann", "as a test", "a")
    ran = await post.run("show", again.id)
    assert re.search(r"replay by ann: as a test", ran.out)


async def test_all_are_replayed_and_one_is_discarded(post: Post) -> None:
    first, *_ = await post.bury(1, 2, 3)
    ran = await post.run("discard", first, *WHO, "--json")
    [done] = document(ran)
    assert (ran.code, done["action"], done["event_id"]) == (0, "discard", "a-1")
    assert len(await post.letters()) == 2
    ran = await post.run("replay", "--all", *WHO)
    assert (ran.code, len(ran.out.splitlines())) == (0, 2)
    await post.desk.handled(channel=post.channel)
    assert (await post.desk.effects(), await post.letters()) == ([2, 3], [])


async def test_an_unknown_letter_is_told_before_anything_is_done(post: Post) -> None:
    [letter_id] = await post.bury(1)
    for command in ("replay", "discard"):
        ran = await post.run(command, letter_id, "nonsense", *WHO)
        assert (ran.code, ran.out) == (1, "")
        assert "there is no dead letter nonsense; `dead-letters list` shows" in ran.err
    for letter in ("nonsense", ""):
        ran = await post.run("show", letter)
        assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert [it.id for it in await post.letters()] == [letter_id]


async def test_what_cannot_be_recorded_is_not_done(post: Post, tmp_path: Path) -> None:
    [letter_id] = await post.bury(1)
    empty = f"sqlite:///{tmp_path}/empty.db"
    for command in ("replay", "discard"):
        ran = await post.run(command, letter_id, *WHO, READ_DATABASE_URL=empty)
        assert (ran.code, ran.err.count("\n")) == (3, 1)
        assert "start a worker" in ran.err
    assert [it.id for it in await post.letters()] == [letter_id]
    assert await post.desk.broker.waiting(post.channel, GROUP) == 0


async def test_an_unreadable_letter_is_shown_and_discarded(post: Post) -> None:
    await post.desk.broker.publish(
        post.channel, [Message(b"\xff\x00", "a", "odd", {"content-type": "image/png"})]
    )
    await post.desk.handled(channel=post.channel)
    [letter] = await post.letters()
    shown = document(await post.run("show", letter.id, "--json"))
    assert (shown["body"], shown["event_type"]) == ({"base64": "/wA="}, None)
    assert "UnreadableMessage" in (await post.run("show", letter.id)).out
    assert (await post.run("discard", letter.id, *WHO)).code == 0
    assert await post.letters() == []


async def test_what_is_missing_is_told_in_one_line(here: Here) -> None:
    cases = [
        ({}, ("list",), 2, "set EVENT_BROKER_URL"),
        ({"EVENT_BROKER_URL": "memory://here"}, ("list",), 2, "memory://"),
        ({"EVENT_BROKER_URL": "amqp://127.0.0.1:1/"}, ("list",), 3, "127.0.0.1:1"),
        ({}, ("list", "--channel", "nowhere"), 2, "orders/order-copy"),
        ({}, ("replay", *WHO), 2, "--all"),
        ({}, ("replay", "x", "--all", *WHO), 2, "--all"),
        ({}, ("replay", "x", "--reason", "r"), 2, "--by"),
        ({}, ("discard", "x", "--by", "ann"), 2, "--reason"),
        ({}, ("discard", "x", "--by", "ann", "--reason", " "), 2, "--reason"),
    ]
    for settings, arguments, code, told in cases:
        ran = await here.run({"EVENT_BROKER_URL": "", **settings}, "dead-letters", *arguments)
        assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1), ran
        assert told in ran.err


def test_every_channel_is_looked_at() -> None:
    known = {it.name: it for it in known_channels()}
    for its in (CATALOGUE, choreography.catalogue("order")):
        for message in its:
            assert known[message.channel.name] == message.channel
